"""Looks now and then at what runs out soon and is nobody's to renew: imported, or placed while the policy asked for nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from functools import partial

from services.pipeline.assigning import Assigning
from services.pipeline.domain.renewals import is_told_of
from services.pipeline.storage import erasures, loading, orders, queries, saving
from services.pipeline.timers import is_away
from shared.contracts.policy import Policy
from shared.kit.background import again_and_again, running
from shared.kit.database import Database, Transaction
from shared.kit.logs import log
from shared.kit.transient import name_of


class _Elsewhere(Exception):
    """Another process looks at this moment."""


EVERY_SECONDS = 600.0
AT_ONCE = 100


class Renewals:
    """One task beside the consumer; of several processes one looks at a time, and what one has begun another leaves."""

    def __init__(self, database: Database, policy: Policy, assigning: Assigning) -> None:
        self._database = database
        self._policy = policy
        self._assigning = assigning

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Looks until the context ends."""
        async with running(again_and_again(self.look, EVERY_SECONDS, "renewals_failed"), "pipeline-renewals"):
            yield

    async def look(self) -> int:
        """Goes through all that runs out within the days that the policy says; how many tasks began. Where another process is met
        that does the same, this one leaves it to that."""
        begun = 0
        with suppress(_Elsewhere):
            async for more in self._through_all():
                begun += more
        return begun

    async def _through_all(self) -> AsyncIterator[int]:
        for unit in await queries.units_with_leads(self._database):
            ahead = self._policy.unit(unit).renewing.ahead_days
            after: orders.RunningOut | None = None
            while ahead is not None:
                until = self._database.clock.now() + timedelta(days=ahead)
                found = await orders.running_out(self._database, unit, until, after, AT_ONCE)
                for one in found:
                    if not one.has_left:
                        yield await self._seen_to(one)
                if len(found) < AT_ONCE:
                    break
                after = found[-1]

    async def _seen_to(self, order: orders.RunningOut) -> int:
        """Each alone, so that one that cannot begin keeps nobody else's from it, and nobody waits with leads in hand."""
        try:
            return await self._database.run(partial(self._begin, order=order))
        except _Elsewhere:
            raise
        except Exception as error:
            if is_away(error):
                raise
            log().error("renewal_failed", lead_id=str(order.lead_id), error_type=name_of(error.__cause__ or error))
            return 0

    async def _begin(self, transaction: Transaction, order: orders.RunningOut) -> int:
        await erasures.stand_beside(transaction)
        if not await orders.look_alone(transaction):
            raise _Elsewhere
        ledger = await loading.lock_groups(transaction, [order.lead_id])
        await loading.load_stories(transaction, ledger, [order.lead_id])
        root = ledger.root(order.lead_id)
        if is_told_of(ledger.facts(root.lead_id), order.order_id):
            return 0
        drafts = self._assigning.following(root.business_unit).runs_out(root.state, order.order_id, transaction.now)
        for draft in drafts:
            ledger.record(ledger.story_of(root.lead_id, draft), draft)
        await saving.save(transaction, ledger)
        return len(drafts)
