"""`python -m tests.faults`: injects faults drawn from a seed, and compares what is counted with a ledger kept outside."""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import tests.faults.rows  # noqa: F401  (enters everything into the matrix)
from shared.cli.local.errors import LocalRunError
from tests.faults.harness import plan
from tests.faults.harness.matrix import FAULTS, SCENARIOS, Entry, Fault, Scenario
from tests.faults.harness.report import Report
from tests.faults.harness.stage import Stage
from tests.faults.harness.world import World, open_world

NODES = 3
RATE = 100.0
RECOVERY_WITHIN_SECONDS = 60.0
FAULT_TIMEOUT_SECONDS = 300.0

WORLD = Entry(
    0, "the-world", "after everything: all accepted counted once, all numbers follow from the log", 0, True, False
)


async def play_round(report: Report, chosen: plan.Round, folder: Path, rate: float, until: float) -> None:
    """One shared world with its faults, then the scenarios, as long as there is time."""
    if chosen.faults:
        await play_world(report, chosen.faults, folder / f"world-{len(report.outcomes)}", rate, until)
    for entry in chosen.scenarios:
        if time.monotonic() > until:
            return
        stage = Stage.within(folder / f"{entry.name}-{len(report.outcomes)}", entry.name)
        chance = random.Random(f"{report.seed} {entry.name} {len(report.outcomes)}")
        await timed(report, entry, stage, partial(entry.play, stage, chance))


async def play_world(report: Report, faults: tuple[Fault, ...], folder: Path, rate: float, until: float) -> None:
    """Faults one after another in one world; what is counted at the end is judged as an entry of its own."""
    stage = Stage.within(folder, "the world")

    async def live() -> None:
        async with open_world(stage, nodes=NODES, rate=rate, seed=f"{report.seed} {len(report.outcomes)}") as world:
            report.say(f"a world of {NODES} brokers and {rate:g} leads a second is up")
            for entry in faults:
                if time.monotonic() > until:
                    break
                if not await strike(report, entry, world):
                    report.say("this world is given up: it did not count again")
                    return
            world.stage = stage
            report.say(f"answers: {dict(world.traffic.answers)}")

    await timed(report, WORLD, stage, live, timeout_seconds=None)


async def strike(report: Report, entry: Fault, world: World) -> bool:
    """One fault, then how long it takes until a new lead is counted; False when that does not happen."""
    world.stage = own = Stage(entry.name, world.stage.folder)
    chance = random.Random(f"{report.seed} {entry.name} {len(report.outcomes)}")

    async def struck() -> None:
        await entry.strike(world, chance)
        healed = time.monotonic()
        await world.probe(RECOVERY_WITHIN_SECONDS)
        own.recovery(time.monotonic() - healed)
        await world.all_ready()
        world.traffic.check()

    await timed(report, entry, own, struck)
    return bool(own.recoveries)


async def timed(
    report: Report,
    entry: Entry,
    stage: Stage,
    action: Callable[[], Awaitable[None]],
    timeout_seconds: float | None = FAULT_TIMEOUT_SECONDS,
) -> None:
    """Runs an entry, and enters into the report how it ended."""
    started = time.monotonic()
    failure = None
    try:
        async with asyncio.timeout(timeout_seconds):
            await action()
    except Exception as error:
        said = (
            str(error)
            if isinstance(error, AssertionError | LocalRunError) and str(error)
            else "".join(traceback.format_exception(error))
        )
        failure = f"{said}\nlogs: {stage.folder}"
    report.add(entry, stage, time.monotonic() - started, failure)


async def run(given: argparse.Namespace, report: Report, folder: Path) -> None:
    """What was asked for."""
    if given.only:
        await play_round(report, plan.only(given.only.split(","), report.seed), folder, given.rate, float("inf"))
    elif given.profile == "short":
        await play_round(report, plan.short(report.seed), folder, given.rate, float("inf"))
    else:
        until = time.monotonic() + given.minutes * 60
        for chosen in plan.whole(report.seed):
            await play_round(report, chosen, folder, given.rate, until)
            if time.monotonic() > until:
                return


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--profile", choices=("short", "long"), default="short")
    parser.add_argument("--minutes", type=float, default=60.0, help="how long the long profile goes on")
    parser.add_argument("--seed", type=int, default=None, help="replays the plan of a run")
    parser.add_argument("--only", help="entries of the matrix, with commas between")
    parser.add_argument("--rate", type=float, default=RATE, help="leads a second in the shared world")
    parser.add_argument("--report", type=Path, help="a folder for report.json and report.md")
    parser.add_argument("--list", action="store_true", help="names the entries and ends")
    return parser.parse_args()


def main() -> int:
    """0 when everything was survived."""
    given = arguments()
    entries: list[Fault | Scenario] = sorted(
        [*FAULTS.values(), *SCENARIOS.values()], key=lambda one: (one.row, one.name)
    )
    if given.list:
        for entry in entries:
            print(f"row {entry.row:2}  {entry.name:50} {entry.title}")
        return 0
    report = Report(time.time_ns() % 1_000_000 if given.seed is None else given.seed, given.profile)
    folder = Path(tempfile.mkdtemp(prefix="leadflow-faults-"))
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that everything that was started is ended
    report.say(f"profile {report.profile}, seed {report.seed}: make faults SEED={report.seed} replays it")
    try:
        asyncio.run(run(given, report, folder))
    finally:
        print(report.summary())
        if given.report:
            report.write(given.report)
        if not report.failures:
            shutil.rmtree(folder, ignore_errors=True)
    return 1 if report.failures or report.lost or report.double else 0


if __name__ == "__main__":
    sys.exit(main())
