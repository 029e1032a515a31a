"""What capture relies on in a log. The real producer and the fake that tests use are both held to it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from services.capture.log import Log
from shared.kit.errors import Rejected, Retryable

ReadBack = Callable[[], Awaitable[list[tuple[bytes, bytes]]]]


class LogContract:
    """Subclasses give `log`, `topic`, `read_back` (keys and values there are) and `away` (a log nobody answers for)."""

    async def test_a_message_is_there_when_send_returns(self, log: Log, topic: str, read_back: ReadBack) -> None:
        await log.send(topic, b"k", b"one")
        assert await read_back() == [(b"k", b"one")]

    async def test_many_messages_are_there_in_order_of_their_key(
        self, log: Log, topic: str, read_back: ReadBack
    ) -> None:
        messages = [(f"k{n % 3}".encode(), str(n).encode()) for n in range(30)]
        assert await log.send_many(topic, messages) == [None] * 30
        there = await read_back()
        for key in (b"k0", b"k1", b"k2"):
            assert [one for one in there if one[0] == key] == [one for one in messages if one[0] == key]

    async def test_no_messages_are_no_outcomes(self, log: Log, topic: str) -> None:
        assert await log.send_many(topic, []) == []

    async def test_a_message_too_large_is_rejected_alone(self, log: Log, topic: str, read_back: ReadBack) -> None:
        outcomes = await log.send_many(topic, [(b"k", b"a"), (b"k", b"x" * 1_000_000), (b"k", b"b")])
        assert (outcomes[0], outcomes[2]) == (None, None)
        assert isinstance(outcomes[1], Rejected)
        assert [value for _, value in await read_back()] == [b"a", b"b"]

    async def test_a_log_that_is_away_says_try_again(self, away: Log, topic: str) -> None:
        with pytest.raises(Retryable):
            await away.send(topic, b"k", b"v")
        outcomes = await away.send_many(topic, [(b"k", b"v"), (b"k", b"w")])
        assert all(isinstance(outcome, Retryable) for outcome in outcomes)
        assert len(outcomes) == 2
