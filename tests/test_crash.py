"""Killed again and again over a day, in a network that drops, repeats and delays."""

from pathlib import Path

import pytest

from .crash.__main__ import figures
from .crash.kills import Hit
from .crash.run import RULES, crash

KILLS = 12  # each aim once, and as many without one; the script does 30
SEED = 3


@pytest.mark.usefixtures("lives_allowed")
@pytest.mark.parametrize("rule", RULES)
async def test_invariant_4_killed_over_a_day(tmp_path: Path, rule: str) -> None:
    """Our books are exact; FlatPeak's too, but for what is listed as unconfirmed."""
    story = await crash(rule, SEED, KILLS, tmp_path)
    assert not story.audit.wrong, dict(figures(story))
    assert story.hits.total() == KILLS
    assert story.hits[Hit.FLYING]
    assert story.audit.faults
