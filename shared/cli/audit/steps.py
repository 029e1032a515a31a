"""What is asked of the services: where did each event end? What cannot be told yet is asked again for a bounded time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from shared.cli.audit.ledger import Entry, Ledger, LogCount, Place
from shared.cli.dead_letters import Status, letters
from shared.cli.http import ServiceClient

CHUNK = 5_000
SHOWN = 20
RETRY_EVERY_SECONDS = 0.5


@dataclass(slots=True)
class Step:
    """One comparison: how many of the log's events ended in each way, and the first of those that did not end well."""

    name: str
    log: LogCount
    facts: int = 0
    waiting: int = 0
    dead_lettered: int = 0
    missing: int = 0
    contradictory: int = 0
    undead: int = 0
    differing: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether each event is exactly one of fact, waiting, dead letter."""
        return not (self.missing or self.contradictory or self.undead)

    def differ(self, what: str, ids: Iterable[UUID]) -> None:
        """Keeps the first differing ids for the report."""
        for each in ids:
            if len(self.differing) >= SHOWN:
                return
            self.differing.append(f"{each} {what}")


@dataclass(frozen=True, slots=True)
class Deadline:
    """Until when work in flight is waited for. `now` reads a monotonic clock."""

    at: float
    now: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def wait(self) -> bool:
        """A pause before asking again, False when the time is over."""
        if self.now() >= self.at:
            return False
        await self.sleep(RETRY_EVERY_SECONDS)
        return True


class CapturedStep:
    """Whether a service has each captured event."""

    def __init__(self, name: str, client: ServiceClient, count: LogCount) -> None:
        self.step = Step(name, count)
        self.client = client

    async def ask(self, entries: Sequence[Entry]) -> tuple[list[Entry], list[Entry]]:
        """Counts what is settled; answers with the facts and with those the service does not know."""
        by_id = {str(event_id): (lead_id, event_id) for lead_id, event_id in entries}
        answer = await self.client.post("/v1/audit/captured", {"ids": list(by_id)})
        return self._sort(by_id, answer)

    def _sort(self, by_id: dict[str, Entry], answer: dict[str, Any]) -> tuple[list[Entry], list[Entry]]:
        facts, waiting, dead, unknown = (
            {str(each) for each in answer.get(kind, ())} & by_id.keys()
            for kind in ("facts", "waiting", "dead_lettered", "unknown")
        )
        twice = (facts & waiting) | (facts & dead) | (waiting & dead)
        untold = by_id.keys() - facts - waiting - dead - unknown
        self.step.contradictory += len(twice)
        self.step.differ("is more than one of fact, waiting and dead letter", sorted(by_id[each][1] for each in twice))
        self.step.facts += len(facts - twice)
        self.step.waiting += len(waiting - twice)
        self.step.dead_lettered += len(dead - twice)
        not_known = (unknown - facts - waiting - dead) | untold
        return [by_id[each] for each in facts], [by_id[each] for each in not_known]


class LifecycleStep(CapturedStep):
    """Whether metrics has each lifecycle event, by lead and event."""

    async def ask(self, entries: Sequence[Entry]) -> tuple[list[Entry], list[Entry]]:
        pairs = [[str(lead_id), str(event_id)] for lead_id, event_id in entries]
        answer = await self.client.post("/v1/audit/lifecycle", {"ids": pairs})
        by_id = {str(event_id): (lead_id, event_id) for lead_id, event_id in entries}
        if len(by_id) == len(entries):
            return self._sort(by_id, answer)
        facts, unknown = [], []  # one event id in two leads' stories: ask about each story by itself
        for entry in entries:
            one = await self.client.post("/v1/audit/lifecycle", {"ids": [[str(entry[0]), str(entry[1])]]})
            found, missing = self._sort({str(entry[1]): entry}, one)
            facts += found
            unknown += missing
        return facts, unknown


async def check_captured(
    ledger: Ledger, direct: Sequence[CapturedStep], chain: tuple[CapturedStep, CapturedStep], deadline: Deadline
) -> None:
    """Asks every direct consumer for every captured event. In `chain` the second is asked only for what is a fact in the
    first, since an event that waits or died there cannot have come further."""
    first, second = chain
    for entries in ledger.chunks(CHUNK):
        for step in direct:
            _, unknown = await step.ask(entries)
            ledger.put_aside(step.step.name, unknown)
        facts, unknown = await first.ask(entries)
        ledger.put_aside(first.step.name, unknown)
        await _ask_next(ledger, second, facts)
    await _retry(ledger, [*direct, first, second], {first.step.name: second}, deadline)


async def check_lifecycle(ledger: Ledger, step: LifecycleStep, deadline: Deadline) -> None:
    """Asks for every lifecycle event."""
    for entries in ledger.chunks(CHUNK):
        _, unknown = await step.ask(entries)
        ledger.put_aside(step.step.name, unknown)
    await _retry(ledger, [step], {}, deadline)


async def _ask_next(ledger: Ledger, step: CapturedStep, entries: Sequence[Entry]) -> None:
    if entries:
        _, unknown = await step.ask(entries)
        ledger.put_aside(step.step.name, unknown)


async def _retry(
    ledger: Ledger, steps: Sequence[CapturedStep], following: dict[str, CapturedStep], deadline: Deadline
) -> None:
    missing: dict[str, list[UUID]] = {}
    while True:
        for step in steps:
            name = step.step.name
            missing[name], step.step.missing = [], 0
            for entries in ledger.unsettled(name, CHUNK):
                facts, unknown = await step.ask(entries)
                ledger.settle(name, set(entries) - set(unknown))
                if name in following:
                    await _ask_next(ledger, following[name], facts)
                step.step.missing += len(unknown)
                missing[name] += [event_id for _, event_id in unknown[: SHOWN - len(missing[name])]]
        if not any(step.step.missing for step in steps) or not await deadline.wait():
            break
    for step in steps:
        step.step.differ("is unknown", missing[step.step.name])


async def check_unreadable(step: Step, client: ServiceClient, topic: str, deadline: Deadline) -> None:
    """Records that nobody can read have no id: each has to be a dead letter of its place in the log."""
    if not step.log.places:
        return
    while True:
        known: set[Place] = set()
        for status in Status:
            async for letter in letters(client, status):
                if letter["topic"] == topic:
                    known.add((letter["partition"], letter["offset"]))
        lost = [place for place in step.log.places if place not in known]
        if not lost or not await deadline.wait():
            break
    step.dead_lettered += len(step.log.places) - len(lost)
    step.undead = len(lost)
    step.differing += [
        f"partition {partition}, offset {offset}: unreadable, and no dead letter" for partition, offset in lost
    ][: SHOWN - len(step.differing)]


@dataclass(frozen=True, slots=True)
class RollupCheck:
    """Metrics' own books: how many numbers were made again from facts, and which differ."""

    checked: int
    different: int
    differences: tuple[str, ...]


async def check_rollups(client: ServiceClient, deadline: Deadline) -> RollupCheck:
    """Has metrics recompute its rollups; while it is still folding, a difference is looked at again."""
    while True:
        answer = await client.post("/v1/audit/rollups", {})
        differences = tuple(str(each) for each in answer["differences"][:SHOWN])
        if not differences or not await deadline.wait():
            different = int(answer.get("different", len(answer["differences"])))
            return RollupCheck(int(answer["checked"]), different, differences)


@dataclass(frozen=True, slots=True)
class ScoreCheck:
    """Scoring's own books: how many scores were made again from their ledgers, which differ, how many another policy made
    and was asked again, and of how many nobody remembers the policy."""

    checked: int
    stale: int
    unverifiable: int
    different: int
    differences: tuple[str, ...]


async def check_scores(client: ServiceClient) -> ScoreCheck:
    """Has scoring make every score again, page by page. Each page is of one moment, so that work in flight is no difference."""
    checked = stale = unverifiable = 0
    differences: list[str] = []
    after: str | None = None
    while True:
        page = await client.post("/v1/audit/scores", {"after": after, "limit": 500})
        checked, stale = checked + page["checked"], stale + page["stale"]
        unverifiable += page["unverifiable"]
        differences += [f"{one['lead_id']}: {one['fault']}" for one in page["differences"]]
        after = page["next"]
        if after is None:
            return ScoreCheck(checked, stale, unverifiable, len(differences), tuple(differences[:SHOWN]))
