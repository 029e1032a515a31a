"""Work that is done now and then goes on whatever becomes of one time, and says once that it cannot."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from structlog.testing import capture_logs

from shared.kit.background import again_and_again
from shared.kit.errors import Retryable


async def told_of(*outcomes: Exception | None) -> list[tuple[str, str, str]]:
    """Level, event and kind of what was logged while these came of one time after the other."""
    left = list(outcomes)
    done = asyncio.Event()

    async def once() -> None:
        if not left:
            done.set()
            return
        if (outcome := left.pop(0)) is not None:
            raise outcome

    with capture_logs() as lines:
        task = asyncio.create_task(again_and_again(once, 0.0, "not_swept"))
        async with asyncio.timeout(5):
            await done.wait()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    return [(line["log_level"], line["event"], line["error_type"]) for line in lines]


@pytest.mark.parametrize(
    ("failure", "level"), [(Retryable("away"), "warning"), (ConnectionError(), "warning"), (KeyError(), "error")]
)
async def test_a_failure_is_told_when_it_begins_and_again_after_it_was_over(failure: Exception, level: str) -> None:
    line = (level, "not_swept", type(failure).__name__)
    assert await told_of(failure, failure, failure) == [line]
    assert await told_of(failure, None, failure) == [line, line]
