"""Looks, behind the consumer, for leads that are probably one person, and merges those that the policy need not ask about."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from hashlib import blake2b
from typing import Any
from uuid import UUID

from services.pipeline.assigning import Assigning
from services.pipeline.domain.identity_join import record_merge
from services.pipeline.domain.ledger import Ledger, known_with
from services.pipeline.domain.matching.blocking import LARGEST_BLOCK, keys
from services.pipeline.domain.matching.person import Person, person
from services.pipeline.domain.matching.proposals import Known, pairs_of, propose
from services.pipeline.instruments import PipelineInstruments
from services.pipeline.joining import Joining
from services.pipeline.storage import erasures, loading, matches, saving
from shared.contracts.identity import derived_event_id
from shared.contracts.policy import Matching, Policy
from shared.kit.background import running
from shared.kit.database import Database, Transaction
from shared.kit.logs import log
from shared.kit.transient import is_transient

AT_ONCE = 200
"""Leads of one transaction: bounded, so that an erasure need not wait for long."""

ACTOR = "policy"
"""Who merges without asking."""


class Finding:
    """One task beside the consumer; of several processes one looks at a time."""

    def __init__(
        self,
        database: Database,
        policy: Policy,
        secret: bytes,
        instruments: PipelineInstruments,
        *,
        interval_seconds: float,
    ) -> None:
        self._database = database
        self._policy = policy
        self._joining = Joining(Assigning(policy))
        self._key = blake2b(secret, digest_size=32, person=b"leadflow-match-1").digest()
        self._instruments = instruments
        self._interval_seconds = interval_seconds

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Looks until the context ends."""
        async with running(self._run(), "pipeline-matching"):
            yield

    async def begin(self) -> None:
        """Asks for everybody of the units that look for matches since this policy, and forgets those of units that do not."""
        await self._database.run(self._begin, deadline_seconds=60)

    async def look(self) -> int:
        """Looks at what was asked for, at most a batch, and merges what is sure; how many leads there were."""
        looked = await self._database.run(self._look, deadline_seconds=30)
        for row in await matches.to_merge(self._database, AT_ONCE):
            await self._database.run(lambda tx, row=row: self._merge(tx, row), deadline_seconds=30)  # type: ignore[misc]
        return looked

    async def _run(self) -> None:
        has_begun = False
        while True:
            try:
                if not has_begun:
                    await self.begin()
                    has_begun = True
                if await self.look() == AT_ONCE:
                    continue
            except Exception as error:
                (log().info if is_transient(error) else log().error)("matching_failed", error_type=type(error).__name__)
            await asyncio.sleep(self._interval_seconds)

    async def _begin(self, tx: Transaction) -> None:
        await erasures.stand_beside(tx)
        if not await matches.stand_alone(tx):
            return
        begun = await matches.units_begun(tx)
        for unit in sorted({*await erasures.units(tx), *begun}):
            rules = self._policy.unit(unit).matching
            if rules.enabled and unit not in begun:
                await matches.begin_unit(tx, unit)
            elif rules.enabled:
                await matches.follow(tx, unit, rules)
            elif unit in begun:
                await matches.end_unit(tx, unit)

    async def _look(self, tx: Transaction) -> int:
        await erasures.stand_beside(tx)
        if not await matches.stand_alone(tx):
            return 0
        asked = await matches.queued(tx, AT_ONCE)
        if not asked:
            return 0
        known = await self._known(tx, {row.lead_id for row in asked})
        members = {member for one in known.values() for member in one.members}
        blocks = await matches.blocks(tx, members, LARGEST_BLOCK)
        everybody = {**known, **await self._known(tx, {one for block in blocks for one in block} - members, kept=True)}
        root = {member: one.lead_id for one in everybody.values() for member in one.members}
        apart = await matches.apart(tx, members)
        proposals = [
            found
            for one, other in sorted(pairs_of(blocks, root))
            if (found := propose(everybody[one], everybody[other], self._rules(everybody[one]), apart)) is not None
        ]
        self._instruments.merge_candidates.labels("found").inc(await matches.save(tx, proposals, members))
        await matches.dequeue(tx, [row.place for row in asked])
        return len(asked)

    async def _known(self, tx: Transaction, lead_ids: Collection[UUID], *, kept: bool = False) -> dict[UUID, Known]:
        """These people as they are known now. Their keys are made anew, except where they are `kept`."""
        rows = await matches.groups(tx, lead_ids) if lead_ids else []
        if not kept:
            await matches.replace_keys(tx, {row.lead_id: self._tokens(row) for row in rows})
        groups: dict[UUID, list[Any]] = defaultdict(list)
        for row in rows:
            groups[row.root_id].append(row)
        return {root_id: self._one(root_id, members) for root_id, members in groups.items()}

    def _one(self, root_id: UUID, members: Sequence[Any]) -> Known:
        personal: dict[str, Any] = {}
        for row in members:
            personal = known_with(personal, row.personal)
        unit = members[0].business_unit
        mark = any(row.mark for row in members if row.lead_id == root_id)
        return self._as_known(root_id, unit, frozenset(row.lead_id for row in members), personal, is_marked=mark)

    def _as_known(
        self, root_id: UUID, unit: str, members: frozenset[UUID], personal: Mapping[str, Any], *, is_marked: bool
    ) -> Known:
        who = self._person(unit, personal)
        content = blake2b(repr(who).encode(), digest_size=8, key=self._key).hexdigest()
        return Known(root_id, unit, members, who, content, is_marked)

    def _person(self, unit: str, personal: Mapping[str, Any]) -> Person:
        return person(personal, shared_phones=self._policy.unit(unit).shared_phones)

    def _tokens(self, row: Any) -> set[UUID]:
        """A lead's keys, hashed with the deployment's secret: they find people and tell nobody who."""
        if not self._policy.unit(row.business_unit).matching.enabled or row.mark:
            return set()
        said = (f"{row.business_unit}\x1f{key}" for key in keys(self._person(row.business_unit, row.personal)))
        return {UUID(bytes=blake2b(one.encode(), digest_size=16, key=self._key).digest()) for one in said}

    def _rules(self, known: Known) -> Matching:
        return self._policy.unit(known.business_unit).matching

    async def _merge(self, tx: Transaction, row: Any) -> None:
        """Merges two leads that are still sure to be one, now that they are held; else leaves them to somebody."""
        await erasures.stand_beside(tx)
        ledger = await loading.lock_groups(tx, [row.lead_id, row.other_id])
        if row.lead_id not in ledger or row.other_id not in ledger:
            return
        mine, theirs = ledger.root(row.lead_id), ledger.root(row.other_id)
        if mine is theirs:
            await matches.decide(tx, row.candidate_id, "merged", ACTOR)
            return
        await loading.load_stories(tx, ledger, [mine.lead_id, theirs.lead_id])
        await loading.load_apart(tx, ledger, [lead.lead_id for lead in ledger])
        one, other = (self._of_ledger(ledger, root.lead_id) for root in (mine, theirs))
        found = propose(one, other, self._rules(one), ledger.apart)
        if found is None or not found.is_automatic:
            await matches.ask(tx, row.candidate_id)
            return
        loser = record_merge(
            ledger,
            (mine, theirs),
            occurred_at=tx.now,
            cause=derived_event_id(row.candidate_id, found.content),
            correlation_id=row.candidate_id,
            data={"matched_on": "similarity", "actor": ACTOR},
        )
        await self._joining.settle(tx, ledger, [loser])
        await saving.save(tx, ledger)
        await matches.enqueue(tx, [lead.lead_id for lead in ledger])
        await matches.decide(tx, row.candidate_id, "merged", ACTOR)
        self._instruments.merge_candidates.labels("merged_by_policy").inc()

    def _of_ledger(self, ledger: Ledger, root_id: UUID) -> Known:
        group = sorted(
            ledger.group(root_id), key=lambda lead: (lead.personal_at is not None, lead.personal_at, lead.lead_id)
        )
        personal: dict[str, Any] = {}
        for lead in group:
            personal = known_with(personal, lead.personal)
        root = ledger[root_id]
        members = frozenset(lead.lead_id for lead in group)
        return self._as_known(root_id, root.business_unit, members, personal, is_marked=root.state.mark is not None)
