"""What the policy says of stages is noted when a process starts with it, so that it is known of any past moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from services.metrics.storage import chances
from shared.contracts.policy import Policy
from shared.kit.background import running
from shared.kit.database import Database
from shared.kit.errors import Retryable

PAUSE_SECONDS = 5.0


def noting(database: Database, policy: Policy) -> Callable[[], AbstractAsyncContextManager[None]]:
    """A part of the service that notes the policy once. Nothing waits for it: where nothing is noted yet the policy at hand holds."""

    async def once() -> None:
        while True:
            try:
                await database.run(lambda tx: chances.note(tx, policy))
            except Retryable:
                await asyncio.sleep(PAUSE_SECONDS)
            else:
                return

    @asynccontextmanager
    async def part() -> AsyncIterator[None]:
        async with running(once(), "metrics-noting"):
            yield

    return part
