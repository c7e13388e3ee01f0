"""What is wrong at FlatPeak that lasts, and that somebody can mend."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from homeassistant.util import dt as dt_util

from .api import (
    NO_TARIFF_CONNECTED,
    PENDING_CONNECT,
    FlatPeakNotFoundError,
    TariffDirection,
)
from .const import DIRECTION_EXPORT
from .issues import LOCATION, Issue
from .journal import Facts, Journal, Queued, Status
from .meters import Meter, device_reference_id
from .pace import EVERYTHING, Standing, Trouble

PATIENCE = timedelta(days=1)  # FlatPeak and the internet mend most things themselves
SETTLING = timedelta(hours=1)  # after a start, what waited goes out first

# Of the location, then of a meter.
SERVICE_ISSUES = (
    Issue.ACCOUNT_DISABLED,
    Issue.LOCATION_REFUSED,
    Issue.LOCATION_NOT_FOUND,
    Issue.NO_TARIFF,
    Issue.TARIFF_PENDING,
    Issue.PRICE_MISSING,
    Issue.UNREACHABLE,
    Issue.RECORDS_WAITING,
)
DEVICE_ISSUES = (Issue.DEVICE_REFUSED,)

STATUS_OF = {
    TariffDirection.IMPORT: "commodity_import",
    TariffDirection.EXPORT: "commodity_export",
}

type Problems = dict[tuple[Issue, str], Mapping[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What is wrong, and the meters whose records nobody could ask about for long."""

    problems: Problems
    undecided: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What is known at one moment (UTC).

    Attributes:
        standing: How we stand with FlatPeak.
        journal: The records on their way, and what is known of the location.
        meters: The meters of the location.
        location_id: FlatPeak's id of it.
        name: What people call it.
        began: When this life began.
        is_priced: Whether the cost of a record on its way is known already.
        waits: Whether nothing goes out, because of what another repair, the form for
            a new key, or the user says.
    """

    standing: Standing
    journal: Journal
    meters: Collection[Meter]
    location_id: str
    name: str
    now: datetime
    began: datetime
    is_priced: Callable[[Queued], bool]
    waits: bool


def watch_service(view: View) -> Service:
    """Return what a view comes to."""
    return Service(problems=service_problems(view), undecided=undecided(view))


def service_problems(view: View) -> Problems:
    """Return what is wrong: by issue and meter key, with what its text needs."""
    found: Problems = {}
    standing = view.standing
    if standing.disabled:
        found[Issue.ACCOUNT_DISABLED, LOCATION] = {}
    if refusal := standing.refused.get(view.location_id):
        gone = isinstance(refusal.error, FlatPeakNotFoundError)
        issue = Issue.LOCATION_NOT_FOUND if gone else Issue.LOCATION_REFUSED
        found[issue, LOCATION] = {}
    found |= _without_tariff(view)
    if not refusal:
        found |= _refused_devices(view)
    if not view.waits and not standing.disabled:
        found |= _standstill(view)
    return found


def lacks_something(
    standing: Standing, facts: Facts, meters: Collection[Meter]
) -> bool:
    """Return whether FlatPeak lacks what somebody may give it at any time."""
    unpriced = standing.unpriced.keys() & {EVERYTHING, *needed_tariffs(meters)}
    missing = missing_tariffs(facts, meters, standing)
    return bool(standing.refused or unpriced or missing)


def missing_tariffs(
    facts: Facts, meters: Collection[Meter], standing: Standing
) -> list[TariffDirection]:
    """Return the tariffs that are needed, and not connected by FlatPeak's word.

    A price proves more than the location's status, which is read once a day.
    """
    return [
        direction
        for direction in needed_tariffs(meters)
        if direction not in standing.unpriced
        and direction not in standing.priced
        and _says_not_connected(facts, direction)
    ]


def needed_tariffs(meters: Collection[Meter]) -> list[TariffDirection]:
    """Return the tariffs that the meters need; without any, it is what is bought."""
    directions = {direction_of(meter) for meter in meters}
    return [way for way in STATUS_OF if way in (directions or {TariffDirection.IMPORT})]


def direction_of(meter: Meter) -> TariffDirection:
    """Return the tariff that a meter's records are priced by."""
    sells = meter.direction == DIRECTION_EXPORT
    return TariffDirection.EXPORT if sells else TariffDirection.IMPORT


def _says_not_connected(facts: Facts, direction: TariffDirection) -> bool:
    """Return whether the location's status says that a tariff is not connected."""
    said = facts.tariff_status.get(STATUS_OF[direction], "")
    return said.strip().upper() == "NOT_CONNECTED"


def _without_tariff(view: View) -> Problems:
    """Return which meters have no tariff, and which have had no price for a day."""
    missing = missing_tariffs(view.journal.facts, view.meters, view.standing)
    ways: dict[Issue, list[TariffDirection]] = {}
    for way in needed_tariffs(view.meters):
        issue = Issue.NO_TARIFF if way in missing else _of_price(view, way)
        if issue:
            ways.setdefault(issue, []).append(way)
    found: Problems = {}
    for issue, affected in ways.items():
        said = {"meters": _names(view, affected)}
        if issue is not Issue.NO_TARIFF:
            since = min(_unpriced_since(view, way) for way in affected)
            said["start"] = _local(since)
        found[issue, LOCATION] = said
    return found


def _price_trouble(view: View, way: TariffDirection) -> Trouble | None:
    """Return what FlatPeak says of a tariff's price.

    A report on the location as a whole is about what is bought.
    """
    unpriced = view.standing.unpriced
    whole = unpriced.get(EVERYTHING) if way is TariffDirection.IMPORT else None
    return unpriced.get(way) or whole


def _of_price(view: View, way: TariffDirection) -> Issue | None:
    """Return what to say of a price that is missing; None is nothing yet."""
    if (trouble := _price_trouble(view, way)) is None:
        return None
    code = trouble.error.code
    if code == NO_TARIFF_CONNECTED:
        return Issue.NO_TARIFF
    lasts = view.now - _unpriced_since(view, way) > PATIENCE
    if not lasts or view.now - trouble.since < SETTLING:
        return None
    return Issue.TARIFF_PENDING if code == PENDING_CONNECT else Issue.PRICE_MISSING


def _unpriced_since(view: View, way: TariffDirection) -> datetime:
    """Return since when costs are missing: that is in the outbox after a restart."""
    mine = {meter.key for meter in view.meters if direction_of(meter) is way}
    trouble = _price_trouble(view, way)
    return min(
        trouble.since if trouble else view.now,
        *(
            item.window.end
            for item in view.journal.outbox
            if item.meter in mine
            and item.status in (Status.NEW, Status.ATTEMPTED)
            and not view.is_priced(item)
        ),
        view.now,
    )


def _refused_devices(view: View) -> Problems:
    """Return which meters' devices FlatPeak does not take.

    A record is refused because of its device or its location; only where the location
    was seen to be good since, it is the device.
    """
    good = view.standing.good.get(view.location_id)
    found: Problems = {}
    for meter in view.meters:
        state = view.journal.meters.get(meter.key)
        owner = state.stream.owner if state else view.location_id
        refusal = view.standing.refused.get(owner)
        if refusal and good and good > refusal.since:
            name = device_reference_id(meter.key)
            found[Issue.DEVICE_REFUSED, meter.key] = {"device": name}
    return found


def _standstill(view: View) -> Problems:
    """Return what has not got on for a day, where nothing else explains it."""
    standing = view.standing
    if view.now - view.began < SETTLING:
        return {}
    unsent = [item for item in view.journal.outbox if _is_unsent(item)]
    if trouble := standing.trouble:
        since = min([*_ends(unsent), standing.answered or view.began])
        if view.now - since <= PATIENCE:
            return {}
        said = {"start": _local(since), "error": str(trouble.error)}
        return {(Issue.UNREACHABLE, LOCATION): said}
    waiting = [item for item in unsent if item.meter not in _excused(view)]
    since = min(_ends(waiting), default=view.now)
    if view.now - since <= PATIENCE:
        return {}
    said = {"start": _local(since), "count": str(len(waiting))}
    return {(Issue.RECORDS_WAITING, LOCATION): said}


def _is_unsent(item: Queued) -> bool:
    """Return whether a record waits to be sent, or may have to be sent again."""
    doubtful = item.status is Status.ATTEMPTED and item.attempted is None
    return item.status is Status.NEW or doubtful


def undecided(view: View) -> frozenset[str]:
    """Return the meters of whose records nobody could ask for a while.

    What became of those is looked up in the two hours after.
    """
    standing = view.standing
    lasts = standing.trouble and view.now - standing.trouble.since >= SETTLING
    recent = standing.mended and view.now - standing.mended < 2 * SETTLING
    if standing.disabled or lasts or recent:
        return frozenset(meter.key for meter in view.meters)
    return _excused(view)


def _excused(view: View) -> frozenset[str]:
    """Return the meters of which it is known why their records wait."""
    refused = view.standing.refused
    owners = {key: state.stream.owner for key, state in view.journal.meters.items()}
    return frozenset(
        meter.key
        for meter in view.meters
        if meter.key not in owners
        or view.location_id in refused
        or owners[meter.key] in refused
        or _price_trouble(view, direction_of(meter)) is not None
    )


def _ends(items: Iterable[Queued]) -> list[datetime]:
    """Return when the windows of records ended."""
    return [item.window.end for item in items]


def _names(view: View, ways: Collection[TariffDirection]) -> str:
    """Return the names of the meters that tariffs are for."""
    names = [meter.title for meter in view.meters if direction_of(meter) in ways]
    return ", ".join(names) or view.name


def _local(moment: datetime) -> str:
    """Return a time as people read it."""
    return f"{dt_util.as_local(moment):%Y-%m-%d %H:%M}"
