"""Keep the simulator's devices and records in a file between two runs."""

from dataclasses import asdict
from datetime import datetime
from fractions import Fraction
from itertools import count
import json
from pathlib import Path
from typing import Any

from .core import Core
from .ledger import Draft
from .tariff import Direction


def save(core: Core, path: Path) -> None:
    """Write what is stored; a torn file is never left behind."""
    ledger = core.ledger
    state = {
        "number": next(ledger._numbers),
        "devices": [
            {
                "account_id": device.account.id,
                "device_id": device.id,
                "reference_id": device.reference_id,
            }
            for device in ledger.devices.values()
        ],
        "records": [asdict(record.draft) for record in ledger.submissions],
    }
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(state, default=str), encoding="utf-8")
    temporary.replace(path)


def load(core: Core, path: Path) -> None:
    """Store again what was written, under the switches in force now.

    Accounts and locations must be there already.
    """
    state = json.loads(path.read_text(encoding="utf-8"))
    # Ids that were handed out must not come again.
    core.ledger._numbers = count(state["number"])
    for device in state["devices"]:
        core.add_device(**device)
    for record in state["records"]:
        core.store(_draft(record))


def _draft(record: dict[str, Any]) -> Draft:
    return Draft(
        **record
        | {
            "start": datetime.fromisoformat(record["start"]),
            "end": datetime.fromisoformat(record["end"]),
            "energy": Fraction(record["energy"]),
            "confidence": Fraction(record["confidence"]),
            "energy_direction": Direction(record["energy_direction"]),
            "tariff_direction": Direction(record["tariff_direction"]),
        }
    )
