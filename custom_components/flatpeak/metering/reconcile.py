"""Which items of a report are our records."""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

TOLERANCE_WH = 1  # FlatPeak rounds energy to whole Wh


class ReportItem(Protocol):
    """An item of a report. Energy in Wh; reports may leave the id out."""

    @property
    def record_reference_id(self) -> str | None:
        """Return the id that the record was sent with."""

    @property
    def start(self) -> datetime:
        """Return the record's start."""

    @property
    def end(self) -> datetime:
        """Return the record's end."""

    @property
    def energy_wh(self) -> int:
        """Return the record's energy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """A record of ours: what it should look like in a report. Energy in Wh."""

    key: Hashable
    reference_id: str
    start: datetime
    end: datetime
    wh: int


def match[Item: ReportItem](
    expected: Iterable[Expected], reported: Sequence[Item]
) -> dict[Hashable, Item]:
    """Return the report's item for each of our records that it holds.

    An item with our id is ours; one without any id is ours when period and energy
    (within 1 Wh) agree, each item counting for one record only.
    """
    left = list(reported)
    found: dict[Hashable, Item] = {}
    for record in expected:
        mine = [item for item in left if _is_record(record, item)]
        if mine:
            item = min(mine, key=lambda item: item.record_reference_id is None)
            found[record.key] = item
            left.remove(item)
    return found


def _is_record(record: Expected, item: ReportItem) -> bool:
    """Return whether an item is this record."""
    return (
        item.start == record.start
        and item.end == record.end
        and abs(item.energy_wh - record.wh) <= TOLERANCE_WH
        and item.record_reference_id in {None, record.reference_id}
    )
