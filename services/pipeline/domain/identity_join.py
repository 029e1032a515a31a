"""Which ids are one person: an identity that two leads carry joins them, exactly, and reversibly."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from uuid import UUID

from services.pipeline.domain.facts import Draft, given
from services.pipeline.domain.ledger import Lead, Ledger
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
        winner, loser = winner_and_loser(mine, theirs)
        known_at = [at for at in (occurred_at, winner.state.created_at, loser.state.created_at) if at is not None]
        draft = Draft(
            LeadMerged,
            derived_event_id(cause, f"LeadMerged:{loser.lead_id}:{winner.lead_id}"),
            max(known_at),
            correlation_id,
            cause,
            given(into_lead_id=str(winner.lead_id), matched_on=kind, historical=historical),
        )
        ledger.record(loser.lead_id, draft)
        ledger.join(loser.lead_id, winner.lead_id)
        losers.append(loser.lead_id)
    return losers
