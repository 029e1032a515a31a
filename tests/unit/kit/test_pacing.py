"""A consumer rests where there is nothing, and never so that what is there does not reach it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

from aiokafka import TopicPartition

from shared.kit.background import running
from shared.kit.pacing import LOOK_SECONDS, Pacer
from tests.support.patience import eventually

PARTITION = TopicPartition("toys", 0)
PAUSE_SECONDS = 0.05


class Client:
    """Fetches one partition as aiokafka does: an answer tells where the log ends, and its records are handed out only if the
    partition is not paused when they come."""

    def __init__(self, fetch_seconds: float) -> None:
        self.fetch_seconds = fetch_seconds
        self.log_end = 0
        self.consumed = 0
        self.known_end: int | None = None
        self.is_paused = False
        self.pauses = self.fetches = 0

    def assignment(self) -> frozenset[TopicPartition]:
        return frozenset({PARTITION})

    def paused(self) -> frozenset[TopicPartition]:
        return self.assignment() if self.is_paused else frozenset()

    def pause(self, *partitions: TopicPartition) -> None:
        self.is_paused = self.is_paused or PARTITION in partitions
        self.pauses += 1

    def resume(self, *partitions: TopicPartition) -> None:
        self.is_paused = self.is_paused and PARTITION not in partitions

    def highwater(self, _: TopicPartition) -> int | None:
        return self.known_end

    async def position(self, _: TopicPartition) -> int:
        return self.consumed

    async def fetch(self) -> None:
        while True:
            if self.is_paused:
                await asyncio.sleep(0.001)
                continue
            self.fetches += 1
            await asyncio.sleep(self.fetch_seconds)
            self.known_end = self.log_end
            if not self.is_paused:
                self.consumed = self.log_end


@asynccontextmanager
async def paced(client: Client) -> AsyncIterator[None]:
    """A pacer and a client at work, for a consumer that has nothing in hand."""
    pacer = Pacer(lambda: cast(Any, client), idle=lambda: True, halted=lambda: False, pause_seconds=PAUSE_SECONDS)
    async with running(client.fetch(), "fetching"), running(pacer.run(), "pacing"):
        yield


async def test_what_is_there_comes_with_the_first_fetch_though_it_takes_longer_than_a_look() -> None:
    client = Client(LOOK_SECONDS * 5)
    client.log_end = 100
    async with paced(client):
        await eventually(lambda: client.consumed == 100, within_seconds=5)
        assert client.fetches <= 2
        await eventually(lambda: client.pauses > 2, within_seconds=5)
        client.log_end, before = 200, client.fetches
        await eventually(lambda: client.consumed == 200, within_seconds=5)
        assert client.fetches - before <= 4, "one that was under way, one that tells of more, one that brings it"


async def test_it_rests_most_of_the_time_where_there_is_nothing() -> None:
    client = Client(0.001)
    async with paced(client):
        await eventually(lambda: client.pauses > 2, within_seconds=5)
        paused = []
        for _ in range(200):
            await asyncio.sleep(0.002)
            paused.append(client.is_paused)
    assert sum(paused) > 0.7 * len(paused)
