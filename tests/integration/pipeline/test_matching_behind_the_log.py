"""The service, put together, on a real log: who is captured there is found, merged without asking, and parted again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from pydantic import SecretStr

from services.pipeline.app import create_app
from services.pipeline.settings import PipelineSettings
from shared.contracts.topics import CAPTURE_LEADS, PIPELINE_LIFECYCLE
from tests.integration.pipeline.test_commands import do
from tests.integration.pipeline.test_matching import ASKING, MERGING, jane, jane_again, policy
from tests.support.patience import eventually
from tests.support.topics import create_topics
from tests.unit.pipeline.builders import SECRET

TOKEN = "a token only for tests"
BORN: dict[str, Any] = {"attributes": {"birth_date": "1980-04-12"}}


@asynccontextmanager
async def running(url: str, kafka: str, folder: Path, matching: dict[str, Any]) -> AsyncIterator[httpx.AsyncClient]:
    file = folder / "policy.yaml"
    file.write_text(policy(matching).model_dump_json(exclude_none=True))
    settings = PipelineSettings(
        database_url=SecretStr(url),
        kafka_bootstrap=kafka,
        api_token=SecretStr(TOKEN),
        identity_secret=SecretStr(SECRET.decode()),
        policy_file=file,
        group_instance_id="pipeline-test",
        matching_interval_seconds=0.1,
    )
    app = create_app(settings)
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://pipeline", headers=headers) as http,
    ):
        yield http


async def said_on_the_log(kafka: str) -> list[str]:
    """The names of the lifecycle events, in order."""
    consumer = AIOKafkaConsumer(PIPELINE_LIFECYCLE.name, bootstrap_servers=kafka, auto_offset_reset="earliest")
    await consumer.start()
    try:
        batches = await consumer.getmany(timeout_ms=2000)
        return [PIPELINE_LIFECYCLE.parse(one.value).event for records in batches.values() for one in records]
    finally:
        await consumer.stop()


async def test_who_is_probably_one_is_asked_about_and_once_the_policy_says_so_merged(
    migrated_database: Callable[..., str], fresh_kafka: str, tmp_path: Path
) -> None:
    await create_topics(fresh_kafka)
    url = migrated_database("pipeline")
    one, other = jane(**BORN), jane_again(**BORN)
    producer = AIOKafkaProducer(bootstrap_servers=fresh_kafka, enable_idempotence=True)
    await producer.start()
    for event in (one, other):
        await producer.send_and_wait(CAPTURE_LEADS.name, event.to_json(), key=str(event.lead_id).encode())
    await producer.stop()

    async with running(url, fresh_kafka, tmp_path, ASKING) as http:

        async def is_asked() -> bool:
            return len((await http.get("/v1/merge-candidates")).json()["items"]) == 1

        assert await eventually(is_asked, within_seconds=60)

    async with running(url, fresh_kafka, tmp_path, MERGING) as http:

        async def is_merged() -> bool:
            shown = (await http.get(f"/v1/leads/{one.lead_id}")).json()
            return bool(shown["merged_lead_ids"] == [str(other.lead_id)])

        assert await eventually(is_merged, within_seconds=60)
        parted = await do(http, f"/v1/leads/{other.lead_id}:unmerge")
        assert parted["merged_lead_ids"] == []

        async def is_told() -> bool:
            said = await said_on_the_log(fresh_kafka)
            return said.count("LeadMerged") == said.count("LeadUnmerged") == 1

        assert await eventually(is_told, within_seconds=60)
        assert (await http.get("/v1/merge-candidates")).json()["items"] == []
