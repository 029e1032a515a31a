"""All of reports, put together from the settings."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime

from fastapi import APIRouter
from prometheus_client import CollectorRegistry

from services.metrics.api import reports
from services.metrics.instruments import ReportMetrics
from services.metrics.reporting.delivering import Delivering
from services.metrics.reporting.writing import Reports
from services.metrics.settings import MetricsSettings
from services.metrics.storage.reports import own_time
from shared.contracts.policy import Policy
from shared.kit.clock import Clock
from shared.kit.database import Database, Transaction
from shared.kit.errors import LeadflowError
from shared.kit.posting import Poster


class InvalidReports(LeadflowError):
    """The policy has reports that cannot be told or sent. Names every fault."""


class Reporting:
    """Reports told on request, and sent when they are due."""

    def __init__(
        self,
        database: Database,
        policy: Policy,
        settings: MetricsSettings,
        registry: CollectorRegistry,
        clock: Clock,
        *,
        time_of: Callable[[Transaction], Awaitable[datetime]] = own_time,
    ) -> None:
        told = Reports(database, policy)
        self._poster = Poster(settings.webhook_rules, timeout_seconds=settings.webhook_timeout_seconds)
        base = settings.public_url.rstrip("/") or _own_address(settings.host, settings.port)
        self.delivering = Delivering(
            database,
            policy,
            told,
            self._poster,
            settings.secrets_of_reports,
            folder=settings.reports_dir,
            link=lambda path: base + path,
            interval_seconds=settings.reports_interval_seconds,
            time_of=time_of,
        )
        faults = [
            f"report {name!r}: {one}"
            for name, report in policy.reports.items()
            for one in self.delivering.faults(report)
        ]
        if faults:
            raise InvalidReports("The policy's reports need mending:\n  " + "\n  ".join(faults))
        self.metrics = ReportMetrics(database, registry)
        self.router: APIRouter = reports.router(
            told, self.delivering, database, policy, clock, public_url=settings.public_url
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Sends what is due until the context ends."""
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._poster.close)
            await stack.enter_async_context(self.delivering.running())
            yield


def _own_address(host: str, port: int) -> str:
    """Where this machine itself reaches the API: a host that listens everywhere is no place to go to."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
