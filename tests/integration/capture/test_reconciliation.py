"""A sender asks what became of what it sent, and is told exactly, from the log."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest
from aiokafka import AIOKafkaProducer
from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from services.capture import storage
from services.capture.app import create_app
from services.capture.instruments import RetentionInstruments
from services.capture.retention import Retention, Rule
from shared.contracts.topics import CAPTURE_LEADS
from shared.kit.database import Database
from tests.support.clock import FakeClock
from tests.support.patience import eventually
from tests.support.topics import create_topics
from tests.unit.capture.fakes import PLAIN_KEY, a_client, problem, the_settings
from tests.unit.capture.test_reconciliation import event

TOKEN = "t" * 16
NOW = datetime.now(UTC)
TODAY = {
    "from": (NOW - timedelta(hours=12)).strftime("%Y-%m-%dT%H:00:00Z"),
    "to": (NOW + timedelta(hours=12)).strftime("%Y-%m-%dT%H:00:00Z"),
}
PATH = "/v1/reconciliation"


@pytest.fixture
async def app(fresh_kafka: str, migrated_database: Callable[..., str]) -> FastAPI:
    await create_topics(fresh_kafka)
    settings = the_settings(
        LEADFLOW_KAFKA_BOOTSTRAP=fresh_kafka,
        database_url=SecretStr(migrated_database("capture")),
        group_instance_id="capture-test",
        idle_fetch_pause_seconds=0.05,
    )
    return create_app(settings)


@pytest.fixture
def not_started(migrated_database: Callable[..., str]) -> FastAPI:
    """What needs no log: an application that only answers."""
    return create_app(the_settings(database_url=SecretStr(migrated_database("capture"))))


@asynccontextmanager
async def running(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a sender whose key has every scope, once the topic is read and written."""
    async with app.router.lifespan_context(app), a_client(app) as client:

        async def settled() -> bool:
            answer = await client.get("/readyz")
            return answer.status_code == 200 and not answer.json()["does_without"]

        await eventually(settled, within_seconds=60)
        yield client


async def post(client: httpx.AsyncClient, leads: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Posts a batch; its items."""
    answer = await client.post("/v1/leads:batch", json=leads)
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def compared(client: httpx.AsyncClient, **counted: Any) -> dict[str, Any]:
    """The answer to a count, once the log is read to its end."""

    async def ask() -> dict[str, Any]:
        answer = await client.post(PATH, json=counted)
        assert answer.status_code == 200, answer.text
        assert answer.json()["log_behind_records"] == 0, "the log is not read to its end"
        found: dict[str, Any] = answer.json()
        return found

    return await eventually(ask, within_seconds=60)


async def publish(bootstrap: str, *values: bytes) -> None:
    """Puts records on the topic beside capture, as a producer that writes again does."""
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all") as producer:
        for value in values:
            await producer.send_and_wait(CAPTURE_LEADS.name, value, key=b"key")


async def test_two_ids_that_never_came_are_named(app: FastAPI) -> None:
    async with running(app) as client:
        sent = [{"email": f"a{n}@example.com", "record_id": f"r{n}"} for n in range(1_240) if n not in (77, 901)]
        assert all(item["status"] == 202 for item in await post(client, sent))
        answer = await compared(client, record_ids=[f"r{n}" for n in range(1_240)], **TODAY)
        assert answer["verdict"] == "expected 1,240, accepted 1,238: these two ids are missing"
        assert answer["missing"] == {"count": 2, "ids": ["r77", "r901"]}
        assert answer["not_named"] == {"event_ids": [], "more": False}
        assert answer["totals"]["log"] == {"published": 1_238, "accepted": 1_238, "duplicates": 0, "conflicts": 0}
        again = await compared(client, record_ids=[one["record_id"] for one in sent])
        assert again["verdict"] == "expected 1,238, accepted 1,238: they agree"
        count = await compared(client, expected=1_240, **TODAY)
        assert count["verdict"] == "expected 1,240, accepted 1,238: two are missing; send your ids to learn which"


async def test_what_was_not_named_and_what_came_at_another_time_is_told(app: FastAPI) -> None:
    async with running(app) as client:
        items = await post(client, [{"email": f"a{n}@example.com", "record_id": f"r{n}"} for n in range(3)])
        answer = await compared(client, event_ids=[item["event_id"] for item in items[:2]], **TODAY)
        assert answer["agrees"]
        assert answer["not_named"] == {"event_ids": [items[2]["event_id"]], "more": False}
        before = {"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z"}
        elsewhere = await compared(client, event_ids=[item["event_id"] for item in items], **before)
        assert elsewhere["outside_of_period"] == 3
        assert elsewhere["agrees"]


async def test_keys_of_requests_name_events_as_record_ids_do(app: FastAPI) -> None:
    async with running(app) as client:
        body, header = {"email": "ada@example.com"}, "Idempotency-Key"
        await client.post("/v1/leads", json=body, headers={header: "one"})
        visit = {"kind": "page_view", "email": "ada@example.com", "business_unit": "europe"}
        await client.post("/v1/interactions", json=visit, headers={header: "one"})
        leads = await compared(client, record_ids=["one", "two"])
        assert leads["missing"]["ids"] == ["two"]
        assert (await compared(client, record_ids=["one"], kind="interaction", business_unit="europe"))["agrees"]
        assert not (await compared(client, record_ids=["one"], kind="interaction"))["agrees"]


async def test_the_same_record_again_is_a_duplicate_and_with_other_content_a_conflict(
    app: FastAPI, fresh_kafka: str
) -> None:
    async with running(app) as client:
        at = datetime.now(UTC)
        first = event({"record_id": "r1", "email": "ada@example.com"}, at=at, sender="dev")
        other = event({"record_id": "r1", "email": "eve@example.com"}, at=at, sender="dev")
        later = event({"record_id": "r1", "email": "ada@example.com"}, at=at + timedelta(minutes=1), sender="dev")
        await publish(fresh_kafka, first, later, other, first, b"no event", b"", other.replace(b'"dev"', b'"\\u0000"'))
        answer = await compared(client, record_ids=["r1"], **TODAY)
        assert answer["agrees"]
        assert answer["totals"]["log"] == {"published": 4, "accepted": 1, "duplicates": 3, "conflicts": 1}
        metrics = (await client.get("/metrics")).text
        assert "leadflow_capture_receipts_unreadable_records_total 3.0" in metrics
        letters = await client.get("/v1/dead-letters", headers={"Authorization": f"Bearer {TOKEN}"})
        assert letters.json()["items"] == [], "what is no event is kept by those who work with events"


async def test_hours_are_those_of_the_zone_that_is_asked_for(app: FastAPI, fresh_kafka: str) -> None:
    async with running(app) as client:
        times = [datetime(2026, 3, 1, 20, 15, tzinfo=UTC), datetime(2026, 3, 1, 20, 45, tzinfo=UTC)]
        bodies = [{"record_id": f"r{n}", "email": f"a{n}@example.com"} for n in range(2)]
        await publish(fresh_kafka, *(event(body, at=at, sender="dev") for body, at in zip(bodies, times, strict=True)))
        day = {"from": "2026-03-01T00:00:00+03:30", "to": "2026-03-02T00:00:00+03:30"}
        assert (await compared(client, expected=1, **day))["agrees"], "in Tehran, the second came on the next day"
        answer = await client.get(PATH, params={**day, "time_zone": "Asia/Tehran"})
        (hour,) = answer.json()["hours"]
        assert datetime.fromisoformat(hour["hour"]) == datetime(2026, 3, 1, 19, 30, tzinfo=UTC)
        assert hour["log"]["accepted"] == 1


async def test_a_sender_sees_its_own_and_the_operator_everything(app: FastAPI) -> None:
    async with running(app) as client, a_client(app, TOKEN) as operator, a_client(app, PLAIN_KEY) as other:
        await post(client, [{"email": "a@example.com", "record_id": "r1"}])
        await client.post("/v1/leads", json={"email": "b@example.com"}, headers={"Leadflow-Sender": "shop"})
        await post(other, [{"email": "c@example.com", "record_id": "r1"}])
        problem(await other.get(PATH, params=TODAY), 403, "forbidden")
        problem(await client.get(PATH, params={**TODAY, "sender": "site"}), 403, "forbidden")
        problem(await client.post(PATH, json={"record_ids": ["r1"], "sender": "site"}), 403, "forbidden")
        assert (await compared(operator, sender="site", record_ids=["r1"]))["agrees"]
        problem(await operator.post(PATH, json={"record_ids": ["r1"]}), 422, "invalid")

        async def senders(who: httpx.AsyncClient, **headers: str) -> set[str]:
            answer = await who.get(PATH, params=TODAY, headers=headers)
            assert answer.status_code == 200, answer.text
            return {row["sender"] for row in answer.json()["hours"]}

        assert await senders(operator) == {"dev", "shop", "site"}
        assert await senders(client) == {"dev"}
        assert await senders(client, **{"Leadflow-Sender": "shop"}) == {"shop"}
        async with a_client(app, None) as nobody:
            problem(await nobody.get(PATH, params=TODAY), 401, "unauthorized")
            problem(await nobody.post(PATH, json={}), 401, "unauthorized")


@pytest.mark.parametrize(
    ("counted", "field"),
    [
        ({}, "expected"),
        ({"expected": 3}, "expected"),
        ({"from": "2026-03-01T00:00:00Z", "expected": 3}, "from"),
        ({**TODAY}, "expected"),
        ({**TODAY, "from": "2026-03-01T00:07:00Z", "expected": 1}, "from"),
        ({"from": TODAY["to"], "to": TODAY["from"], "expected": 1}, "to"),
        ({"from": "2026-01-01T00:00:00Z", "to": "2026-12-01T00:00:00Z", "expected": 1}, "to"),
        ({**TODAY, "expected": -1}, "expected"),
        ({"record_ids": ["x"] * 100_001}, "record_ids"),
        ({"record_ids": ["x" * 1_000]}, "record_id"),
        ({"record_ids": [" "]}, "record_id"),
        ({"event_ids": ["x"]}, "event_ids.0"),
        ({"record_ids": ["x"], "of": "me"}, "of"),
        ([], "body"),
    ],
)
async def test_a_count_that_says_nothing_is_refused_with_its_fault(
    not_started: FastAPI, counted: Any, field: str
) -> None:
    async with a_client(not_started) as client:
        answer = await client.post(PATH, json=counted)
    assert answer.status_code == 422, answer.text
    assert answer.json()["field"] == field
    assert answer.json()["fix"]


async def test_receipts_are_forgotten_after_their_time_and_not_before(migrated_database: Callable[..., str]) -> None:
    url = migrated_database("capture")
    database = Database(url, schema="capture")
    clock = FakeClock(datetime(2026, 3, 31, 12, tzinfo=UTC))
    rows = [
        (uuid4(), number, datetime(2026, 3, day, 11, 45 if number % 2 else 30, tzinfo=UTC), "s", "u", "lead")
        for day in (1, 2)
        for number in range(2_500)
    ]
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        cursor.executemany("INSERT INTO capture.receipts VALUES (%s, %s, %s, %s, %s, %s)", rows)
    registry = CollectorRegistry()
    rules = (
        Rule("receipts", timedelta(days=30), storage.delete_receipts),
        Rule("counts", timedelta(days=400), storage.delete_counts),
    )
    retention = Retention(database, clock, rules, RetentionInstruments(registry))

    def kept() -> int:
        with psycopg.connect(url) as connection:
            found = connection.execute("SELECT count(*) FROM capture.receipts").fetchone()
        return int(found[0]) if found else 0

    await retention.apply()
    assert kept() == 2_500
    clock.advance(timedelta(hours=23, minutes=35))
    await retention.apply()
    assert kept() == 1_250
    deleted = registry.get_sample_value("leadflow_capture_retention_deleted_rows_total", {"rule": "receipts"})
    assert deleted == 3_750
    await database.close()
