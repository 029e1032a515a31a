"""One command for many leads: begun as a job, worked off beside the consumer a few leads at a time, each lead once.

A job is leased to one process at a time. Each lead's command has a key made of the job and the lead, so a process that takes
over a job after a kill sends again what it cannot know to be done, and what was done is only answered again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from services.pipeline.asking import Asked
from services.pipeline.commands import Commands
from services.pipeline.domain.access import NOTHING, Reach, Units
from services.pipeline.domain.bulk import MOST_ITEMS, Doing, command_of, refuse_needless
from services.pipeline.domain.fingerprints import Asking
from services.pipeline.domain.refusals import Refused
from services.pipeline.storage import bulk as storage
from shared.contracts.identity import Tokens, event_id_from, external_identity
from shared.contracts.tokens import spellings
from shared.kit.background import running
from shared.kit.courtesy import rest_seconds
from shared.kit.database import Database, Transaction
from shared.kit.errors import Rejected, Retryable
from shared.kit.ids import new_id
from shared.kit.logs import log
from shared.kit.transient import is_transient, name_of

LEASE = timedelta(seconds=15)
LOOK_SECONDS = 1.0
AT_ONCE = 20
TURN_SECONDS = 5.0
"""How long a job is worked on before another one's turn comes: a large one holds up nobody's small one."""
KEEP = timedelta(days=30)
FORGET_EVERY_LOOKS = 3600


@dataclass(frozen=True, slots=True)
class Wanted:
    """A job as it is asked for. One of `lead_ids`, `external_ids` of a `sender`, and `filters` says for whom."""

    doing: Doing
    said: Mapping[str, Any]
    lead_ids: Sequence[UUID] | None = None
    external_ids: Sequence[str] | None = None
    sender: str = "import"
    business_unit: str | None = None
    filters: Mapping[str, Any] | None = None


class Bulk:
    """Jobs, and one task beside the consumer that works on them."""

    def __init__(self, database: Database, commands: Commands, secret: bytes, *, items_per_second: float) -> None:
        self._database = database
        self._commands = commands
        self._tokens = Tokens(secret)
        self._asking = Asking(secret)
        self._items_per_second = items_per_second
        self._worker = uuid4()
        self._added = asyncio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Works until the context ends; then somebody else may go on at once."""
        async with running(self._run(), "pipeline-bulk"):
            yield
        with suppress(Exception):
            async with asyncio.timeout(1.0):
                await self._database.run(lambda tx: storage.let_go(tx, self._worker))

    async def begin(
        self, wanted: Wanted, units: Units, unit: str, *, actor: str, credentials: str, namespace: str, key: str | None
    ) -> tuple[Any, bool]:
        """The job, and whether it was begun before under this key. `units` are those that it stays within, `unit` that of the ids
        of other systems, `credentials` those for which it goes on. Raises `Refused`."""
        command_of(wanted.doing, wanted.said)
        job_id = event_id_from(f"{namespace}/bulk", key) if key else new_id()
        fingerprint = self._asking.fingerprint(wanted)

        async def work(tx: Transaction) -> tuple[Any, bool]:
            before = await storage.hold(tx, job_id)
            if before is not None:
                if before.fingerprint != fingerprint or before.units != (None if units is None else sorted(units)):
                    raise _used_for_another()
                return before, True
            refuse_needless(wanted.doing, wanted.said, self._commands.policies(units))
            await storage.add(tx, job_id, fingerprint, wanted.doing, wanted.said, actor, units, credentials)
            if wanted.filters is not None:
                await storage.add_filtered(tx, job_id, units, wanted.filters)
            else:
                await storage.add_listed(tx, job_id, await self._listed(tx, wanted, unit))
            _check_number(await storage.count(tx, job_id))
            return await storage.one(tx, job_id), False

        job, repeated = await self._database.run(work, deadline_seconds=30)
        self._added.set()
        return job, repeated

    async def work(self) -> bool:
        """Works on one job for a while, then it is the next one's turn; False where there is none."""
        job = await self._database.run(lambda tx: storage.take(tx, self._worker, LEASE))
        if job is None:
            return False
        log().info("bulk_running", job_id=str(job.job_id), left=job.items - job.done - job.refused)
        until = asyncio.get_running_loop().time() + TURN_SECONDS
        while items := await storage.left(self._database, job.job_id, AT_ONCE):
            began = asyncio.get_running_loop().time()
            if await self._database.run(lambda tx: storage.stop_unvouched(tx, job.job_id)):
                log().warning("bulk_stopped", job_id=str(job.job_id), reason="credentials ended")
                return True
            outcomes = [await self._outcome(job, item) for item in items]
            if not await self._note(job.job_id, outcomes):
                log().info("bulk_left", job_id=str(job.job_id))
                return True
            took = asyncio.get_running_loop().time() - began
            pause = len(items) / self._items_per_second - took
            await asyncio.sleep(max(pause, await rest_seconds(len(items))))
            if asyncio.get_running_loop().time() >= until:
                await self._database.run(lambda tx: storage.end_turn(tx, job.job_id, self._worker))
                return True
        await self._database.run(lambda tx: storage.end(tx, job.job_id, self._worker))
        log().info("bulk_ended", job_id=str(job.job_id))
        return True

    async def _listed(self, tx: Transaction, wanted: Wanted, unit: str) -> list[UUID | None]:
        if wanted.lead_ids is not None:
            return list(wanted.lead_ids)
        tokens = [
            [self._tokens.token(unit, "external", external_identity(wanted.sender, name)) for name in spellings(one)]
            for one in wanted.external_ids or ()
        ]
        names = [{"business_unit": unit, "kind": "external", "token": token} for each in tokens for token in each]
        known = await storage.owners_of(tx, names)
        return [next((known[token] for token in each if token in known), None) for each in tokens]

    async def _note(self, job_id: UUID, outcomes: Sequence[Mapping[str, Any]]) -> bool:
        return await self._database.run(
            lambda tx: storage.note(tx, job_id, self._worker, LEASE, outcomes), deadline_seconds=30
        )

    async def _outcome(self, job: Any, item: Any) -> dict[str, Any]:
        """What becomes of one lead. Raises `Retryable` where that cannot be said yet."""
        if item.lead_id is None:
            return _refused(item, "unknown-lead", "Nobody is known by this id.")
        try:
            await self._command(job, item.lead_id)
        except Retryable:
            raise
        except Rejected as no:
            return _refused(item, no.code, no.detail)
        except Exception as error:
            if is_transient(error):
                raise
            log().error("bulk_item_failed", job_id=str(job.job_id), place=item.place, error_type=name_of(error))
            return _refused(item, "failed", f"It failed: {name_of(error)}.")
        return {"place": item.place, "outcome": "done", "code": None, "detail": None}

    async def _command(self, job: Any, lead_id: UUID) -> None:
        """The command on a lead, or on the one that it was merged into."""
        command = command_of(job.doing, job.said)
        reach = Reach(frozenset(job.units) if job.units is not None else None, NOTHING)

        async def on(one: UUID) -> None:
            key = f"{job.job_id}/{one}"
            asked = Asked(
                command.path, job.said, job.actor, idempotency_key=key, reach=reach, namespace="pipeline-bulk"
            )
            if command.by_rules:
                await self._commands.requalify(one, asked)
            elif command.of_person:
                await self._commands.on_person(one, asked, command.decide)
            else:
                await self._commands.on_lead(one, asked, command.decide, command.guard)

        try:
            await on(lead_id)
        except Rejected as no:
            if no.code != "merged":
                raise
            await on(UUID(no.extra["canonical_lead_id"]))

    async def _run(self) -> None:
        looks = 0
        while True:
            try:
                if looks % FORGET_EVERY_LOOKS == 0:
                    await self._database.run(lambda tx: storage.forget(tx, tx.now - KEEP), deadline_seconds=30)
                looks += 1
                if await self.work():
                    continue
            except Exception as error:
                away = isinstance(error, Retryable) or is_transient(error)
                (log().info if away else log().error)("bulk_failed", error_type=name_of(error))
            self._added.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._added.wait()


def _refused(item: Any, code: str | None, detail: str) -> dict[str, Any]:
    return {"place": item.place, "outcome": "refused", "code": code, "detail": detail}


def _check_number(items: int) -> None:
    if 0 < items <= MOST_ITEMS:
        return
    detail = "No lead is meant." if not items else f"More than {MOST_ITEMS:,} leads are meant."
    fix = (
        "Mean others."
        if not items
        else "Mean fewer, as with business_unit or created_before, and begin a job for each part."
    )
    raise Refused(detail, kind="invalid", code="number-of-leads", fix=fix)


def _used_for_another() -> Refused:
    return Refused(
        "This Idempotency-Key was used for another job.",
        kind="conflict",
        code="idempotency-key-reused",
        field="Idempotency-Key",
        fix="Send a key of its own with each job.",
    )
