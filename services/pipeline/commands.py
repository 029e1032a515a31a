"""What people and systems do to leads and deals: load → decide → save → announce, one command a transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any
from uuid import UUID

from services.pipeline.asking import (
    Asked,
    Done,
    act_of,
    canonical,
    decided,
    no_such_lead,
    no_such_task,
    one_deal,
    rejected,
    telling,
)
from services.pipeline.assigning import Assigning, Wanted
from services.pipeline.contact_people import Also
from services.pipeline.domain.access import Reach, Units, not_yours
from services.pipeline.domain.deal_state import DealState
from services.pipeline.domain.decisions import Act, refuse_marked
from services.pipeline.domain.due import Cause, Task
from services.pipeline.domain.facts import Draft, Fact
from services.pipeline.domain.fingerprints import Asking
from services.pipeline.domain.follow_up import BEGINS, Following
from services.pipeline.domain.identity_join import merge_by_judgement
from services.pipeline.domain.ledger import Lead, Ledger
from services.pipeline.domain.qualification import Qualifiers
from services.pipeline.domain.refusals import Refused, illegal
from services.pipeline.domain.released_tasks import due_again
from services.pipeline.domain.selling import Sellings
from services.pipeline.domain.state import LeadState
from services.pipeline.domain.tasks import refuse_closed
from services.pipeline.domain.versions import etag, names, version_among
from services.pipeline.instruments import PipelineInstruments
from services.pipeline.joining import Joining
from services.pipeline.naming import hold_names
from services.pipeline.storage import by_name, erasures, loading, matches, named_commands, queries, saving, tasks
from shared.contracts.identity import event_id_from
from shared.contracts.lifecycle_events import ConsentChanged, LeadQualified, LeadReopened
from shared.contracts.policy import Policy, UnitPolicy
from shared.kit.database import Database, Transaction
from shared.kit.errors import Rejected
from shared.kit.ids import new_id

DecideLead = Callable[[LeadState, UnitPolicy, Act], list[Draft]]
Guard = Callable[[Ledger, UUID, list[Draft]], list[Draft]]
DecideTask = Callable[[Task, Following, Act], list[Draft]]
DecideDeal = Callable[[DealState, UnitPolicy, Act], list[Draft]]


class Commands:
    """The one way over HTTP to change a lead or a deal."""

    def __init__(self, database: Database, policy: Policy, secret: bytes, instruments: PipelineInstruments) -> None:
        self._database = database
        self._policy = policy
        self._assigning = Assigning(policy)
        self._qualifiers = Qualifiers(policy)
        self._sellings = Sellings(policy)
        self._joining = Joining(self._assigning)
        self._asking = Asking(secret)
        self._instruments = instruments

    def policies(self, units: Units) -> list[UnitPolicy]:
        """By what is decided in these units."""
        names = units if units is not None else ("default", *self._policy.business_units)
        return [self._policy.unit(name) for name in names]

    async def on_lead(
        self, lead_id: UUID, asked: Asked, decide: DecideLead, guard: Guard | None = None, also: Also | None = None
    ) -> Done:
        """A command on a canonical lead. `guard` sees the whole story and adds to it or refuses it; `also` does what goes with it."""

        async def work(transaction: Transaction, command_id: UUID) -> tuple[UUID, str | None]:
            if also is not None:
                await also.first(transaction, lead_id)
            ledger = await loading.lock_groups(transaction, [lead_id])
            lead = canonical(ledger, lead_id, asked)
            await loading.load_stories(transaction, ledger, [lead_id])
            self._match(asked, lead_id, ledger.group(lead_id))
            with telling(lead.state.status):
                act = act_of(asked, command_id, transaction.now, lead.state)
                drafts = decide(lead.state, self._policy.unit(lead.business_unit), act)
                drafts = guard(ledger, lead_id, drafts) if guard is not None else drafts
                if also is not None:
                    await also.then(transaction, ledger, lead_id, act)
                drafts = self._sellings.of(lead.business_unit).placed(ledger, lead_id, drafts)
                opened = await hold_names(transaction, lead.business_unit, drafts)
            had = lead.state.assigned.owner if lead.state.assigned is not None else None
            for draft in drafts:
                ledger.record(ledger.story_of(lead_id, draft), draft)
            await self._follow(transaction, ledger, lead_id, drafts, act, had)
            if any(draft.kind is ConsentChanged for draft in drafts):
                await self._qualify(transaction, ledger, lead_id, command_id)
            await saving.save(transaction, ledger)
            return lead_id, opened

        return await self._run(asked, asked.target or str(lead_id), work)

    async def on_person(
        self,
        lead_id: UUID,
        asked: Asked,
        decide: DecideLead,
        *,
        unless: Callable[[Sequence[Fact], Draft], bool] | None = None,
    ) -> Done:
        """A command on a canonical lead that is recorded in the story of each of its ids, so that it stays true of each when
        they are parted, `unless` a story says it already. One that makes the lead count again, or is about consent, may qualify it."""

        async def work(transaction: Transaction, command_id: UUID) -> tuple[UUID, str | None]:
            ledger = await loading.lock_groups(transaction, [lead_id])
            lead = canonical(ledger, lead_id, asked)
            await loading.load_stories(transaction, ledger, [lead_id])
            self._match(asked, lead_id, ledger.group(lead_id))
            was_held_out = lead.state.mark is not None
            with telling(lead.state.status):
                act = act_of(asked, command_id, transaction.now, lead.state)
                drafts = decide(lead.state, self._policy.unit(lead.business_unit), act)
            for draft in drafts:
                for member in ledger.group(lead_id):
                    if unless is None or not unless(member.facts or (), draft):
                        ledger.record(member.lead_id, draft)
            await self._follow(transaction, ledger, lead_id, (), act)
            if was_held_out:
                await self._look_again(transaction, ledger)
                self._begin_again(ledger, lead_id, act)
            if was_held_out or any(draft.kind is ConsentChanged for draft in drafts):
                await self._qualify(transaction, ledger, lead_id, command_id)
            await saving.save(transaction, ledger)
            return lead_id, None

        return await self._run(asked, str(lead_id), work)

    async def requalify(self, lead_id: UUID, asked: Asked) -> Done:
        """Asks the policy's rules of today about a lead that is not qualified yet, as if something had just become known of it."""

        async def work(transaction: Transaction, command_id: UUID) -> tuple[UUID, str | None]:
            ledger = await loading.lock_groups(transaction, [lead_id])
            lead = canonical(ledger, lead_id, asked)
            await loading.load_stories(transaction, ledger, [lead_id])
            self._match(asked, lead_id, ledger.group(lead_id))
            refuse_marked(lead.state, "Asking the rules")
            if lead.state.status not in ("new", "working"):
                raise illegal(
                    "Asking the rules", lead.state.status, "Only who is not qualified yet, and not put aside."
                )
            await self._qualify(transaction, ledger, lead_id, command_id)
            if not ledger.entries:
                raise Refused(
                    "No rule of the policy holds of the lead, or what it asks is asked already.",
                    kind="conflict",
                    code="no-rule",
                    fix="Qualify it by your judgement with :qualify, or see with POST /v1/policy:dry-run what rules would.",
                    state=lead.state.status,
                )
            await saving.save(transaction, ledger)
            return lead_id, None

        return await self._run(asked, str(lead_id), work)

    async def unmerge(self, lead_id: UUID, asked: Asked, decide: Callable[[UUID | None, Act], list[Draft]]) -> Done:
        """Takes the merge of an id back."""

        async def work(transaction: Transaction, command_id: UUID) -> tuple[UUID, str | None]:
            ledger = await loading.lock_groups(transaction, [lead_id])
            if lead_id not in ledger:
                raise no_such_lead()
            lead, root = ledger[lead_id], ledger.root(lead_id)
            await loading.load_stories(transaction, ledger, [lead_id])
            self._match(asked, root.lead_id, ledger.group(lead_id))
            with telling(root.state.status):
                act = act_of(asked, command_id, transaction.now, root.state)
                drafts = decide(lead.merged_into, act)
            ledger.part(lead_id)
            for draft in drafts:
                ledger.record(lead_id, draft)
            cause = Cause(act.act_id, act.act_id, act.occurred_at, act.actor)
            await self._joining.begin_again(transaction, ledger, lead_id, root.lead_id, cause)
            await self._look_again(transaction, ledger)
            await saving.save(transaction, ledger)
            return lead_id, None

        return await self._run(asked, str(lead_id), work)

    async def merge(self, lead_id: UUID, other_id: UUID, asked: Asked, candidate_id: UUID | None = None) -> Done:
        """Makes two leads one person because somebody says so; whichever ids are named, their groups come together."""

        async def work(transaction: Transaction, command_id: UUID) -> tuple[UUID, str | None]:
            await erasures.stand_beside(transaction)
            ledger = await loading.lock_groups(transaction, [lead_id, other_id])
            if lead_id not in ledger or other_id not in ledger:
                raise no_such_lead()
            await loading.load_stories(transaction, ledger, [lead_id, other_id])
            await loading.load_apart(transaction, ledger, [lead.lead_id for lead in ledger])
            self._match(asked, ledger.root(lead_id).lead_id, ledger.group(lead_id))
            self._admit(asked, ledger.root(other_id))
            gone = await erasures.erased(transaction, [str(lead.lead_id) for lead in ledger])
            with telling(ledger.root(lead_id).state.status):
                act = act_of(asked, command_id, transaction.now, ledger.root(lead_id).state)
                loser = merge_by_judgement(ledger, lead_id, other_id, act, gone)
            await self._joining.settle(transaction, ledger, [loser])
            await self._look_again(transaction, ledger)
            await saving.save(transaction, ledger)
            if candidate_id is not None and not await matches.decide(transaction, candidate_id, "merged", asked.actor):
                row = await matches.candidate(transaction, candidate_id)
                how = row.status if row is not None else "gone"
                raise decided(how, "Merge the two leads by their ids with :merge, if you know better.")
            return lead_id, None

        return await self._run(asked, f"{lead_id}/{other_id}", work)

    async def on_deal(
        self, opportunity_id: str, business_unit: str | None, asked: Asked, decide: DecideDeal, *, ends: bool = False
    ) -> Done:
        """A command on a deal. One of a lead that is held out is not worked on; that it `ends` without a sale may be said."""

        async def work(transaction: Transaction, command_id: UUID) -> tuple[UUID, str | None]:
            units = asked.reach.all
            found = one_deal(await by_name.found(transaction, by_name.DEALS, opportunity_id, business_unit, units))
            ledger = await loading.lock_groups(transaction, [found.lead_id])
            root = ledger.root(found.lead_id)
            await loading.load_stories(transaction, ledger, [root.lead_id])
            deal = root.state.deals[opportunity_id]
            self._match(asked, root.lead_id, ledger.group(root.lead_id), deal)
            with telling(deal.status):
                if not ends:
                    refuse_marked(root.state, "Working on the opportunity")
                act = act_of(asked, command_id, transaction.now, root.state)
                drafts = decide(deal, self._policy.unit(root.business_unit), act)
                drafts = self._sellings.of(root.business_unit).placed(ledger, root.lead_id, drafts)
            for draft in drafts:
                ledger.record(deal.lead_id, draft)
            await self._follow(transaction, ledger, root.lead_id, drafts, act)
            await saving.save(transaction, ledger)
            return root.lead_id, opportunity_id

        return await self._run(asked, f"{business_unit or ''}/{opportunity_id}", work)

    async def on_task(self, task_id: UUID, asked: Asked, decide: DecideTask) -> Done:
        """A command on a task, recorded in the story of the lead that it is for."""

        async def work(transaction: Transaction, command_id: UUID) -> tuple[UUID, str | None]:
            found = await tasks.one(transaction, task_id)
            if found is None:
                raise no_such_task()
            ledger = await loading.lock_groups(transaction, [found.lead_id])
            root = ledger.root(found.lead_id)
            await loading.load_stories(transaction, ledger, [root.lead_id])
            current = await tasks.one(transaction, task_id)
            deal = root.state.deals.get(found.opportunity_id or "")
            worker = (current or found).owner
            self._match(asked, root.lead_id, ledger.group(root.lead_id), deal, worker)
            if current is None or current.status != "open":
                raise refuse_closed(current.status if current is not None else "gone")
            following = self._assigning.following(root.business_unit)
            with telling(current.status):
                act = act_of(asked, command_id, transaction.now, root.state)
                drafts = decide(tasks.task_of(current), following, act)
            for draft in drafts:
                ledger.record(ledger.story_of(root.lead_id, draft), draft)
            await saving.save(transaction, ledger)
            return root.lead_id, None

        return await self._run(asked, str(task_id), work)

    async def _run(self, asked: Asked, target: str, work: Callable[..., Any]) -> Done:
        key = asked.idempotency_key
        command_id = event_id_from(asked.namespace, key) if key else new_id()
        fingerprint = self._asking.fingerprint(asked.name, target, asked.body)

        async def once(transaction: Transaction) -> Done:
            if key:
                await named_commands.hold(transaction, command_id)
                before = await named_commands.before(transaction, command_id, fingerprint)
                if before is not None:
                    return await _answer(transaction, asked.reach, *before, repeated=True)
            lead_id, opportunity_id = await work(transaction, command_id)
            if key:
                await named_commands.remember(transaction, command_id, fingerprint, lead_id, opportunity_id)
            return await _answer(transaction, asked.reach, lead_id, opportunity_id, repeated=False)

        try:
            done = await self._database.run(once)
        except Refused as refused:
            self._instruments.commands.labels(asked.label, "refused").inc()
            if refused.kind == "forbidden":
                self._instruments.denied.labels(refused.code).inc()
            raise rejected(refused) from None
        except Rejected:
            self._instruments.commands.labels(asked.label, "refused").inc()
            raise
        self._instruments.commands.labels(asked.label, "repeated" if done.repeated else "done").inc()
        return done

    async def _look_again(self, transaction: Transaction, ledger: Ledger) -> None:
        """Who these people are probably one with has changed, where their units ask for it."""
        asked = [lead.lead_id for lead in ledger if self._policy.unit(lead.business_unit).matching.enabled]
        await matches.enqueue(transaction, asked)

    async def _follow(
        self,
        transaction: Transaction,
        ledger: Ledger,
        lead_id: UUID,
        drafts: Sequence[Draft],
        act: Act,
        had: str | None = None,
    ) -> None:
        """What a command does to the tasks that were open, and what it begins. `had` is who had the lead before."""
        root = ledger.root(lead_id)
        known = await tasks.open_tasks(transaction, [one.lead_id for one in ledger.group(lead_id)])
        if known or any(draft.kind in BEGINS for draft in drafts):
            cause = Cause(act.act_id, act.act_id, act.occurred_at, act.actor)
            for draft in self._assigning.following(root.business_unit).after(
                root.state, drafts, known, cause, transaction.now, had
            ):
                ledger.record(ledger.story_of(root.lead_id, draft), draft)
        await self._give_out(transaction, ledger, lead_id, drafts)

    def _begin_again(self, ledger: Ledger, lead_id: UUID, act: Act) -> None:
        """What was called off while the lead was held out is due, if it counts again."""
        root = ledger.root(lead_id)
        cause = Cause(act.act_id, act.act_id, act.occurred_at, act.actor)
        version = self._assigning.following(root.business_unit).version
        for draft in due_again(ledger.facts(lead_id), root.state, cause, version):
            ledger.record(ledger.story_of(lead_id, draft), draft)

    async def _qualify(self, transaction: Transaction, ledger: Ledger, lead_id: UUID, command_id: UUID) -> None:
        """Qualifies the person by what a command made known, where the policy says so."""
        qualifier = self._qualifiers.of(ledger.root(lead_id).business_unit)
        drafts = qualifier.decide(ledger, lead_id, cause=command_id, correlation_id=command_id)
        for draft in drafts:
            ledger.record(ledger.story_of(lead_id, draft), draft)
        await self._give_out(transaction, ledger, lead_id, drafts)

    async def _give_out(self, transaction: Transaction, ledger: Ledger, lead_id: UUID, drafts: Iterable[Draft]) -> None:
        """A lead that is qualified, or taken up again, goes to somebody by the unit's rules, where it has nobody, and what is due
        for it begins."""
        wanted = [Wanted.by(lead_id, draft) for draft in drafts if draft.kind in (LeadQualified, LeadReopened)]
        await self._assigning.assign(transaction, ledger, wanted)

    def _match(
        self,
        asked: Asked,
        root_id: UUID,
        group: list[Lead],
        deal: DealState | None = None,
        worker: str | None = None,
    ) -> None:
        """Whether whoever asks may, and has seen what the lead is now. `worker` was given a task of it."""
        self._admit(asked, next(lead for lead in group if lead.lead_id == root_id), deal, worker)
        version = version_among(root_id, group)
        if not names(asked.if_match, version):
            current = etag(version)
            state = next(lead.state for lead in group if lead.lead_id == root_id)
            raise Rejected(
                "The lead has changed since the version in If-Match.",
                status=412,
                code="stale-version",
                fix="Read it again and decide on what it is now.",
                extra={"current": {"etag": current, "status": state.status}},
                headers={"ETag": current},
            )

    def _admit(self, asked: Asked, root: Lead, deal: DealState | None = None, worker: str | None = None) -> None:
        if not asked.reach.holds(root.business_unit):
            raise no_such_lead()
        unit, assigned = self._policy.unit(root.business_unit), root.state.assigned
        has: list[tuple[str | None, str | None]] = []
        if deal is not None and deal.value("owner") is not None:
            has.append((deal.value("owner"), deal.value("team")))
        if assigned is not None or not has:
            has.append((assigned.owner, assigned.team) if assigned is not None else (None, None))
        if worker is not None:
            has.append((worker, None))
        if not any(asked.reach.works_on(root.business_unit, unit, owner, team) for owner, team in has):
            raise not_yours()


async def _answer(
    transaction: Transaction, reach: Reach, lead_id: UUID, opportunity_id: str | None, *, repeated: bool
) -> Done:
    root_id, business_unit = await queries.place_of(transaction, lead_id)
    if not reach.holds(business_unit):  # a sender's keys are one set in all units, its credentials may be of some
        raise named_commands.used_for_another()
    deal = None
    if opportunity_id is not None:  # sent again after an unmerge, the deal may be of another lead than it was
        root_id = one_deal(await by_name.found(transaction, by_name.DEALS, opportunity_id, business_unit)).root_id
    lead = await queries.lead_document(transaction, root_id)
    if opportunity_id is not None:
        deal = next(one for one in lead["opportunities"] if one["opportunity_id"] == opportunity_id)
    return Done(lead, deal, repeated)
