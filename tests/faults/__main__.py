"""`python -m tests.faults`: injects faults drawn from a seed, and compares what is counted with a ledger kept outside."""

from __future__ import annotations

import argparse
import asyncio
import random
import resource
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
from tests.faults.harness.stage import NotPossible, Stage
from tests.faults.harness.world import World, open_world

NODES = 3
RATE = 100.0
RECOVERY_WITHIN_SECONDS = 60.0
FAULT_TIMEOUT_SECONDS = 300.0
"""Or twice what an entry typically takes, where that is longer."""
FILES = 16_384

WORLD = Entry(
    0, "the-world", "after everything: all accepted counted once, all numbers follow from the log", 0, True, False
)


async def play_round(report: Report, chosen: plan.Round, folder: Path, rate: float, until: float) -> None:
    """One shared world with its faults, then the scenarios, as long as there is time. What went well leaves no files."""
    if chosen.faults:
        place = folder / f"world-{len(report.outcomes)}"
        if await play_world(report, chosen.faults, place, rate, until):
            shutil.rmtree(place, ignore_errors=True)
    for entry in chosen.scenarios:
        if time.monotonic() > until:
            return
        stage = Stage.within(folder / f"{entry.name}-{len(report.outcomes)}", entry.name)
        if await timed(report, entry, stage, partial(entry.play, stage, chance_of(report, entry))):
            shutil.rmtree(stage.folder, ignore_errors=True)


def chance_of(report: Report, entry: Entry) -> random.Random:
    """The same draws whatever else is played, so that an entry alone does again what it did first."""
    return random.Random(f"{report.seed} {entry.name} {report.times(entry)}")


async def play_world(report: Report, faults: tuple[Fault, ...], folder: Path, rate: float, until: float) -> bool:
    """Faults one after another in one world; what is counted at the end is judged as an entry of its own. True when all
    of that went well."""
    failures = len(report.failures)
    stage = Stage.within(folder, "the world")

    async def live() -> None:
        async with open_world(stage, nodes=NODES, rate=rate, seed=f"{report.seed} {report.times(WORLD)}") as world:
            report.say(f"a world of {NODES} brokers and {rate:g} leads a second is up")
            for entry in faults:
                if time.monotonic() > until:
                    break
                if not await strike(report, entry, world):
                    report.say("this world is given up: it did not count again")
                    return
            report.say(f"answers: {dict(world.traffic.answers)}")

    await timed(report, WORLD, stage, live, endless=True)
    return len(report.failures) == failures


async def strike(report: Report, entry: Fault, world: World) -> bool:
    """One fault, then how long it takes until a new lead is counted; False when that does not happen."""
    outer = world.stage
    world.stage = own = Stage(entry.name, outer.folder)
    counts_again = False

    async def struck() -> None:
        nonlocal counts_again
        await entry.strike(world, chance_of(report, entry))
        if not own.recoveries:
            world.healed()
        await world.probe(RECOVERY_WITHIN_SECONDS)
        counts_again = True
        await world.all_ready()
        world.traffic.check()

    try:
        await timed(report, entry, own, struck)
    finally:
        world.stage = outer
    return counts_again


async def timed(
    report: Report,
    entry: Entry,
    stage: Stage,
    action: Callable[[], Awaitable[None]],
    *,
    endless: bool = False,
) -> bool:
    """Runs an entry, and enters into the report how it ended. False when it failed."""
    started = time.monotonic()
    failure = skipped = None
    limit = None if endless else max(FAULT_TIMEOUT_SECONDS, 2 * entry.seconds)
    try:
        async with asyncio.timeout(limit):
            await action()
    except NotPossible as error:
        skipped = str(error)
    except Exception as error:
        said = (
            str(error)
            if isinstance(error, AssertionError | LocalRunError) and str(error)
            else "".join(traceback.format_exception(error))
        )
        failure = f"{said}\nlogs: {stage.folder}"
    report.add(entry, stage, time.monotonic() - started, failure, skipped)
    return failure is None


async def run(given: argparse.Namespace, report: Report, folder: Path) -> None:
    """What was asked for."""
    if given.only or given.profile == "short":
        chosen = plan.only(given.only, report.seed) if given.only else plan.short(report.seed)
        report.planned = [entry.name for entry in (*chosen.faults, *chosen.scenarios)]
        await play_round(report, chosen, folder, given.rate, float("inf"))
    else:
        report.planned = [*FAULTS, *SCENARIOS]
        until = time.monotonic() + given.minutes * 60
        for chosen in plan.whole(report.seed):
            before = len(report.outcomes)
            await play_round(report, chosen, folder, given.rate, until)
            survived = any(outcome.failure is None for outcome in report.outcomes[before:])
            if time.monotonic() > until or not survived:  # where nothing is survived, the ground is not there
                return


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--profile", choices=("short", "long"), default="short")
    parser.add_argument("--minutes", type=float, default=60.0, help="how long the long profile goes on")
    parser.add_argument("--seed", type=int, default=None, help="replays the plan of a run")
    parser.add_argument("--only", type=names, help="entries of the matrix, with commas between")
    parser.add_argument("--rate", type=float, default=RATE, help="leads a second in the shared world")
    parser.add_argument("--report", type=Path, help="a folder for report.json and report.md")
    parser.add_argument("--list", action="store_true", help="names the entries and ends")
    return parser.parse_args()


def names(given: str) -> list[str]:
    """Names of entries with commas between. Raises where there is none of that name."""
    found = given.split(",")
    try:
        plan.only(found, 0)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return found


def ready_for_many_connections() -> None:
    """Idle senders by the thousand need a file each, here and in the services that are started."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))


def end_well_when_told_to() -> None:
    """So that everything that was started is ended. Who asked not to be hung up on is not."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.default_int_handler)


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
    seed = time.time_ns() % 1_000_000 if given.seed is None else given.seed
    report = Report(seed, given.profile, plan.command(given.profile, seed, given.only, given.minutes))
    folder = Path(tempfile.mkdtemp(prefix="leadflow-faults-"))
    end_well_when_told_to()
    ready_for_many_connections()
    report.say(f"profile {report.profile}, seed {report.seed}: {report.command} replays it")
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
