"""What a life leaves on disk."""

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
import sqlite3

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


def statistics_of(
    life: Life, statistic: str
) -> list[tuple[datetime, Decimal, Decimal]]:
    """Return the hours of a statistic in the recorder's file: start, state and sum."""
    with closing(sqlite3.connect(life.database)) as database:
        rows = database.execute(
            "SELECT start_ts, state, sum FROM statistics JOIN statistics_meta"
            " ON metadata_id = statistics_meta.id WHERE statistic_id = ?"
            " ORDER BY start_ts",
            (statistic,),
        ).fetchall()
    return [
        (datetime.fromtimestamp(start, UTC), Decimal(str(state)), Decimal(str(sum_)))
        for start, state, sum_ in rows
    ]


def half_written(folder: Path) -> set[str]:
    """Return the files in a folder that were written, but are not in place yet."""
    return {path.name for path in folder.glob("tmp*")}
