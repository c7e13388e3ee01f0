"""The words of the metering layer. Energy is whole mWh, time is UTC."""

from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from enum import StrEnum


class SourceKind(StrEnum):
    """What a source's statistics hold."""

    ENERGY = "energy"  # a register: state and sum, in kWh
    POWER = "power"  # a mean, in W


class Reporting(StrEnum):
    """Whether a meter reports as it goes, or the past hour just after it."""

    CONTINUOUS = "continuous"
    HOURLY = "hourly"


class Quality(StrEnum):
    """How a slice of energy is known."""

    MEASURED = "measured"
    SPREAD = "spread"  # a gap closed by a later reading, spread evenly: estimated
    NO_DATA = "no_data"  # nothing is known of this time; its energy is 0
    HELD = "held"  # impossible: its energy is a claim, and counts once it is accepted
    FOLLOWS = "follows"  # a claim as well: on a level that seems to be in another unit


CLAIMS = frozenset({Quality.HELD, Quality.FOLLOWS})


class Answer(StrEnum):
    """What the user says of claims."""

    ACCEPT = "accept"  # all of it was used
    DISCARD = "discard"  # the register was wrong, and maybe is
    REPLACED = "replaced"  # it is another register: what followed the jump was used


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What `settle` must know of a meter's source."""

    kind: SourceKind = SourceKind.ENERGY
    state_class: str = "total_increasing"
    reporting: Reporting = Reporting.CONTINUOUS
    max_power: int = 100_000  # W: no more can flow
    quantum: int = 1_000  # mWh: the register's smallest step
    slot: timedelta = timedelta(minutes=5)  # energy over a longer stretch is estimated
    zones: tuple[tzinfo, ...] = ()  # where a meter may reset at midnight
    imported: bool = False  # rows come late, whole, and may be revised


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of statistics: 5 minutes or an hour. kWh for a register, W for power."""

    start: datetime
    end: datetime
    state: float | None = None
    sum: float | None = None
    last_reset: datetime | None = None
    mean: float | None = None
    written: datetime | None = None  # in an outage: not before the return


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A stretch of time. An `end` of None is still open."""

    start: datetime
    end: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """The last row that is settled, and all that is needed to go on from it.

    Rows after the anchor are read again from the recorder, held ones included, so
    nothing of them is kept here. With `end` alone, the source is new: the time up to
    its first row has no data.
    """

    end: datetime
    state: int | None = None  # mWh
    sum: int | None = None  # mWh
    last_reset: datetime | None = None
    high_water: int | None = None  # mWh: the highest accepted reading of the cycle
    changed: datetime | None = None  # the earliest that the last rise can be complete
    before_claim: int | None = None  # mWh: the mark below what is in quarantine
    thousands: int = 0  # 1: seems to show a thousand times its level; -1: a thousandth


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """Energy of a stretch of time, settled."""

    start: datetime
    end: datetime
    mwh: int
    quality: Quality = Quality.MEASURED


class HoldReason(StrEnum):
    """Why nothing is settled from a row on."""

    FALL = "fall"  # the register fell: a dip, a reset or a new meter?
    IMPLAUSIBLE = "implausible"  # more than the meter can carry: will it come back?


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Time that is not settled yet, and why."""

    start: datetime
    reason: HoldReason
    mwh: int  # what the rows claim: negative for a fall


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What `settle` gives: contiguous slices, what is held, and where to go on."""

    slices: tuple[Slice, ...]
    holds: tuple[Hold, ...]
    anchor: Anchor | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A closed stretch of energy that becomes one meter record.

    `mwh` is what is accepted, `held` what impossible readings claim beyond it.
    """

    start: datetime
    end: datetime
    mwh: int
    estimated: bool = False  # some of it was spread over a gap
    partial: bool = False  # some of it has no data
    held: int = 0  # mWh in quarantine: to be released, or dropped
    followed: int = 0  # mWh of it that came after a jump, on its level


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """Whose records these are: one writer each. Values are FlatPeak's words."""

    owner: str  # location or device id
    energy_direction: str  # IMPORT, EXPORT
    tariff_direction: str  # IMPORT, EXPORT, LOCAL
