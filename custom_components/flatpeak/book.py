"""The book: every priced window, kept for good.

One file per config entry and month (UTC, by the window's start), of which each line
is a window. Lines are only added, with fsync; a later line for the same window
replaces the earlier one. A line that a crash cut off is skipped: its record is still
in the journal. A month that lies 40 days back is rewritten with a line per local day.
"""

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime, timedelta, tzinfo
from decimal import Decimal
from itertools import batched
import json
from pathlib import Path
from threading import Lock
from typing import Any

from homeassistant.exceptions import HomeAssistantError
from homeassistant.util import dt as dt_util
from homeassistant.util.file import write_utf8_file_atomic

from .const import DOMAIN
from .disk import append_durably
from .metering import DaySums, Origin, PricedWindow, Total, local_date

FULL_DETAIL = timedelta(days=40)
AT_ONCE = 50  # lines that are taken up while the event loop may wait

type Line = tuple[str, PricedWindow]
type _Kind = tuple[tzinfo, str | None]  # of days: their zone and currency


class Book:
    """All priced windows of an entry, by meter key."""

    def __init__(self, folder: Path, entry_id: str) -> None:
        """Open an empty book whose files lie in `folder`."""
        self._folder = folder
        self._prefix = f"{DOMAIN}.{entry_id}.book-"
        self._windows: defaultdict[str, dict[datetime, PricedWindow]] = defaultdict(
            dict
        )
        # The starts of a meter's windows in order: years of them are not searched.
        self._starts: defaultdict[str, list[datetime]] = defaultdict(list)
        self._days: defaultdict[str, dict[_Kind, DaySums]] = defaultdict(dict)
        self._changed: dict[str, datetime] = {}
        # Files are written in an executor while the event loop reads.
        self._memory = Lock()

    def load(self) -> None:
        """Read all files. Blocking."""
        for path in self._files():
            for text in path.read_text(errors="replace").splitlines():
                # A line cut off by a crash; what it was to hold is in the journal.
                with suppress(ValueError, TypeError, ArithmeticError):
                    self._put(_parse(text))

    def append(self, lines: Sequence[Line]) -> None:
        """Write lines and fsync, then take them up. Blocking.

        Raises HomeAssistantError; then the book in memory is as it was, though some
        of the lines may be on disk.
        """
        for month, part in _by_month(lines).items():
            text = "".join(_format(line) for line in part)
            try:
                append_durably(self._path(month), text)
            except OSError as error:
                raise HomeAssistantError(error) from error
        for part in batched(lines, AT_ONCE, strict=False):
            with self._memory:
                for meter, window in part:
                    self._put((meter, window))
                    known = self._changed.get(meter, window.start)
                    self._changed[meter] = min(known, window.start)

    def take_changed(self, meter: str) -> datetime | None:
        """Return the start of the first window written since this was asked last."""
        with self._memory:
            return self._changed.pop(meter, None)

    def all_of(self, meter: str) -> list[PricedWindow]:
        """Return all lines of a meter, in order; old ones are sums of a day."""
        with self._memory:
            windows = self._windows[meter]
            return [windows[start] for start in self._starts[meter]]

    def fold(
        self,
        now: datetime,
        zone: tzinfo,
        waiting: Collection[tuple[str, datetime]] = (),
    ) -> None:
        """Rewrite months that lie 40 days back with a line per local day. Blocking.

        A month with a `waiting` window (meter, start) stays as it is: that window's
        line is still to come, or will be replaced.
        """
        unfinished = {_month(start) for _, start in waiting}
        with self._memory:
            everything = [
                (meter, window)
                for meter, windows in self._windows.items()
                for window in windows.values()
            ]
        for month, lines in _by_month(everything).items():
            if month in unfinished or any(
                window.end > now - FULL_DETAIL for _, window in lines
            ):
                continue
            groups = list(_fold(lines, zone))
            if len(groups) == len(lines):
                continue
            text = "".join(_format((meter, sum_)) for meter, _, sum_ in groups)
            write_utf8_file_atomic(str(self._path(month)), text, private=True)
            for meter, windows, sum_ in groups:
                with self._memory:
                    for window in windows:
                        self._drop(meter, window.start)
                    self._put((meter, sum_))

    def remove(self) -> None:
        """Delete all files. Blocking."""
        for path in self._files():
            path.unlink()

    def get(self, meter: str, start: datetime) -> PricedWindow | None:
        """Return the window of a meter that begins at `start`."""
        with self._memory:
            return self._windows[meter].get(start)

    def latest(self, meter: str, *origins: Origin) -> PricedWindow | None:
        """Return the latest window whose money comes from one of `origins`.

        One whose price is in doubt is left out.
        """
        with self._memory:
            windows = self._windows[meter]
            latest = (windows[start] for start in reversed(self._starts[meter]))
            return next(
                (w for w in latest if w.origin in origins and not w.doubted), None
            )

    def first(self, meter: str) -> PricedWindow | None:
        """Return a meter's earliest window."""
        with self._memory:
            starts = self._starts[meter]
            return self._windows[meter][starts[0]] if starts else None

    def until(self, meter: str) -> datetime | None:
        """Return the end of a meter's last window."""
        with self._memory:
            starts = self._starts[meter]
            return self._windows[meter][starts[-1]].end if starts else None

    def between(self, meter: str, start: datetime, end: datetime) -> list[PricedWindow]:
        """Return the windows of a meter that begin in a period, in order."""
        with self._memory:
            starts, windows = self._starts[meter], self._windows[meter]
            first, last = bisect_left(starts, start), bisect_left(starts, end)
            return [windows[begin] for begin in starts[first:last]]

    def days(
        self, meter: str, zone: tzinfo, currency: str | None = None
    ) -> Mapping[date, Total]:
        """Return the total of each local day of `zone` that has windows.

        With a `currency`, what was priced in another one counts as unpriced.
        """
        kind = zone, currency
        with self._memory:
            if (sums := self._days[meter].get(kind)) is None:
                sums = self._days[meter][kind] = DaySums(zone, currency)
                for window in self._windows[meter].values():
                    sums.add(window)
            return sums.totals()

    def sum_up(self, zone: tzinfo, currency: str | None) -> None:
        """Make `days` ready: years take longer than an event loop may wait. Blocking.

        Nothing may be written meanwhile.
        """
        for meter in list(self._windows):
            sums = DaySums(zone, currency)
            for window in self.all_of(meter):
                sums.add(window)
            with self._memory:
                self._days[meter].setdefault((zone, currency), sums)

    def _path(self, month: str) -> Path:
        return self._folder / f"{self._prefix}{month}.jsonl"

    def _files(self) -> list[Path]:
        return sorted(self._folder.glob(f"{self._prefix}*.jsonl"))

    def _put(self, line: Line) -> None:
        """Take a line up, in the place of an earlier one of the same window."""
        meter, window = line
        earlier = self._windows[meter].get(window.start)
        if earlier is None:
            insort(self._starts[meter], window.start)
        self._windows[meter][window.start] = window
        for sums in self._days[meter].values():
            if earlier is not None:
                sums.remove(earlier)
            sums.add(window)

    def _drop(self, meter: str, start: datetime) -> None:
        """Forget a window."""
        window = self._windows[meter].pop(start)
        starts = self._starts[meter]
        del starts[bisect_left(starts, start)]
        for sums in self._days[meter].values():
            sums.remove(window)


def _by_month(lines: Iterable[Line]) -> Mapping[str, Sequence[Line]]:
    """Return the lines of each file."""
    months: defaultdict[str, list[Line]] = defaultdict(list)
    for line in lines:
        months[_month(line[1].start)].append(line)
    return months


def _month(instant: datetime) -> str:
    """Return the month of UTC that an instant is in: each has a file."""
    return f"{instant.astimezone(dt_util.UTC):%Y-%m}"


def _fold(
    lines: Iterable[Line], zone: tzinfo
) -> Iterable[tuple[str, Sequence[PricedWindow], PricedWindow]]:
    """Yield the windows of each meter, local day and currency, and their sum.

    Those without a price, those that were estimated and those that cost nothing by
    themselves have sums of their own.
    """
    groups: defaultdict[
        tuple[str, date, str | None, bool, bool, bool], list[PricedWindow]
    ] = defaultdict(list)
    for meter, window in lines:
        key = (
            meter,
            local_date(window.start, zone),
            window.currency,
            not window.is_priced,
            window.estimated,
            window.origin is Origin.CARRIED,
        )
        groups[key].append(window)
    for (meter, _, currency, unpriced, estimated, carried), windows in groups.items():
        total = Total.of(windows)
        yield (
            meter,
            windows,
            PricedWindow(
                start=min(window.start for window in windows),
                end=max(window.end for window in windows),
                mwh=total.mwh,
                money=None if unpriced else total.money_sum,
                currency=currency,
                carbon=total.carbon,
                origin=Origin.CARRIED if carried else None,
                estimated=estimated,
                partial=any(window.partial for window in windows),
            ),
        )


def _format(line: Line) -> str:
    meter, window = line
    data = [
        meter,
        int(window.start.timestamp()),
        int(window.end.timestamp()),
        window.mwh,
        *(
            None if value is None else str(value)
            for value in (window.money, window.currency, window.carbon)
        ),
        None if window.confidence is None else str(window.confidence),
        window.origin,
        window.estimated + 2 * window.partial + 4 * window.doubted,
    ]
    return json.dumps(data, separators=(",", ":")) + "\n"


def _parse(text: str) -> Line:
    data: list[Any] = json.loads(text)
    meter, start, end, mwh, money, currency, carbon, confidence, origin, flags = data
    return meter, PricedWindow(
        start=dt_util.utc_from_timestamp(start),
        end=dt_util.utc_from_timestamp(end),
        mwh=mwh,
        money=None if money is None else Decimal(money),
        currency=currency,
        carbon=None if carbon is None else Decimal(carbon),
        confidence=None if confidence is None else Decimal(confidence),
        origin=None if origin is None else Origin(origin),
        estimated=bool(flags & 1),
        partial=bool(flags & 2),
        doubted=bool(flags & 4),
    )
