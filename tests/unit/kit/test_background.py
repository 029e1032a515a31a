"""Work that is done now and then goes on whatever becomes of one time, and says once that it cannot."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress

import pytest
from structlog.testing import capture_logs

from shared.kit import background
from shared.kit.background import again_and_again, as_it_comes, until_none
from shared.kit.errors import Retryable
from shared.kit.looking import Looking

Loop = Callable[[Callable[[], Awaitable[object]], float, str], Coroutine[None, None, None]]
LOOPS = pytest.mark.parametrize("loop", [again_and_again, as_it_comes])


@pytest.fixture(autouse=True)
def _no_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "FAILED_SECONDS", 0.0)


async def told_of(loop: Loop, *outcomes: Exception | None) -> list[tuple[str, str, str]]:
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
        task = asyncio.create_task(loop(once, 0.0, "not_swept"))
        async with asyncio.timeout(5):
            await done.wait()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    return [(line["log_level"], line["event"], line["error_type"]) for line in lines]


@pytest.mark.parametrize(
    ("failure", "level"), [(Retryable("away"), "warning"), (ConnectionError(), "warning"), (KeyError(), "error")]
)
@LOOPS
async def test_a_failure_is_told_when_it_begins_and_again_after_it_was_over(
    loop: Loop, failure: Exception, level: str
) -> None:
    line = (level, "not_swept", type(failure).__name__)
    assert await told_of(loop, failure, failure, failure) == [line]
    assert await told_of(loop, failure, None, failure) == [line, line]


async def test_where_there_may_be_more_nothing_is_waited_for() -> None:
    left, none_left = [1, 1, 1, 0], asyncio.Event()

    async def once() -> int:
        found = left.pop(0)
        if not left:
            none_left.set()
        return found

    task = asyncio.create_task(as_it_comes(once, 3600.0, "not_done"))
    async with asyncio.timeout(5):
        await none_left.wait()
    await asyncio.sleep(0.01)
    assert not task.done()  # it rests: looking again would have found nothing to take
    task.cancel()


async def test_part_after_part_until_there_is_none() -> None:
    left = [3, 2, 1, 0, 5]

    async def once() -> int:
        return left.pop(0)

    await until_none(once)
    assert left == [5]


async def test_what_is_looked_up_holds_for_a_while_and_stays_where_nobody_answers() -> None:
    now, seen = [0.0], [1, 2, 3]

    async def look() -> int:
        if seen[0] == 2:
            seen.pop(0)
            raise Retryable("away")
        return seen.pop(0)

    looking = Looking(max_age_seconds=5.0, clock=lambda: now[0])
    found = []
    for at in (0.0, 4.9, 5.0, 9.9, 10.0):
        now[0] = at
        found.append(await looking.at(look))
    assert found == [1, None, None, None, 3]
