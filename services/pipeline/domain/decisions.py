"""What may happen to a lead next. Each decision takes the state and answers with what is to be recorded, or refuses."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from services.pipeline.domain.due import Cause, recycling
from services.pipeline.domain.facts import Draft, Key, given
from services.pipeline.domain.reasons import known_reason
from services.pipeline.domain.refusals import Refused, illegal
from services.pipeline.domain.state import LeadState
from shared.contracts.envelope import LifecycleEvent
from shared.contracts.lead_shape_events import LeadDescribed
from shared.contracts.lifecycle_events import (
    ContactAttempted,
    LeadArchived,
    LeadAssigned,
    LeadMarked,
    LeadQualified,
    LeadReopened,
    LeadUnmerged,
)
from shared.contracts.marks import Mark
from shared.contracts.policy import UnitPolicy
from shared.contracts.spelling import written


@dataclass(frozen=True, slots=True)
class Act:
    """Who does something, when, and under which id it is recorded. `told_at` is when they tell of it, where that may be later."""

    act_id: UUID
    occurred_at: datetime
    actor: str
    told_at: datetime | None = None

    def draft(self, kind: type[LifecycleEvent], /, **data: Any) -> Draft:
        """What this act records."""
        return Draft(kind, self.act_id, self.occurred_at, self.act_id, None, given(actor=self.actor, **data))

    @property
    def known_at(self) -> datetime:
        """When it is both done and told: what is to come comes after that."""
        return max(self.occurred_at, self.told_at or self.occurred_at)

    def not_before(self, key: Key | datetime | None, what: str) -> None:
        """Refuses an act dated before what it would change: history is corrected by importing history."""
        at = key.occurred_at if isinstance(key, Key) else key
        if at is not None and self.occurred_at < at:
            raise Refused(
                f"occurred_at is before {what}, which this would change.",
                kind="conflict",
                code="out-of-order",
                field="occurred_at",
                fix=f"Send an occurred_at from {at.isoformat()} on, or import it as history.",
            )


def decide_assign(state: LeadState, act: Act, *, owner: str, team: str | None) -> list[Draft]:
    """Gives the lead an owner."""
    refuse_marked(state, "Assigning the lead")
    if state.status == "archived":
        raise illegal("Assigning the lead", "archived", "Reopen the lead first.")
    act.not_before(state.assigned.key if state.assigned else None, "the lead's last assignment")
    return [act.draft(LeadAssigned, owner=owner, team=team)]


def decide_qualify(state: LeadState, act: Act) -> list[Draft]:
    """Qualifies the lead by a person's judgement."""
    refuse_marked(state, "Qualifying the lead")
    match state.status:
        case "new" | "working":
            act.not_before(state.created_at, "the lead came in")
            return [act.draft(LeadQualified, reason="judged so by a person")]
        case "archived":
            raise illegal("Qualifying the lead", "archived", "Reopen the lead first.")
        case status:
            raise illegal("Qualifying the lead", status, "It is qualified already; open an opportunity, or win one.")


def decide_archive(
    state: LeadState,
    policy: UnitPolicy,
    act: Act,
    *,
    reason: str,
    note: str | None,
    recycle_at: datetime | None = None,
) -> list[Draft]:
    """Puts the lead aside, for a reason of the policy, until `recycle_at` where it is said, else for as long as the policy has
    it for the reason, else for good."""
    known_reason(reason, policy.archive_reasons, note)
    match state.status:
        case "archived":
            raise illegal("Archiving the lead", "archived", "It is archived already; reopen it to change the reason.")
        case "customer":
            raise illegal(
                "Archiving the lead", "customer", "A customer is not archived; lose or close their opportunities."
            )
        case "converted" if any(deal.status == "open" for deal in state.deals.values()):
            raise illegal(
                "Archiving the lead", "converted with an open opportunity", "Win or lose the opportunity first."
            )
        case _:
            act.not_before(state.revived, "the last work on the lead")
            until = recycle_at or _recycled(policy, act, reason)
            if until is None:
                return [act.draft(LeadArchived, reason=reason)._replace(aside=given(note=note))]
            if recycle_at is not None and recycle_at <= act.known_at:
                raise Refused(
                    "recycle_at has passed.",
                    kind="invalid",
                    code="not-later",
                    field="recycle_at",
                    fix="Send a time that is still to come, or none to leave it archived.",
                )
            archived = act.draft(LeadArchived, reason=reason, recycle_at=until.isoformat())
            back = recycling(Cause(act.act_id, act.act_id, act.occurred_at, act.actor), until)
            return [archived._replace(aside=given(note=note)), back]


def _recycled(policy: UnitPolicy, act: Act, reason: str) -> datetime | None:
    days = policy.recycle_days.get(reason)
    return act.occurred_at + timedelta(days=days) if days is not None else None


def decide_reopen(state: LeadState, act: Act) -> list[Draft]:
    """Takes an archived lead up again, where it stood before."""
    if state.archived is None or state.status != "archived":
        raise illegal("Reopening the lead", state.status, "Only an archived lead is reopened.")
    act.not_before(state.archived.key, "the lead was archived")
    return [act.draft(LeadReopened)]


def decide_contact(
    state: LeadState,
    act: Act,
    *,
    kind: str,
    outcome: str | None,
    owner: str | None,
    human: bool,
    outbound: bool,
    duration_seconds: float | None = None,
) -> list[Draft]:
    """Records that someone tried to reach the lead."""
    if state.status == "archived":
        raise illegal("Recording a contact", "archived", "Reopen the lead first.")
    draft = act.draft(
        ContactAttempted, kind=written(kind), outcome=outcome, owner=owner, duration_seconds=duration_seconds
    )
    return [draft._replace(data={**draft.data, "human": human, "outbound": outbound})]


def decide_describe(act: Act, *, kind: str | None, need: str | None) -> list[Draft]:
    """Says what the lead is, or what it needs. Nobody has to be in any state for that."""
    if kind is None and need is None:
        raise Refused(
            "Nothing is said of the lead.",
            kind="invalid",
            code="nothing-said",
            field="kind",
            fix="Send kind, need or both.",
        )
    return [act.draft(LeadDescribed, kind=kind)._replace(aside=given(need=need))]


def decide_unmerge(merged_into: UUID | None, act: Act) -> list[Draft]:
    """Takes the merge of a lead back."""
    if merged_into is None:
        raise illegal("Unmerging the lead", "not merged", "Name the id that was merged into another.")
    return [act.draft(LeadUnmerged, from_lead_id=str(merged_into))]


def refuse_marked(state: LeadState, command: str) -> None:
    """Refuses to work on a lead that is held out."""
    if state.mark is not None:
        raise illegal(command, f"marked as {state.mark}", "Release the lead first (:release), if it is real.")


def decide_mark(state: LeadState, act: Act, *, mark: Mark, note: str | None) -> list[Draft]:
    """Holds the lead out of scores and numbers, whatever was and will be captured of it."""
    if state.mark == mark and all(one.word_version for one in state.marks.values()):
        raise illegal("Marking the lead", f"marked as {mark}", "It is marked so already.")
    return [act.draft(LeadMarked, mark=mark)._replace(aside=given(note=note))]


def decide_release(state: LeadState, act: Act, *, note: str | None) -> list[Draft]:
    """Takes every mark of the lead back, so that it counts as if there had been none."""
    if all(one.mark is None for one in state.marks.values()):
        raise illegal("Releasing the lead", "not marked", "It counts already.")
    return [act.draft(LeadMarked)._replace(aside=given(note=note))]
