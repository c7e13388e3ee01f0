"""Whether our clock can be trusted: FlatPeak's answers say what time it is there."""

from datetime import datetime, timedelta

from homeassistant.util import dt as dt_util

from .api import FlatPeakClient

MOST_SKEW = timedelta(minutes=2)


def skew(client: FlatPeakClient) -> timedelta | None:
    """Return by how much our clock is ahead; None while it is right, or nobody knows.

    Between two answers the time that passed is counted by a clock that nobody sets.
    """
    offset = client.server_time_offset
    if offset is None or abs(offset) <= MOST_SKEW:
        return None
    return -offset


def trusted_now(client: FlatPeakClient) -> datetime | None:
    """Return the time (UTC), None while our clock and FlatPeak's disagree."""
    return None if skew(client) else dt_util.utcnow()
