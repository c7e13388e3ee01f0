"""What is wrong, in a word."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
import json
from pathlib import Path

import pytest

from custom_components.flatpeak.api import (
    FlatPeakPriceUnavailableError,
    FlatPeakRefusedError,
    FlatPeakServerError,
)
from custom_components.flatpeak.journal import (
    Facts,
    Journal,
    MeterState,
    Queued,
    Status,
)
from custom_components.flatpeak.pace import Pace
from custom_components.flatpeak.problem import PROBLEMS, problem_of

from .books import STREAM, window
from .home import ACCOUNT, Home

NOW = datetime(2026, 11, 11, 8, tzinfo=UTC)
GRID = "sensor.grid_import"
METER = MeterState(stream=STREAM, source=GRID)
JOURNAL = Journal(meters={"a": METER})


def pace() -> Pace:
    """Return a pace without pauses."""
    return Pace(lambda: NOW)


def of(journal: Journal = JOURNAL, pace_: Pace | None = None, *failures: str) -> str:
    """Return the problem, with a right clock."""
    return problem_of(journal, pace_ or pace(), failures, wrong_clock=False)


def test_nothing_is_wrong() -> None:
    """Then that is said."""
    assert of() == "ok"


def test_what_keeps_most_from_working_is_first() -> None:
    """Each is named while nothing worse is there."""
    refused = Queued(meter="a", window=window(NOW), wh=1, status=Status.SET_ASIDE)
    journal = replace(JOURNAL, outbox=(refused,))
    assert of(journal) == "records_refused"
    unpriced = pace()
    unpriced.failed(FlatPeakPriceUnavailableError("GET", "no"), "loc_1", "IMPORT")
    unpriced.succeeded()  # something else works
    assert of(journal, unpriced) == "price_unavailable"
    unpriced.failed(FlatPeakServerError("GET", "trouble"))
    assert of(journal, unpriced) == "server_error"
    assert of(journal, unpriced, "books_not_written") == "books_not_written"
    assert problem_of(journal, unpriced, ["invalid_auth"], wrong_clock=True) == (
        "wrong_clock"
    )
    alone = replace(journal, facts=Facts(other_writer=True))
    assert problem_of(alone, unpriced, [], wrong_clock=True) == "other_writer"


def test_a_meter_has_its_own_problems_and_those_of_all() -> None:
    """What is wrong with another meter is not shown."""
    other = replace(METER, stream=replace(STREAM, owner="dev_b"))
    refused = Queued(meter="a", window=window(NOW), wh=1, status=Status.SET_ASIDE)
    journal = Journal(meters={"a": METER, "b": other}, outbox=(refused,))
    pace_ = pace()
    pace_.failed(FlatPeakRefusedError("POST", "not yours"), "dev_b", "IMPORT")

    def shown(*failures: str) -> list[str]:
        return [
            problem_of(journal, pace_, failures, wrong_clock=False, meter=meter)
            for meter in ("a", "b", None)
        ]

    assert shown() == ["records_refused", "location_refused", "location_refused"]
    pace_.succeeded()  # something else works; the device is still not ours to use
    assert shown() == ["records_refused", "location_refused", "location_refused"]
    assert shown("invalid_auth") == ["invalid_auth"] * 3
    pace_.failed(FlatPeakServerError("GET", "trouble"))
    assert shown() == ["server_error"] * 3


def test_every_problem_has_words() -> None:
    """And only those."""
    folder = Path("custom_components/flatpeak")
    names = json.loads((folder / "translations/en.json").read_text())
    assert set(names["entity"]["sensor"]["last_error"]["state"]) == set(PROBLEMS)


@pytest.mark.freeze_time(NOW)
async def test_last_error_comes_and_goes(home: Home) -> None:
    """Shown at once when a poll fails, and gone with the cause; no secret in it."""
    home.add_sensor(GRID)
    location = home.simulator.add_location(ACCOUNT)
    await home.set_up(home.add_entry(location, {GRID: ("import", "grid")}))
    assert home.state("last_error").state == "ok"
    home.simulator.offline = True
    await home.go_to(NOW + timedelta(hours=4, minutes=12))
    assert home.state("last_error").state == "cannot_connect"
    home.simulator.offline = False
    await home.go_to(NOW + timedelta(hours=5))
    assert home.state("last_error").state == "ok"
