"""The journal's file: what has changed is added, and at times it is written whole.

Else a list of records that grows while FlatPeak is away would be written ever again.
"""

from pathlib import Path

from homeassistant.exceptions import HomeAssistantError

from .disk import append_durably
from .journal import Journal, as_change, write_journal

MOST = 2  # times the journal that it begins with: then the file is written whole


class JournalFile:
    """The file of one entry, and what of it is certainly on disk."""

    def __init__(self, path: Path) -> None:
        """Know nothing of the file: it is written whole first."""
        self._path = path
        self._written: Journal | None = None
        self._whole = 0  # bytes of the journal that the file begins with
        self._seen: tuple[int, int, int] | None = None

    def write(self, journal: Journal) -> None:
        """Write and fsync. Blocking. Raises HomeAssistantError."""
        change = self._change(journal)
        # What a write that fails leaves behind is unknown.
        self._written = None
        if change is None:
            write_journal(self._path, journal)
        else:
            try:
                append_durably(self._path, change)
            except OSError as error:
                raise HomeAssistantError(error) from error
        self._seen = self._look()
        if change is None and self._seen:
            self._whole = self._seen[1]
        self._written = journal

    def _change(self, journal: Journal) -> str | None:
        """Return the line to add; None where the journal is to be written whole."""
        if self._written is None or not self._seen or self._seen != self._look():
            return None  # somebody may have put another file there
        change = as_change(self._written, journal)
        if change is None or self._seen[1] + len(change) > MOST * self._whole:
            return None
        return change

    def _look(self) -> tuple[int, int, int] | None:
        """Return which file is there, its size, and when it was last touched."""
        try:
            found = self._path.stat()
        except OSError:
            return None
        # Unlike the time of its content, no copy brings this one along.
        return found.st_ino, found.st_size, found.st_ctime_ns
