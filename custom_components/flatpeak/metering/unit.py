"""Whether a register shows another unit: a thousand times its level, or a thousandth.

Such a register rises by a thousand times what flows, or by a thousandth of it. That
fits through any connection where the load is small, so that its level has to tell.
"""

from .model import Anchor, Source
from .step import Reading, allowance, level, mark, tolerance

KILO = 1_000


def is_thousandfold(anchor: Anchor, reading: Reading, source: Source) -> bool:
    """Return whether a register stands at a thousand times where it can be by now."""
    gain = level(reading) - mark(anchor) * KILO
    most = allowance(anchor, reading.end, source) * KILO
    return mark(anchor) > 0 and -tolerance(anchor, source) * KILO <= gain <= most


def is_thousandth(anchor: Anchor, reading: Reading, source: Source) -> bool:
    """Return whether a register stands at a thousandth of where it can be by now."""
    gain = level(reading) * KILO - mark(anchor)
    most = allowance(anchor, reading.end, source) + KILO
    least = -tolerance(anchor, source) - KILO
    return level(reading) > 0 and least <= gain <= most


def is_former_unit(anchor: Anchor, reading: Reading, source: Source) -> bool:
    """Return whether a register that showed another unit is where it would be by now.

    A reading that is rounded more coarsely may be a quantum below that.
    """
    before = mark(anchor) // KILO if anchor.thousands > 0 else mark(anchor) * KILO
    gain = level(reading) - before
    least = -source.quantum - before // KILO
    return (
        anchor.thousands != 0
        and before > 0
        and least <= gain <= allowance(anchor, reading.end, source)
    )
