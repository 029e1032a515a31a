"""Sends the messages that were decided on, and records how that went. Killed in between, it sends again, under the same id."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from services.pipeline.assigning import Assigning
from services.pipeline.contacting import Contacting
from services.pipeline.domain.contact_rules import WITHDRAWN
from services.pipeline.domain.due import Task
from services.pipeline.domain.follow_up import over
from services.pipeline.domain.leaving import Leaving, Written
from services.pipeline.domain.ledger import Ledger
from services.pipeline.domain.messages import (
    NO_ADDRESS,
    NO_CONSENT,
    NO_TEMPLATE,
    SENT,
    Failure,
    Mail,
    has_been_sent,
    has_failed,
    written,
)
from services.pipeline.instruments import MessageInstruments
from services.pipeline.sending.transport import AT_ONCE, Result, Transport
from services.pipeline.storage import loading, messages, saving, tasks
from shared.contracts.policy import Policy
from shared.kit import failpoints
from shared.kit.background import again_and_again, as_it_comes, running
from shared.kit.database import Database, Transaction
from shared.kit.logs import log
from shared.kit.transient import name_of

LEASE = timedelta(minutes=3)
"""So long nobody else takes a message; sending one may take less."""

SWEEP_SECONDS = 600.0


class Ready(NamedTuple):
    """A message with its words, to be sent now."""

    row: Any
    mail: Mail


class Posting:
    """One task beside the consumer; as many processes as there are share the work."""

    def __init__(
        self,
        database: Database,
        policy: Policy,
        assigning: Assigning,
        contacting: Contacting,
        transport: Transport,
        instruments: MessageInstruments,
        *,
        leaving: Leaving,
        schedule: Sequence[timedelta],
        interval_seconds: float,
        keep: timedelta,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._database = database
        self._policy = policy
        self._assigning = assigning
        self._contacting = contacting
        self._transport = transport
        self._instruments = instruments
        self._leaving = leaving
        self._schedule = tuple(schedule)
        self._interval_seconds = interval_seconds
        self._keep = keep
        self._chance = chance

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Sends until the context ends."""
        sweep = again_and_again(self.sweep, SWEEP_SECONDS, "messages_not_swept")
        async with running(self._run(), "pipeline-messages"), running(sweep, "pipeline-message-sweep"):
            yield

    async def once(self) -> int:
        """Sends what is due, at most a few; how many there were."""
        if not await messages.is_due(self._database, self._database.clock.now()):
            return 0
        claimed, ready = await self._database.run(self._take)
        results = await asyncio.gather(*(self._send(one) for one in ready))
        if ready:
            failpoints.reach("after-message-sent")
        for one, result in zip(ready, results, strict=True):
            await self._database.run(lambda tx, one=one, result=result: self._settle(tx, one.row, result))  # type: ignore[misc]
            self._instruments.messages.labels(result.outcome).inc()
        return claimed

    async def _send(self, one: Ready) -> Result:
        """What a transport raises is of its message alone: those sent with it are settled, and not sent again."""
        try:
            return await self._transport.send(one.mail)
        except Exception as error:
            log().error("message_not_sent", message_id=str(one.mail.message_id), error_type=name_of(error))
            return Result("later", name_of(error))

    async def sweep(self) -> None:
        """Forgets messages that were settled long ago."""
        await self._database.run(lambda tx: messages.sweep(tx, tx.now - self._keep))

    async def _take(self, tx: Transaction) -> tuple[int, list[Ready]]:
        """Takes messages and writes them, from what is known and allowed now: what somebody took back, did
        themselves or called off meanwhile is not sent, and what they put off, or a limit or quiet hours forbid now, waits."""
        rows = await messages.claim(tx, AT_ONCE, LEASE)
        if not rows:
            return 0, []
        ledger = await loading.lock_groups(tx, [row.lead_id for row in rows])
        await loading.load_stories(tx, ledger, [row.lead_id for row in rows])
        steps = await tasks.several(tx, [row.task_id for row in rows])
        ready: list[Ready] = []
        for row in rows:
            mail, reason, wait = self._mail(ledger, row, steps.get(row.task_id), tx.now)
            if wait is not None:
                await messages.put_off(tx, row.message_id, wait)
                continue
            if mail is not None:
                ready.append(Ready(row, mail))
                continue
            await self._fail(tx, ledger, row, WITHDRAWN, reason)
            self._instruments.messages.labels(WITHDRAWN).inc()
        await saving.save(tx, ledger)
        return len(rows), ready

    def _mail(
        self, ledger: Ledger, row: Any, step: Any | None, now: datetime
    ) -> tuple[Mail | None, str, datetime | None]:
        """What is sent; else why nothing is; else until when it waits: for its step, or by the rules of contact, which are asked
        again at every try."""
        root = ledger.root(row.lead_id)
        personal = self._contacting.personal(ledger, root.lead_id)
        template = self._policy.unit(root.business_unit).templates.get(row.template)
        address = self._contacting.address(ledger, root.lead_id)
        if (reason := over(root.state)) is not None:
            return None, reason, None
        if step is None or step.status != "open":
            return None, step.status if step is not None else "gone", None
        if template is None:
            return None, NO_TEMPLATE, None
        if address is None:
            return None, NO_ADDRESS, None
        if step.starts_at > now:
            return None, "", step.starts_at
        no = self._contacting.asked(ledger, root.lead_id, "email", now, row.message_id)
        if no is not None:
            return None, NO_CONSENT if no.reason == "consent" else no.reason, no.allowed_at
        assigned, touch = root.state.assigned, root.state.first_touch
        owner, product = assigned.owner if assigned else None, touch.product if touch else None
        mail = written(template, row.message_id, address, personal, owner=owner, product=product)
        return mail._replace(ways=self._leaving.ways(Written(row.lead_id, row.message_id))), "", None

    async def _settle(self, tx: Transaction, row: Any, result: Result) -> None:
        attempts = row.attempts
        if not await messages.held(tx, row.message_id, attempts, sent=result.outcome == "sent"):
            return
        if result.outcome == "later" and attempts <= len(self._schedule):
            wait = self._schedule[attempts - 1] * (0.75 + self._chance() / 2)
            next_at = tx.now + max(wait, result.retry_after or timedelta())
            await messages.settle(tx, row.message_id, "waiting", error=result.error, next_at=next_at)
            return
        ledger = await loading.lock_groups(tx, [row.lead_id])
        await loading.load_stories(tx, ledger, [row.lead_id])
        if result.outcome == "sent":
            root = ledger.root(row.lead_id)
            following = self._assigning.following(root.business_unit)
            for draft in has_been_sent(following, await self._open(tx, row.task_id), row.message_id, tx.now):
                ledger.record(ledger.story_of(root.lead_id, draft), draft)
            await messages.settle(tx, row.message_id, SENT, error=None)
        else:
            failure: Failure = "bounced" if result.outcome == "bounced" else "failed"
            await self._fail(tx, ledger, row, failure, result.error or failure)
        await saving.save(tx, ledger)

    async def _fail(self, tx: Transaction, ledger: Ledger, row: Any, failure: Failure, reason: str) -> None:
        """It will not arrive: on record, and its step, where that is open, goes on otherwise."""
        root = ledger.root(row.lead_id)
        following = self._assigning.following(root.business_unit)
        task = await self._open(tx, row.task_id)
        found = await tasks.one(tx, row.task_id)
        about = task or tasks.task_of(found)
        drafts = has_failed(following, root.state, about, row.message_id, failure, reason, tx.now)
        for draft in drafts if task is not None else drafts[:1]:
            ledger.record(ledger.story_of(root.lead_id, draft), draft)
        await messages.settle(tx, row.message_id, failure, error=reason)

    @staticmethod
    async def _open(tx: Transaction, task_id: UUID) -> Task | None:
        found = await tasks.one(tx, task_id)
        return tasks.task_of(found) if found is not None and found.status == "open" else None

    async def _run(self) -> None:
        try:
            await as_it_comes(self.once, self._interval_seconds, "messages_not_sent")
        finally:
            await self._transport.close()
