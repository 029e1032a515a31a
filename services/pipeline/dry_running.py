"""Tries another policy out on the leads that there are, a page at a time, beside everything else. Nothing is decided by it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from services.pipeline.domain.dry_run import Totals, try_out
from services.pipeline.domain.qualification import Qualifiers
from services.pipeline.storage import dry_runs
from shared.contracts.policy import Policy
from shared.kit.background import again_and_again, running
from shared.kit.database import Database, Transaction
from shared.kit.documents import understood

AT_ONCE = 100
"""Leads of one page: their stories are lived through in the service's own time, between its requests."""

BREATH_SECONDS = 0.02


class DryRuns:
    """One task beside the consumer; as many processes as there are share the work, a page each."""

    def __init__(self, database: Database, policy: Policy, *, interval_seconds: float = 1.0) -> None:
        self._database = database
        self._present = Qualifiers(policy)
        self._interval_seconds = interval_seconds
        self._others: dict[UUID, Qualifiers] = {}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Looks until the context ends."""
        async with running(again_and_again(self.all, self._interval_seconds, "dry_run_failed"), "pipeline-dry-runs"):
            yield

    async def all(self) -> None:
        """Goes on until nothing is asked for any more."""
        busy = True
        while busy:
            busy = await self.once()
            await asyncio.sleep(BREATH_SECONDS)

    async def once(self) -> bool:
        """One page of one dry run, in one transaction. False where there is nothing to do."""
        return await self._database.run(self._page)

    async def _page(self, transaction: Transaction) -> bool:
        job = await dry_runs.take(transaction)
        if job is None:
            self._others.clear()
            return False
        other = self._others.get(job.job_id)
        if other is None:
            policy, faults = understood(job.policy, Policy)
            if policy is None:
                await dry_runs.end(
                    transaction, job.job_id, f"the policy is not understood any more: {faults[0].problem}"
                )
                return True
            other = self._others[job.job_id] = Qualifiers(policy)
        ledger, lead_ids = await dry_runs.page(transaction, job.position, job.units, AT_ONCE)
        totals = Totals.of(job.counts)
        for place, lead_id in enumerate(lead_ids):
            if place % 20 == 19:
                await asyncio.sleep(0)
            unit = ledger.root(lead_id).business_unit
            if (trial := try_out(ledger, lead_id, self._present.of(unit), other.of(unit))) is not None:
                totals.add(trial)
        if lead_ids:
            await dry_runs.go_on(
                transaction, job.job_id, position=lead_ids[-1], seen=len(lead_ids), counts=totals.document()
            )
        if len(lead_ids) < AT_ONCE:
            await dry_runs.end(transaction, job.job_id)
        return True
