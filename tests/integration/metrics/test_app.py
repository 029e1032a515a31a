"""The service, put together, on a real log."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import httpx
from aiokafka import AIOKafkaProducer
from pydantic import SecretStr

from services.metrics.app import CONSUMES, create_app
from services.metrics.settings import MetricsSettings
from shared.contracts.lifecycle_events import LeadCreated, LifecycleEvents, OpportunityWon
from shared.contracts.topics import PIPELINE_LIFECYCLE
from tests.support.patience import eventually
from tests.support.topics import create_topics
from tests.unit.metrics.stories import day, lead_id

TOKEN = "a token only for tests"
POLICY = Path(__file__).parents[3] / "policy.yaml"


def story() -> list[bytes]:
    """A lead and its deal."""
    known = {"lead_id": lead_id("a"), "business_unit": "europe", "correlation_id": uuid4(), "recorded_at": day(9)}
    created = LeadCreated.model_validate(
        {**known, "event_id": uuid4(), "occurred_at": day(1), "version": 1, "channel": "web_form"}
    )
    won = OpportunityWon.model_validate(
        {**known, "event_id": uuid4(), "occurred_at": day(8), "version": 2, "opportunity_id": "o", "amount": "12.50"}
    )
    return [created.to_json(), won.to_json()]


async def test_what_is_on_the_log_is_in_the_numbers(migrated_database: Callable[..., str], fresh_kafka: str) -> None:
    await create_topics(fresh_kafka)
    settings = MetricsSettings(
        database_url=SecretStr(migrated_database("metrics")),
        kafka_bootstrap=fresh_kafka,
        api_token=SecretStr(TOKEN),
        identity_secret=SecretStr("a secret only for tests"),
        policy_file=POLICY,
        group_instance_id="metrics-test",
    )
    app = create_app(settings)
    transport = httpx.ASGITransport(app=app)
    headers = {"Authorization": f"Bearer {TOKEN}"}
    producer = AIOKafkaProducer(bootstrap_servers=fresh_kafka, enable_idempotence=True)
    await producer.start()
    for value in [*story(), b"no event at all"]:
        await producer.send_and_wait(PIPELINE_LIFECYCLE.name, value, key=str(lead_id("a")).encode())
    await producer.stop()
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://metrics", headers=headers) as client,
    ):

        async def volume() -> bool:
            total = (await client.get("/v1/kpis/sales_volume?channel=web_form")).json()["total"]
            return bool(total["value"] == 12.5 and total["currency"] == "EUR")

        counted: bool = await eventually(volume, within_seconds=60)
        assert counted

        async def stats() -> bool:
            return bool((await client.get("/v1/stats")).json()["dead_letters"] == 1)

        kept_apart: bool = await eventually(stats, within_seconds=30)
        assert kept_apart
        exposition = (await client.get("/metrics")).text
        assert 'leadflow_funnel_leads{business_unit="europe",channel="web_form",stage="customer"} 1.0' in exposition
        assert "leadflow_freshness_seconds" in exposition


def test_every_lifecycle_event_is_consumed() -> None:
    events = LifecycleEvents.__args__[0].__args__
    assert set(CONSUMES[PIPELINE_LIFECYCLE]) == set(events)
