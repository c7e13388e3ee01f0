"""The words of reconciling: our records, and what a report says about each."""

from collections.abc import Hashable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from .reconcile import Expected, ReportItem


class Money(Protocol):
    """Money of a report's item."""

    @property
    def value(self) -> Decimal:
        """Return the money in large units of the currency."""


class PricedItem(ReportItem, Protocol):
    """An item of a report with its money, None where FlatPeak has no price."""

    @property
    def cost(self) -> Money | None:
        """Return the money; a 0 that means "no data" is None."""


class Rule(StrEnum):
    """What FlatPeak does with a second record of the same stream and period."""

    UNKNOWN = "unknown"
    REPLACES = "replaces"
    ADDS = "adds"


class Standing(StrEnum):
    """How far a record of ours has come."""

    SENT = "sent"  # FlatPeak has answered that it has it
    DOUBTFUL = "doubtful"  # sent, storage unknown
    QUEUED = "queued"  # certainly not stored by this installation, but about to be
    NONE = "none"  # in the books alone: too little to send, or restored


@dataclass(frozen=True, slots=True, kw_only=True)
class Record(Expected):
    """A record of ours with what the books say of it. Energy is the Wh on the wire."""

    standing: Standing = Standing.SENT
    sent_at: datetime | None = None  # accepted by FlatPeak, or attempted if doubtful
    money: Decimal | None = None
    quoted: bool = False  # the money is a quote


class Kind(StrEnum):
    """What a report says about a record of ours, or what one of its items is."""

    CONFIRMED = "confirmed"  # as in our books
    REPRICED = "repriced"  # take the report's money
    UNPRICED = "unpriced"  # stored, but the report has no money: keep ours
    ADOPT = "adopt"  # it is there already: do not send it
    UNSENT = "unsent"  # not sent, and not there
    LATE = "late"  # not there, and nothing follows from it yet
    MISSING = "missing"  # it should be there and is not
    UNCONFIRMED = "unconfirmed"  # a day later nobody can tell whether it is stored
    OUTAGE = "outage"  # much is missing at once: the report's fault, never sent again
    ENERGY_DIFFERS = "energy_differs"
    ZERO_DIFFERS = "zero_differs"  # nothing was used, and there is a record of more
    SURPLUS = "surplus"  # it is there more than once: FlatPeak adds
    DISPUTED = "disputed"  # one total instead of records, and it is not our sum
    FOREIGN = "foreign"  # someone else's, for a time that we have no record of
    OVERLAPPING_FOREIGN = "overlapping_foreign"  # our meters hold that energy already


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding[Item: PricedItem]:
    """One line of a reconciliation: of a record, or without a key of an item.

    The first item is the record as FlatPeak has it; further ones are copies, or the
    other parts of a total. To send again means the same period with our energy, once:
    if the report changes back, there is another writer.
    """

    kind: Kind
    key: Hashable | None = None
    items: tuple[Item, ...] = ()
    resend: bool = False


def kind_of_unsent(record: Record) -> Kind:
    """Return what it means that a record that was not sent is not there."""
    nothing = record.standing is Standing.NONE and not record.wh
    return Kind.CONFIRMED if nothing else Kind.UNSENT
