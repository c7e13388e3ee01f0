"""What the tests of the books share: lines, instants and a disk that is full."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
import resource
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from custom_components.flatpeak.metering import Origin, PricedWindow, Stream, Window

QUARTER = timedelta(minutes=15)
STREAM = Stream(owner="loc_1", energy_direction="IMPORT", tariff_direction="IMPORT")
BERLIN = ZoneInfo("Europe/Berlin")
KATHMANDU = ZoneInfo("Asia/Kathmandu")  # UTC+5:45, no clock changes
ST_JOHNS = ZoneInfo("America/St_Johns")  # UTC-3:30 and -2:30
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")  # UTC+10:30 and +11: changes by 30 min
ZONES = (UTC, BERLIN, KATHMANDU, ST_JOHNS, LORD_HOWE)

# Without clock changes, so that times in other zones compare equal in any case.
offsets = st.sampled_from((UTC, KATHMANDU, timezone(timedelta(hours=-3, minutes=-30))))
instants = st.datetimes(datetime(2020, 1, 1), datetime(2037, 1, 1), timezones=offsets)  # noqa: DTZ001
seconds = instants.map(lambda instant: instant.replace(microsecond=0))
exact = st.decimals(allow_nan=False, allow_infinity=False)  # with any number of digits
# As FlatPeak's are: their sums have no more digits than a Decimal keeps.
amounts = st.integers(-(10**15), 10**15).map(lambda number: Decimal(number) / 10**10)
energies = st.integers(0, 10**9)


def line(
    start: datetime, mwh: int = 1_000_000, money: str | None = "0.25"
) -> PricedWindow:
    """Return a booked quarter of an hour."""
    return PricedWindow(
        start=start,
        end=start + QUARTER,
        mwh=mwh,
        money=None if money is None else Decimal(money),
        currency="GBP",
        origin=Origin.INSTANT,
    )


def window(start: datetime, mwh: int = 1_000_000) -> Window:
    """Return a closed quarter of an hour."""
    return Window(start=start, end=start + QUARTER, mwh=mwh)


@contextmanager
def full_disk(size: int) -> Iterator[None]:
    """Let the operating system refuse any byte of a file beyond `size`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def mode(path: Path) -> int:
    """Return a file's permissions."""
    return path.stat().st_mode & 0o777
