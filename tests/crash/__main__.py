"""Run the crash test and print its figures: `scripts/crash-test`."""

import argparse
import asyncio
from collections.abc import Iterable
from pathlib import Path
from random import randrange
from shutil import rmtree
import sys
from tempfile import mkdtemp

# First of all that is Home Assistant's: it prepares the modules for a stopped clock.
from .kills import Hit
from .run import RULES, Story, crash


def main() -> None:
    """Run it under each rule; the exit status says whether all was right."""
    parser = argparse.ArgumentParser(prog="scripts/crash-test", description=__doc__)
    parser.add_argument("--kills", type=int, default=30, help="default: 30")
    parser.add_argument("--seed", type=int, help="default: another one each time")
    parser.add_argument(
        "--rule",
        choices=[*RULES, "both"],
        default="both",
        help="what FlatPeak does with a second record of the same period; "
        "blind: it adds, and its reports show nothing for days",
    )
    options = parser.parse_args()
    seed = randrange(10_000) if options.seed is None else options.seed
    wrong = 0
    rules = ["replaces", "adds"] if options.rule == "both" else [options.rule]
    for rule in rules:
        folder = Path(mkdtemp(prefix="crash-test-"))
        story = asyncio.run(crash(rule, seed, options.kills, folder))
        print_lines(figures(story))
        if story.audit.wrong:
            print_lines([("configuration kept in", folder)])
        else:
            rmtree(folder)
        wrong += len(story.audit.wrong)
    if wrong:
        sys.exit(f"{wrong} things are wrong; --seed {seed} runs the same day again")


def figures(story: Story) -> Iterable[tuple[str, object]]:
    """Return what to tell of a run."""
    found = story.audit
    yield f"FlatPeak {story.rule}", f"seed {story.seed}"
    yield "kills", story.hits.total()
    for hit in Hit:
        yield f"  {hit}", story.hits[hit]
    yield "away", f"{story.absent.total_seconds() / 3600:.1f} h"
    yield "faults", found.faults.total()
    for kind, count in sorted(found.faults.items()):
        yield f"  {kind}", count
    yield "times without a network", story.cuts
    yield "requests", found.requests
    yield "windows", found.windows
    yield "  estimated", found.estimated
    yield "energy", f"{found.kwh} kWh"
    yield "records at FlatPeak", found.records
    yield "  doubles of the network's", found.repeated
    yield "  doubles of ours", found.doubles
    yield "  missing", found.missing
    yield "listed as unconfirmed", found.unconfirmed
    yield "money in our books", found.money
    yield "money by the tariff", found.exact_money
    yield "money at FlatPeak", found.their_money
    yield "run time", f"{story.seconds:.0f} s"
    for wrong in found.wrong:
        yield "WRONG", wrong


def print_lines(lines: Iterable[tuple[str, object]]) -> None:
    """Print a table."""
    for name, value in lines:
        print(f"{name:28}{value}")  # noqa: T201
    print()  # noqa: T201


if __name__ == "__main__":
    main()
