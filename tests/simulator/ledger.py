"""What the simulated FlatPeak keeps: accounts, homes, devices and meter records."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from hashlib import sha256
from itertools import count
from zoneinfo import ZoneInfo

from .switches import Overwrite, OverwriteKey, Switches, Visibility
from .tariff import Direction, Piece, Revision, Tariff, pieces

STRAGGLE = timedelta(minutes=10)


@dataclass(eq=False, slots=True, kw_only=True)
class Account:
    """One mode of an account: test and live data are fully separate."""

    id: str
    live_mode: bool
    keys: set[str] = field(default_factory=set)
    disabled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Why a direction of a location has no price: a 422 code, and its body."""

    code: str
    short: bool = False


@dataclass(eq=False, slots=True, kw_only=True)
class Location:
    """A home with its tariff, its corrections and its troubles."""

    id: str
    account: Account
    created: datetime
    reference_id: str | None = None
    timezone: str | None = None
    currency_code: str | None = None
    address: dict[str, str] = field(default_factory=dict)
    tariff: Tariff | None = None
    problems: dict[Direction, Problem] = field(default_factory=dict)
    revisions: list[Revision] = field(default_factory=list)

    @property
    def zone(self) -> ZoneInfo:
        """The zone of prices and buckets; UTC where FlatPeak knows none."""
        return ZoneInfo(self.timezone or "UTC")

    def problem(self, direction: Direction) -> Problem | None:
        """Return why there is no price, or None."""
        if direction in self.problems:
            return self.problems[direction]
        if self.tariff is None or self.tariff.curve(direction) is None:
            return Problem(code="no_tariff_connected")
        return None

    def prices(
        self, direction: Direction, start: datetime, end: datetime, now: datetime
    ) -> list[Piece]:
        """Return the prices of a period as they are known now; empty without any."""
        curve = self.tariff.curve(direction) if self.tariff else None
        if curve is None:
            return []
        revisions = [one for one in self.revisions if one.direction is direction]
        return pieces(curve, start, end, zone=self.zone, now=now, revisions=revisions)

    def emissions(self, start: datetime, end: datetime, now: datetime) -> list[Piece]:
        """Return gCO2 per kWh of a period; empty where it is not known."""
        curve = self.tariff.carbon if self.tariff else None
        return pieces(curve, start, end, zone=self.zone, now=now) if curve else []


@dataclass(eq=False, slots=True, kw_only=True)
class Device:
    """Something with records of its own; no home, except through its records."""

    id: str
    account: Account
    created: datetime
    reference_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A meter record as it was understood, before it is stored. Energy in Wh."""

    location_id: str
    start: datetime
    end: datetime
    energy: Fraction
    energy_direction: Direction = Direction.IMPORT
    tariff_direction: Direction = Direction.IMPORT
    device_id: str | None = None
    session_reference_id: str | None = None
    record_reference_id: str | None = None
    confidence: Fraction = Fraction(1)

    @property
    def owner(self) -> str:
        """The id whose record this is: a device wins over its location."""
        return self.device_id or self.location_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A stored meter record. It is in reports from `visible_at` on."""

    id: str
    draft: Draft
    location: Location
    stored_at: datetime
    visible_at: datetime


class Ledger:
    """All that is stored, and which record replaced which."""

    def __init__(self) -> None:
        """Start empty."""
        self.accounts: list[Account] = []
        self.locations: dict[str, Location] = {}
        self.devices: dict[str, Device] = {}
        self.submissions: list[Record] = []
        self._replaced_by: defaultdict[str, list[Record]] = defaultdict(list)
        self._by_owner: defaultdict[str, list[Record]] = defaultdict(list)
        self._by_period: defaultdict[tuple[str, datetime, datetime], list[Record]] = (
            defaultdict(list)
        )
        self._numbers = count(1)

    def new_id(self, prefix: str) -> str:
        """Make an id that looks like FlatPeak's."""
        digest = sha256(f"{prefix}{next(self._numbers)}".encode()).hexdigest()
        return f"{prefix}_{digest[:24]}"

    def store(self, draft: Draft, now: datetime, switches: Switches) -> Record:
        """Store a record and let it replace what the overwrite rule says."""
        shown = now + timedelta(seconds=switches.lag)
        if switches.visibility is Visibility.OUT_OF_ORDER:
            shown += STRAGGLE * (len(self.submissions) % 2 == 0)
        record = Record(
            id=self.new_id("mre"),
            draft=draft,
            location=self.locations[draft.location_id],
            stored_at=now,
            visible_at=shown,
        )
        for earlier in self._overwritten(draft, switches):
            self._replaced_by[earlier.id].append(record)
        self.submissions.append(record)
        self._by_owner[draft.owner].append(record)
        self._by_period[draft.owner, draft.start, draft.end].append(record)
        return record

    def _overwritten(self, draft: Draft, switches: Switches) -> Iterator[Record]:
        match switches.overwrite:
            case Overwrite.NEVER:
                return
            case Overwrite.SAME_PERIOD:
                rivals = self._by_period[draft.owner, draft.start, draft.end]
            case Overwrite.OVERLAP:
                rivals = self._by_owner[draft.owner]
        any_direction = switches.overwrite_key is OverwriteKey.OWNER
        for rival in rivals:
            old = rival.draft
            same = (old.energy_direction, old.tariff_direction) == (
                draft.energy_direction,
                draft.tariff_direction,
            )
            touching = old.start < draft.end and old.end > draft.start
            if touching and (same or any_direction):
                yield rival

    def records(self, seen_at: datetime | None = None) -> list[Record]:
        """Return what is stored and not replaced.

        Args:
            seen_at: Only as far as reports of that instant show it; a record stays
                in them until the one that replaced it appears.
        """

        def shown(record: Record) -> bool:
            return seen_at is None or record.visible_at <= seen_at

        return [
            record
            for record in self.submissions
            if shown(record) and not any(map(shown, self._replaced_by[record.id]))
        ]

    def owned(self, account: Account, kind: type[Location | Device]) -> list[str]:
        """List the ids of an account's locations or devices, newest first."""
        stock = self.locations if kind is Location else self.devices
        return [one.id for one in stock.values() if one.account is account][::-1]


def utc_now() -> datetime:
    """Return the real time."""
    return datetime.now(UTC)
