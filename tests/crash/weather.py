"""What the network does while Home Assistant lives and dies."""

from random import Random
from typing import Any

from tests.simulator import FaultKind, FlatPeakSimulator

CHANCE = 0.3  # of one more trouble per slot
LONGEST_CUT = 6  # slots without any network
WAITING = 2  # troubles that wait for a request
RECORD = "/costs/instant"

TROUBLES: tuple[dict[str, Any], ...] = (
    {"path": RECORD, "kind": FaultKind.DROP, "stored": True},
    {"path": RECORD, "kind": FaultKind.DROP},
    {"path": "*", "kind": FaultKind.DROP},
    {"path": RECORD, "status": 500, "stored": True},
    {"path": RECORD, "status": 503},
    {"path": "*", "status": 502},
    {"path": "*", "status": 429, "retry_after": 90},
    {"path": RECORD, "kind": FaultKind.REPEAT},
    {"path": RECORD, "kind": FaultKind.REPEAT},
    {"path": "*", "kind": FaultKind.REPEAT},
    {"path": RECORD, "kind": FaultKind.DELAY, "delay": 0.05},
    {"path": RECORD, "kind": FaultKind.DELAY, "delay": 0.05, "stored": True},
    {"path": RECORD, "kind": FaultKind.GARBAGE, "stored": True},
    {"path": RECORD, "kind": FaultKind.EMPTY, "stored": True},
    {"path": "/costs/interval/*", "kind": FaultKind.GARBAGE},
)


class Weather:
    """Troubles at random, and hours without a network."""

    def __init__(self, simulator: FlatPeakSimulator, random: Random) -> None:
        """Begin with fair weather."""
        self._simulator = simulator
        self._random = random
        self._cut = 0
        self.cuts = 0

    async def change(self) -> None:
        """Let a slot pass: trouble may come, the network may go or come back."""
        if self._cut:
            self._cut -= 1
            if not self._cut:
                await self._simulator.listen()
            return
        if self._random.random() >= CHANCE:
            return
        if not self._random.randrange(10):
            self._cut = self._random.randint(1, LONGEST_CUT)
            self.cuts += 1
            await self._simulator.refuse()
        elif len(self._simulator.faults.waiting) < WAITING:
            self._simulator.fail(**self._random.choice(TROUBLES))

    async def clear(self) -> None:
        """Let the network be as it should."""
        self._simulator.faults.clear()
        self._cut = 0
        await self._simulator.listen()
