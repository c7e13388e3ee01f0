"""What the pages point to is there."""

from pathlib import Path
import re
from urllib.parse import parse_qs, urlsplit

import pytest

ROOT = Path(__file__).parent.parent
FRONT = ROOT / "README.md"
DOCS = sorted((ROOT / "docs").glob("*.md"))
LINK = re.compile(r"\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
ANCHOR = re.compile(r"<a id=\"([^\"]+)\">")
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
