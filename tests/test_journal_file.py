"""Tests of the journal's file: whole at times, else only added to."""

from dataclasses import replace
import os
from pathlib import Path
from tempfile import TemporaryDirectory

from homeassistant.exceptions import HomeAssistantError
from hypothesis import given, settings, strategies as st
import pytest

from custom_components.flatpeak.journal import (
    Facts,
    Journal,
    MeterState,
    Queued,
    Status,
    read_journal,
)
from custom_components.flatpeak.journal_file import JournalFile

from .books import QUARTER, STREAM, full_disk, mode, window
from .test_journal import JOURNAL, START, every_field

KEYS = ("0badcafe", "0decade0")
BASE = replace(
    JOURNAL,
    meters={key: MeterState(stream=STREAM, source=f"sensor.{key}") for key in KEYS},
)


def queued(number: int, meter: str = KEYS[0], **more: object) -> Queued:
    """Return the record of a window."""
    item = Queued(meter=meter, window=window(START + number * QUARTER), wh=1000)
    return replace(item, **more)  # type: ignore[arg-type]


@st.composite
def lives(draw: st.DrawFn) -> list[Journal]:
    """Draw journals as they follow one another: records come, change and go."""
    journal = BASE
    found = [journal]
    for number in range(draw(st.integers(1, 12))):
        outbox = [
            replace(item, status=Status.ATTEMPTED, tries=item.tries + 1)
            if draw(st.booleans())
            else item
            for item in journal.outbox
            if draw(st.integers(0, 3))
        ]
        outbox += [queued(number, key) for key in KEYS if draw(st.booleans())]
        meters = dict(journal.meters)
        if draw(st.booleans()):
            meters[draw(st.sampled_from(KEYS))] = draw(every_field(MeterState))
        if draw(st.integers(0, 9)) == 0:
            meters[f"new {number}"] = draw(every_field(MeterState))
        if draw(st.integers(0, 9)) == 0:
            meters = dict(reversed(meters.items()))
        facts = draw(st.sampled_from([journal.facts, Facts(), JOURNAL.facts]))
        journal = replace(journal, facts=facts, meters=meters, outbox=tuple(outbox))
        found.append(journal)
    return found


@settings(deadline=None)
@given(lives() | st.lists(every_field(Journal), max_size=4))
def test_invariant_4_what_is_written_is_read(journals: list[Journal]) -> None:
    """After each write the file holds that journal, whatever was before."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "journal"
        file = JournalFile(path)
        for journal in journals:
            file.write(journal)
            assert read_journal(path) == journal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the journal goes."""
    return tmp_path / "flatpeak.01JOURNAL.journal"


@pytest.fixture
def file(path: Path) -> JournalFile:
    """Return a file that holds a journal."""
    file = JournalFile(path)
    file.write(BASE)
    return file


def longer(count: int = 1) -> Journal:
    """Return the journal with more records."""
    return replace(BASE, outbox=(*BASE.outbox, *map(queued, range(count))))


def test_invariant_4_cut_off_anywhere_it_is_the_one_before(
    path: Path, file: JournalFile
) -> None:
    """Of a line that is not whole nothing was done yet: nothing was sent."""
    size = path.stat().st_size
    file.write(longer())
    whole = path.read_bytes()
    assert whole[:size].count(b"\n") == 1
    for cut in range(size, len(whole) - 1):
        for rest in (b"", bytes(len(whole) - cut)):  # zeros: after a power cut
            path.write_bytes(whole[:cut] + rest)
            assert read_journal(path) == BASE
    path.write_bytes(whole)
    assert read_journal(path) == longer()


def test_invariant_4_zeros_in_the_place_of_a_block_hurt_only_the_last_line(
    path: Path, file: JournalFile
) -> None:
    """A disk may keep the end of a line, and lose the block where it begins."""
    for before, after in ((BASE, longer(1)), (longer(1), longer(2))):
        size = path.stat().st_size
        file.write(after)
        whole = path.read_bytes()
        for kept in range(size + 1, len(whole)):
            path.write_bytes(whole[:size] + bytes(kept - size) + whole[kept:])
            assert read_journal(path) == before
        path.write_bytes(whole)
        file = JournalFile(path)
        file.write(after)


def test_invariant_4_a_line_that_is_broken_is_never_left_out(
    path: Path, file: JournalFile
) -> None:
    """What comes after it builds on it."""
    file.write(longer(1))
    file.write(longer(2))
    whole, first, second = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join((whole, first[:-1], second, b"")))
    with pytest.raises(ValueError, match="line 1 column"):
        read_journal(path)


def test_invariant_4_a_full_disk_leaves_what_was_there(
    path: Path, file: JournalFile
) -> None:
    """The write raises, and the next one begins anew instead of adding to a rest."""
    with full_disk(path.stat().st_size + 20), pytest.raises(HomeAssistantError):
        file.write(longer())
    assert read_journal(path) == BASE
    file.write(longer())
    assert path.read_bytes().count(b"\n") == 1
    assert read_journal(path) == longer()


def test_invariant_4_nothing_is_added_without_fsync(
    path: Path, file: JournalFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that cannot promise is told off, and asked for a whole write next."""

    def fail(_descriptor: int) -> None:
        raise OSError(5, os.strerror(5))

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", fail)
        with pytest.raises(HomeAssistantError):
            file.write(longer())
    file.write(longer(2))
    assert path.read_bytes().count(b"\n") == 1


def test_meters_in_another_order_keep_their_records(
    path: Path, file: JournalFile
) -> None:
    """Records name their meter by its place, on disk and in memory the same."""
    other = replace(BASE, meters={key: BASE.meters[key] for key in reversed(KEYS)})
    file.write(other)
    new = replace(other, outbox=(*BASE.outbox, queued(1, KEYS[1])))
    file.write(new)
    assert read_journal(path) == new


def test_another_file_in_its_place_is_not_added_to(
    path: Path, file: JournalFile
) -> None:
    """A backup that is restored meanwhile has other meters, perhaps."""
    JournalFile(path).write(Journal())
    file.write(longer())
    assert read_journal(path) == longer()
    path.unlink()
    file.write(longer(2))
    assert read_journal(path) == longer(2)


def test_another_file_of_the_same_size_is_not_added_to(
    path: Path, file: JournalFile
) -> None:
    """A copy may be a digit apart, and in the place of the same file."""
    paused = replace(BASE, facts=replace(BASE.facts, lag=BASE.facts.lag + 1))
    other = path.with_name("other")
    JournalFile(other).write(paused)
    assert other.stat().st_size == path.stat().st_size
    touched = path.stat().st_ctime_ns
    while path.stat().st_ctime_ns == touched:  # the clock of a disk is coarse
        path.write_bytes(other.read_bytes())
    file.write(longer())
    assert read_journal(path) == longer()


def test_the_file_stays_small(path: Path, file: JournalFile) -> None:
    """What was added is taken in before it is more than the journal itself."""
    for number in range(500):
        file.write(replace(BASE, outbox=(queued(number),)))
        assert path.stat().st_size < 2_000
    assert mode(path) == 0o600


def test_invariant_4_what_nobody_answers_is_not_written_again(
    path: Path, file: JournalFile
) -> None:
    """Sixty days of quarantine, and a day more: each record is a short line."""

    def unanswered(count: int) -> Journal:
        outbox = [queued(n, status=Status.HELD) for n in range(count)]
        return replace(BASE, outbox=tuple(outbox))

    file.write(unanswered(60 * 48))
    whole = path.stat().st_size
    assert whole < 60 * 48 * 50
    for count in range(60 * 48, 61 * 48):
        file.write(unanswered(count + 1))
    assert path.stat().st_size - whole < 48 * 100
    assert read_journal(path) == unanswered(61 * 48)
