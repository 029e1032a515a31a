"""When the watchdog ends its process, and when it asks the group to share out anew."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry

from shared.kit import watchdog
from shared.kit.instruments import ConsumerInstruments
from shared.kit.positions import Place
from shared.kit.watchdog import Watchdog

MINE, OTHERS = ("topic", 0), ("topic", 1)


@dataclass
class InHand:
    """A batch's transaction: when it began, and when its latest statement did or ended."""

    began_at: float
    moved_at: float


@dataclass
class Processing:
    """What the consumer has in hand."""

    in_hand: InHand | None = None


@dataclass
class Standing:
    """A consumer as far as the watchdog looks at it."""

    group: str = "toy"
    topics: dict[str, Any] = field(default_factory=dict)
    assignment: frozenset[Place] = frozenset({MINE})
    unreadable: frozenset[Place] = frozenset()
    stopped: str | None = None
    waiting_since: float | None = None
    tried_at: float = 0.0
    instruments: ConsumerInstruments = field(default_factory=lambda: ConsumerInstruments(CollectorRegistry()))
    unread_since: dict[str, datetime | None] = field(default_factory=dict)
    asked: int = 0
    processor: Processing = field(default_factory=Processing)

    def ask_to_share_out(self) -> None:
        self.asked += 1


class Ended(Exception):
    """The process would have ended."""


class Time:
    """The watchdog's monotonic clock."""

    now = 1_000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    def end(code: int) -> None:
        raise Ended(code)

    clock = Time()
    monkeypatch.setattr(watchdog, "time", clock)
    monkeypatch.setattr(os, "_exit", end)
    return clock


def looks(consumer: Standing, time: Time, lags: dict[Place, int], stored: Iterable[dict[Place, int]]) -> None:
    """One look every two seconds."""
    dog = Watchdog(cast(Any, consumer), cast(Any, None), "", stall_timeout_seconds=30)
    for positions in stored:
        dog._judge(lags, positions)
        time.now += 2


@pytest.mark.logs_errors
def test_what_other_replicas_get_done_is_no_excuse(time: Time) -> None:
    with pytest.raises(Ended):
        looks(Standing(), time, {MINE: 5, OTHERS: 5}, [{MINE: 7, OTHERS: n} for n in range(20)])


@pytest.mark.logs_errors
def test_a_batch_whose_next_try_hangs_is_excused_no_longer_than_a_stall_may_last(time: Time) -> None:
    trying = Standing(waiting_since=time.now, tried_at=time.now)
    looks(trying, time, {MINE: 5}, [{MINE: 7}] * 15)
    with pytest.raises(Ended):
        looks(trying, time, {MINE: 5}, [{MINE: 7}] * 20)


def slowly(consumer: Standing, time: Time, looks_between_statements: int) -> Iterator[dict[Place, int]]:
    """Offsets that stand still while a batch goes from statement to statement."""
    batch = consumer.processor.in_hand = InHand(time.now, time.now)
    for look in range(400):
        if look % looks_between_statements == 0:
            batch.moved_at = time.now
        yield {MINE: 7}


@pytest.mark.logs_errors
def test_a_batch_that_gets_on_slowly_is_left_alone_for_five_minutes(time: Time) -> None:
    consumer, began = Standing(), time.now
    with pytest.raises(Ended):
        looks(consumer, time, {MINE: 5}, slowly(consumer, time, looks_between_statements=10))
    assert 300 < time.now - began < 340


@pytest.mark.logs_errors
def test_a_batch_that_hangs_in_one_statement_is_not(time: Time) -> None:
    consumer, began = Standing(), time.now
    with pytest.raises(Ended):
        looks(consumer, time, {MINE: 5}, slowly(consumer, time, looks_between_statements=400))
    assert 30 <= time.now - began < 70


def test_a_consumer_that_moves_is_left_alone(time: Time) -> None:
    looks(Standing(), time, {MINE: 5}, [{MINE: n} for n in range(60)])


def test_work_that_nobody_seems_to_have_is_asked_for_seldom(time: Time) -> None:
    consumer = Standing()
    looks(consumer, time, {MINE: 0, OTHERS: 5}, [{MINE: 7, OTHERS: 3}] * 20)
    assert consumer.asked == 1


def test_work_that_others_get_done_is_not_asked_for(time: Time) -> None:
    consumer = Standing()
    looks(consumer, time, {MINE: 0, OTHERS: 5}, [{MINE: 7, OTHERS: n} for n in range(60)])
    assert consumer.asked == 0


def test_since_when_a_topic_has_anything_unread_is_told_by_the_partition_that_is_furthest_behind() -> None:
    consumer = Standing(topics={"topic": None})
    dog = Watchdog(cast(Any, consumer), cast(Any, None), "", stall_timeout_seconds=30)
    done_at = {MINE: datetime.now(UTC) - timedelta(hours=2), OTHERS: datetime.now(UTC) - timedelta(hours=3)}
    dog._measure({MINE: 5, OTHERS: 0}, done_at)
    assert consumer.unread_since == {"topic": done_at[MINE]}, "the other one is quiet"
    dog._measure({MINE: 0, OTHERS: 0}, done_at)
    assert consumer.unread_since == {"topic": None}


async def test_whoever_does_not_see_the_log_says_nothing_of_what_is_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    consumer = Standing(unread_since={"topic": datetime.now(UTC) - timedelta(hours=2)})

    class Unreachable:
        """A client of a broker that is away."""

        def __init__(self, **_: Any) -> None: ...

        async def start(self) -> None:
            raise ConnectionError

        async def stop(self) -> None: ...

    monkeypatch.setattr(watchdog, "AIOKafkaConsumer", Unreachable)
    dog = Watchdog(cast(Any, consumer), cast(Any, None), "", stall_timeout_seconds=30)
    watching = asyncio.create_task(dog.run())
    await asyncio.sleep(0)
    watching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watching
    assert consumer.unread_since == {}
