"""Where a lead's microseconds go: each service sampled under load, the samples sorted by what the code was for."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.load.run import NotInstalled, Run
from tests.load.stage import Stage, running_stage
from tests.load.traffic import Traffic
from tests.support.servers import SERVICES
from tests.support.services import ROOT, RunningServices

SPY = ROOT / "build" / "bench-venv" / "bin" / "py-spy"
SECONDS = 10
SAMPLES_PER_SECOND = 199
"""Not a divisor of any clock's rate, so that nothing periodic is always or never seen."""

AREAS: Sequence[tuple[str, tuple[str, ...]]] = (
    ("database client", ("psycopg", "sqlalchemy", "shared/kit/database", "shared/kit/copying")),
    ("parsing", ("shared/contracts/topics", "validate_json", "api/bodies", "shared/kit/reading")),
    ("log client, reading", ("aiokafka/consumer", "faststream", "shared/kit/consumer", "shared/kit/pacing")),
    ("relay and log client, writing", ("aiokafka/producer", "shared/kit/producer", "shared/kit/relay", "shared/kit/frames")),
    ("log client, protocol", ("aiokafka",)),
    ("delivery", ("shared/kit/processing", "shared/kit/positions", "shared/kit/dead_letters")),
    ("events written", ("shared/contracts", "to_json")),
    ("rules", ("/domain/", "contracts/addresses", "phonenumbers", "email_validator")),
    ("rows", ("/storage",)),
    ("handlers", ("/handlers.py", "/commands.py")),
    ("HTTP", ("uvicorn", "starlette", "fastapi", "httptools", "/api", "prometheus_client", "shared/kit")),
    ("event loop", ("asyncio", "uvloop", "selectors", "kit/main", "__main__", "runpy")),
)  # fmt: skip
"""Each area with what its files are called; a sample belongs to its innermost frame that is in any."""


def area_of(stack: Sequence[str]) -> str:
    """The area of one sample, its frames outermost first, as `function (file:line)`."""
    for frame in reversed(stack):
        for area, places in AREAS:
            if any(place in frame for place in places):
                return area
    return "other"


def shares(raw: Iterable[str]) -> dict[str, float]:
    """The share of each area, largest first, in lines of `frame;frame;frame count`."""
    counts: Counter[str] = Counter()
    for line in raw:
        stack, _, count = line.rpartition(" ")
        if stack and count.isdigit():
            counts[area_of(stack.split(";"))] += int(count)
    total = counts.total()
    return {area: count / total for area, count in counts.most_common()} if total else {}


def profile(run: Run, rate: int) -> list[str]:
    """Lines of a Markdown table. Raises `NotInstalled` without the sampler."""
    if not SPY.exists():
        raise NotInstalled("py-spy is not installed; `make profile` installs it")
    with running_stage(run) as stage:
        services = stage.configured()
        for name in SERVICES:
            services.start(name)
        services.wait_until_ready()
        run.say(f"posts {rate:,} leads/s of the mix")
        return asyncio.run(_sampled(stage, services, rate, run))


async def _sampled(stage: Stage, services: RunningServices, rate: int, run: Run) -> list[str]:
    traffic = Traffic(services)
    async with traffic.open():
        posting = asyncio.create_task(traffic.at_rate(0, rate, 3_600))
        await asyncio.sleep(8)
        before, leads, began = stage.processor_seconds(), traffic.posted.leads, time.perf_counter()
        await asyncio.sleep(SECONDS)
        after, leads = stage.processor_seconds(), traffic.posted.leads - leads
        run.say(f"{leads / (time.perf_counter() - began):,.0f} leads/s; samples each service for {SECONDS} s")
        spent = {name: (after[name] - before[name]) / leads * 1e6 for name in after}
        found = {name: await asyncio.to_thread(_spied, services.pid(name), stage.folder / name) for name in SERVICES}
        traffic.enough = True
        await posting
    lines = ["| process | µs a lead | of which (sampled) |", "| --- | --- | --- |"]
    for name, microseconds in spent.items():
        named = ", ".join(f"{area} {share:.0%}" for area, share in found.get(name, {}).items() if share >= 0.02)
        lines.append(f"| {name} | {microseconds:,.0f} | {named} |")
    return [*lines, f"| all | {sum(spent.values()):,.0f} | at {rate:,} leads/s of the mix |"]


def _spied(process: int, output: Path) -> dict[str, float]:
    command = [str(SPY), "record", "--pid", str(process), "--duration", str(SECONDS), "--format", "raw", "--gil"]
    done = subprocess.run(
        [*command, "--rate", str(SAMPLES_PER_SECOND), "--output", str(output)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    if done.returncode:
        raise RuntimeError(f"py-spy could not sample process {process}:\n{done.stderr}")
    return shares(output.read_text(encoding="utf-8").splitlines())
