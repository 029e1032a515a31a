"""Which ids are one person: an identity that two leads carry joins them, or somebody who says so; exactly, and reversibly."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from services.pipeline.domain.decisions import Act, refuse_marked
from services.pipeline.domain.facts import Draft, given
from services.pipeline.domain.ledger import Lead, Ledger
from services.pipeline.domain.refusals import Refused, illegal
from shared.contracts.identity import derived_event_id
from shared.contracts.lifecycle_events import LeadMerged

_NEVER = datetime.max.replace(tzinfo=UTC)


def winner_and_loser(one: Lead, other: Lead) -> tuple[Lead, Lead]:
    """Of two roots, first the one that stays canonical: whose group was created earlier, the smaller id on a tie."""
    first, second = sorted((one, other), key=lambda lead: (lead.state.created_at or _NEVER, lead.lead_id))
    return first, second


def join_by_identities(
    ledger: Ledger,
    lead_id: UUID,
    owners: Iterable[tuple[str, UUID]],
    *,
    occurred_at: datetime,
    cause: UUID,
    correlation_id: UUID,
    historical: bool,
) -> list[UUID]:
    """Merges `lead_id` with every lead that owns one of its identities, given as (kind of identity, owner).

    The merge stands in the story of the id that loses, dated at the latest of its causes. Answers with the losing ids.
    """
    losers: list[UUID] = []
    for kind, owner_id in owners:
        if owner_id not in ledger:
            continue
        mine, theirs = ledger.root(lead_id), ledger.root(owner_id)
        if mine is theirs or not ledger.may_join(mine.lead_id, theirs.lead_id):
            continue
        losers.append(
            record_merge(
                ledger,
                (mine, theirs),
                occurred_at=occurred_at,
                cause=cause,
                correlation_id=correlation_id,
                data=given(matched_on=kind, historical=historical),
            )
        )
    return losers


def record_merge(
    ledger: Ledger,
    roots: tuple[Lead, Lead],
    *,
    occurred_at: datetime,
    cause: UUID,
    correlation_id: UUID,
    data: Mapping[str, Any],
) -> UUID:
    """Makes two roots one, and answers with the id that loses. `data` says on what they were matched, and by whom."""
    winner, loser = winner_and_loser(*roots)
    known_at = [at for at in (occurred_at, winner.state.created_at, loser.state.created_at) if at is not None]
    draft = Draft(
        LeadMerged,
        derived_event_id(cause, f"LeadMerged:{loser.lead_id}:{winner.lead_id}"),
        max(known_at),
        correlation_id,
        cause,
        {"into_lead_id": str(winner.lead_id), **data},
    )
    ledger.record(loser.lead_id, draft)
    ledger.join(loser.lead_id, winner.lead_id)
    return loser.lead_id


def merge_by_judgement(ledger: Ledger, one: UUID, other: UUID, act: Act, erased: Collection[str] = ()) -> UUID:
    """Merges two leads because somebody says so, who was taken apart before too. Answers with the id that loses."""
    mine, theirs = ledger.root(one), ledger.root(other)
    if mine is theirs:
        raise illegal("Merging the leads", "merged", "They are one person already.")
    if mine.business_unit != theirs.business_unit:
        raise Refused(
            "The two leads belong to different business units.",
            kind="invalid",
            code="other-unit",
            field="other_lead_id",
            fix="Units never share people; leave them apart.",
        )
    for lead in (mine, theirs):
        refuse_marked(lead.state, "Merging the leads")
        group = ledger.group(lead.lead_id)
        if any(str(member.lead_id) in erased for member in group) and not any(member.personal for member in group):
            raise illegal("Merging the leads", "erased", "Whom the erased lead was is not known any more; leave it.")
    ledger.reconcile(one, other)
    return record_merge(
        ledger,
        (mine, theirs),
        occurred_at=act.occurred_at,
        cause=act.act_id,
        correlation_id=act.act_id,
        data={"matched_on": "judgement", "actor": act.actor},
    )
