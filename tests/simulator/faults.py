"""Trouble on demand: what goes wrong with which requests, and how often."""

from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any


class FaultKind(StrEnum):
    """What happens instead of the proper answer."""

    STATUS = "status"  # an error with `status`, and `body` or a fitting one
    DELAY = "delay"  # only the wait; the proper answer follows
    DROP = "drop"  # the connection breaks without an answer
    GARBAGE = "garbage"  # 200 with something that is not JSON
    EMPTY = "empty"  # 200 without a body
    REPEAT = "repeat"  # the network delivers the request twice; one answer comes back


@dataclass(slots=True, kw_only=True)
class Fault:
    """One kind of trouble.

    Attributes:
        path: Shell-style pattern of the path, such as ``/costs/*``.
        method: HTTP method, or ``*``.
        kind: What happens.
        times: How many requests it hits; None for all until it is cleared.
        skip: How many matching requests pass unharmed before.
        status: HTTP status of a STATUS fault.
        body: JSON body of a STATUS fault; None for FlatPeak's usual one.
        retry_after: Seconds for the header of that name; only 429 and 503 have one.
        delay: Real seconds to wait first, or after the work when `stored`.
        stored: Whether the request is carried out before the trouble strikes.
    """

    path: str
    method: str = "*"
    kind: FaultKind = FaultKind.STATUS
    times: int | None = 1
    skip: int = 0
    status: int = 500
    body: Any = None
    retry_after: int | None = None
    delay: float = 0
    stored: bool = False

    def matches(self, method: str, path: str) -> bool:
        """Tell whether a request is concerned."""
        return self.method in ("*", method) and fnmatchcase(path, self.path)


@dataclass(slots=True)
class Faults:
    """The trouble that is still to come, oldest first."""

    waiting: list[Fault] = field(default_factory=list)

    def add(self, fault: Fault) -> None:
        """Plan trouble."""
        self.waiting.append(fault)

    def clear(self) -> None:
        """Forget all that was planned."""
        self.waiting.clear()

    def take(self, method: str, path: str) -> Fault | None:
        """Return what strikes this request, counting it."""
        for fault in self.waiting:
            if not fault.matches(method, path):
                continue
            if fault.skip:
                fault.skip -= 1
                continue
            if fault.times is not None:
                fault.times -= 1
                if fault.times <= 0:
                    self.waiting.remove(fault)
            return fault
        return None
