"""When to look again at what was not there yet: soon at first, then every hour."""

from collections.abc import Hashable
from dataclasses import dataclass
from datetime import datetime, timedelta

STEPS = (timedelta(0), *(timedelta(minutes=m) for m in (1, 5, 30, 60)))


@dataclass(slots=True)
class _Turn:
    """How often something was looked at, and when to look again."""

    count: int = 0
    due: datetime | None = None
    noted: datetime | None = None


class Turns[Key: Hashable]:
    """The next look at each of many things. In memory: a restart looks at once."""

    def __init__(self) -> None:
        """Begin with everything due."""
        self._turns: dict[Key, _Turn] = {}

    def is_due(self, key: Key, now: datetime) -> bool:
        """Return whether it is time to look (again)."""
        turn = self._turns.get(key)
        return turn is None or turn.due is None or turn.due <= now

    def was_vain(self, key: Key, until: datetime) -> bool:
        """Return whether it was last looked at in vain, up to an instant."""
        turn = self._turns.get(key)
        return turn is not None and turn.noted is not None and turn.noted <= until

    def count(self, key: Key) -> int:
        """Return how often it was looked at in vain."""
        turn = self._turns.get(key)
        return turn.count if turn else 0

    def note(self, key: Key, now: datetime, wait: timedelta | None = None) -> None:
        """Look later next time: after 1, 5, 30 and 60 minutes, or after `wait`."""
        turn = self._turns.setdefault(key, _Turn())
        turn.count += 1
        turn.noted = now
        turn.due = now + (wait or STEPS[min(turn.count, len(STEPS) - 1)])

    def wait(self, key: Key, now: datetime, nth: int) -> None:
        """Begin anew, with the first look as late as the `nth` one would be."""
        self._turns[key] = _Turn(due=now + STEPS[min(nth, len(STEPS) - 1)])

    def forget(self, key: Key) -> None:
        """Begin anew with something."""
        self._turns.pop(key, None)
