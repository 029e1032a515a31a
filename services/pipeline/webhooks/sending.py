"""Makes deliveries: takes what is due, sends it, writes down how it was answered. Each at least once, under the same id."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson

from services.pipeline.domain.webhook_rules import (
    Answer,
    Key,
    Patience,
    is_given_up,
    message,
    message_id,
    settle,
)
from services.pipeline.instruments import WebhookInstruments
from services.pipeline.storage import webhook_queue, webhooks
from services.pipeline.storage.people import people as people_of
from services.pipeline.webhooks.endpoints import Secrets
from services.pipeline.webhooks.posting import Poster
from shared.kit import failpoints
from shared.kit.background import as_it_comes, running
from shared.kit.database import Database, Transaction
from shared.kit.logs import log
from shared.kit.transient import is_transient, name_of

GONE, FAILING, UNKNOWN = "gone", "failing", "not in the history"

LEASE_BESIDE = timedelta(seconds=30)
"""How much longer than a request may take nobody else tries the same."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """Something to be sent now; without a body where the history does not have it."""

    key: Key
    attempts: int
    url: str
    message_id: str
    body: bytes | None
    secrets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pace:
    """How much is sent at once, altogether and to one endpoint, and how long one may take."""

    at_once: int
    of_one: int
    timeout_seconds: float
    interval_seconds: float


class Sending:
    """One task beside the consumer; as many processes as there are share the work."""

    def __init__(
        self,
        database: Database,
        secrets: Secrets,
        poster: Poster,
        patience: Patience,
        pace: Pace,
        instruments: WebhookInstruments,
        *,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._database = database
        self._secrets = secrets
        self._poster = poster
        self._patience = patience
        self._pace = pace
        self._instruments = instruments
        self._chance = chance
        self._under_way: dict[asyncio.Task[Answer], Delivery] = {}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Sends until the context ends."""
        async with running(self._run(), "pipeline-webhooks"):
            yield

    async def once(self) -> bool:
        """Starts what is due and there is room for, and settles what was answered. Whether there may be more: what was settled
        lets what comes after it be due."""
        if not self._under_way and not await webhooks.anybody_follows(self._database):
            return False
        busy = Counter(one.key.endpoint_id for one in self._under_way.values())
        room = self._pace.at_once - len(self._under_way)
        due = await self._database.run(lambda tx: self._take(tx, busy, room)) if room > 0 else []
        for one in due:
            self._under_way[asyncio.create_task(self._send(one), name="pipeline-webhook")] = one
        if self._under_way:
            await asyncio.wait(
                self._under_way, timeout=self._pace.interval_seconds, return_when=asyncio.FIRST_COMPLETED
            )
            await self._settle_answered()
            return True
        return False

    async def _run(self) -> None:
        try:
            await as_it_comes(self.once, self._pace.interval_seconds, "webhooks_not_sent")
        finally:
            for task in self._under_way:
                task.cancel()
            await asyncio.gather(*self._under_way, return_exceptions=True)
            await self._poster.close()

    async def _take(self, tx: Transaction, busy: Counter[UUID], room: int) -> list[Delivery]:
        lease = timedelta(seconds=self._pace.timeout_seconds) + LEASE_BESIDE
        rows = await webhook_queue.claim(tx, busy=busy, of_one=self._pace.of_one, room=room, lease=lease)
        if not rows:
            return []
        endpoints = {one.endpoint_id: one for one in await webhooks.listing(tx)}
        rows = [row for row in rows if row.endpoint_id in endpoints]
        keys = [Key(row.endpoint_id, row.lead_id, row.version) for row in rows]
        known = await webhook_queue.events(tx, keys)
        told = {
            known[key.lead_id, key.version]["root_id"]
            for key in keys
            if endpoints[key.endpoint_id].personal and (key.lead_id, key.version) in known
        }
        people = await people_of(tx, told)
        return [
            self._delivery(
                key, row.attempts, endpoints[key.endpoint_id], known.get((key.lead_id, key.version)), people, tx
            )
            for key, row in zip(keys, rows, strict=True)
        ]

    def _delivery(
        self, key: Key, attempts: int, endpoint: Any, known: Any, people: dict[UUID, dict[str, Any]], tx: Transaction
    ) -> Delivery:
        secrets = tuple(self._secrets.live(endpoint, tx.now))
        if known is None:
            return Delivery(key, attempts, endpoint.url, "", None, secrets)
        event, root_id = known["event"], known["root_id"]
        person = people.get(root_id, {}) if endpoint.personal else None
        name = message_id(event["event"], event["event_id"], event["lead_id"])
        body = orjson.dumps(message(event, root_id, person))
        return Delivery(key, attempts, endpoint.url, name, body, secrets)

    async def _send(self, one: Delivery) -> Answer:
        if one.body is None:
            return Answer(None, UNKNOWN)
        now = self._database.clock.now()
        try:
            with self._instruments.seconds.time():
                answer = await self._poster.post(one.url, one.message_id, one.body, one.secrets, at=now, now=now)
        except Exception as error:
            log().error("webhook_not_sent", endpoint_id=str(one.key.endpoint_id), error_type=name_of(error))
            return Answer(None, name_of(error))
        failpoints.reach("after-webhook-sent")
        return answer

    async def _settle_answered(self) -> None:
        """Together; where that cannot be written down each alone, so that no one holds up the others: it is tried again once its
        lease is over."""
        done = [task for task in self._under_way if task.done()]
        try:
            await self._settle_of(done)
        except Exception as error:
            if is_transient(error):
                raise
            for task in done:
                try:
                    await self._settle_of([task])
                except Exception as alone:
                    if is_transient(alone):
                        raise
                    one = self._under_way.pop(task)
                    log().error("webhook_not_settled", endpoint_id=str(one.key.endpoint_id), error_type=name_of(alone))

    async def _settle_of(self, done: Sequence[asyncio.Task[Answer]]) -> None:
        answered = [(self._under_way[task], task.result()) for task in done]
        outcomes = await self._database.run(lambda tx: self._settle(tx, answered))
        for task in done:
            del self._under_way[task]
        for outcome, number in outcomes.items():
            self._instruments.deliveries.labels(outcome).inc(number)

    async def _settle(self, tx: Transaction, answered: Iterable[tuple[Delivery, Answer]]) -> Counter[str]:
        """Writes down answers, and gives up endpoints that are gone or have failed for too long."""
        outcomes: Counter[str] = Counter()
        rows: list[dict[str, Any]] = []
        of_endpoint: dict[UUID, list[tuple[Delivery, Answer]]] = {}
        for one, answer in answered:
            of_endpoint.setdefault(one.key.endpoint_id, []).append((one, answer))
        told: list[dict[str, Any]] = []
        for endpoint_id in sorted(of_endpoint):
            endpoint = await webhooks.one(tx, endpoint_id, held=True)
            if endpoint is None:
                continue
            failures, taken, rest_until, is_gone = endpoint.failures, False, None, False
            for one, answer in of_endpoint[endpoint_id]:
                failures = 0 if answer.is_taken else failures + 1
                taken = taken or answer.is_taken
                settled = settle(
                    answer, attempts=one.attempts, failures=failures, now=tx.now, patience=self._patience,
                    chance=self._chance(),
                )  # fmt: skip
                outcome = "dead" if answer.error == UNKNOWN else settled.outcome
                is_gone = is_gone or outcome == "gone"
                outcomes[outcome] += 1
                if settled.rest_until is not None:
                    rest_until = max(rest_until or settled.rest_until, settled.rest_until)
                status = {"failed": "waiting", "gone": "waiting"}.get(outcome, outcome)
                rows.append(
                    {
                        **one.key._asdict(),
                        "attempts": one.attempts,
                        "status": status,
                        "next_at": settled.next_at,
                        "last_status": answer.status,
                        "last_error": answer.error,
                    }
                )
            told.append(
                {
                    "endpoint_id": endpoint_id,
                    "taken": taken,
                    "failed": len(of_endpoint[endpoint_id]),
                    "rest_until": rest_until,
                }
            )
            reason = GONE if is_gone else None
            if not taken and is_given_up(endpoint.failing_since, tx.now, self._patience):
                reason = reason or FAILING
            if reason is not None and endpoint.state == "live":
                stopped = {"state": "disabled", "disabled_reason": reason}
                await webhooks.change(tx, endpoint_id, stopped, f"disabled: {reason}", webhooks.ITSELF)
                log().warning("webhook_disabled", endpoint_id=str(endpoint_id), reason=reason)
        await webhook_queue.settle(tx, rows)
        await webhook_queue.answered(tx, told)
        return outcomes
