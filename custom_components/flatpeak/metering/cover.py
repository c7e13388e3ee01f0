"""Records that an earlier life sent for other windows: adopted by the time they cover.

Of a gap only its sum is known, while FlatPeak may have a part of it exactly. So all
windows that share energy are decided together: what is there is taken as it is, and
what is left of the energy belongs to the time that nothing covers.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from .findings import Money
from .model import Slice, Window
from .overlap import overlap
from .pieces import split
from .reconcile import TOLERANCE_WH, ReportItem
from .records import WH, to_wire
from .totals import Origin, PricedWindow


class SureMoney(Money, Protocol):
    """Money, and how sure FlatPeak is of it."""

    @property
    def confidence(self) -> Decimal | None:
        """Return 1 for what is final, less for a forecast."""


class SureItem(ReportItem, Protocol):
    """An item of a report with its money, None where FlatPeak has no price."""

    @property
    def cost(self) -> SureMoney | None:
        """Return the money; a 0 that means "no data" is None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PastRecord:
    """A window of the past with its energy on the wire, frozen when it was cut."""

    window: Window
    wh: int
    booked: bool = False  # its energy is in the book; its money is still to come


@dataclass(frozen=True, slots=True, kw_only=True)
class Group[Item: SureItem]:
    """Windows that share energy, and the records that lie in their time. In order."""

    windows: Sequence[Window]
    items: Sequence[Item]

    @property
    def left(self) -> int:
        """Return the energy (mWh) that the records do not have; they may have more."""
        energy = sum(window.mwh for window in self.windows)
        return energy - WH * sum(item.energy_wh for item in self.items)

    @property
    def rounding(self) -> int:
        """Return how much (mWh) the records may differ by being whole Wh."""
        return WH * TOLERANCE_WH * sum(item.energy_wh > 0 for item in self.items)


@dataclass(frozen=True, slots=True, kw_only=True)
class Covered:
    """What is there already, as lines, and what is to be sent, as records."""

    lines: Sequence[PricedWindow]
    rest: Sequence[PastRecord]


def grouped_by_energy[Item: SureItem](
    windows: Sequence[Window], items: Iterable[Item]
) -> list[Group[Item]]:
    """Return windows in groups: those of one gap, and those of one record.

    Windows come in order. A record that is there twice counts once.
    """
    once = {(i.start, i.end, i.record_reference_id): i for i in items}
    there = sorted(once.values(), key=lambda item: (item.start, item.end))
    groups: list[list[Window]] = []
    for window in windows:
        if groups and _belong(groups[-1][-1], window, there):
            groups[-1].append(window)
        else:
            groups.append([window])
    return [
        Group(
            windows=group,
            items=[i for i in there if any(overlap(i, window) for window in group)],
        )
        for group in groups
    ]


def line_of(
    record: PastRecord,
    origin: Origin | None,
    items: Sequence[SureItem] = (),
    currency: str | None = None,
) -> PricedWindow:
    """Return the book's line of a record: our energy, and the money of its items."""
    window = record.window
    costs = [item.cost for item in items if item.cost]
    known = bool(items) and len(costs) == len(items)
    sure = [cost.confidence for cost in costs if cost.confidence is not None]
    return PricedWindow(
        start=window.start,
        end=window.end,
        mwh=window.mwh,
        money=sum((cost.value for cost in costs), Decimal(0)) if known else None,
        currency=currency,
        confidence=min(sure, default=None) if known else None,
        origin=origin,
        estimated=window.estimated,
        partial=window.partial,
    )


def uncovered(window: Window, items: Sequence[SureItem]) -> list[Slice]:
    """Return the parts of a window that no item covers."""
    edges = sorted({edge for item in items for edge in (item.start, item.end)})
    whole = Slice(start=window.start, end=window.end, mwh=0)
    return [
        part
        for part in split(whole, edges)
        if not any(item.start <= part.start and part.end <= item.end for item in items)
    ]


def cover[Item: SureItem](group: Group[Item], currency: str | None) -> Covered:
    """Adopt the records of a group; the energy of lines and rest is its windows'.

    Where the records have more than the register says, or less and leave no time,
    nothing is sent. Then their energy is in doubt, and the lines are estimated.
    """
    free = [gap for window in group.windows for gap in uncovered(window, group.items)]
    if group.left > 0 and free:
        energies = [item.energy_wh * WH for item in group.items]
        return Covered(
            lines=_lines(group, energies, currency),
            rest=_rest(group, free),
        )
    fits = abs(group.left) <= group.rounding
    energies = _rounded(group) if fits else _scaled(group)
    lines = _lines(group, energies, currency, estimated=not fits)
    return Covered(lines=lines, rest=())


def _belong(before: Window, after: Window, items: Iterable[SureItem]) -> bool:
    """Return whether two neighbours are of one gap, or of one record."""
    if before.estimated and after.estimated and before.end == after.start:
        return True
    return any(overlap(item, before) and overlap(item, after) for item in items)


def _rounded(group: Group[SureItem]) -> list[int]:
    """Return each record's energy, with what rounding took from it or gave it."""
    count = sum(item.energy_wh > 0 for item in group.items)
    shares = iter(_shared(group.left, [1] * count))
    return [
        item.energy_wh * WH + (next(shares) if item.energy_wh > 0 else 0)
        for item in group.items
    ]


def _scaled(group: Group[SureItem]) -> list[int]:
    """Return what each record has of the energy of our windows."""
    energy = sum(window.mwh for window in group.windows)
    parts = [item.energy_wh for item in group.items]
    return _shared(energy, parts if any(parts) else [1] * len(parts))


def _rest(group: Group[SureItem], free: Sequence[Slice]) -> list[PastRecord]:
    """Return what is left of the energy, spread over the time that is left."""
    parts = [round((gap.end - gap.start).total_seconds()) for gap in free]
    partial = any(window.partial for window in group.windows)
    windows = [
        Window(start=gap.start, end=gap.end, mwh=mwh, estimated=True, partial=partial)
        for gap, mwh in zip(free, _shared(group.left, parts), strict=True)
        if mwh
    ]
    wired, _ = to_wire(windows, 0)
    return [PastRecord(window=window, wh=wh) for window, wh in wired]


def _shared(energy: int, parts: Sequence[int]) -> list[int]:
    """Return energy in parts, as differences of the rounded cumulative energy."""
    whole, passed, shares = sum(parts), 0, []
    for part in parts:
        begun = energy * passed // whole
        passed += part
        shares.append(energy * passed // whole - begun)
    return shares


def _lines(
    group: Group[SureItem],
    energies: Sequence[int],
    currency: str | None,
    *,
    estimated: bool = False,
) -> list[PricedWindow]:
    """Return the book's lines of records, one for each instant."""
    lines: dict[datetime, PricedWindow] = {}
    for item, mwh in zip(group.items, energies, strict=True):
        over = [window for window in group.windows if overlap(item, window)]
        window = Window(
            start=item.start,
            end=item.end,
            mwh=mwh,
            estimated=estimated,
            partial=any(window.partial for window in over),
        )
        record = PastRecord(window=window, wh=item.energy_wh)
        line = line_of(record, Origin.REPORT, [item], currency)
        before = lines.get(item.start)
        lines[item.start] = _joined(before, line) if before else line
    return list(lines.values())


def _joined(one: PricedWindow, two: PricedWindow) -> PricedWindow:
    """Return the line of two records that begin together: the book has one."""
    known = one.money is not None and two.money is not None
    money = (one.money or Decimal(0)) + (two.money or Decimal(0))
    return replace(
        two, mwh=one.mwh + two.mwh, money=money if known else None, estimated=True
    )
