"""Two processes of capture, one of them killed again and again: the log's book is true afterwards, to the record."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.brokers import fresh_broker
from tests.support.choice import Server
from tests.support.patience import eventually_blocking
from tests.support.servers import Databases
from tests.support.services import CAPTURE_KEY, RunningServices, services_for
from tests.support.topics import create_topics

pytestmark = [pytest.mark.slow, pytest.mark.needs_apache, pytest.mark.timeout(300)]

BATCHES, EACH = 60, 50
DOORS = ("capture", "capture-2")


@pytest.fixture
def system(databases: Databases, broker: Server, tmp_path: Path) -> Iterator[RunningServices]:
    """Capture twice, over one database and one log."""
    url = databases.migrated("capture")
    with fresh_broker(broker) as bootstrap:
        asyncio.run(create_topics(bootstrap, partitions=4))
        services = services_for(url, bootstrap, tmp_path)
        try:
            for door in DOORS:
                services.start(door)
            services.wait_until_ready(*DOORS)
            yield services
        finally:
            services.end()
    databases.drop(url)


def ask(system: RunningServices, door: str, path: str, body: Any) -> httpx.Response:
    """One request to one of the two."""
    return httpx.post(
        f"{system.url(door)}{path}",
        content=json.dumps(body).encode(),
        headers={"X-API-Key": CAPTURE_KEY, "Content-Type": "application/json"},
        timeout=20,
        trust_env=False,
    )


def sent(system: RunningServices, number: int) -> int:
    """Sends a batch, to whoever answers, until it is taken; how often that was tried."""
    leads = [{"email": f"p{number}-{one}@example.com", "record_id": f"r{number}-{one}"} for one in range(EACH)]
    tries = 0

    def taken() -> bool:
        nonlocal tries
        tries += 1
        try:
            return ask(system, DOORS[(number + tries) % 2], "/v1/leads:batch", leads).status_code == 202
        except httpx.TransportError:
            return False

    eventually_blocking(taken, within_seconds=90, every_seconds=0.2)
    return tries


def test_what_was_accepted_is_on_the_books_once_however_often_a_door_is_killed(system: RunningServices) -> None:
    with ThreadPoolExecutor(4) as senders:
        sending = [senders.submit(sent, system, number) for number in range(BATCHES)]
        for place in (10, 25, 40):
            sending[place].result()
            system.kill("capture-2")
            system.start("capture-2")
        tries = sum(one.result() for one in sending)
    system.wait_until_ready(*DOORS)
    ids = [f"r{number}-{one}" for number in range(BATCHES) for one in range(EACH)]

    def compared() -> dict[str, Any]:
        answer = ask(system, "capture", "/v1/reconciliation", {"record_ids": [*ids, "never-sent"]})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        assert found["log_behind_records"] == 0
        return found

    count = len(ids)
    verdict = eventually_blocking(compared, within_seconds=120, every_seconds=1)
    assert verdict["verdict"] == f"expected {count + 1:,}, accepted {count:,}: this id is missing"
    assert verdict["missing"]["ids"] == ["never-sent"]
    headers = {"X-API-Key": CAPTURE_KEY}
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    period = {"from": (hour - timedelta(hours=1)).isoformat(), "to": (hour + timedelta(hours=2)).isoformat()}
    shown = httpx.get(
        f"{system.url('capture')}/v1/reconciliation", params=period, headers=headers, timeout=20, trust_env=False
    )
    assert shown.status_code == 200, shown.text
    book = shown.json()["totals"]["log"]
    assert book["accepted"] == count
    assert book["published"] == book["accepted"] + book["duplicates"]
    assert book["duplicates"] <= (tries - BATCHES) * EACH
    assert book["conflicts"] == 0
