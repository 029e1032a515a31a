"""`leadflow audit` of a log and of one ten times as long: how fast it goes, and how much memory it and the services need. No
part of the whole run, since the longer log takes minutes to write: `ONLY=auditing`."""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
from dataclasses import dataclass
from typing import Any

import psutil

from shared.cli.audit.command import AUDITED
from tests.load.findings import Finding
from tests.load.run import Run
from tests.load.stage import Stage, running_stage
from tests.load.traffic import Traffic
from tests.support.servers import SERVICES
from tests.support.services import RunningServices

SIZES, QUICK_SIZES = (7_000, 70_000), (1_000, 10_000)
SETTLED_WITHIN_SECONDS = 900
EVERY_SECONDS = 0.1
MEBIBYTE = 2**20
TARGET_GROWTH = 1.25


@dataclass(frozen=True, slots=True)
class Audited:
    """One audit: how many events it looked for, for how long, and the most memory of whom."""

    leads: int
    events: int
    seconds: float
    command: float
    services: dict[str, float]


def auditing(run: Run) -> list[Finding]:
    """Writes both logs, one after the other, through the whole chain, and audits each."""
    found = []
    with running_stage(run) as stage:
        services = stage.configured()
        for name in SERVICES:
            services.start(name)
        services.wait_until_ready()
        posted = 0
        for leads in QUICK_SIZES if run.quick else SIZES:
            began = time.monotonic()
            asyncio.run(Traffic(services).post_all(range(posted, leads)))
            posted = leads
            _settled(stage, leads)
            run.say(f"{leads:,} leads are counted, {time.monotonic() - began:.0f} s; audits them")
            found.append(_audited(services, leads))
            run.say(f"{found[-1]}")
    small, large = found
    load = f"{psutil.getloadavg()[0]:.1f}"
    memory = [
        Finding(
            "auditing", f"memory of {who}, while {large.events:,} events are audited", most, "MiB", before,
            f"MiB, {small.events:,} events", TARGET_GROWTH, less_is_better=True, detail={"load": load},
        )
        for who, most, before in (
            ("leadflow audit", large.command, small.command),
            *((f"{name}, above what it had before", large.services[name], small.services[name]) for name in AUDITED),
        )
    ]  # fmt: skip
    speed = Finding(
        "auditing", f"leadflow audit, {large.events:,} events", large.events / large.seconds, "events/s",
        small.events / small.seconds, f"events/s, {small.events:,} events", detail={"load": load},
    )  # fmt: skip
    return [speed, *memory]


def _settled(stage: Stage, leads: int) -> None:
    """Returns once all that was told of these leads is counted."""
    give_up_at = time.monotonic() + SETTLED_WITHIN_SECONDS
    counted = before = -1.0
    while time.monotonic() < give_up_at:
        time.sleep(2)
        waiting = stage.scalar(
            "SELECT (SELECT count(*) FROM pipeline.outbox) + (SELECT count(*) FROM pipeline.waiting)"
        )
        told, counted = (
            stage.scalar(f"SELECT count(*) FROM {table}") for table in ("pipeline.history", "metrics.facts")
        )
        known = stage.scalar("SELECT count(*) FROM pipeline.leads")
        if known >= leads and not waiting and told == counted == before:
            return
        before = counted
    raise RuntimeError(f"{counted:,.0f} facts of {leads:,} leads are counted, and it goes no further")


def _audited(services: RunningServices, leads: int) -> Audited:
    """Runs the command and looks ten times a second at how much memory it and the services have."""
    having = {name: psutil.Process(services.pid(name)) for name in AUDITED}
    before = {name: process.memory_info().rss for name, process in having.items()}
    most = dict.fromkeys(("command", *AUDITED), 0)
    began = time.monotonic()
    with (services.folder / "audited.json").open("w+b") as output:
        audit = subprocess.Popen(
            services.command("audit", "--format", "json"), env=dict(services.environment), cwd=services.folder,
            stdout=output, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        process = psutil.Process(audit.pid)
        while audit.poll() is None:
            for name, one in (("command", process), *having.items()):
                try:
                    most[name] = max(most[name], one.memory_info().rss)
                except psutil.Error:
                    continue
            time.sleep(EVERY_SECONDS)
        seconds = time.monotonic() - began
        output.seek(0)
        told: dict[str, Any] = json.loads(output.read())
    if audit.returncode:
        raise RuntimeError(f"the audit found differences: {json.dumps(told)[:2_000]}")
    topics = {step["name"].split(" → ")[0]: step["distinct"] for step in told["steps"]}
    grown = {name: max(most[name] - before[name], MEBIBYTE) / MEBIBYTE for name in AUDITED}
    return Audited(leads, sum(topics.values()), seconds, most["command"] / MEBIBYTE, grown)
