"""Pipeline on a real database, without the log: batches and requests go in, announcements come out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from services.pipeline.app import CONSUMES, create_app
from services.pipeline.handlers import Handlers
from services.pipeline.instruments import PipelineInstruments
from services.pipeline.settings import PipelineSettings
from shared.contracts.envelope import Event, LifecycleEvent
from shared.contracts.erasure_events import ErasureOrdered
from shared.contracts.policy import Policy
from shared.contracts.topics import PIPELINE_ERASURES, PIPELINE_LIFECYCLE, PIPELINE_VISITS, TOPICS
from shared.kit.database import Database, Transaction
from shared.kit.frames import unpack
from tests.integration.pipeline.folding import differences
from tests.integration.pipeline.hooked import Hooked
from tests.integration.pipeline.receiving import Receiver, receiving
from tests.unit.pipeline.builders import POLICY, SECRET, recorded

TOKEN = "a token of the tests"


class Pipeline:
    """The service's inside."""

    def __init__(self, url: str, registry: CollectorRegistry) -> None:
        self.database = Database(url, schema="pipeline")
        self.registry = registry
        self.routes = {event: on_event for topic in CONSUMES.values() for event, on_event in topic.items()}
        self.handlers = Handlers(POLICY, SECRET, PipelineInstruments(registry), self.routes)
        self.duplicates: list[UUID] = []
        self.waiting: list[UUID] = []
        self.orders: list[ErasureOrdered] = []
        self.visits: list[Any] = []
        self.rows_are_told = True
        """False for a test that writes rows of its own, of which no history tells."""

    async def take(self, *events: Event) -> list[LifecycleEvent]:
        """One batch in one transaction, and what it announced."""

        async def work(tx: Transaction) -> Transaction:
            await self.handlers.handle(tx, [recorded(event, offset) for offset, event in enumerate(events)])
            return tx

        tx = await self.database.run(work, deadline_seconds=20)
        every = [TOPICS[one.topic].parse(one.value) for one in tx.announced if one.topic != PIPELINE_VISITS.name]
        self.visits += [TOPICS[one.topic].parse(one.value) for one in tx.announced if one.topic == PIPELINE_VISITS.name]
        assert [one.key.decode() for one in tx.announced if one.topic != PIPELINE_VISITS.name] == [
            str(event.lead_id) for event in every
        ]
        said = [event for event in every if isinstance(event, LifecycleEvent)]
        self.orders += [event for event in every if isinstance(event, ErasureOrdered)]
        assert len(every) == len(said) + sum(isinstance(event, ErasureOrdered) for event in every)
        self.duplicates += [record.event.event_id for record in tx.duplicates]
        self.waiting += [record.event.event_id for record in tx.waiting]
        return said

    async def published(self) -> list[LifecycleEvent]:
        """Everything announced since the database began, in order."""
        rows = await self.database.rows("SELECT frame FROM pipeline.outbox ORDER BY id")
        messages = [one for row in rows for one in unpack(row.frame)]
        return [PIPELINE_LIFECYCLE.parse(one.value) for one in messages if one.topic == PIPELINE_LIFECYCLE.name]  # type: ignore[misc]

    async def ordered(self) -> list[ErasureOrdered]:
        """Every erasure that was ordered on the log, in order."""
        rows = await self.database.rows("SELECT frame FROM pipeline.outbox ORDER BY id")
        messages = [one for row in rows for one in unpack(row.frame)]
        return [PIPELINE_ERASURES.parse(one.value) for one in messages if one.topic == PIPELINE_ERASURES.name]  # type: ignore[misc]

    async def told_of_visits(self) -> list[Any]:
        """Everything that was told of visitors, in order."""
        rows = await self.database.rows("SELECT frame FROM pipeline.outbox ORDER BY id")
        messages = [one for row in rows for one in unpack(row.frame)]
        return [PIPELINE_VISITS.parse(one.value) for one in messages if one.topic == PIPELINE_VISITS.name]

    async def one(self, sql: str, **parameters: Any) -> Any:
        """The only row of a query."""
        return (await self.database.rows(sql, **parameters))[0]

    async def lead(self, lead_id: UUID) -> Any:
        """A lead's row."""
        return await self.one("SELECT * FROM pipeline.leads WHERE lead_id = :id", id=lead_id)

    async def check(self) -> None:
        """What always holds: versions have no gaps, in the table and on the log, the log says what the table says, and every
        row is what its history comes to."""
        stories: dict[UUID, list[int]] = defaultdict(list)
        published = await self.published()
        for event in published:
            stories[event.lead_id].append(event.version)
        assert all(versions == list(range(1, len(versions) + 1)) for versions in stories.values())
        rows = await self.database.rows("SELECT lead_id, event_id FROM pipeline.history")
        assert {(row.lead_id, row.event_id) for row in rows} == {(one.lead_id, one.event_id) for one in published}
        assert len(rows) == len(published)
        wrong = await self.database.rows(
            """
            SELECT lead_id FROM pipeline.leads l
            WHERE version <> (SELECT count(*) FROM pipeline.history h WHERE h.lead_id = l.lead_id)"""
        )
        assert not wrong
        if self.rows_are_told:
            assert await differences(self.database, [(one.lead_id, one.version) for one in published]) == []


@pytest.fixture
async def pipeline(migrated_database: Callable[..., str], registry: CollectorRegistry) -> AsyncIterator[Pipeline]:
    service = Pipeline(migrated_database("pipeline"), registry)
    yield service
    await service.check()
    await service.database.close()


@pytest.fixture
def rules() -> Policy:
    """The policy that the application is put together with."""
    return POLICY


@pytest.fixture
def app(pipeline: Pipeline, rules: Policy, tmp_path: Any) -> FastAPI:
    policy = tmp_path / "policy.yaml"
    policy.write_text(rules.model_dump_json(exclude_none=True))
    settings = PipelineSettings(
        database_url=pipeline.database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False),
        api_token=TOKEN,
        identity_secret=SECRET.decode(),
        policy_file=policy,
    )
    return create_app(settings)


@pytest.fixture
async def http(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://pipeline", headers={"Authorization": f"Bearer {TOKEN}"}
    ) as client:
        yield client
    await app.state.database.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Another system that follows."""
    with receiving() as one:
        yield one


@pytest.fixture
async def hooked(pipeline: Pipeline) -> AsyncIterator[Hooked]:
    """Webhooks over the same database."""
    one = Hooked(pipeline.database)
    yield one
    await one.hooks.sending._poster.close()
