"""When the turn of each meter comes whose past is fetched."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(slots=True)
class _Turn:
    due: datetime | None = None
    waits: int = 0
    read: datetime | None = None


class PastTurns:
    """The next turn of each meter (key). In memory: a restart does not wait."""

    def __init__(self) -> None:
        """Begin with everybody's turn."""
        self._turns: dict[str, _Turn] = {}

    def due(self, meter: str) -> datetime | None:
        """Return when a meter's turn comes; None is now."""
        return self._turn(meter).due

    def hold(self, meter: str, until: datetime) -> None:
        """Let a meter wait until then."""
        self._turn(meter).due = until

    def wait(self, meter: str, now: datetime, waits: Sequence[timedelta]) -> bool:
        """Let a meter wait, each time longer; False after the last time."""
        turn = self._turn(meter)
        if turn.waits >= len(waits):
            return False
        turn.due = now + waits[turn.waits]
        turn.waits += 1
        return True

    def read(self, meter: str) -> datetime | None:
        """Return until when costs are known in this round of looks; None: from anew."""
        return self._turn(meter).read

    def note_read(self, meter: str, until: datetime | None) -> None:
        """Note that costs are known until then; None begins a new round."""
        self._turn(meter).read = until

    def forget(self, meter: str) -> None:
        """Begin anew with a meter."""
        self._turns.pop(meter, None)

    def clear(self) -> None:
        """Begin anew with all meters."""
        self._turns.clear()

    def _turn(self, meter: str) -> _Turn:
        return self._turns.setdefault(meter, _Turn())
