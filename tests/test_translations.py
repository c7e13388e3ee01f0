"""Every language says all that English says, with the same placeholders."""

from collections.abc import Iterator
import json
from pathlib import Path
import re
from typing import Any

import pytest

import custom_components.flatpeak

FOLDER = Path(custom_components.flatpeak.__file__).parent / "translations"
PLACEHOLDER = re.compile(r"\{\w+\}")
LANGUAGES = sorted(path.stem for path in FOLDER.glob("*.json") if path.stem != "en")


def _texts(language: str) -> dict[str, str]:
    """Return a language's texts by their path."""

    def walk(part: dict[str, Any], path: str) -> Iterator[tuple[str, str]]:
        for key, value in part.items():
            if isinstance(value, dict):
                yield from walk(value, f"{path}{key}.")
            else:
                yield path + key, value

    return dict(walk(json.loads((FOLDER / f"{language}.json").read_text()), ""))


@pytest.mark.parametrize("language", LANGUAGES)
def test_language(language: str) -> None:
    """No text is missing, left over, empty or without its placeholders."""
    english, texts = _texts("en"), _texts(language)
    assert texts.keys() == english.keys()
    for path, text in texts.items():
        assert text.strip()
        found, wanted = (sorted(PLACEHOLDER.findall(t)) for t in (text, english[path]))
        assert found == wanted, path
