"""Waiting for something to become true, instead of sleeping and hoping."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar, cast, overload

T = TypeVar("T")


@overload
async def eventually(
    check: Callable[[], Awaitable[T]], *, within_seconds: float = ..., every_seconds: float = ...
) -> T: ...
@overload
async def eventually(check: Callable[[], T], *, within_seconds: float = ..., every_seconds: float = ...) -> T: ...
async def eventually(
    check: Callable[[], T | Awaitable[T]], *, within_seconds: float = 10.0, every_seconds: float = 0.05
) -> T:
    """The first answer of `check` that is neither false nor empty; it may be a coroutine function, and may raise
    `AssertionError` meanwhile. A check declared `-> None` has passed when it returns.

    Raises the last `AssertionError`, or `TimeoutError` with the last answer, once the time is over.
    """
    patience = _Patience(check, within_seconds)
    while True:
        try:
            asked = check()
            answer = await asked if inspect.isawaitable(asked) else asked
            if patience.accepts(answer):
                return cast(T, answer)
        except AssertionError as error:
            patience.failed(error)
        await asyncio.sleep(every_seconds)


def eventually_blocking(check: Callable[[], T], *, within_seconds: float = 10.0, every_seconds: float = 0.05) -> T:
    """`eventually` for tests without an event loop."""
    patience = _Patience(check, within_seconds)
    while True:
        try:
            answer = check()
            if patience.accepts(answer):
                return answer
        except AssertionError as error:
            patience.failed(error)
        time.sleep(every_seconds)


class _Patience:
    def __init__(self, check: Callable[[], object], within_seconds: float) -> None:
        self._give_up_at = time.monotonic() + within_seconds
        self._within_seconds = within_seconds
        self._returns_nothing = inspect.signature(check).return_annotation in (None, "None")

    def accepts(self, answer: object) -> bool:
        if answer or self._returns_nothing:
            return True
        if time.monotonic() > self._give_up_at:
            raise TimeoutError(f"not within {self._within_seconds} seconds; the last answer was {answer!r}")
        return False

    def failed(self, error: AssertionError) -> None:
        if time.monotonic() > self._give_up_at:
            raise error
