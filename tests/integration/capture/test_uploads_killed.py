"""Uploads under capture as a process, on a real log: killed at the moments that matter, and with what it needs away."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from aiokafka import AIOKafkaConsumer

from services.capture.domain.naming import named_event
from shared.contracts.topics import CAPTURE_LEADS
from tests.integration.capture.uploading import ENDED
from tests.support.patience import eventually
from tests.support.services import CAPTURE_KEY, RunningServices, services_for
from tests.support.topics import create_topics

ROWS = 100_000
HEADERS = {"Authorization": f"Bearer {CAPTURE_KEY}"}
SENDER = "development"
ENDED_WITHIN_SECONDS = 200.0
"""A quiet machine needs a tenth of it."""

pytestmark = pytest.mark.timeout(300)


def rows_of(count: int) -> Iterator[bytes]:
    """A file of so many leads, piece by piece."""
    yield b"record_id,name,email,company,source,product\n"
    for begin in range(0, count, 1_000):
        numbers = range(begin, min(begin + 1_000, count))
        yield "".join(f"r{n},Lead {n},lead{n}@example.com,Company {n % 97},fair,GTX\n" for n in numbers).encode()


def ids_of(count: int) -> set[str]:
    """The events that these leads are, whoever publishes them."""
    return {named_event("default", SENDER, "lead", f"r{n}") for n in range(count)}


async def on_the_log(bootstrap: str) -> Counter[str]:
    """How often each event is there."""
    consumer = AIOKafkaConsumer(CAPTURE_LEADS.name, bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        ends = await consumer.end_offsets(list(consumer.assignment()))
        found: Counter[str] = Counter()
        while any([await consumer.position(place) < end for place, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=500)).values():
                found.update(orjson.loads(record.value)["event_id"] for record in records)
        return found
    finally:
        await consumer.stop()


@dataclass
class Capture:
    """Processes of capture that share a database, a log and a disk."""

    services: RunningServices
    client: httpx.AsyncClient
    bootstrap: str

    async def start(self, name: str = "capture", **environment: str) -> None:
        self.services.start(name, **environment)
        await asyncio.to_thread(self.services.wait_until_ready, name)

    async def upload(self, count: int, **options: str) -> str:
        """Posts a file; its job."""
        body = b"".join(rows_of(count))
        answer = await self.client.post(f"{self.services.url('capture')}/v1/uploads", content=body, params=options)
        assert answer.status_code == 202, answer.text
        upload_id: str = answer.json()["upload_id"]
        return upload_id

    async def show(self, upload_id: str, name: str = "capture") -> Any:
        answer = await self.client.get(f"{self.services.url(name)}/v1/uploads/{upload_id}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def ended(self, upload_id: str, name: str = "capture") -> Any:
        async def check() -> Any:
            job = await self.show(upload_id, name)
            return job if job["status"] in ENDED else None

        return await eventually(check, within_seconds=ENDED_WITHIN_SECONDS, every_seconds=0.2)

    async def died(self, name: str = "capture") -> None:
        """Returns when the process has ended by the failpoint that it was started with."""
        process = self.services.processes.pop(name)
        assert await asyncio.to_thread(process.wait, 60) == -signal.SIGKILL


@pytest.fixture
async def capture(tmp_path: Path, migrated_database: Callable[..., str], fresh_kafka: str) -> AsyncIterator[Capture]:
    await create_topics(fresh_kafka)
    environment = {"CAPTURE_UPLOAD_DIR": str(tmp_path / "uploads"), "CAPTURE_UPLOAD_ROWS_PER_SECOND": "100000"}
    services = services_for(migrated_database("capture"), fresh_kafka, tmp_path, environment=environment)
    try:
        async with httpx.AsyncClient(headers=HEADERS, timeout=30, trust_env=False) as client:
            yield Capture(services, client, fresh_kafka)
    finally:
        await asyncio.to_thread(services.end)


async def test_a_hundred_thousand_rows_survive_a_kill_in_their_middle(capture: Capture) -> None:
    await capture.start(LEADFLOW_FAILPOINT="upload-published:100")
    upload_id = await capture.upload(ROWS)
    await capture.died()
    await capture.start()
    begun = await capture.show(upload_id)
    assert begun["status"] == "running"
    assert begun["rows"]["read"] >= 49_000
    done = await capture.ended(upload_id)
    assert done["status"] == "done"
    assert done["rows"] == {"total": ROWS, "read": ROWS}
    assert done["leads"] == {"accepted": ROWS, "duplicate": 0, "rejected": 0, "quarantined": 0}
    times = await on_the_log(capture.bootstrap)
    assert set(times) == ids_of(ROWS)
    assert sum(times.values()) <= ROWS + 500  # what was published and not counted is published once more


@pytest.mark.parametrize("moment", ["upload-noted:3", "upload-published:3", "upload-advanced:3"])
async def test_whatever_a_kill_comes_between_the_counts_stay_true(capture: Capture, moment: str) -> None:
    await capture.start(LEADFLOW_FAILPOINT=moment)
    first = await capture.upload(3_000)
    await capture.died()
    await capture.start()
    done = await capture.ended(first)
    assert done["leads"] == {"accepted": 3_000, "duplicate": 0, "rejected": 0, "quarantined": 0}
    assert set(await on_the_log(capture.bootstrap)) == ids_of(3_000)

    # Another file with the same rows and more: what the log has is known.
    async def receipts_are_there() -> bool:
        answer = await capture.client.post(
            f"{capture.services.url('capture')}/v1/reconciliation", json={"record_ids": [f"r{n}" for n in range(3_000)]}
        )
        return bool(answer.json()["agrees"])

    await eventually(receipts_are_there, within_seconds=60)
    second = await capture.ended(await capture.upload(3_100))
    assert second["leads"] == {"accepted": 100, "duplicate": 3_000, "rejected": 0, "quarantined": 0}


async def test_a_replica_goes_on_where_another_one_died_or_stood_still(capture: Capture) -> None:
    await capture.start(LEADFLOW_FAILPOINT="upload-published:4:25")  # stands still for longer than its lease
    upload_id = await capture.upload(20_000)
    await capture.start("capture-2")
    done = await capture.ended(upload_id, "capture-2")
    assert done["leads"] == {"accepted": 20_000, "duplicate": 0, "rejected": 0, "quarantined": 0}
    assert set(await on_the_log(capture.bootstrap)) == ids_of(20_000)

    async def woken() -> bool:
        with suppress(httpx.TransportError):
            return bool((await capture.show(upload_id))["status"] == "done")
        return False

    await eventually(woken, within_seconds=40)
    assert (await capture.show(upload_id))["leads"] == done["leads"]
