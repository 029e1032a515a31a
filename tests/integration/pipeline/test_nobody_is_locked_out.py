"""Whoever works on the same leads at the same time waits for the others, and never so that two wait for each other. On real
PostgreSQL, which counts when they do."""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from services.pipeline.assigning import Assigning
from services.pipeline.handlers import Handlers
from services.pipeline.instruments import PipelineInstruments, WorkInstruments
from services.pipeline.storage import webhook_queue, webhooks
from services.pipeline.storage.loading import LOCK_LEADS
from services.pipeline.timers import Timers
from shared.contracts.envelope import Event
from shared.contracts.policy import Policy
from shared.kit.database import Database, RacedWrite, Transaction
from shared.kit.errors import Retryable
from tests.integration.pipeline.conftest import Pipeline
from tests.integration.pipeline.hooked import OPERATOR, Hooked
from tests.integration.pipeline.test_history import row
from tests.integration.pipeline.test_routing import ROUTING, with_sections
from tests.integration.pipeline.test_timers import FOLLOW_UP
from tests.support.locking import found_quickly, locked_out
from tests.support.patience import eventually
from tests.unit.pipeline.builders import SECRET, a_lead, a_score, an_interaction, at, recorded

ROUNDS = int(os.environ.get("LEADFLOW_TEST_ROUNDS", "8"))
"""Of each of those who work at once. Seldom is what a hundred find: `LEADFLOW_TEST_ROUNDS=100`."""
PEOPLE = 12
CONSUMERS = 3
AGAIN = 6
"""So often is tried what there was no room or time for."""


@pytest.fixture
def rules() -> Policy:
    return with_sections(routing=ROUTING, follow_up=FOLLOW_UP)


@pytest.fixture
async def crowd(pipeline: Pipeline, rules: Policy, http: httpx.AsyncClient, app: FastAPI) -> Crowd:
    found_quickly(url_of(pipeline.database))
    return Crowd(pipeline, rules, http, app.state.database)


def url_of(database: Database) -> str:
    return database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)


class Crowd:
    """Several who read the log, and all who do something else with the same few people."""

    def __init__(self, pipeline: Pipeline, policy: Policy, http: httpx.AsyncClient, apps: Database) -> None:
        self.url = url_of(pipeline.database)
        self.database = Database(self.url, schema="pipeline", pool_size=CONSUMERS + 4)
        self.handlers = Handlers(policy, SECRET, PipelineInstruments(CollectorRegistry()), pipeline.routes)
        self.timers = Timers(
            self.database, Assigning(policy), WorkInstruments(CollectorRegistry()), interval_seconds=0.01
        )
        self.http = http
        self.answers: Counter[str] = Counter()
        self.no_room: Counter[str] = Counter()
        self.batches = self.raced = self.late = 0
        self._databases = (self.database, apps, pipeline.database)

    async def deadlocks(self) -> int:
        return await locked_out(self.url, *self._databases)

    async def take(self, events: Sequence[Event]) -> None:
        """One batch, with as much time as the service has: what it was not enough for is begun again."""

        async def work(tx: Transaction) -> None:
            try:
                await self.handlers.handle(tx, [recorded(event, place) for place, event in enumerate(events)])
            except RacedWrite:
                self.raced += 1
                raise

        self.batches += 1
        for _ in range(AGAIN):
            try:
                await self.database.run(work)
            except Retryable:
                self.late += 1
            else:
                return
        raise AssertionError("a batch never had its turn")

    async def ask(self, path: str, body: Any) -> httpx.Response:
        """A request, sent again where there was no room for it."""
        command = path.rpartition(":")[2] if ":" in path else path.rpartition("/")[2]
        for _ in range(AGAIN):
            answer = await self.http.post(path, json=body, headers={"Leadflow-Actor": "kim"}, follow_redirects=True)
            if answer.status_code != 503:
                break
            self.no_room[command] += 1
            await asyncio.sleep(0.2)
        self.answers[f"{command} {answer.status_code}"] += 1
        return answer

    def starved(self) -> dict[str, str]:
        """Who was refused, or had to begin again, more often than those who work at once on twelve people have to."""
        asked: Counter[str] = Counter()
        for answer, times in self.answers.items():
            asked[answer.rpartition(" ")[0]] += times
        had = [("batches in vain", self.raced, 3 + self.batches // 4), ("batches late", self.late, self.batches // 10)]
        had += [(command, self.no_room[command], 1 + times // 10) for command, times in asked.items()]
        return {who: f"{times} of at most {most}" for who, times, most in had if times > most}

    async def at_once(self, *works: Callable[[random.Random], Awaitable[Any]]) -> None:
        """Everybody, over and over."""

        async def often(work: Callable[[random.Random], Awaitable[Any]], seed: int) -> None:
            chance = random.Random(seed)
            for _ in range(ROUNDS):
                await work(chance)

        async with asyncio.TaskGroup() as group:
            for seed, work in enumerate(works):
                group.create_task(often(work, seed))


def mail(number: int) -> str:
    return f"{number}@x.example"


def phone(number: int) -> str:
    return f"+3161234567{number % 10}"


def something(chance: random.Random) -> Event:
    """One of the things that the log tells of these people: that they are two of them in one, too."""
    one, when = chance.randrange(PEOPLE), at(chance.random() * 100)
    lead_id = a_lead(mail(one)).lead_id
    match chance.randrange(6):
        case 0:
            return a_lead(mail(one), occurred_at=when)
        case 1:
            return a_lead(mail(one), phone(chance.randrange(10)), occurred_at=when)
        case 2:
            return an_interaction(
                phone=phone(chance.randrange(10)), visitor=f"v{chance.randrange(4)}", occurred_at=when
            )
        case 3:
            return a_lead(mail(one), visitor=f"v{chance.randrange(4)}", occurred_at=when)
        case 4:
            return an_interaction(mail(one), occurred_at=when)
        case _:
            return a_score(lead_id, chance.randrange(100), occurred_at=when)


@pytest.mark.timeout(900)
async def test_those_who_read_the_log_and_those_who_do_anything_else_lock_nobody_out(crowd: Crowd) -> None:
    people = [a_lead(mail(number), occurred_at=at(0)) for number in range(PEOPLE)]
    await crowd.take([*people, *(a_score(one.lead_id, 70, occurred_at=at(1)) for one in people)])
    ids = [one.lead_id for one in people]

    def path(chance: random.Random) -> str:
        return f"/v1/leads/{chance.choice(ids)}"

    async def consume(chance: random.Random) -> None:
        await crowd.take([something(chance) for _ in range(8)])

    async def command(chance: random.Random) -> None:
        kind, said = chance.choice(
            (
                (":assign", {"owner": "kim"}),
                (":archive", {"reason": "no budget"}),
                (":reopen", {}),
                (":merge", {"other_lead_id": str(chance.choice(ids))}),
                (":unmerge", {}),
            )
        )
        await crowd.ask(path(chance) + kind, said)

    async def contact(chance: random.Random) -> None:
        lead = path(chance)
        said = {"role": "secretary", "name": "Bo", "email": mail(PEOPLE + chance.randrange(4))}
        answer = await crowd.ask(f"{lead}/contacts", said)
        known = answer.json().get("contacts") or []
        if known:
            one = f"{lead}/contacts/{chance.choice(known)['contact_id']}"
            changed = {"email": mail(PEOPLE + chance.randrange(4))}
            await crowd.ask(*((f"{one}:change", changed) if chance.random() < 0.5 else (f"{one}:remove", {})))

    async def bring(chance: random.Random) -> None:
        rows = [
            row(
                "assigned",
                f"2026-01-{chance.randrange(1, 28):02}",
                f"c{chance.randrange(6)}",
                owner=f"o{chance.random()}",
            )
            for _ in range(5)
        ]
        await crowd.ask("/v1/history:batch", {"sender": "import", "rows": rows})

    async def look_again(chance: random.Random) -> None:
        await crowd.timers.once()
        with suppress(Retryable):  # it looks again
            await crowd.database.run(partial(crowd.handlers.take_up_stranded, within_seconds=None))

    async def forget(chance: random.Random) -> None:
        await crowd.ask("/v1/people:erase", {"email": mail(chance.randrange(PEOPLE)), "reason": "request 17"})

    await crowd.at_once(*[consume] * CONSUMERS, *[command] * 3, contact, contact, bring, look_again, forget)
    print(dict(sorted(crowd.answers.items())), crowd.no_room, crowd.batches, "raced", crowd.raced, "late", crowd.late)
    assert {answer.rpartition(" ")[2][0] for answer in crowd.answers} <= {"2", "4"}, crowd.answers
    assert crowd.starved() == {}
    assert await crowd.deadlocks() == 0


async def test_two_who_ask_for_leads_that_are_made_one_person_meanwhile_do_not_wait_for_each_other(
    crowd: Crowd, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = a_lead(mail(0)), a_lead(phone=phone(0), occurred_at=at(1))
    await crowd.take([one, other])
    both = a_lead(mail(0), phone(0), occurred_at=at(2))
    rows, met, have = Transaction.rows, asyncio.Barrier(2), set[Transaction]()

    async def together(tx: Transaction, sql: str, **parameters: Any) -> Any:
        """Each has the lead that it was asked for before either asks for the other."""
        found = await rows(tx, sql, **parameters)
        if sql == LOCK_LEADS and len(have) < 2:
            have.add(tx)
            await met.wait()
        return found

    async def two_wait() -> bool:
        held_up = "SELECT count(*) AS n FROM pg_locks WHERE NOT granted AND locktype <> 'tuple'"
        return bool((await pipeline.one(held_up)).n == 2)

    async with crowd.database.transaction() as tx:
        await crowd.handlers.handle(tx, [recorded(both)])
        monkeypatch.setattr(Transaction, "rows", together)
        asking = [
            asyncio.create_task(crowd.ask(f"/v1/leads/{lead.lead_id}:assign", {"owner": "kim"}))
            for lead in (one, other)
        ]
        await eventually(two_wait)
    assert [answer.status_code for answer in await asyncio.gather(*asking)] == [200, 200]
    assert await crowd.deadlocks() == 0


async def test_a_webhook_is_told_again_while_what_it_answered_is_written_down_and_neither_waits_for_the_other(
    crowd: Crowd, pipeline: Pipeline, hooked: Hooked, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await hooked.follow("http://127.0.0.1:9/hook")
    await pipeline.take(a_lead(mail(0)))
    await hooked.give_out()
    hooked.after(minutes=1)
    await hooked.hooks.endpoints.replay(made["endpoint_id"], at(-0.5), None, OPERATOR)
    replayed, reached = webhook_queue.replayed, asyncio.Event()

    async def reaching(*said: Any) -> None:
        reached.set()
        await replayed(*said)

    monkeypatch.setattr(webhook_queue, "replayed", reaching)
    async with hooked.database.transaction() as settling:
        (due,) = await webhook_queue.claim(settling, busy={}, of_one=1, room=1, lease=timedelta(minutes=1))
    async with hooked.database.transaction() as settling:
        await webhooks.one(settling, made["endpoint_id"], held=True)
        replaying = asyncio.create_task(hooked.hooks.feeding.replay())
        await reached.wait()
        told = {name: getattr(due, name) for name in ("endpoint_id", "lead_id", "version", "attempts")}
        taken = {"status": "delivered", "next_at": None, "last_status": 200, "last_error": None}
        await webhook_queue.settle(settling, [{**told, **taken}])
    assert await replaying
    assert await crowd.deadlocks() == 0
