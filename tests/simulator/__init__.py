"""A FlatPeak that speaks real HTTP on loopback; see README.md.

It shares no code with the integration, so that it can be its witness.
"""

from .days import Aggregation, buckets, day_start
from .faults import Fault, FaultKind
from .report import Priced
from .server import FlatPeakSimulator
from .switches import DEFAULT, VARIANTS, Switches
from .tariff import (
    TARIFFS,
    DayNight,
    Direction,
    Dynamic,
    Fixed,
    Steps,
    Structure,
    Tariff,
)

__all__ = [
    "DEFAULT",
    "TARIFFS",
    "VARIANTS",
    "Aggregation",
    "DayNight",
    "Direction",
    "Dynamic",
    "Fault",
    "FaultKind",
    "Fixed",
    "FlatPeakSimulator",
    "Priced",
    "Steps",
    "Structure",
    "Switches",
    "Tariff",
    "buckets",
    "day_start",
]
