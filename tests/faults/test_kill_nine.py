"""Every service is killed with -9 twenty times at random while leads come in; every accepted one is a fact exactly once."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from tests.support.servers import SERVICES
from tests.support.services import CAPTURE_KEY, RunningServices, running_services

LEADS = 20_000
KILLS_OF_EACH_SERVICE = 20
POSTERS = 6
HEADERS = {"Authorization": f"Bearer {CAPTURE_KEY}"}


def people(seed: int) -> list[dict[str, Any]]:
    """What is posted: mostly new people, some again, some first by phone and later by both."""
    chance = random.Random(seed)
    leads = []
    for number in range(LEADS):
        person = number if chance.random() < 0.9 else chance.randrange(number + 1)
        lead: dict[str, Any] = {
            "record_id": f"r{number}",
            "business_unit": chance.choice(["europe", "tehran"]) if person == number else "europe",
            "channel": chance.choice(["web_form", "phone", "event"]),
        }
        by = chance.random()
        if by < 0.7:
            lead["email"] = f"person{person}@example.com"
        if by > 0.5:
            lead["phone"] = f"+31612{person:06d}"
        leads.append(lead)
    return leads


class Senders:
    """Senders that try again until they are told 202, as good senders do."""

    def __init__(self, url: str, leads: list[dict[str, Any]], chance: random.Random) -> None:
        self.url = url
        self.todo = leads
        self.chance = chance
        self.accepted: dict[str, str] = {}
        self.answers: Counter[str] = Counter()

    async def run(self) -> None:
        async with httpx.AsyncClient(timeout=15, headers=HEADERS, trust_env=False) as client:
            await asyncio.gather(*(self._send(client) for _ in range(POSTERS)))

    async def _send(self, client: httpx.AsyncClient) -> None:
        while self.todo:
            size = self.chance.choice([1, 1, 5, 60])
            some, self.todo[:] = self.todo[:size], self.todo[size:]
            while some:
                some = await self._post(client, some)
            await asyncio.sleep(self.chance.random() * 0.1)

    async def _post(self, client: httpx.AsyncClient, leads: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Posts and returns those that were not accepted."""
        path = "/v1/leads" if len(leads) == 1 else "/v1/leads:batch"
        try:
            answer = await client.post(self.url + path, json=leads[0] if len(leads) == 1 else leads)
        except httpx.TransportError as error:
            self.answers[type(error).__name__] += 1
            await asyncio.sleep(0.2)
            return leads
        self.answers[str(answer.status_code)] += 1
        if answer.status_code == 503:
            await asyncio.sleep(0.2)
            return leads
        assert answer.status_code in (202, 207), answer.text
        body = answer.json()
        items = body.get("items", [{"index": 0, "status": 202, **body}])
        for item in items:
            if item["status"] == 202:
                self.accepted[leads[item["index"]]["record_id"]] = item["event_id"]
        return [leads[item["index"]] for item in items if item["status"] != 202]


async def nemesis(services: RunningServices, chance: random.Random) -> None:
    """Kills and starts again, until each service had its share."""
    plan = list(SERVICES) * KILLS_OF_EACH_SERVICE
    chance.shuffle(plan)
    for service in plan:
        await asyncio.sleep(chance.uniform(0.3, 1.2))
        services.kill(service)
        services.start(service)


def facts(database_url: str) -> Counter[str]:
    """How often each accepted event is a fact in metrics."""
    with psycopg.connect(database_url) as connection:
        rows = connection.execute(
            "SELECT causation_id::text FROM metrics.facts WHERE event IN ('LeadCreated', 'LeadTouched')"
        ).fetchall()
    return Counter(row[0] for row in rows)


@pytest.mark.timeout(900)
def test_twenty_kills_of_every_service_lose_and_double_nothing(
    migrated_database: Callable[..., str], fresh_kafka: str, tmp_path: Path
) -> None:
    seed = int(os.environ.get("LEADFLOW_FAULT_SEED") or time.time_ns() % 1_000_000)
    print(f"seed {seed}: replay with LEADFLOW_FAULT_SEED={seed}")
    chance = random.Random(seed)
    url = migrated_database()
    with running_services(url, fresh_kafka, tmp_path) as services:
        senders = Senders(services.url("capture"), people(seed), chance)

        async def storm() -> None:
            await asyncio.gather(senders.run(), nemesis(services, random.Random(seed + 1)))

        started = time.monotonic()
        asyncio.run(storm())
        stormed = time.monotonic()
        services.wait_until_ready()
        audit = services.cli("audit", "--wait-seconds", "240", timeout_seconds=600)
        drained = time.monotonic()
        print(f"answers {dict(senders.answers)}; storm {stormed - started:.0f} s, audit {drained - stormed:.0f} s")
        print(audit.stdout, audit.stderr)
        ended = {service: process.poll() for service, process in services.processes.items()}
        assert set(ended.values()) == {None}, f"ended by itself: {ended}"
        assert len(senders.accepted) == LEADS
        counted = facts(url)
        lost = [event_id for event_id in senders.accepted.values() if counted[event_id] == 0]
        double = [event_id for event_id, times in counted.items() if times > 1]
        print(f"accepted {len(senders.accepted)}, lost {len(lost)}, double {len(double)}")
        assert (lost, double) == ([], [])
        assert audit.returncode == 0, audit.stdout + audit.stderr
