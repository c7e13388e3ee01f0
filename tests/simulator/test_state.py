"""A simulator that is stopped and started again."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from .core import Core
from .state import load, save

START = datetime(2026, 11, 10, 12, tzinfo=UTC)
END = START + timedelta(minutes=30)


def build() -> Core:
    """Return an account with a home whose id is always the same."""
    core = Core()
    core.now = END
    core.add_account("acc_example", "sk_live_example")
    core.add_location("acc_example", location_id="loc_example")
    return core


def test_devices_records_and_money_come_back(tmp_path: Path) -> None:
    """What was stored is reported again, and a record still replaces an earlier one."""
    before = build()
    device = before.add_device("acc_example", reference_id="ha-1")
    before.add_record("loc_example", START, END, 1500, record_reference_id="one")
    before.add_record("loc_example", START, END, 0.25, device_id=device)
    save(before, tmp_path / "state.json")

    after = build()
    load(after, tmp_path / "state.json")
    assert after.ledger.devices[device].reference_id == "ha-1"
    drafts = [record.draft for record in before.ledger.records()]
    assert [record.draft for record in after.ledger.records()] == drafts
    money = before.stored_cost("loc_example", START, END)
    assert money > 0
    assert after.stored_cost("loc_example", START, END) == money

    after.add_record("loc_example", START, END, 3000)
    assert len(after.ledger.records()) == 2
    assert after.stored_cost("loc_example", START, END) > money


def test_an_id_is_never_given_twice(tmp_path: Path) -> None:
    """A device that is created after the return is another one."""
    before = build()
    known = {before.add_device("acc_example") for _ in range(3)}
    save(before, tmp_path / "state.json")

    after = build()
    load(after, tmp_path / "state.json")
    assert after.add_device("acc_example") not in known
