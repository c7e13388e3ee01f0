"""Pure metering: from rows of statistics to windows, records and sums. No I/O."""

from .calendar import day_start, local_date, month_of, month_start, next_day_start
from .model import (
    Anchor,
    Hold,
    HoldReason,
    Quality,
    Reporting,
    Row,
    Settled,
    Slice,
    Source,
    SourceKind,
    Span,
    Stream,
    Window,
)
from .outage import find_outages
from .reconcile import Expected, match
from .records import record_reference_id, to_wire
from .settle import settle
from .totals import Origin, PricedWindow, Total
from .windows import boundaries, cut

__all__ = [
    "Anchor",
    "Expected",
    "Hold",
    "HoldReason",
    "Origin",
    "PricedWindow",
    "Quality",
    "Reporting",
    "Row",
    "Settled",
    "Slice",
    "Source",
    "SourceKind",
    "Span",
    "Stream",
    "Total",
    "Window",
    "boundaries",
    "cut",
    "day_start",
    "find_outages",
    "local_date",
    "match",
    "month_of",
    "month_start",
    "next_day_start",
    "record_reference_id",
    "settle",
    "to_wire",
]
