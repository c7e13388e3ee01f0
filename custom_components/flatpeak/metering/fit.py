"""Slices that join those before, where a meter's way of reporting was changed."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from .model import CLAIMS, Quality, Slice
from .pieces import split


def fit(slices: Sequence[Slice], until: datetime | None) -> tuple[Slice, ...] | None:
    """Return slices that begin at `until`, with the same energy (mWh).

    From hourly to continuous reporting, an hour lies between: the first slice reaches
    back over it. The other way round, slices lie in time that is settled: what they
    hold counts in the first one after it. None is: there is no later one yet.
    """
    if until is None or not slices or slices[0].start == until:
        return tuple(slices)
    if until < slices[0].start:
        return (_over(slices[0], until), *slices[1:])
    pieces = [piece for whole in slices for piece in split(whole, (until,))]
    early = [piece for piece in pieces if piece.end <= until]
    late = pieces[len(early) :]
    if not late:
        return None
    return (*_joined(early, late[0]), *late[1:])


def _over(first: Slice, start: datetime) -> Slice:
    """Return a slice over more time: what it measured is spread."""
    measured = first.quality is Quality.MEASURED
    quality = Quality.SPREAD if measured else first.quality
    return replace(first, start=start, quality=quality)


def _joined(early: Sequence[Slice], first: Slice) -> list[Slice]:
    """Return the first slice with the energy of earlier ones.

    What is held stays apart from what is accepted: each has a half of the time.
    """
    if not any(piece.mwh for piece in early):
        return [first]
    claims = [piece for piece in (*early, first) if piece.quality in CLAIMS]
    held = sum(piece.mwh for piece in claims)
    accepted = sum(piece.mwh for piece in (*early, first)) - held
    whole = replace(first, mwh=accepted, quality=Quality.SPREAD)
    if not claims:
        return [whole]
    follows = all(piece.quality is Quality.FOLLOWS for piece in claims)
    claim = Quality.FOLLOWS if follows else Quality.HELD
    middle = first.start + (first.end - first.start) / 2
    return [
        replace(whole, end=middle),
        replace(first, start=middle, mwh=held, quality=claim),
    ]
