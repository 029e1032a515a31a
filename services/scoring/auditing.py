"""Scores made again from the ledger and compared with what is stored: all of them on demand, some of them all the time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError

from services.scoring import storage
from services.scoring.domain import Assessment, Assessor, Comparison, Person, Recalled, compare
from services.scoring.instruments import ScoringInstruments
from services.scoring.models import Models
from services.scoring.policies import Policies
from shared.kit.background import running
from shared.kit.database import Database, Transaction
from shared.kit.logs import log
from shared.kit.transient import is_transient

SLICE = 100
"""How many scores are made again before others get their turn."""


@dataclass(slots=True)
class Audit:
    """What a page of an audit found. `stale` were made by another policy than the present one, and checked against that
    one; `unverifiable` by one that nobody remembers, beside models that nobody has any more, from what was erased since
    and cannot be made again without it, or not at all.
    `next` is where the next page begins."""

    checked: int = 0
    stale: int = 0
    unverifiable: int = 0
    differences: list[dict[str, Any]] = field(default_factory=list)
    next: UUID | None = None


class Auditor:
    """Looks at scores, a page at a time, in a snapshot of the database and without a lock."""

    def __init__(
        self,
        database: Database,
        policies: Policies,
        instruments: ScoringInstruments,
        *,
        interval_seconds: float,
        batch: int,
        models: Models | None = None,
    ) -> None:
        self._database = database
        self._policies = policies
        self._instruments = instruments
        self._interval_seconds = interval_seconds
        self._batch = batch
        self._models = models

    async def page(self, after: UUID | None, limit: int) -> Audit:
        """The next leads in the order of their ids."""

        async def look(tx: Transaction) -> Audit:
            await storage.in_snapshot(tx)
            audit = Audit()
            roots, audit.next = await storage.roots_after(tx, after, limit)
            people = await self._read(tx, roots, audit)
            erased = await storage.scored_before_erasure(tx, [person.root.lead_id for person in people])
            for start in range(0, len(people), SLICE):
                for person in people[start : start + SLICE]:
                    try:
                        found = await self._compare(tx, person, audit)
                    except Exception as error:
                        self._pass_over(audit, person.root.lead_id, error)
                    else:
                        if found is not None and found.finding == "different" and person.root.lead_id in erased:
                            found = None
                        self._add(audit, person, found)
                await asyncio.sleep(0)
            return audit

        return await self._database.run(look, deadline_seconds=20)

    async def _read(self, tx: Transaction, roots: Sequence[UUID], audit: Audit) -> list[Person]:
        """The people of a page; where one of them cannot be read, all the others."""
        try:
            return await storage.groups(tx, roots)
        except Exception as error:
            if _is_of_database(error):
                raise
        found: list[Person] = []
        for root in roots:
            try:
                found += await storage.groups(tx, [root])
            except Exception as error:
                self._pass_over(audit, root, error)
        return found

    def _pass_over(self, audit: Audit, lead_id: UUID, error: Exception) -> None:
        """A lead whose score cannot be made again at all: one of them must not keep the others from being looked at."""
        if _is_of_database(error):
            raise error
        audit.unverifiable += 1
        self._instruments.audited.labels("failed").inc()
        log().error("score_not_audited", lead_id=str(lead_id), error_type=type(error).__name__)

    async def _compare(self, tx: Transaction, person: Person, audit: Audit) -> Comparison | None:
        """None where nobody remembers the policy that scored this lead."""
        version = person.root.policy_version
        judges = await self._policies.judges(tx, version)
        present = self._policies.judge
        models = Recalled(
            await self._assessor(tx, person.root.assessment, present.assessor),
            await self._assessor(tx, person.root.customer, present.of_customers),
        )
        if not judges:
            return None if version is not None else compare(person, present, models)
        audit.stale += version != self._policies.version
        found = compare(person, judges[0], models)
        for other in judges[1:]:
            if found.finding != "different":
                break
            found = min(found, compare(person, other, models), key=lambda one: one.finding == "different")
        return found

    async def _assessor(self, tx: Transaction, said: Assessment | None, present: Assessor) -> Assessor | None:
        """The model that said this; None where none did, or nobody has it any more."""
        if said is None or self._models is None:
            return None if said is None else present
        return await self._models.recalled(tx, said.model_version)

    def _add(self, audit: Audit, person: Person, found: Comparison | None) -> None:
        if found is None or found.finding == "unmade":
            audit.unverifiable += 1
        elif found.finding != "without_score":
            audit.checked += 1
            self._instruments.audited.labels(found.finding).inc()
        if found is not None and found.finding == "different":
            audit.differences.append(
                {
                    "lead_id": person.root.lead_id,
                    "fault": found.fault,
                    "policy_version": person.root.policy_version,
                    "stored": found.stored,
                    "made_again": found.made_again,
                }
            )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Looks at some, round and round, until the context ends."""
        async with running(self._look_on(), "scoring-audit"):
            yield

    async def _look_on(self) -> None:
        after: UUID | None = None
        while True:
            await asyncio.sleep(self._interval_seconds)
            try:
                audit = await self.page(after, self._batch)
                after = audit.next
                for difference in audit.differences:
                    log().error("score_differs", lead_id=str(difference["lead_id"]), fault=difference["fault"])
            except Exception as error:
                if not is_transient(error):
                    log().error("audit_failed", error_type=type(error).__name__)


def _is_of_database(error: Exception) -> bool:
    """Whether nothing more can be asked in this transaction."""
    return isinstance(error, SQLAlchemyError) or is_transient(error)
