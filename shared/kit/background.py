"""Work that goes on beside the requests, for as long as a block runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress

from shared.kit.errors import Retryable
from shared.kit.logs import log
from shared.kit.transient import is_transient, name_of

FAILED_SECONDS = 1.0
"""How long what failed is left alone at least."""


@asynccontextmanager
async def running(work: Coroutine[None, None, None], name: str) -> AsyncIterator[None]:
    """Runs `work` as a task; at the end of the block it is cancelled and waited for."""
    task = asyncio.create_task(work, name=name)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def again_and_again(once: Callable[[], Awaitable[object]], every_seconds: float, complaint: str) -> None:
    """Does something now and then until it is cancelled. A failure is told as `complaint` when it begins, a warning where
    waiting helps, and what was due waits for the next time."""
    told = False
    while True:
        try:
            await once()
            told = False
        except Exception as error:
            if not told:
                told = True
                _complain(complaint, error)
        await asyncio.sleep(every_seconds)


async def until_none(once: Callable[[], Awaitable[object]]) -> None:
    """Does a part after the other until there was none to do, and lets others have their turn in between."""
    while True:
        if not await once():
            return
        await asyncio.sleep(0)


async def as_it_comes(once: Callable[[], Awaitable[object]], every_seconds: float, complaint: str) -> None:
    """Does what there is until it is cancelled: at once again where `once` says that there may be more, else after a while. A
    failure is told as `complaint` when it begins, a warning where waiting helps, and rested after."""
    told = False
    while True:
        try:
            more = await once()
            told = False
            if more:
                continue
        except Exception as error:
            if not told:
                told = True
                _complain(complaint, error)
            await asyncio.sleep(FAILED_SECONDS)
        await asyncio.sleep(every_seconds)


def _complain(complaint: str, error: Exception) -> None:
    away = isinstance(error, Retryable) or is_transient(error)
    (log().warning if away else log().error)(complaint, error_type=name_of(error))
