"""Repair issues: each is raised and cleared by the same call."""

from collections.abc import Collection, Mapping
from enum import StrEnum

from homeassistant.config_entries import (
    SIGNAL_CONFIG_ENTRY_CHANGED,
    ConfigEntry,
    ConfigEntryChange,
)
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.dispatcher import async_dispatcher_connect
from homeassistant.loader import async_get_loaded_integration

from .const import DOMAIN
from .journal import Status
from .meters import Meter

LOCATION = "location"  # in the place of a meter's key


class Issue(StrEnum):
    """What can be wrong with a meter, or with the location."""

    QUARANTINE = "quarantine"  # energy that the meter cannot have carried
    REFUSED = "refused"  # records that FlatPeak will not take
    LOST = "lost"  # records that FlatPeak never has, as often as they are sent
    UNCONFIRMED = "unconfirmed"  # nobody can tell whether FlatPeak has them
    CLOCK = "clock"  # ours and FlatPeak's disagree
    DIFFERENCE = "difference"  # FlatPeak's report has other sums
    DOUBTED_PRICE = "doubted_price"  # money that is not counted
    OTHER_WRITER = "other_writer"  # somebody else sends our records
    SOURCE_MISSING = "source_missing"
    SOURCE_DISABLED = "source_disabled"
    SOURCE_NOT_RECORDED = "source_not_recorded"
    SOURCE_SILENT = "source_silent"
    CURRENCY = "currency"  # the dashboard has another one
    DASHBOARD_COST = "dashboard_cost"  # it shows no cost, and we have one
    DASHBOARD_SENSOR = "dashboard_sensor"  # it sums up what begins anew each day
    ACCOUNT_DISABLED = "account_disabled"
    LOCATION_REFUSED = "location_refused"  # the key is good, the location is not ours
    LOCATION_NOT_FOUND = "location_not_found"
    DEVICE_REFUSED = "device_refused"  # the one that a meter is recorded on
    NO_TARIFF = "no_tariff"  # for what a meter buys or sells
    TARIFF_PENDING = "tariff_pending"  # for more than a day
    PRICE_MISSING = "price_missing"  # for more than a day
    UNREACHABLE = "unreachable"  # for more than a day
    RECORDS_WAITING = "records_waiting"  # for more than a day, and nobody knows why


# Those that ask for a decision; the others go away when their cause does.
FIXABLE = {
    Issue.QUARANTINE,
    Issue.REFUSED,
    Issue.LOST,
    Issue.UNCONFIRMED,
    Issue.OTHER_WRITER,
    Issue.SOURCE_MISSING,
    Issue.SOURCE_SILENT,
}
# What the records are that an issue asks about.
STUCK = {
    Issue.REFUSED: Status.SET_ASIDE,
    Issue.LOST: Status.LOST,
    Issue.UNCONFIRMED: Status.ATTEMPTED,
}

# Nothing at all can be recorded while they last.
ERRORS = {
    Issue.ACCOUNT_DISABLED,
    Issue.LOCATION_REFUSED,
    Issue.LOCATION_NOT_FOUND,
    Issue.OTHER_WRITER,
}


def issue_id(entry_id: str, issue: Issue, meter: str = LOCATION) -> str:
    """Return the id of an issue of a meter (key), or of the location."""
    return f"{issue}_{entry_id}_{meter}"


@callback
def learn_more_url(hass: HomeAssistant, issue: Issue) -> str:
    """Return the section of the documentation that explains an issue."""
    return documentation_url(hass, f"repairs.md#{issue}")


@callback
def documentation_url(hass: HomeAssistant, page: str) -> str:
    """Return the address of a page of the documentation."""
    base = async_get_loaded_integration(hass, DOMAIN).documentation
    return f"{base}/blob/HEAD/docs/{page}"


@callback
def async_set_issue(
    hass: HomeAssistant,
    entry: ConfigEntry,
    issue: Issue,
    placeholders: Mapping[str, str] | None,
    meter: Meter | None = None,
) -> None:
    """Raise an issue with what its text needs, or clear it: None.

    The text may use `location`, and `meter` if there is one, besides.
    """
    key = meter.key if meter else LOCATION
    identity = issue_id(entry.entry_id, issue, key)
    if placeholders is None:
        ir.async_delete_issue(hass, DOMAIN, identity)
        return
    names = {"location": entry.title, **({"meter": meter.title} if meter else {})}
    ir.async_create_issue(
        hass,
        DOMAIN,
        identity,
        is_fixable=issue in FIXABLE,
        learn_more_url=learn_more_url(hass, issue),
        severity=(
            ir.IssueSeverity.ERROR if issue in ERRORS else ir.IssueSeverity.WARNING
        ),
        translation_key=issue,
        translation_placeholders={**names, **placeholders},
        data={"entry_id": entry.entry_id, "issue": issue, "meter": key},
    )


@callback
def async_forget_meters(
    hass: HomeAssistant, entry: ConfigEntry, meters: Collection[str]
) -> None:
    """Clear what is about meters (keys) that the entry has no more."""
    for (domain, identity), issue in list(ir.async_get(hass).issues.items()):
        about = issue.data or {}
        if domain != DOMAIN or about.get("entry_id") != entry.entry_id:
            continue
        if about["meter"] not in {LOCATION, *meters}:
            ir.async_delete_issue(hass, DOMAIN, identity)


@callback
def async_follow_disabled(hass: HomeAssistant) -> None:
    """Clear an entry's repairs when it is disabled: nobody can act on them.

    Unloading is no sign of it: an entry that waits for its set-up is not unloaded, and
    a reload keeps its repairs, so that what is ignored stays ignored.
    """

    @callback
    def changed(_change: ConfigEntryChange, entry: ConfigEntry) -> None:
        if entry.domain == DOMAIN and entry.disabled_by:
            async_delete_issues(hass, entry)

    async_dispatcher_connect(hass, SIGNAL_CONFIG_ENTRY_CHANGED, changed)


@callback
def async_delete_issues(hass: HomeAssistant, entry: ConfigEntry) -> None:
    """Clear everything about an entry that is disabled or being removed."""
    ours = [
        identity
        for domain, identity in ir.async_get(hass).issues
        if domain == DOMAIN and f"_{entry.entry_id}_" in identity
    ]
    for identity in ours:
        ir.async_delete_issue(hass, DOMAIN, identity)


@callback
def open_issues(hass: HomeAssistant, entry: ConfigEntry) -> list[tuple[str, str]]:
    """Return what is wrong with an entry at the moment: issue and meter key."""
    return [
        (str(about["issue"]), str(about["meter"]))
        for (domain, _), issue in ir.async_get(hass).issues.items()
        if domain == DOMAIN and issue.active
        if (about := issue.data or {}).get("entry_id") == entry.entry_id
    ]
