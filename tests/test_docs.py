"""What the pages point to is there, and what they name is what people see."""

from collections.abc import Iterator
import json
from pathlib import Path
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

from homeassistant.util.yaml import load_yaml_dict
import pytest

ROOT = Path(__file__).parent.parent
FRONT = ROOT / "README.md"
DOCS = sorted((ROOT / "docs").glob("*.md"))
LINK = re.compile(r"\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
ANCHOR = re.compile(r"<a id=\"([^\"]+)\">")
COMPONENT = ROOT / "custom_components/flatpeak"
FIGURE = re.compile(
    r"\*((?:Cost|Energy|Carbon|Recorded by others)"
    r" (?:today|yesterday|this \w+|last \w+|total))\*"
)
# What Home Assistant's frontend knows, and what each redirect needs.
MY = {
    "blueprint_import": {"blueprint_url"},
    "config_energy": set(),
    "config_flow_start": {"domain"},
    "hacs_repository": {"owner", "repository", "category"},
}


def _links(page: Path) -> list[str]:
    """Return where a page points to."""
    return [one or other for one, other in LINK.findall(page.read_text())]


def _anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives a page's headings, and its own."""
    text = page.read_text()
    headings = (re.sub(r"[^\w\- ]", "", one).lower() for one in HEADING.findall(text))
    return {one.replace(" ", "-") for one in headings} | set(ANCHOR.findall(text))


@pytest.mark.parametrize("page", [FRONT, *DOCS], ids=lambda page: page.name)
def test_links(page: Path) -> None:
    """Each page, picture and heading is there, and each My link is one."""
    for link in _links(page):
        url = urlsplit(link)
        if url.netloc == "my.home-assistant.io":
            kind, _, name = url.path.strip("/").partition("/")
            if kind == "badges":
                name = name.removesuffix(".svg")
            else:
                assert kind == "redirect"
                assert parse_qs(url.query).keys() == MY[name], link
            assert name in MY, link
        elif not url.scheme:
            target = page.parent / url.path if url.path else page
            assert target.is_file(), link
            assert not url.fragment or url.fragment in _anchors(target), link
        else:
            assert url.scheme == "https", link


def test_blueprints_are_here() -> None:
    """What is imported from the repository is in it."""
    links = [
        link for link in _links(ROOT / "docs/examples.md") if "blueprint_url" in link
    ]
    assert links
    for link in links:
        [url] = parse_qs(urlsplit(link).query)["blueprint_url"]
        _, _, path = url.partition("/flatpeak-ha/flatpeak/blob/main/")
        assert (ROOT / path).is_file()


def test_every_page_is_listed() -> None:
    """The front page leads to all others, and fits on few screens."""
    assert {f"docs/{page.name}" for page in DOCS} <= set(_links(FRONT))
    assert len(FRONT.read_text().splitlines()) <= 120


def _english() -> dict[str, Any]:
    """Return the English texts."""
    texts: dict[str, Any] = json.loads((COMPONENT / "translations/en.json").read_text())
    return texts


def _names() -> set[str]:
    """Return the names of all entities."""
    kinds = _english()["entity"].values()
    return {entity["name"] for entities in kinds for entity in entities.values()}


def _labels(texts: dict[str, Any]) -> Iterator[str]:
    """Return the labels of all fields in some flows."""
    for key, value in texts.items():
        if key == "data":
            yield from value.values()
        elif isinstance(value, dict):
            yield from _labels(value)


def test_every_entity_is_described() -> None:
    """The page about the sensors has each by its name."""
    page = (ROOT / "docs/sensors.md").read_text()
    assert not [name for name in _names() if name not in page]


@pytest.mark.parametrize("page", [FRONT, *DOCS], ids=lambda page: page.name)
def test_sensors_that_are_named_exist(page: Path) -> None:
    """No page sends people to a sensor that there is not."""
    text = page.read_text().replace("\n", " ")
    assert set(FIGURE.findall(text)) <= _names()


def test_every_field_is_described() -> None:
    """The page about the set-up has each by its label; the past has its own page."""
    pages = ("setup.md", "history.md", "energy-dashboard.md")
    text = "".join((ROOT / "docs" / page).read_text() for page in pages)
    english = _english()
    flows = (english[part] for part in ("config", "config_subentries", "options"))
    labels = {label.casefold() for flow in flows for label in _labels(flow)}
    shown = " ".join(text.casefold().split())
    assert not [label for label in labels if label not in shown]


def test_every_parameter_is_described() -> None:
    """The page about the past has each of the action's."""
    page = (ROOT / "docs/history.md").read_text()
    [action] = load_yaml_dict(str(COMPONENT / "services.yaml")).values()
    assert not [field for field in action["fields"] if f"| `{field}` |" not in page]
