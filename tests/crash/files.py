"""What a life leaves on disk."""

from dataclasses import replace
from pathlib import Path

from custom_components.flatpeak.book import Book
from custom_components.flatpeak.journal import Journal, Queued, read_journal
from custom_components.flatpeak.ledger import SETTLED
from tests.lifetime import ENTRY_ID, Life


def journal_path(life: Life) -> Path:
    """Return where the journal is."""
    return life.storage / f"flatpeak.{ENTRY_ID}.journal"


def books_of(life: Life) -> tuple[Journal, Book]:
    """Return journal and book as the next start reads them: what is booked is done."""
    book = Book(life.storage, ENTRY_ID)
    book.load()
    journal = read_journal(journal_path(life)) or Journal()

    def waits(item: Queued) -> bool:
        line = book.get(item.meter, item.window.start)
        return line is None or line.origin not in SETTLED

    return replace(journal, outbox=tuple(filter(waits, journal.outbox))), book


def half_written(folder: Path) -> set[str]:
    """Return the files in a folder that were written, but are not in place yet."""
    return {path.name for path in folder.glob("tmp*")}
