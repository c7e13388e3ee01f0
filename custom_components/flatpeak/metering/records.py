"""Records: what of a window goes to FlatPeak."""

from collections.abc import Iterable
from datetime import UTC, datetime
from uuid import UUID, uuid5

from .model import Stream, Window

NAMESPACE = UUID("6b1d2c1e-7d0c-5d3e-9a55-3f1b8a0e4c27")
WH = 1_000  # mWh


def record_reference_id(stream: Stream, start: datetime, end: datetime) -> str:
    """Return the id of the record of a window: the same window has the same id."""
    period = (instant.astimezone(UTC).isoformat() for instant in (start, end))
    owner = (stream.owner, stream.energy_direction, stream.tariff_direction)
    return str(uuid5(NAMESPACE, "|".join((*owner, *period))))


def to_wire(
    windows: Iterable[Window], carry: int
) -> tuple[list[tuple[Window, int]], int]:
    """Return each window with its energy in whole Wh, and the new carry in mWh.

    FlatPeak takes whole Wh. They are differences of the rounded cumulative energy: what
    a window has too much or too little, the next one carries (-500 to 499 mWh), so
    that small loads are not lost. A window of 0 Wh is not sent, but stays in the books.
    """
    wire = []
    for window in windows:
        carry += window.mwh
        energy = (carry + WH // 2) // WH
        carry -= energy * WH
        wire.append((window, energy))
    return wire, carry
