"""Metrics on a real database without a log: fold events, then ask over HTTP."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import httpx
from fastapi import FastAPI
from prometheus_client import CollectorRegistry, generate_latest
from pydantic import SecretStr

from services.metrics import too_long
from services.metrics.api import (
    drilling,
    findings,
    forecasts,
    frozen,
    kpis,
    noticed,
    rates,
    shadow,
    spending,
    targets,
    why,
)
from services.metrics.app import CONSUMES
from services.metrics.domain.facts import Fact
from services.metrics.freezing import Freezing
from services.metrics.handlers import Handlers
from services.metrics.instruments import BusinessMetrics, NoticedMetrics
from services.metrics.noticing import Noticing
from services.metrics.reporting_together import Reporting
from services.metrics.settings import MetricsSettings
from shared.contracts.policy import Policy, UnitPolicy
from shared.contracts.topics import PIPELINE_LIFECYCLE
from shared.kit import problems
from shared.kit.database import Database, Transaction
from shared.kit.records import Record
from tests.support.clock import FakeClock

TOKEN = "only-for-tests-only-for-tests"

POLICY = Policy(
    version="test",
    defaults=UnitPolicy(channels=("web_form", "phone")),
    business_units={
        "default": UnitPolicy(channels=("web_form", "phone")),
        "tehran": UnitPolicy(time_zone="Asia/Tehran", currency="IRR", channels=("phone",)),
    },
)


class Metrics:
    """The service's parts on one database, with a clock the test moves."""

    def __init__(
        self,
        url: str,
        now: datetime = datetime(2027, 1, 1, tzinfo=UTC),
        policy: Policy = POLICY,
        settings: Mapping[str, Any] | None = None,
        statement_timeout_seconds: float = 25.0,
    ) -> None:
        self.clock = FakeClock(now)
        self.database = Database(
            url, schema="metrics", clock=self.clock, statement_timeout_seconds=statement_timeout_seconds
        )
        self.registry = CollectorRegistry()
        self.business = BusinessMetrics(self.database, policy, self.registry, max_age_seconds=0)
        routes = {event: handler for topic in CONSUMES.values() for event, handler in topic.items()}
        self._handlers = Handlers(policy.unit, routes)
        self._offsets = itertools.count()
        self.app = app = FastAPI()
        app.state.api_token = TOKEN
        problems.install(app)
        too_long.install(app)
        app.include_router(kpis.router(self.database, policy, self.clock))
        app.include_router(drilling.router(self.database, policy, self.clock))
        told = MetricsSettings(api_token=SecretStr(TOKEN), identity_secret=SecretStr(TOKEN), **(settings or {}))
        self.reporting = Reporting(self.database, policy, told, self.registry, self.clock)
        app.include_router(self.reporting.router)
        app.include_router(rates.router(self.database, policy))
        app.include_router(forecasts.router(self.database, policy, self.clock))
        self.freezing = Freezing(self.database, policy, self.clock, interval_seconds=60)
        app.include_router(frozen.router(self.database, self.freezing))
        app.include_router(spending.router(self.database, policy))
        app.include_router(targets.router(self.database, policy, self.clock))
        app.include_router(why.router(self.database, policy, self.clock))
        app.include_router(findings.router(self.database, policy, self.clock))
        self.noticing = Noticing(self.database, policy, self.clock, interval_seconds=60, again_seconds=6 * 3600)
        self.noticed = NoticedMetrics(self.database, self.clock, self.registry, max_age_seconds=0)
        app.include_router(noticed.router(self.database, self.clock))
        app.include_router(shadow.router(self.database, policy.unit))
        headers = {"Authorization": f"Bearer {TOKEN}"}
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app), base_url="http://metrics", headers=headers
        )

    async def fold(self, facts: Sequence[Fact]) -> Transaction:
        """One batch, as the consumer would hand it over."""
        async with self.database.transaction() as tx:
            await self._handlers.handle(tx, [self._record(fact) for fact in facts])
        return tx

    async def fold_all(self, facts: Iterable[Fact], size: int = 500) -> None:
        """Many batches."""
        rest = list(facts)
        for start in range(0, len(rest), size):
            await self.fold(rest[start : start + size])

    def _record(self, fact: Fact) -> Record:
        document = {**fact._asdict(), **fact.data, "correlation_id": fact.event_id}
        event = PIPELINE_LIFECYCLE.events.validate_python(document)
        offset = next(self._offsets)
        return Record(PIPELINE_LIFECYCLE.name, 0, offset, b"", b"", (), fact.recorded_at, event)

    async def ask(self, kpi: str, **parameters: Any) -> dict[str, Any]:
        """A KPI's answer; `start` stands for `from`."""
        if "start" in parameters:
            parameters["from"] = parameters.pop("start")
        response = await self.client.get(f"/v1/kpis/{kpi}", params=parameters)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    async def total(self, kpi: str, **parameters: Any) -> dict[str, Any]:
        """A KPI's total."""
        found: dict[str, Any] = (await self.ask(kpi, **parameters))["total"]
        return found

    async def leads(self, kpi: str, **parameters: Any) -> list[dict[str, Any]]:
        """What a number is made of, from all pages."""
        if "start" in parameters:
            parameters["from"] = parameters.pop("start")
        found: list[dict[str, Any]] = []
        while True:
            response = await self.client.get(f"/v1/kpis/{kpi}/leads", params=parameters)
            assert response.status_code == 200, response.text
            found += response.json()["leads"]
            if (cursor := response.json()["next_cursor"]) is None:
                return found
            parameters["cursor"] = cursor

    async def audit(self) -> dict[str, Any]:
        """What recomputing everything finds."""
        response = await self.client.post("/v1/audit/rollups")
        found: dict[str, Any] = response.json()
        return found

    async def scrape(self) -> str:
        """The exposition."""
        await self.business.refresh()
        await self.noticed.refresh()
        return generate_latest(self.registry).decode()

    async def close(self) -> None:
        """Gives everything back."""
        await self.client.aclose()
        await self.database.close()
