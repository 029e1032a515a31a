"""How every service is started: `python -m services.<name>` serves; with `migrate` it prepares its schema and ends, with
`config` it prints what it would run with, secrets hidden, as JSON."""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import uvicorn

from shared.kit.connections import IDLE_SECONDS, BoundedProtocol, allow_connections, end_overdue
from shared.kit.documents import InvalidDocument
from shared.kit.logs import log
from shared.kit.settings import ServiceSettings, or_exit, redacted

if TYPE_CHECKING:
    from fastapi import FastAPI


class Server(uvicorn.Server):
    """A server that says it is leaving before it leaves: readiness turns first, connections end after."""

    def __init__(self, config: uvicorn.Config, app: FastAPI, linger_seconds: float) -> None:
        super().__init__(config)
        self._app = app
        self._linger_seconds = linger_seconds

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second; once a second for connections that keep us waiting."""
        if counter % 10 == 0:
            end_overdue(self.server_state.connections, asyncio.get_running_loop().time())
        return await super().on_tick(counter)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A second signal leaves at once."""
        if self._app.state.draining or self._linger_seconds <= 0:
            self._app.state.draining = True
            super().handle_exit(sig, frame)
            return
        self._app.state.draining = True
        asyncio.get_running_loop().call_later(self._linger_seconds, super().handle_exit, sig, frame)


def serve(app: FastAPI, settings: ServiceSettings) -> None:
    """Runs the application until it is told to stop."""
    allow_connections()
    config = uvicorn.Config(
        app,
        http=BoundedProtocol,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=int(settings.shutdown_timeout_seconds),
        timeout_keep_alive=int(IDLE_SECONDS),
        backlog=4096,
    )
    Server(config, app, settings.drain_seconds).run()


def run_service(
    name: str,
    create_app: str,
    settings_class: type[ServiceSettings],
    *,
    migrations: Path | None = None,
) -> None:
    """The command line of one service, whose application is made by `create_app` ("module:function", of its settings). That is imported
    where it serves only: it takes longer than migrations do."""
    arguments = sys.argv[1:]
    if arguments not in ([], ["migrate"], ["config"]):
        sys.exit(f"usage: python -m services.{name} [migrate | config]")
    settings = or_exit(settings_class)
    if arguments == ["config"]:
        sys.stdout.write(json.dumps(dict(redacted(settings))) + "\n")
        return
    if arguments == ["migrate"]:
        if migrations is not None:
            # Only here: a service that serves need not load the migration tool at every start.
            from shared.kit.migrations import migrate

            url = settings.database_direct_url.get_secret_value() or settings.database_url.get_secret_value()
            migrate(name, migrations, url)
        return
    try:
        with _nothing_collected():
            module, _, function = create_app.partition(":")
            app: FastAPI = getattr(import_module(module), function)(settings)
    except InvalidDocument as error:
        sys.exit(str(error))
    serve(app, settings)
    log().info("service_stopped")


@contextmanager
def _nothing_collected() -> Iterator[None]:
    """What is made while a service is put together stays: the collector looked for what does not in a fifth of that time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
