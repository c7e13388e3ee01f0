"""Tests of the journal and the book of an entry, in Home Assistant."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
import json
from pathlib import Path

from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ConfigEntryError, HomeAssistantError
import pytest

from custom_components.flatpeak import ledger as ledger_module
from custom_components.flatpeak.book import FULL_DETAIL
from custom_components.flatpeak.journal import (
    LONGEST_LAG,
    VERSION,
    Facts,
    Journal,
    MeterState,
    Queued,
    Status,
    read_journal,
)
from custom_components.flatpeak.ledger import Ledger
from custom_components.flatpeak.metering import Anchor, Origin

from .books import QUARTER, STREAM, full_disk, line, mode, window

ENTRY = "01ENTRY"
START = datetime(2026, 11, 22, 10, tzinfo=UTC)
STATE = MeterState(stream=STREAM, source="sensor.grid", anchor=Anchor(end=START))
JOURNAL = Journal(
    facts=Facts(timezone="Europe/London", currency="GBP"), meters={"a": STATE}
)
LATER = START + timedelta(days=100)


@pytest.fixture
def folder(hass: HomeAssistant, tmp_path: Path) -> Path:
    """Return where a Home Assistant of its own keeps its files."""
    hass.config.config_dir = str(tmp_path / "home")
    folder = tmp_path / "home" / ".storage"
    folder.mkdir(parents=True)
    return folder


def files(folder: Path) -> list[str]:
    """Return the names of the files there, in order."""
    return sorted(path.name for path in folder.iterdir())


async def loaded(hass: HomeAssistant, entry: str = ENTRY) -> Ledger:
    """Return a ledger as it is after a restart."""
    ledger = Ledger(hass, entry)
    await ledger.async_load()
    return ledger


async def test_a_new_entry_is_empty(hass: HomeAssistant, folder: Path) -> None:
    """It has no past and makes no file before there is something to say."""
    ledger = await loaded(hass)
    assert ledger.journal == Journal()
    assert ledger.book.days("a", UTC) == {}
    await ledger.async_book([])
    assert files(folder) == []


async def test_invariant_4_both_come_back(hass: HomeAssistant, folder: Path) -> None:
    """What was written is there after a restart, and nobody else may read it."""
    ledger = await loaded(hass)
    await ledger.async_write(JOURNAL)
    await ledger.async_book([("a", line(START))])
    assert ledger.journal == JOURNAL
    again = await loaded(hass)
    assert again.journal == JOURNAL
    assert again.book.get("a", START) == line(START)
    names = [f"flatpeak.{ENTRY}.book-2026-11.jsonl", f"flatpeak.{ENTRY}.journal"]
    assert files(folder) == names
    assert [mode(folder / name) for name in names] == [0o600, 0o600]


@pytest.mark.usefixtures("folder")
async def test_invariant_4_only_what_is_on_disk_counts(hass: HomeAssistant) -> None:
    """A full disk raises, and journal and book are as they were."""
    ledger = await loaded(hass)
    await ledger.async_write(JOURNAL)
    queued = Queued(meter="a", window=window(START), wh=1000)
    with full_disk(10):
        with pytest.raises(HomeAssistantError) as told:
            await ledger.async_write(replace(JOURNAL, outbox=(queued,)))
        with pytest.raises(HomeAssistantError):
            await ledger.async_book([("a", line(START))])
        with pytest.raises(HomeAssistantError):
            await ledger.async_fold(LATER)
    assert told.value.translation_key == "books_not_written"
    assert ledger.journal == JOURNAL
    assert ledger.book.days("a", UTC) == {}
    assert (await loaded(hass)).journal == JOURNAL


async def test_a_newer_version_is_refused(hass: HomeAssistant, folder: Path) -> None:
    """With a message of its own, and the file is left alone."""
    path = folder / f"flatpeak.{ENTRY}.journal"
    text = json.dumps({"version": VERSION + 1})
    path.write_text(text)
    with pytest.raises(ConfigEntryError) as caught:
        await loaded(hass)
    assert caught.value.translation_domain == "flatpeak"
    assert caught.value.translation_key == "books_too_new"
    assert path.read_text() == text


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0\0\0\0",
        b"\xff\xff",
        b"[]",
        b"{}",
        b'"journal"',
        b'{"version":"1"}',
        b'{"version":1,"facts":{},"meters":[],"outbox":[]}',
        b'{"version":1,"facts":{"colour":1},"meters":{},"outbox":[]}',
        b'{"version":1,"facts":{},"meters":{"a":{}},"outbox":[]}',
        b'{"version":1,"facts":{},"meters":{},"outbox":[[1,2]]}',
        b'{"version":1,"facts":{},"meters":{},"outbox":["abcdefghi"]}',
        b'{"version":1,"facts":{},"meters":{},"outbox":[["a",1e300,2,3,4,0,0,"new",null]]}',
        b'{"version":1,"facts":{},"meters":{},"outbox":[["a",1,2,3,4,0,0,"nowhere",null]]}',
    ],
)
async def test_invariant_4_an_entry_with_a_past_never_starts_empty(
    hass: HomeAssistant, folder: Path, data: bytes
) -> None:
    """Whatever is wrong with the file, it is named and left as it is."""
    path = folder / f"flatpeak.{ENTRY}.journal"
    path.write_bytes(data)
    ledger = Ledger(hass, ENTRY)
    with pytest.raises(ConfigEntryError) as caught:
        await ledger.async_load()
    assert caught.value.translation_domain == "flatpeak"
    assert caught.value.translation_key == "books_unreadable"
    assert caught.value.translation_placeholders == {"file": path.name}
    assert path.read_bytes() == data


@pytest.mark.parametrize("part", ["journal", "book-2026-11.jsonl"])
async def test_a_file_that_cannot_be_opened(
    hass: HomeAssistant, folder: Path, part: str
) -> None:
    """As with one that cannot be read: it is named."""
    if part != "journal":
        await (await loaded(hass)).async_write(JOURNAL)
    path = folder / f"flatpeak.{ENTRY}.{part}"
    path.mkdir()
    with pytest.raises(ConfigEntryError) as caught:
        await loaded(hass)
    assert caught.value.translation_key == "books_unreadable"
    assert caught.value.translation_placeholders == {"file": path.name}


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("status", list(Status))
@pytest.mark.parametrize(
    ("origin", "done"),
    [
        (Origin.INSTANT, True),
        (Origin.REPORT, True),
        (Origin.CARRIED, True),
        (Origin.QUOTE, False),
        (None, False),
    ],
)
async def test_invariant_4_what_is_booked_is_not_sent_again(
    hass: HomeAssistant, status: Status, origin: Origin | None, *, done: bool
) -> None:
    """Killed between book and journal, a record is done; a quoted one is not."""
    ledger = await loaded(hass)
    first, second = (
        Queued(meter="a", window=window(start), wh=1000, status=status)
        for start in (START, START + QUARTER)
    )
    await ledger.async_write(replace(JOURNAL, outbox=(first, second)))
    await ledger.async_book(
        [("a", replace(line(START), origin=origin)), ("b", line(START + QUARTER))]
    )
    again = await loaded(hass)
    # What was new may have been sent by a life that this journal does not know of.
    left = [second] if done else [first, second]
    doubtful = Status.ATTEMPTED if status is Status.NEW else status
    assert again.journal.outbox == tuple(replace(it, status=doubtful) for it in left)
    assert again.journal.meters == JOURNAL.meters


@pytest.mark.usefixtures("folder")
async def test_scenario_19_a_doubtful_correction_is_not_what_it_corrects(
    hass: HomeAssistant,
) -> None:
    """Its window is booked with the old energy: what became of it is still to see."""
    ledger = await loaded(hass)
    sent = Queued(
        meter="a",
        window=window(START, mwh=400_000),
        wh=400,
        status=Status.ATTEMPTED,
        attempted=START + QUARTER,
    )
    await ledger.async_write(replace(JOURNAL, outbox=(sent,)))
    await ledger.async_book([("a", line(START))])
    assert (await loaded(hass)).journal.outbox == (sent,)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("lag", "kept"), [(LONGEST_LAG, LONGEST_LAG), (87_660, 0), (10**9, 0)]
)
async def test_a_lag_that_cannot_be_is_forgotten(
    hass: HomeAssistant, lag: int, kept: int
) -> None:
    """An earlier version took the length of an outage for one."""
    ledger = await loaded(hass)
    facts = replace(JOURNAL.facts, lag=lag)
    await ledger.async_write(replace(JOURNAL, facts=facts))
    assert (await loaded(hass)).journal.facts == replace(facts, lag=kept)


def test_every_message_has_a_text() -> None:
    """The keys exist in the translations, with the placeholders."""
    path = Path(ledger_module.__file__).with_name("translations") / "en.json"
    texts = json.loads(path.read_text())["exceptions"]
    assert texts["books_too_new"]["message"]
    assert "{file}" in texts["books_unreadable"]["message"]


@pytest.mark.usefixtures("folder")
async def test_folding_makes_days(hass: HomeAssistant) -> None:
    """Of what is 40 days old."""
    ledger = await loaded(hass)
    await ledger.async_write(JOURNAL)
    lines = [("a", line(START + number * QUARTER)) for number in range(4)]
    await ledger.async_book(lines)
    end = START + 4 * QUARTER
    await ledger.async_fold(end + FULL_DETAIL - QUARTER)
    assert len(ledger.book.between("a", START, end)) == 4
    await ledger.async_fold(end + FULL_DETAIL)
    assert len(ledger.book.between("a", START, end)) == 1
    assert (await loaded(hass)).book.days("a", UTC)[START.date()].money == 1


@pytest.mark.usefixtures("folder")
async def test_invariant_4_folding_spares_what_waits(hass: HomeAssistant) -> None:
    """A quoted record in the outbox gets another line: never two of its energy."""
    ledger = await loaded(hass)
    item = Queued(meter="a", window=window(START), wh=1000, status=Status.ATTEMPTED)
    await ledger.async_write(replace(JOURNAL, outbox=(item,)))
    quote = replace(line(START), origin=Origin.QUOTE)
    await ledger.async_book([("a", quote), ("a", line(START + QUARTER))])
    await ledger.async_fold(LATER)
    assert ledger.book.get("a", START) == quote
    await ledger.async_book([("a", replace(quote, origin=Origin.REPORT))])
    ledger.journal = JOURNAL
    await ledger.async_fold(LATER)
    assert ledger.book.days("a", UTC)[START.date()].mwh == 2_000_000


async def test_invariant_4_no_old_outbox_outlives_a_fold(
    hass: HomeAssistant, folder: Path
) -> None:
    """The journal on disk may lag; one that lags behind a fold would book twice."""
    ledger = await loaded(hass)
    item = Queued(meter="a", window=window(START), wh=1000, status=Status.ATTEMPTED)
    await ledger.async_write(replace(JOURNAL, outbox=(item,)))
    await ledger.async_book([("a", line(START)), ("a", line(START + QUARTER))])
    ledger.journal = JOURNAL  # answered, not yet written
    await ledger.async_fold(LATER)
    assert read_journal(folder / f"flatpeak.{ENTRY}.journal") == JOURNAL


async def test_removal_leaves_other_entries_alone(
    hass: HomeAssistant, folder: Path
) -> None:
    """Also one whose id begins like ours; and removing nothing is fine."""
    others = (f"{ENTRY}2", ENTRY[:-1])
    for entry in (ENTRY, *others):
        ledger = await loaded(hass, entry)
        await ledger.async_write(JOURNAL)
        await ledger.async_book([("a", line(START))])
    ledger = Ledger(hass, ENTRY)
    await ledger.async_remove()
    await ledger.async_remove()
    assert len(files(folder)) == 2 * len(others)
    for entry in others:
        other = await loaded(hass, entry)
        assert other.journal == JOURNAL
        assert other.book.get("a", START) == line(START)


async def test_invariant_9_a_price_that_cannot_be_right_is_not_counted(
    hass: HomeAssistant,
    folder: Path,
) -> None:
    """Whoever books it: the money is kept, and in doubt."""
    ledger = Ledger(hass, "01ENTRY")
    usual = [("0badcafe", line(START + n * QUARTER)) for n in range(30)]
    await ledger.async_book(usual)
    await ledger.async_book([("0badcafe", line(START + 30 * QUARTER, money="250"))])
    latest = ledger.book.between("0badcafe", START, START + 31 * QUARTER)[-1]
    assert (latest.money, latest.doubted) == (Decimal(250), True)
