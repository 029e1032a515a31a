"""What is asked of the services: where did each event end? What cannot be told yet is asked again for a bounded time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from shared.cli.audit.ledger import Entry, Ledger, LogCount
from shared.cli.dead_letters import Status, letters
from shared.cli.http import ServiceClient

CHUNK = 5_000
SHOWN = 20
RETRY_EVERY_SECONDS = 0.5


COUNTED = ("facts", "waiting", "dead_lettered", "contradictory", "differing")


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

    def differ(self, what: str, ids: Iterable[object]) -> None:
        """Keeps the first differing events for the report."""
        for each in ids:
            if len(self.differing) >= SHOWN:
                return
            self.differing.append(f"{each} {what}")

    def counted(self) -> dict[str, Any]:
        """What the next run of the same audit has to know."""
        return {name: getattr(self, name) for name in COUNTED}

    def go_on(self, counted: dict[str, Any]) -> None:
        """Takes that up."""
        for name, value in counted.items():
            setattr(self, name, value)


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
    ledger: Ledger, direct: Sequence[CapturedStep], chain: tuple[CapturedStep, CapturedStep], deadline: Deadline,
    on_progress: Callable[[int], None] = lambda _: None,
) -> None:  # fmt: skip
    """Asks every direct consumer for every captured event. In `chain` the second is asked only for what is a fact in the
    first, since an event that waits or died there cannot have come further."""
    first, second = chain

    async def ask(entries: list[Entry]) -> None:
        for step in direct:
            _, unknown = await step.ask(entries)
            ledger.put_aside(step.step.name, unknown)
        facts, unknown = await first.ask(entries)
        ledger.put_aside(first.step.name, unknown)
        await _ask_next(ledger, second, facts)

    await _walk(ledger, [*direct, first, second], ask, on_progress)
    await _retry(ledger, [*direct, first, second], {first.step.name: second}, deadline)


async def check_lifecycle(
    ledger: Ledger, step: LifecycleStep, deadline: Deadline, on_progress: Callable[[int], None] = lambda _: None
) -> None:
    """Asks for every lifecycle event."""

    async def ask(entries: list[Entry]) -> None:
        _, unknown = await step.ask(entries)
        ledger.put_aside(step.step.name, unknown)

    await _walk(ledger, [step], ask, on_progress)
    await _retry(ledger, [step], {}, deadline)


async def _walk(
    ledger: Ledger,
    steps: Sequence[CapturedStep],
    ask: Callable[[list[Entry]], Awaitable[None]],
    on_progress: Callable[[int], None],
) -> None:
    """Asks about all entries, some at a time, from where it was stopped. What was asked is kept together with how far that was."""
    kept = ledger.kept(_asked(steps), {"after": None, "done": 0, "steps": {}})
    done = kept["done"]
    for step in steps:
        step.step.go_on(kept["steps"].get(step.step.name, {}))
    for entries in ledger.chunks(CHUNK, kept["after"]):
        with ledger.together():
            await ask(entries)
            done += len(entries)
            _keep(ledger, steps, ledger.place_of(entries[-1]), done)
        on_progress(done)
    ledger.write()


def _asked(steps: Sequence[CapturedStep]) -> str:
    return f"asked {' '.join(step.step.name for step in steps)}"


def _keep(ledger: Ledger, steps: Sequence[CapturedStep], after: Any, done: int) -> None:
    counted = {step.step.name: step.step.counted() for step in steps}
    ledger.keep(_asked(steps), {"after": after, "done": done, "steps": counted})


async def _ask_next(ledger: Ledger, step: CapturedStep, entries: Sequence[Entry]) -> None:
    if entries:
        _, unknown = await step.ask(entries)
        ledger.put_aside(step.step.name, unknown)


async def _retry(
    ledger: Ledger, steps: Sequence[CapturedStep], following: dict[str, CapturedStep], deadline: Deadline
) -> None:
    """Asks again about what was put aside. What is settled is kept together with what it was counted as, and what is a fact by
    then is put aside for the step that follows, which is asked after it: wherever this is stopped, nothing is taken as told
    that nobody was asked about."""
    missing: dict[str, list[str]] = {}
    kept = ledger.kept(_asked(steps), {"after": None, "done": 0})
    while True:
        for step in steps:
            name = step.step.name
            missing[name], step.step.missing = [], 0
            for entries in ledger.unsettled(name, CHUNK):
                with ledger.together():
                    facts, unknown = await step.ask(entries)
                    ledger.settle(name, set(entries) - set(unknown))
                    if name in following:
                        ledger.put_aside(following[name].step.name, facts)
                    _keep(ledger, steps, kept["after"], kept["done"])
                step.step.missing += len(unknown)
                missing[name] += [ledger.told(entry) for entry in unknown[: SHOWN - len(missing[name])]]
        ledger.write()
        if not any(step.step.missing for step in steps) or not await deadline.wait():
            break
    for step in steps:
        step.step.differ("is unknown", missing[step.step.name])


async def check_unreadable(ledger: Ledger, step: Step, client: ServiceClient, topic: str, deadline: Deadline) -> None:
    """Records that nobody can read have no id: each has to be a dead letter of its place in the log."""
    if not step.log.unreadable:
        return
    ledger.expect_dead(step.name)
    while True:
        for status in Status:
            async for letter in letters(client, status):
                if letter["topic"] == topic:
                    ledger.is_dead(step.name, (letter["partition"], letter["offset"]))
        step.undead, lost = ledger.undead(step.name, SHOWN)
        if not lost or not await deadline.wait():
            break
    step.dead_lettered += step.log.unreadable - step.undead
    step.differing += [
        f"partition {partition}, offset {offset}: unreadable, and no dead letter" for partition, offset in lost
    ][: SHOWN - len(step.differing)]


@dataclass(frozen=True, slots=True)
class ScoreCheck:
    """Scoring's own books: how many scores were made again from their ledgers, which differ, how many another policy made
    and was asked again, and of how many nobody remembers the policy."""

    checked: int
    stale: int
    unverifiable: int
    different: int
    differences: tuple[str, ...]


async def check_scores(ledger: Ledger, client: ServiceClient) -> ScoreCheck:
    """Has scoring make every score again, page by page, from where it was stopped. Each page is of one moment, so that work in
    flight is no difference."""
    kept = ledger.kept("scores", {"after": None, "over": False, "counted": [0, 0, 0, 0], "differences": []})
    counted, differences = kept["counted"], kept["differences"]
    while not kept["over"]:
        page = await client.post("/v1/audit/scores", {"after": kept["after"], "limit": 500})
        found = (page["checked"], page["stale"], page["unverifiable"], len(page["differences"]))
        counted = [before + more for before, more in zip(counted, found, strict=True)]
        differences += [f"{one['lead_id']}: {one['fault']}" for one in page["differences"][: SHOWN - len(differences)]]
        after = page["next"]
        kept = {"after": after, "over": after is None, "counted": counted, "differences": differences}
        with ledger.together():
            ledger.keep("scores", kept)
    ledger.write()
    checked, stale, unverifiable, different = counted
    return ScoreCheck(checked, stale, unverifiable, different, tuple(differences))
