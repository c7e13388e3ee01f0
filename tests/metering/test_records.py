"""Tests of what of a window goes to FlatPeak."""

from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from hypothesis import given, strategies as st

from custom_components.flatpeak.metering import (
    Stream,
    Window,
    record_reference_id,
    to_wire,
)

START = datetime(2026, 10, 25, 0, tzinfo=UTC)
STREAM = Stream(owner="loc_1", energy_direction="IMPORT", tariff_direction="IMPORT")
energies = st.lists(st.integers(0, 3_000), max_size=40)


def windows_of(amounts: list[int]) -> list[Window]:
    """Return 5-minute windows with these amounts of mWh."""
    slot = timedelta(minutes=5)
    return [
        Window(start=START + n * slot, end=START + (n + 1) * slot, mwh=mwh)
        for n, mwh in enumerate(amounts)
    ]


@given(energies, st.integers(-500, 499))
def test_invariant_1_conserved_on_the_wire(amounts: list[int], carry: int) -> None:
    """What is sent, and what is carried, is what was measured and carried before."""
    wire, left = to_wire(windows_of(amounts), carry)
    assert sum(wh for _, wh in wire) * 1_000 + left == sum(amounts) + carry
    assert [window.mwh for window, _ in wire] == amounts
    assert -500 <= left <= 499
    assert all(wh >= 0 for _, wh in wire)


@given(energies, st.integers(0, 40))
def test_invariant_3_same_window_same_wire_value(amounts: list[int], at: int) -> None:
    """Windows that close later go out as if all had closed at once."""
    windows = windows_of(amounts)
    first, carry = to_wire(windows[:at], 0)
    second, carry = to_wire(windows[at:], carry)
    assert (first + second, carry) == to_wire(windows, 0)


def test_scenario_28_small_loads_are_not_lost() -> None:
    """3 W are 0.25 Wh in 5 minutes: a record of 1 Wh goes out every 20 minutes."""
    wire, carry = to_wire(windows_of([250] * 12), 0)
    assert [wh for _, wh in wire] == [0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0]
    assert carry == 0


@given(st.sampled_from(["Europe/Berlin", "Asia/Kathmandu", "America/Havana"]))
def test_invariant_3_same_window_same_id_in_any_zone(zone: str) -> None:
    """The id knows instants, not clocks."""
    end = START + timedelta(minutes=15)
    local = (START.astimezone(ZoneInfo(zone)), end.astimezone(ZoneInfo(zone)))
    assert record_reference_id(STREAM, *local) == record_reference_id(
        STREAM, START, end
    )


def test_invariant_3_same_id_for_ever() -> None:
    """A new version must not change the ids of what was sent."""
    end = START + timedelta(minutes=15)
    found = record_reference_id(STREAM, START, end)
    assert found == "fd829718-6491-582b-8d65-52e4c6111ab6"
    assert UUID(found).version == 5


def test_invariant_3_other_window_or_stream_other_id() -> None:
    """Also the repeated hour, and each part of the stream."""
    end = START + timedelta(minutes=15)
    hour = timedelta(hours=1)
    streams = [
        STREAM,
        Stream(owner="loc_2", energy_direction="IMPORT", tariff_direction="IMPORT"),
        Stream(owner="loc_1", energy_direction="EXPORT", tariff_direction="IMPORT"),
        Stream(owner="loc_1", energy_direction="IMPORT", tariff_direction="LOCAL"),
    ]
    ids = {
        *(record_reference_id(stream, START, end) for stream in streams),
        record_reference_id(STREAM, START, end + hour),
        record_reference_id(STREAM, START + hour, end + hour),
    }
    assert len(ids) == 6
