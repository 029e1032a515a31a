"""How a process connects to PostgreSQL: what every connection is told, and what becomes of one that is gone or out of date."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import psycopg
from sqlalchemy import event
from sqlalchemy.engine import URL, ExceptionContext, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

ALIVE = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3, "tcp_user_timeout": 20_000}
"""What is between us and the server forgets connections that say nothing, and says nothing of it: the ones used last are used again,
so the others may idle for long. They are kept in mind, and one that is gone is found out in seconds (the last in milliseconds)."""


def engines(
    url: str,
    direct_url: str,
    *,
    name: str,
    pool_size: int,
    statement_timeout_seconds: float,
    idle_in_transaction_timeout_seconds: float,
    prepare_after: int,
) -> tuple[AsyncEngine, AsyncEngine]:
    """A pool of connections, and what makes one past any pooler: the same where there is no `direct_url`. `name` is who they are to
    the server. Nothing connects before it is used."""
    statement_timeout = int(statement_timeout_seconds * 1000)
    # A process that stands still in a transaction keeps its locks, its place in the log among them, from whoever has
    # taken over its partitions: this bounds for how long.
    idle_timeout = int(idle_in_transaction_timeout_seconds * 1000)
    # A killed process leaves no statement behind that goes on for nobody, and holds what it has locked.
    # A generic plan made while a table was small stays a sequential scan when it is large; planning a batch's few
    # statements each time costs next to nothing.
    connect_args = {
        "connect_timeout": 5,
        **ALIVE,
        "async_creator_fn": _connected,
        "prepare_threshold": prepare_after or None,
        "application_name": name,
        "options": f"-c statement_timeout={statement_timeout} -c idle_in_transaction_session_timeout={idle_timeout}"
        f" -c client_connection_check_interval=1000 -c timezone=UTC -c jit=off -c plan_cache_mode=force_custom_plan",
    }
    pooled = create_async_engine(
        psycopg_url(url),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=5.0,
        pool_recycle=1800,
        pool_use_lifo=True,  # whoever was asked last has everything at hand: its caches, and what it has prepared
        hide_parameters=True,
        connect_args=connect_args,
    )
    event.listen(pooled.sync_engine, "handle_error", _begin_anew_where_outdated)
    if not direct_url:
        return pooled, pooled
    return pooled, create_async_engine(
        psycopg_url(direct_url), poolclass=NullPool, hide_parameters=True, connect_args=connect_args
    )


async def _connected(*address: Any, **how: Any) -> psycopg.AsyncConnection[Any]:
    """A new connection. Whoever gives up while it is being made waits for it, and it is closed: half made it would stay, and the
    server would wait a minute for the rest of it."""
    connecting = asyncio.ensure_future(psycopg.AsyncConnection.connect(*address, **how))
    try:
        return await asyncio.shield(connecting)
    except asyncio.CancelledError:
        with suppress(psycopg.Error):
            await (await connecting).close()
        raise


def is_outdated(error: BaseException | None) -> bool:
    """Whether a prepared statement would answer with other columns than it was prepared for: a migration added one."""
    return isinstance(error, psycopg.Error) and error.diag.source_function == "RevalidateCachedQuery"


def _begin_anew_where_outdated(context: ExceptionContext) -> None:
    """The driver goes on with what it has prepared: every connection is made anew, and whoever asked tries again."""
    if is_outdated(context.original_exception):
        context.is_disconnect = True


def psycopg_url(url: str) -> URL:
    """Any `postgresql://` URL with the one driver this system uses."""
    return make_url(url).set(drivername="postgresql+psycopg")
