"""`eventually` waits for what becomes true, and says what it last saw when it does not."""

from __future__ import annotations

import itertools

import pytest

from tests.support.patience import eventually, eventually_blocking


async def test_it_returns_the_first_answer_that_is_not_empty() -> None:
    answers = iter([None, [], ["found"]])
    assert await eventually(lambda: next(answers), every_seconds=0) == ["found"]


async def test_a_check_of_assertions_has_passed_when_it_returns() -> None:
    counter = itertools.count()

    async def check() -> None:
        assert next(counter) == 3

    await eventually(check, every_seconds=0)


async def test_the_last_failure_is_what_is_raised() -> None:
    def check() -> None:
        raise AssertionError("still closed")

    with pytest.raises(AssertionError, match="still closed"):
        await eventually(check, within_seconds=0.01)


def test_the_blocking_one_gives_up_too() -> None:
    with pytest.raises(TimeoutError, match="the last answer was 0"):
        eventually_blocking(lambda: 0, within_seconds=0.01)
