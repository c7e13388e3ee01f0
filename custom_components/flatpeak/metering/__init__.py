"""Pure metering: from rows of statistics to windows, records and sums. No I/O."""

from .adopt import Adoption, adopt, found_in, past_records
from .band import HISTORY, highest_price, is_below, is_plausible_price
from .calendar import (
    day_start,
    hour_start,
    local_date,
    month_of,
    month_start,
    next_day_start,
)
from .compare import compare
from .cover import Covered, Group, PastRecord, cover, grouped_by_energy, line_of
from .findings import Finding, Kind, Record, Rule, Standing
from .fit import fit
from .habit import habit
from .hours import Hour, Hours, SumRow, exact, hours, rewritten
from .model import (
    CLAIMS,
    Anchor,
    Answer,
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
from .outage import find_outages, past_runs
from .overlap import overlap
from .reconcile import Expected, match
from .records import record_reference_id, to_wire
from .revise import rebase, revise
from .settle import settle
from .totals import DaySums, Origin, PricedWindow, Total
from .windows import Lengths, boundaries, changed_lengths, cut, release

__all__ = [
    "CLAIMS",
    "HISTORY",
    "Adoption",
    "Anchor",
    "Answer",
    "Covered",
    "DaySums",
    "Expected",
    "Finding",
    "Group",
    "Hold",
    "HoldReason",
    "Hour",
    "Hours",
    "Kind",
    "Lengths",
    "Origin",
    "PastRecord",
    "PricedWindow",
    "Quality",
    "Record",
    "Reporting",
    "Row",
    "Rule",
    "Settled",
    "Slice",
    "Source",
    "SourceKind",
    "Span",
    "Standing",
    "Stream",
    "SumRow",
    "Total",
    "Window",
    "adopt",
    "boundaries",
    "changed_lengths",
    "compare",
    "cover",
    "cut",
    "day_start",
    "exact",
    "find_outages",
    "fit",
    "found_in",
    "grouped_by_energy",
    "habit",
    "highest_price",
    "hour_start",
    "hours",
    "is_below",
    "is_plausible_price",
    "line_of",
    "local_date",
    "match",
    "month_of",
    "month_start",
    "next_day_start",
    "overlap",
    "past_records",
    "past_runs",
    "rebase",
    "record_reference_id",
    "release",
    "revise",
    "rewritten",
    "settle",
    "to_wire",
]
