"""A meter's past: what it comes to, and in which periods it is asked for."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from custom_components.flatpeak.history import LONGEST_RANGE, chunks, freeze
from custom_components.flatpeak.metering import PastRecord, Row, Source, Window

HOUR = timedelta(hours=1)
START = datetime(2026, 1, 1, tzinfo=UTC)
KATHMANDU = ZoneInfo("Asia/Kathmandu")  # its full hours are at a quarter past


def test_the_last_window_ends_where_the_past_does() -> None:
    """What is used until the first live window is not lost, whole hour or not."""
    ends = [START + HOUR, START + 2 * HOUR, START + 2.5 * HOUR]
    rows = [
        Row(start=START if not n else ends[n - 1], end=end, state=float(n), sum=0.0)
        for n, end in enumerate(ends)
    ]
    end = ends[-1]
    past = freeze(rows, Source(), START, end, now=end, zone=KATHMANDU)
    assert past.records[-1].window.end == end
    assert sum(one.window.mwh for one in past.records) == 2_000_000


def test_reports_are_asked_for_up_to_the_end() -> None:
    """Periods are of 90 days at most; the last one reaches to where it shall."""
    records = [
        PastRecord(window=Window(start=start, end=start + HOUR, mwh=1000), wh=1)
        for start in (START, START + LONGEST_RANGE, START + LONGEST_RANGE + HOUR)
    ]
    second = START + LONGEST_RANGE
    assert chunks(records) == [(START, START + HOUR), (second, second + 2 * HOUR)]
    end = second + timedelta(days=10)
    assert chunks(records, end) == [(START, START + HOUR), (second, end)]
    far = second + LONGEST_RANGE + HOUR
    assert chunks(records, far)[-1] == (second, second + 2 * HOUR)
