"""From the recorder's rows to frozen records: one pure step for one meter."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo

from .journal import MeterState, Queued, Status
from .metering import (
    Lengths,
    Quality,
    Row,
    Slice,
    Source,
    cut,
    find_outages,
    fit,
    rebase,
    settle,
    to_wire,
)

KNOWN = (Quality.MEASURED, Quality.SPREAD)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Where a meter is after a step; nothing of it counts until it is on disk."""

    state: MeterState
    records: tuple[Queued, ...]
    closed: bool  # a window closed: worth a write
    latest: Slice | None


def advance(
    key: str,
    state: MeterState,
    rows: Sequence[Row],
    source: Source,
    *,
    now: datetime,
    runs: Sequence[datetime],
    minutes: int | Lengths,
    zone: tzinfo,
) -> Step:
    """Settle what is new, close the windows that are complete, freeze their records."""
    outages = find_outages(rows, state.live_until, runs, source)
    settled = settle(rows, rebase(state.anchor, rows, source), source, outages, now)
    slices = fit(settled.slices, state.settled_until)
    if slices is None:
        return Step(state=state, records=(), closed=False, latest=None)
    windows, rest = cut((*state.open, *slices), minutes, zone)
    # What is in quarantine has no energy to send until the user decides.
    held = [window for window in windows if window.held]
    wired, carry = to_wire([w for w in windows if not w.held], state.carry)
    anchor = settled.anchor
    watched = anchor is not None and all(
        outage.end is not None and anchor.end >= outage.end for outage in outages
    )
    return Step(
        state=replace(
            state,
            anchor=anchor,
            open=rest,
            settled_until=slices[-1].end if slices else state.settled_until,
            carry=carry,
            live_until=rows[-1].end if rows and watched else state.live_until,
            since=state.since
            or next((s.start for s in settled.slices if s.quality in KNOWN), None),
        ),
        # A window without energy needs no record: nothing was used.
        records=(
            *(Queued(meter=key, window=w, wh=wh) for w, wh in wired if w.mwh),
            *(Queued(meter=key, window=w, wh=0, status=Status.HELD) for w in held),
        ),
        closed=bool(windows) or (state.anchor is None and anchor is not None),
        latest=next((s for s in reversed(slices) if s.quality in KNOWN), None),
    )
