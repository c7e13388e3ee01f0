"""The page about the quality scale is the yaml's, and what it names exists."""

import json
from pathlib import Path
import re

from homeassistant.util.yaml import load_yaml_dict

ROOT = Path(__file__).parent.parent
COMPONENT = ROOT / "custom_components" / "flatpeak"
PAGE = ROOT / "docs" / "quality.md"
RULES = 54
LINE = re.compile(r"^\| ([a-z-]+) \| (done|todo|exempt) \| (.+) \|$", re.MULTILINE)
QUOTED = re.compile(r"`([^`]+)`")


def _is_file(name: str) -> bool:
    """Return whether what is in backticks means a file."""
    return "/" in name or name.endswith((".py", ".md"))


def _found(name: str) -> Path | None:
    """Return the file or folder of a name, from the root or the integration."""
    places = (ROOT / name, COMPONENT / name)
    return next((place for place in places if place.exists()), None)


def _named() -> list[tuple[str, str]]:
    """Return the files that the page names, each with its test or nothing."""
    quoted = (each.partition("::") for each in QUOTED.findall(PAGE.read_text()))
    return [(file, test) for file, _, test in quoted if _is_file(file)]


def test_page_is_the_yaml() -> None:
    """Each rule has one line, in order, with its status; what is open has a reason."""
    rules = load_yaml_dict(str(COMPONENT / "quality_scale.yaml"))["rules"]
    lines = LINE.findall(PAGE.read_text())
    assert len(lines) == len(rules) == RULES
    assert [(rule, status) for rule, status, _ in lines] == [
        (rule, about if isinstance(about, str) else about["status"])
        for rule, about in rules.items()
    ]
    for rule, status, _ in lines:
        assert status == "done" or rules[rule]["comment"]


def test_tier_is_what_the_manifest_claims() -> None:
    """The page says which tier that is, and why it is no higher."""
    tier = json.loads((COMPONENT / "manifest.json").read_text())["quality_scale"]
    assert f"`manifest.json` claims `{tier}`" in PAGE.read_text()


def test_files_exist() -> None:
    """Nothing is said to be in a file that is not there."""
    assert _named()
    assert not [file for file, _ in _named() if _found(file) is None]


def test_tests_exist() -> None:
    """Nothing is said to be shown by a test that is not there."""
    tests = [(file, test) for file, test in _named() if test]
    assert tests
    for file, test in tests:
        path = _found(file)
        assert path
        assert re.search(rf"^(async )?def {test}\(", path.read_text(), re.MULTILINE)
