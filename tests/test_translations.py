"""Every language says all that the English texts say, and Home Assistant loads it."""

import json
from pathlib import Path
import re

from homeassistant.core import HomeAssistant
from homeassistant.helpers.translation import (
    async_get_translations,
    recursive_flatten,
)
import pytest

from custom_components.flatpeak.const import DOMAIN

FOLDER = Path(__file__).parents[1] / "custom_components/flatpeak/translations"
LANGUAGES = sorted(path.stem for path in FOLDER.glob("*.json") if path.stem != "en")
PLACEHOLDER = re.compile(r"\{[^}]*\}")
# Emphasis, the target of a link, and a new line with the number of a list's item.
MARKDOWN = re.compile(r"\*+|\]\([^)]*\)|\n+(?:\d+\.)?")
SENTENCE = 4  # words; shorter texts may be alike in two languages, as "Sensor" is


def _texts(language: str) -> dict[str, str]:
    """Return the texts of a language by their dotted keys."""
    return recursive_flatten("", json.loads((FOLDER / f"{language}.json").read_text()))


def _marks(mark: re.Pattern[str], language: str) -> dict[str, list[str]]:
    """Return the marks of each text; word order may move them."""
    return {key: sorted(mark.findall(text)) for key, text in _texts(language).items()}


def test_languages_of_the_readme() -> None:
    """German and Dutch are there."""
    assert LANGUAGES == ["de", "nl"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_keys(language: str) -> None:
    """No text is missing, left over or empty."""
    texts = _texts(language)
    assert texts.keys() == _texts("en").keys()
    assert not [key for key, text in texts.items() if not text.strip()]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("mark", [PLACEHOLDER, MARKDOWN], ids=["names", "markdown"])
def test_marks(mark: re.Pattern[str], language: str) -> None:
    """Placeholders, links, emphasis, paragraphs and lists are those of the English."""
    assert _marks(mark, language) == _marks(mark, "en")


@pytest.mark.parametrize("language", LANGUAGES)
def test_translated(language: str) -> None:
    """No sentence was left in English."""
    english = _texts("en")
    assert not [
        key
        for key, text in _texts(language).items()
        if text == english.get(key) and len(text.split()) >= SENTENCE
    ]


@pytest.mark.usefixtures("enable_custom_integrations")
@pytest.mark.parametrize("category", ["entity", "issues"])
@pytest.mark.parametrize("language", LANGUAGES)
async def test_loaded(hass: HomeAssistant, language: str, category: str) -> None:
    """Home Assistant shows these texts: it would fall back to the English ones."""
    loaded = await async_get_translations(hass, language, category, {DOMAIN})
    assert loaded == {
        f"component.{DOMAIN}.{key}": text
        for key, text in _texts(language).items()
        if key.startswith(f"{category}.")
    }
