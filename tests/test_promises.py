"""Each scenario of the books has a test that names it; those of the pains exist."""

from pathlib import Path
import re

TESTS = Path(__file__).parent
PAINS = TESTS.parent / "docs" / "pains.md"
SCENARIO = re.compile(r"scenario_(\d\d)")
TEST = re.compile(r"^ *(?:async )?def (test_\w+)\(", re.MULTILINE)
NAMED = re.compile(r"`([\w/]+\.py)::(test_\w+)`")


def _tests() -> dict[str, list[str]]:
    """Return the names of the tests of each file."""
    return {
        str(path.relative_to(TESTS)): TEST.findall(path.read_text())
        for path in sorted(TESTS.rglob("test_*.py"))
    }


def test_every_scenario_is_named() -> None:
    """All 29, each in the name of a test."""
    found = {
        int(number)
        for names in _tests().values()
        for name in names
        for number in SCENARIO.findall(name)
    }
    assert found == set(range(1, 30))


def test_every_pain_has_a_line() -> None:
    """P1 to P25, and the tests that are named exist."""
    text = PAINS.read_text()
    assert re.findall(r"^\| P(\d+) \|", text, re.MULTILINE) == [
        str(number) for number in range(1, 26)
    ]
    tests = _tests()
    named = NAMED.findall(text)
    assert named
    assert [(file, test) for file, test in named if test not in tests[file]] == []
