"""How many leads a second the whole chain sustains, and where the time goes: `make bench`.

Starts a broker, a PostgreSQL (durable, as in production) and the four services on this machine, posts leads in batches at
each rate for a while, and watches until the last one is counted. A rate is sustained when what is left to count at the end
of posting is worth less than two seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg

from tests.support.servers import Databases, running_broker, running_postgres
from tests.support.services import API_TOKEN, CAPTURE_KEY, RunningServices, running_services

BATCH = 250
SETTLE_SECONDS = 2.0


def lead(number: int) -> dict[str, Any]:
    """One lead of the mix: known by e-mail, every third also by phone."""
    made: dict[str, Any] = {
        "record_id": f"load-{number}",
        "business_unit": "europe",
        "channel": ("web_form", "paid_search", "event")[number % 3],
        "source": ("spring", "summer", "autumn", "winter")[number % 4],
        "campaign": f"campaign {number % 20}",
        "email": f"person.{number}@example.com",
        "name": f"Person {number}",
        "company": f"Company {number % 500}",
        "job_title": ("Engineer", "Head of Sales", "Student")[number % 3],
    }
    if number % 3 == 0:
        made["phone"] = f"+31612{number % 1_000_000:06d}"
    return made


def counted(url: str) -> int:
    """Leads that are facts in metrics."""
    with psycopg.connect(url) as connection:
        created = connection.execute("SELECT count(*) FROM metrics.facts WHERE event = 'LeadCreated'").fetchone()
    assert created is not None
    return int(created[0])


async def post(url: str, first: int, rate: int, seconds: float) -> tuple[int, float]:
    """Posts at a rate; returns how many were accepted and how long that took."""
    number = first
    accepted = 0
    pending: set[asyncio.Task[int]] = set()
    async with httpx.AsyncClient(headers=bearer(CAPTURE_KEY), timeout=30, trust_env=False) as client:

        async def one(numbers: range) -> int:
            body = json.dumps([lead(n) for n in numbers])
            answer = await client.post(
                f"{url}/v1/leads:batch", content=body, headers={"Content-Type": "application/json"}
            )
            return int(answer.json()["accepted"])

        started = time.perf_counter()
        while (now := time.perf_counter() - started) < seconds:
            if number - first <= now * rate and len(pending) < 16:
                task = asyncio.create_task(one(range(number, number + BATCH)))
                pending.add(task)
                number += BATCH
            else:
                await asyncio.sleep(0.002)
            done = {task for task in pending if task.done()}
            accepted += sum(task.result() for task in done)
            pending -= done
        accepted += sum(await asyncio.gather(*pending))
        return accepted, time.perf_counter() - started


async def probe(services: RunningServices, rate: int, seconds: float) -> list[float]:
    """Seconds from the answer 202 until the KPI API counts that lead, once a second while the load runs."""
    waits: list[float] = []
    async with httpx.AsyncClient(timeout=30, trust_env=False) as client:
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            campaign = f"probe {rate} {len(waits)}"
            body = {"email": f"{campaign.replace(' ', '.')}@example.com", "channel": "event", "campaign": campaign}
            await client.post(f"{services.url('capture')}/v1/leads", json=body, headers=bearer(CAPTURE_KEY))
            accepted = time.perf_counter()
            question = f"{services.url('metrics')}/v1/kpis/leads_created"
            while time.perf_counter() - accepted < 30:
                answer = await client.get(question, params={"campaign": campaign}, headers=bearer(API_TOKEN))
                if answer.json()["total"]["value"]:
                    break
                await asyncio.sleep(0.05)
            waits.append(time.perf_counter() - accepted)
            await asyncio.sleep(max(0.0, 1.0 - waits[-1]))
    return waits


def bearer(secret: str) -> dict[str, str]:
    """The header that carries a key or a token."""
    return {"Authorization": f"Bearer {secret}"}


def processor_seconds(services: RunningServices, others: Sequence[psutil.Process]) -> dict[str, float]:
    """User and system seconds so far by process, PostgreSQL's backends by the schema they serve."""
    spent: dict[str, float] = {}
    for name, process in services.processes.items():
        times = psutil.Process(process.pid).cpu_times()
        spent[name] = times.user + times.system
    for other in others:
        for one in (other, *other.children(recursive=True)):
            try:
                title = " ".join(one.cmdline())
                times = one.cpu_times()
            except psutil.Error:
                continue
            kind = "broker" if "noida" in title or "kafka" in title else "postgres"
            spent[kind] = spent.get(kind, 0.0) + times.user + times.system
    return spent


def batches(services: RunningServices) -> dict[str, tuple[float, float]]:
    """Records and batches that each consumer has done, from its own metrics."""
    done = {}
    for name in ("scoring", "pipeline", "metrics"):
        lines = httpx.get(f"{services.url(name)}/metrics", trust_env=False).text.splitlines()
        records = sum(float(line.split()[-1]) for line in lines if line.startswith("leadflow_consumer_records_total{"))
        count = sum(
            float(line.split()[-1]) for line in lines if line.startswith("leadflow_consumer_batch_seconds_count")
        )
        done[name] = (records, count)
    return done


def settle(url: str, expected: int, within_seconds: float) -> float:
    """Seconds until everything is counted, or the limit."""
    started = time.perf_counter()
    while counted(url) < expected and time.perf_counter() - started < within_seconds:
        time.sleep(0.1)
    return time.perf_counter() - started


def main() -> None:
    """Runs the rates given and prints a table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rates", type=int, nargs="+", default=[500, 1000, 2000, 3000, 4000, 5000])
    arguments.add_argument("--seconds", type=float, default=20.0)
    given = arguments.parse_args()
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    with (
        running_postgres(durable=True) as server,
        running_broker() as broker,
        tempfile.TemporaryDirectory() as folder,
    ):
        url = Databases(server).migrated()
        others = [one for one in psutil.Process().children() if one.pid not in before]
        with running_services(url, broker.bootstrap, Path(folder)) as services:
            total = asyncio.run(_warm_up(services, url))
            print(
                "rate | accepted/s | left at the end | drained in | sustained | visible after, median / worst | processor µs per lead | records per batch"
            )
            for rate in given.rates:
                spent, earlier = processor_seconds(services, others), batches(services)
                (accepted, took), waits = asyncio.run(_load(services, total, rate, given.seconds))
                accepted += len(waits)
                left = total + accepted - counted(url)
                drained = settle(url, total + accepted, 120.0)
                after, later = processor_seconds(services, others), batches(services)
                total += accepted
                per_lead = {name: round((after[name] - spent.get(name, 0.0)) / accepted * 1e6) for name in after}
                per_batch = {
                    name: round((later[name][0] - earlier[name][0]) / max(later[name][1] - earlier[name][1], 1))
                    for name in later
                }
                sustained = left < rate * SETTLE_SECONDS and accepted / took > 0.95 * rate
                print(
                    f"{rate} | {accepted / took:.0f} | {left} | {drained:.1f} s | {'yes' if sustained else 'no'} | "
                    f"{statistics.median(waits):.2f} / {max(waits):.2f} s | "
                    f"{per_lead} sum {sum(per_lead.values())} | {per_batch}",
                    flush=True,
                )


async def _load(
    services: RunningServices, first: int, rate: int, seconds: float
) -> tuple[tuple[int, float], list[float]]:
    return await asyncio.gather(post(services.url("capture"), first, rate, seconds), probe(services, rate, seconds))


async def _warm_up(services: RunningServices, url: str) -> int:
    accepted, _ = await post(services.url("capture"), 0, 1000, 3.0)
    settle(url, accepted, 60.0)
    return accepted


if __name__ == "__main__":
    main()
