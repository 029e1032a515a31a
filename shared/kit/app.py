"""The frame of every service: probes, metrics, problems, and parts that start and stop in order."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any

from fastapi import APIRouter, Depends, FastAPI, Request
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from shared.kit import problems
from shared.kit.auth import require_token
from shared.kit.background import running
from shared.kit.bodies import Admit, BoundedBodies, require_any_token
from shared.kit.consumer import Consumer
from shared.kit.database import Database
from shared.kit.dead_letters_api import router as dead_letters_router
from shared.kit.instruments import OutboxInstruments, ProducerInstruments, build_version
from shared.kit.logs import configure_logs, log
from shared.kit.presence import Check, Presence, fault_of
from shared.kit.producer import Producer
from shared.kit.published import publish
from shared.kit.relay import Relay
from shared.kit.settings import ServiceSettings
from shared.kit.unreadable_api import router as unreadable_router
from shared.kit.watchdog import Watchdog


def build_app(
    *,
    name: str,
    title: str,
    description: str,
    settings: ServiceSettings,
    registry: CollectorRegistry,
    database: Database | None = None,
    needs_database: bool = True,
    consumer: Consumer | None = None,
    relay: bool = False,
    relay_then: str | None = None,
    producer: Producer | None = None,
    routers: Sequence[APIRouter] = (),
    guard: Callable[..., Awaitable[None]] = require_token,
    admit: Admit = require_any_token,
    bodies_below: Sequence[str] = ("/v1/",),
    parts: Sequence[Callable[[], AbstractAsyncContextManager[Any]]] = (),
    readiness: Mapping[str, Check] | None = None,
    does_without: Mapping[str, Check] | None = None,
    before_scrape: Callable[[], Awaitable[None]] | None = None,
    documents: Callable[[dict[str, Any]], None] | None = None,
) -> FastAPI:
    """A service as an application. Nothing connects before its lifespan begins.

    Without `needs_database` the service is ready, and stays, whatever the database and the consumer do: `/readyz` and a
    metric tell of them, nothing waits for them, and a consumer that stands still is built anew instead of ending the process.
    `relay` adds the outbox relay with a producer of its own, `relay_then` what becomes of rows that are on the log; `parts`
    start after the kit's own and stop before them; `before_scrape` runs before each answer to `/metrics`; `documents` adds to
    the OpenAPI document. What `does_without` checks is told in the same way, and waited for by nobody. `guard` lets in whoever
    may see to dead letters; `admit` whoever may send a body at all to a path that begins with one of `bodies_below`.
    """
    checks: dict[str, Check] = {}
    optional: dict[str, Check] = {}
    if database is not None:
        (checks if needs_database else optional)["database"] = database.ping
    if relay and database is not None:
        producer = Producer(
            settings.kafka_bootstrap,
            client_id=f"leadflow-{name}",
            instruments=ProducerInstruments(registry),
            deadline_seconds=10.0,
        )
    if producer is not None:
        checks["log"] = _connected(producer)
    if consumer is not None:
        (checks if needs_database else optional)["consumer"] = _consuming(consumer)
    checks.update(readiness or {})
    optional.update(does_without or {})
    presence = Presence(optional, registry)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        configure_logs(name, settings.log_level)
        async with AsyncExitStack() as stack:
            if database is not None:
                stack.push_async_callback(database.close)
            if producer is not None:
                await producer.start()
                stack.push_async_callback(producer.stop)
            if relay and database is not None and producer is not None:
                forwarder = Relay(database, producer, OutboxInstruments(registry), then=relay_then)
                await stack.enter_async_context(running(forwarder.run(), f"{name}-relay"))
            for part in parts:
                await stack.enter_async_context(part())
            await stack.enter_async_context(running(presence.run(), f"{name}-presence"))
            if consumer is not None and database is not None:
                stack.push_async_callback(consumer.stop)
                await stack.enter_async_context(running(_join(consumer), f"{name}-join"))
                watchdog = Watchdog(
                    consumer,
                    database,
                    settings.kafka_bootstrap,
                    stall_timeout_seconds=settings.stall_timeout_seconds,
                    ends_process=needs_database,
                )
                await stack.enter_async_context(running(watchdog.run(), f"{name}-watchdog"))
            stack.enter_context(settled_memory())
            app.state.started = True
            log().info("service_started", version=build_version())
            yield
            app.state.draining = True
            log().info("service_stopping")

    app = FastAPI(
        title=title,
        description=description,
        version=build_version(),
        lifespan=lifespan,
        # The framework would look for somebody who listens at every request.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.name = name
    app.state.api_token = settings.api_token.get_secret_value()
    app.state.privacy_token = settings.privacy_token.get_secret_value()
    app.state.started = False
    app.state.draining = False
    app.state.database = database
    app.state.consumer = consumer
    problems.install(app)
    app.add_middleware(BoundedBodies, admit=admit, below=bodies_below)
    for router in routers:
        app.include_router(router)
    app.include_router(_probes(checks, presence, registry, before_scrape))
    if consumer is not None:
        app.include_router(dead_letters_router, dependencies=[Depends(guard)])
        app.include_router(unreadable_router, dependencies=[Depends(guard)])
    publish(app, documents)
    return app


@contextmanager
def settled_memory() -> Iterator[None]:
    """What start-up made lives as long as the process: the collector need not walk it again, nor look so often. Measured,
    the collector had been a third of what a record costs."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 10, 10)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


async def _join(consumer: Consumer) -> None:
    """Joins the group and stays in it; a log that is away at start is waited for, and readiness says so."""
    attempt = losses = 0
    while True:
        try:
            await consumer.start()
            attempt, began = 0, time.monotonic()
            await consumer.lost()
            log().warning("consumer_rebuilt")
            await consumer.stop()
            losses = losses + 1 if time.monotonic() - began < 60 else 0
            await asyncio.sleep(min(0.5 * 2**losses, 30.0))  # what is lost again at once would unsettle the whole group
        except Exception as error:
            attempt += 1
            if attempt <= 2 or attempt % 20 == 0:
                log().warning("consumer_not_connected", error_type=type(error).__name__, attempt=attempt)
            await consumer.stop()
            await asyncio.sleep(min(0.5 * attempt, 3.0))


def _connected(producer: Producer) -> Check:
    async def check() -> None:
        if not producer.ready:
            raise RuntimeError("the log does not answer")

    return check


def _consuming(consumer: Consumer) -> Check:
    async def check() -> None:
        if consumer.stopped is not None:
            raise RuntimeError(f"stopped: {consumer.stopped}")
        if not consumer.assignment:
            raise RuntimeError("no partitions are assigned yet")
        if consumer.waiting_since is not None:
            raise RuntimeError("waiting to try a batch again")

    return check


def _probes(
    checks: Mapping[str, Check],
    presence: Presence,
    registry: CollectorRegistry,
    before_scrape: Callable[[], Awaitable[None]] | None,
) -> APIRouter:
    router = APIRouter(tags=["operations"])

    @router.get("/livez", summary="Is this process alive? Depends on nothing else.")
    async def livez() -> Response:
        return problems.JSONAnswer({"status": "alive"})

    @router.get("/startupz", summary="Has this process started?")
    async def startupz(request: Request) -> Response:
        started = bool(request.app.state.started)
        return problems.JSONAnswer(
            {"status": "started" if started else "starting"}, status_code=200 if started else 503
        )

    @router.get("/readyz", summary="Can this process do its work now? Names what it waits for.")
    async def readyz(request: Request) -> Response:
        faults: dict[str, str] = {}
        if request.app.state.draining:
            faults["service"] = "draining"
        for what, check in checks.items():
            if (fault := await fault_of(check)) is not None:
                faults[what] = fault
        ready = not faults
        return problems.JSONAnswer(
            {"status": "ready" if ready else "not ready", "waiting_for": faults, "does_without": presence.faults},
            status_code=200 if ready else 503,
        )

    @router.get("/metrics", summary="Prometheus exposition.", include_in_schema=False)
    async def metrics(request: Request) -> Response:
        if before_scrape is not None:
            await before_scrape()
        encode, media_type = choose_encoder(request.headers.get("accept", ""))
        body = await run_in_threadpool(encode, registry)
        return Response(body, headers={"Content-Type": media_type})

    return router
