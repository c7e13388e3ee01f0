"""Killed while a record is on its way: what is marked as attempted is in doubt."""

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

import pytest

from custom_components.flatpeak.journal import Status
from custom_components.flatpeak.metering import record_reference_id

from .crash.audit import audit
from .crash.files import books_of
from .crash.kills import Aim, Killer
from .desk import is_record
from .home import ACCOUNT, KEY
from .lifetime import Life
from .lives import alive
from .simulator import DEFAULT, FlatPeakSimulator, day_start

BERLIN = ZoneInfo("Europe/Berlin")
MIDNIGHT = day_start(date(2026, 11, 11), BERLIN)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
PATIENCE = 10 * MINUTE  # before anything can count as lost

pytestmark = pytest.mark.usefixtures("lives_allowed")


@pytest.mark.parametrize("overwrite", ["same_period", "never"])
@pytest.mark.parametrize("aim", [Aim.MARKED, Aim.ARRIVED, Aim.STORED])
async def test_scenario_11_killed_around_a_record(
    tmp_path: Path, aim: Aim, overwrite: str
) -> None:
    """It is looked up before it is sent again, and then with the same bytes."""
    switches = DEFAULT.but({"overwrite": overwrite})
    async with FlatPeakSimulator(switches=switches) as simulator:
        simulator.now = MIDNIGHT - 25 * MINUTE
        simulator.add_account(ACCOUNT, KEY)
        location = simulator.add_location(
            ACCOUNT, tariff="dynamic", timezone=BERLIN.key, currency="EUR"
        )
        life = Life(
            folder=str(tmp_path),
            url=simulator.url,
            location=location,
            zone=BERLIN.key,
            begin=simulator.now,
            now=simulator.now,
            window=15,
        )
        killer = Killer(simulator, life, Random(11))
        async with alive(life, simulator) as child:
            await child.live(MIDNIGHT + HOUR)
            await killer.in_work(child, aim, MIDNIGHT + 2 * HOUR)
            assert child.was_killed
        journal, _ = books_of(life)
        doubtful = {
            record_reference_id(
                journal.meters[item.meter].stream, item.window.start, item.window.end
            )
            for item in journal.outbox
            if item.status is Status.ATTEMPTED
        }
        assert doubtful
        there = {
            record.draft.record_reference_id for record in simulator.ledger.submissions
        }
        if aim is not Aim.MARKED:  # which may have gone out before the kill
            assert bool(doubtful & there) == (aim is Aim.STORED)

        back = simulator.now + 7 * MINUTE
        async with alive(replace(life, now=back), simulator) as child:
            await child.live(MIDNIGHT + 4 * HOUR)
            await child.stop()
        found = audit(simulator, life, MIDNIGHT)
        assert not found.wrong
        for identity in doubtful:
            sent = [
                one
                for one in simulator.requests
                if is_record(one) and one.body["record_reference_id"] == identity
            ]
            assert all(one.body == sent[0].body for one in sent)
            if identity in there:
                assert len(sent) == 1
                continue
            asked = [
                one.time
                for one in simulator.requests
                if one.template == "/costs/interval/{id}"
                if back <= one.time <= sent[-1].time
            ]
            assert asked, "FlatPeak's report comes first"
            if len(sent) > 1:
                assert sent[-1].time >= sent[0].time + PATIENCE
