"""What senders said lately under ids of their own, so that a repetition is answered as before and a contradiction is told.

It is a help, never the truth: what it has forgotten is published again, and told apart downstream by event id.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import deque
from collections.abc import Mapping
from itertools import accumulate
from mmap import mmap

COST_BYTES = 250
"""What an event takes besides its text: its id, its place, their share of the table."""


class _Half:
    """Events one after the other in one stretch of memory. Kept as objects of their own they cost intake a fifth of its
    time: thousands of them are freed at once, and what was near is far."""

    def __init__(self, size: int) -> None:
        # Nothing is taken from the system before something is written there.
        self._text = mmap(-1, size)
        self._begins: list[int] = [0]
        self.places: dict[str, int] = {}

    @property
    def held_bytes(self) -> int:
        return self._begins[-1] + COST_BYTES * len(self.places)

    def add(self, event_id: str, event: bytes) -> None:
        begin = self.places[event_id] = self._begins[-1]
        self._text.write(event)
        self._begins.append(begin + len(event))

    def add_many(self, events: Mapping[str, bytes]) -> None:
        begins = list(accumulate(map(len, events.values()), initial=self._begins[-1]))
        deque(map(self._text.write, events.values()), maxlen=0)
        self.places.update(zip(events, begins, strict=False))  # the last is where the next one begins
        self._begins += begins[1:]

    def get(self, event_id: str) -> bytes | None:
        begin = self.places.get(event_id)
        return None if begin is None else self._text[begin : self._begins[bisect_right(self._begins, begin)]]

    def give_back(self) -> None:
        """Forgets, and gives the memory back to the system, which keeps nothing of it."""
        size = len(self._text)
        self._text.close()
        self._text = mmap(-1, size)
        self.forget()

    def forget(self) -> None:
        self._text.seek(0)
        self._begins = [0]
        self.places = {}


class Memory:
    """The latest accepted events by id, within a bound of bytes; 0 remembers nothing. Older events are forgotten half the
    bound at a time."""

    def __init__(self, max_bytes: int) -> None:
        self._limit = self._room = max_bytes // 2
        self._young, self._old = (_Half(max(self._limit, 1)) for _ in range(2))

    def __len__(self) -> int:
        return len(self._young.places.keys() | self._old.places.keys())

    @property
    def held_bytes(self) -> int:
        """About how much memory it takes."""
        return self._young.held_bytes + self._old.held_bytes

    def knows(self, event_ids: Mapping[str, object]) -> bool:
        """Whether any of these was said before."""
        return not (self._young.places.keys().isdisjoint(event_ids) and self._old.places.keys().isdisjoint(event_ids))

    def said(self, event_id: str) -> bytes | None:
        """The event that was accepted under this id, as it travels."""
        return self._young.get(event_id) or self._old.get(event_id)

    def keep(self, event_id: str, event: bytes) -> None:
        """Remembers an accepted event."""
        if self._has_room(len(event) + COST_BYTES):
            self._young.add(event_id, event)

    def keep_many(self, events: Mapping[str, bytes]) -> None:
        """Remembers accepted events by their ids. Those that are more than half of the bound are not worth their place."""
        if self._has_room(sum(map(len, events.values())) + COST_BYTES * len(events)):
            self._young.add_many(events)

    def turn(self) -> None:
        """Forgets what was said before the last turn, even if there is room."""
        self._young, self._old = self._old, self._young
        self._young.give_back()
        self._room = self._limit

    async def forgetting(self, within_seconds: float) -> None:
        """Forgets everything within this time, for as long as it runs."""
        while True:
            await asyncio.sleep(within_seconds / 2)
            self.turn()

    def _has_room(self, needed: int) -> bool:
        if needed > self._limit:
            return False
        if needed > self._room:
            self._young, self._old = self._old, self._young
            self._young.forget()
            self._room = self._limit
        self._room -= needed
        return True
