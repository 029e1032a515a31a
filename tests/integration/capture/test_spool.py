"""The spool under capture as a process: killed, stopped, started while the log is away, on a broker that goes and comes,
on a disk that runs full."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import orjson
import pytest
from aiokafka import AIOKafkaConsumer

from services.capture.spool.spooling import AT_ONCE
from shared.cli.local.ports import free_port
from shared.contracts.topics import CAPTURE_LEADS
from tests.support.brokers import NEEDS_APACHE
from tests.support.choice import Unusable
from tests.support.desk import ask
from tests.support.exposition import sample_sum
from tests.support.patience import eventually
from tests.support.servers import KafkaCluster, running_kafka_cluster
from tests.support.services import CAPTURE_KEY, RunningServices, services_for
from tests.support.topics import create_topics

PARTITIONS = 4
READY_WITHIN_SECONDS = 60.0

pytestmark = pytest.mark.logs_errors  # the client library logs that it cannot connect


class Capture:
    """One process of capture with a spool, and everything that it ever accepted, by sender's id."""

    def __init__(self, services: RunningServices, client: httpx.AsyncClient) -> None:
        self.services = services
        self.client = client
        self.accepted: dict[str, str] = {}
        self.spooled = 0
        self._next = 0

    @property
    def url(self) -> str:
        return self.services.url("capture")

    @property
    def directory(self) -> Path:
        return self.services.folder / "spool"

    async def start(self, bootstrap: str = "", **environment: str) -> None:
        """Starts it, with the log away when none is named, and waits until it is ready."""
        away = f"127.0.0.1:{free_port()}"
        self.services.start("capture", LEADFLOW_KAFKA_BOOTSTRAP=bootstrap or away, **environment)
        await asyncio.to_thread(self.services.wait_until_ready, "capture", within_seconds=READY_WITHIN_SECONDS)

    async def kill(self) -> None:
        await asyncio.to_thread(self.services.kill, "capture")

    async def stop(self) -> int:
        """Asks it to end; its exit code."""
        process = self.services.processes.pop("capture")
        process.terminate()
        return await asyncio.to_thread(process.wait, 30)

    async def post(self, count: int = 1, person: int | None = None) -> int:
        """New leads of one person or of seven, all in one request; the status of the answer."""
        numbers = range(self._next, self._next + count)
        self._next += count
        people = {number: number % 7 if person is None else person for number in numbers}
        leads = [{"record_id": f"r{number}", "email": f"p{people[number]}@example.com"} for number in numbers]
        answer = await self.client.post(f"{self.url}/v1/leads:batch", json=leads)
        for lead, item in zip(leads, answer.json()["items"], strict=True):
            if item["status"] == 202:
                self.accepted[lead["record_id"]] = item["event_id"]
                self.spooled += item.get("spooled", False)
        return answer.status_code

    async def post_until_it_dies(self) -> None:
        """Many at once, each for one person, so that each person's have an order; until the process has ended by the
        failpoint that it was started with."""

        async def send(person: int) -> None:
            with suppress(httpx.TransportError):
                while True:
                    await self.post(person=person)

        await asyncio.gather(*(send(person) for person in range(8)))
        code = await asyncio.to_thread(self.services.processes["capture"].wait, 30)
        assert code == -signal.SIGKILL

    async def metric(self, name: str) -> float:
        return sample_sum((await self.client.get(f"{self.url}/metrics")).text, name)

    async def drained(self) -> None:
        async def empty() -> bool:
            return await self.metric("leadflow_capture_spool_records") == 0

        await eventually(empty, within_seconds=60)


@pytest.fixture
async def capture(tmp_path: Path) -> AsyncIterator[Capture]:
    spool = {"CAPTURE_SPOOL_DIR": str(tmp_path / "spool"), "CAPTURE_SPOOL_AFTER_SECONDS": "0.5"}
    services = services_for("", "127.0.0.1:9", tmp_path, environment=spool)
    headers = {"Authorization": f"Bearer {CAPTURE_KEY}"}
    try:
        async with httpx.AsyncClient(headers=headers, timeout=30, trust_env=False) as client:
            yield Capture(services, client)
    finally:
        await asyncio.to_thread(services.end)


async def on_the_log(bootstrap: str) -> list[tuple[str, str]]:
    """Lead and event of every record, each partition in its order."""
    consumer = AIOKafkaConsumer(CAPTURE_LEADS.name, bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        ends = await consumer.end_offsets(list(consumer.assignment()))
        found: list[tuple[str, str]] = []
        while any([await consumer.position(place) < end for place, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=500)).values():
                events = [orjson.loads(record.value) for record in records]
                found += [(event["lead_id"], event["event_id"]) for event in events]
        return found
    finally:
        await consumer.stop()


async def all_is_there_in_order(capture: Capture, bootstrap: str) -> Counter[str]:
    """Every accepted event is on the log, and each lead's stand in the order in which they were accepted. How often each
    is there."""
    records = await on_the_log(bootstrap)
    times = Counter(event_id for _, event_id in records)
    assert [record_id for record_id, event_id in capture.accepted.items() if not times[event_id]] == []
    first = {event_id: place for place, (_, event_id) in reversed(list(enumerate(records)))}
    leads = {event_id: lead_id for lead_id, event_id in records}
    by_lead: dict[str, list[int]] = {}
    for event_id in capture.accepted.values():
        by_lead.setdefault(leads[event_id], []).append(first[event_id])
    assert all(places == sorted(places) for places in by_lead.values())
    return times


async def test_what_was_kept_while_the_log_was_away_is_sent_after_a_restart(capture: Capture, fresh_kafka: str) -> None:
    await create_topics(fresh_kafka, partitions=PARTITIONS)
    await capture.start()
    assert await capture.post(200) == 202
    assert await capture.stop() in (0, -signal.SIGTERM)
    await capture.start()  # still away, and with something in the spool: ready all the same
    assert await capture.post(100) == 202
    assert (capture.spooled, await capture.metric("leadflow_capture_spool_records")) == (300, 300)
    files = list(capture.directory.iterdir())
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    await capture.kill()
    await capture.start(fresh_kafka)
    await capture.drained()
    assert await capture.post(50) == 202
    times = await all_is_there_in_order(capture, fresh_kafka)
    assert set(times.values()) == {1}
    assert list(capture.directory.glob("*.spool")) == []


@pytest.mark.parametrize("failpoint", ["spool-before-fsync", "spool-after-fsync"])
async def test_killed_in_the_middle_of_keeping_it_loses_nothing_that_it_acknowledged(
    capture: Capture, fresh_kafka: str, failpoint: str
) -> None:
    await create_topics(fresh_kafka, partitions=PARTITIONS)
    for life in (3, 7):
        await capture.start(LEADFLOW_FAILPOINT=f"{failpoint}:{life}")
        await capture.post_until_it_dies()
    await capture.start(fresh_kafka)
    await capture.drained()
    assert capture.spooled == len(capture.accepted) > 10
    await all_is_there_in_order(capture, fresh_kafka)


async def test_killed_in_the_middle_of_giving_back_it_sends_few_twice_and_none_never(
    capture: Capture, fresh_kafka: str
) -> None:
    await create_topics(fresh_kafka, partitions=PARTITIONS)
    await capture.start()
    assert await capture.post(2_000) == 202
    await capture.kill()
    for life in (1, 4, 2):
        # It may be gone before anybody could have seen it ready.
        environment = {"LEADFLOW_KAFKA_BOOTSTRAP": fresh_kafka, "LEADFLOW_FAILPOINT": f"spool-before-advance:{life}"}
        capture.services.start("capture", **environment)
        process = capture.services.processes["capture"]
        assert await asyncio.to_thread(process.wait, 60) == -signal.SIGKILL
    await capture.start(fresh_kafka)
    await capture.drained()
    times = await all_is_there_in_order(capture, fresh_kafka)
    assert 0 < sum(times.values()) - len(times) <= 3 * AT_ONCE


async def test_a_second_process_on_the_same_directory_ends_and_says_why(capture: Capture) -> None:
    await capture.start()
    second = capture.services
    second.start("capture-2", LEADFLOW_KAFKA_BOOTSTRAP="127.0.0.1:9")
    code = await asyncio.to_thread(second.processes.pop("capture-2").wait, 60)
    assert code != 0
    assert "belongs to another process" in second.log("capture-2")
    assert await capture.post() == 202


@pytest.fixture
def kafka() -> Iterator[KafkaCluster]:
    """Apache Kafka, one node, that can be stopped and started again."""
    try:
        ask("jars")
    except Unusable as reason:
        pytest.skip(f"{NEEDS_APACHE}: {reason}")
    with running_kafka_cluster(1) as cluster:
        yield cluster


@pytest.mark.slow
async def test_a_broker_that_goes_and_comes_gets_everything_and_nobody_is_told_to_wait(
    capture: Capture, kafka: KafkaCluster
) -> None:
    await create_topics(kafka.bootstrap, partitions=PARTITIONS, replicas=1)
    await capture.start(kafka.bootstrap)
    answers: Counter[int] = Counter()

    async def traffic() -> None:
        while True:
            answers[await capture.post(5)] += 1
            await asyncio.sleep(0.02)

    async with asyncio.TaskGroup() as group:
        sending = group.create_task(traffic())
        for how in (kafka.kill, kafka.stop):
            before = capture.spooled
            await eventually(lambda: sum(answers.values()) > 20)
            await asyncio.to_thread(how, 0)
            await eventually(lambda: capture.spooled > before + 200, within_seconds=60)  # noqa: B023
            kafka.start(0)
            await capture.drained()
        sending.cancel()
    assert set(answers) == {202}
    await capture.drained()
    await all_is_there_in_order(capture, kafka.bootstrap)


@pytest.fixture
def small_disk(capture: Capture) -> Iterator[Path]:
    """The spool's directory on a file system of one mebibyte."""
    capture.directory.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs", str(capture.directory)]
    said = subprocess.run(mount, capture_output=True, text=True)
    if said.returncode != 0:
        pytest.skip(f"a small file system needs the right to mount: {said.stderr.strip()}")
    yield capture.directory
    subprocess.run(["umount", "--lazy", str(capture.directory)], check=True)


async def test_a_full_disk_is_507_and_everything_that_was_acknowledged_before_is_sent(
    capture: Capture, small_disk: Path, fresh_kafka: str
) -> None:
    await create_topics(fresh_kafka, partitions=PARTITIONS)
    await capture.start()
    for count in (100, 10, 1):
        statuses = [await capture.post(count) for _ in range(60)]
        assert statuses[-1] == 507
    one = await capture.client.post(f"{capture.url}/v1/leads", json={"message": "x" * 9_000})
    assert one.status_code == 507
    assert one.json()["type"] == "urn:leadflow:problem:spool-full"
    assert int(one.headers["retry-after"]) >= 10
    assert (await capture.client.get(f"{capture.url}/livez")).status_code == 200
    assert (await capture.client.get(f"{capture.url}/readyz")).status_code == 503
    assert await capture.metric("leadflow_capture_spool_refused_total") > 0
    await capture.kill()
    assert os.statvfs(small_disk).f_bavail < 20
    await capture.start(fresh_kafka)
    await capture.drained()
    assert await capture.post(100) == 202
    await all_is_there_in_order(capture, fresh_kafka)
