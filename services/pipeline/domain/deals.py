"""What may happen to an opportunity next."""

from __future__ import annotations

from datetime import datetime

from services.pipeline.domain.deal_state import DealState
from services.pipeline.domain.decisions import Act, refuse_marked
from services.pipeline.domain.facts import Draft, Key
from services.pipeline.domain.refusals import Refused, illegal, unknown
from services.pipeline.domain.state import LeadState
from shared.contracts.lifecycle_events import (
    AmountChanged,
    CloseDateChanged,
    OpportunityLost,
    OpportunityOpened,
    OpportunityWon,
    StageChanged,
)
from shared.contracts.policy import UnitPolicy


def _known_stage(policy: UnitPolicy, pipeline: str, stage: str) -> int:
    position = policy.stage_position(stage, pipeline)
    if position is None:
        raise unknown("stage", tuple(known.name for known in policy.pipelines.get(pipeline, ())))
    return position


def decide_open(
    state: LeadState,
    policy: UnitPolicy,
    act: Act,
    *,
    opportunity_id: str,
    pipeline: str = "default",
    stage: str | None = None,
    amount: str | None = None,
    currency: str | None = None,
    product: str | None = None,
    owner: str | None = None,
    team: str | None = None,
    expected_close: datetime | None = None,
) -> list[Draft]:
    """Opens a deal with a lead that is worth it."""
    refuse_marked(state, "Opening an opportunity")
    match state.status:
        case "new" | "working" as status:
            raise illegal("Opening an opportunity", status, "Qualify the lead first.")
        case "archived":
            raise illegal("Opening an opportunity", "archived", "Reopen the lead first.")
        case _:
            pass
    if opportunity_id in state.deals:
        raise Refused(
            "The lead has an opportunity of this id already.",
            kind="conflict",
            code="opportunity-exists",
            field="opportunity_id",
            fix="Send another opportunity_id, or none to be given one.",
        )
    if pipeline not in policy.pipelines:
        raise unknown("pipeline", tuple(policy.pipelines))
    stage = stage or policy.pipelines[pipeline][0].name
    position = _known_stage(policy, pipeline, stage)
    assigned = state.assigned
    draft = act.draft(
        OpportunityOpened,
        opportunity_id=opportunity_id,
        stage=stage,
        pipeline=pipeline,
        amount=amount,
        currency=_currency(policy, amount, currency),
        product=product or (state.first_touch.product if state.first_touch else None),
        owner=owner or (assigned.owner if assigned else None),
        team=team or (assigned.team if assigned and not owner else None),
        expected_close=expected_close.isoformat() if expected_close else None,
        position=position,
    )
    return [draft]


def decide_move(deal: DealState, policy: UnitPolicy, act: Act, *, stage: str) -> list[Draft]:
    """Moves an open deal to a stage, forward, back or skipping."""
    _must_be_open(deal, "Moving the opportunity")
    position = _known_stage(policy, deal.value("pipeline") or "default", stage)
    if stage == deal.value("stage"):
        raise illegal("Moving the opportunity", f"in stage {stage}", "It is there already; send another stage.")
    act.not_before(_stage_key(deal), "the deal entered its stage")
    return [act.draft(StageChanged, opportunity_id=deal.opportunity_id, stage=stage, position=position, **_owner(deal))]


def decide_change_amount(
    deal: DealState, policy: UnitPolicy, act: Act, *, amount: str, currency: str | None
) -> list[Draft]:
    """Corrects what an open deal is worth."""
    _must_be_open(deal, "Changing the amount")
    act.not_before(deal.values["amount"][0] if "amount" in deal.values else None, "the amount was last given")
    currency = currency or deal.value("currency") or policy.currency
    return [act.draft(AmountChanged, opportunity_id=deal.opportunity_id, amount=amount, currency=currency)]


def decide_change_close_date(deal: DealState, act: Act, *, expected_close: datetime) -> list[Draft]:
    """Corrects when an open deal is expected to close."""
    _must_be_open(deal, "Changing the close date")
    closing = expected_close.isoformat()
    return [act.draft(CloseDateChanged, opportunity_id=deal.opportunity_id, expected_close=closing)]


def decide_win(
    deal: DealState, policy: UnitPolicy, act: Act, *, amount: str | None, currency: str | None
) -> list[Draft]:
    """Closes a deal with a sale, for the given amount or the one it had."""
    _must_be_open(deal, "Winning the opportunity")
    act.not_before(_stage_key(deal), "the deal entered its stage")
    amount = amount if amount is not None else deal.value("amount")
    currency = currency or deal.value("currency")
    return [
        act.draft(
            OpportunityWon,
            opportunity_id=deal.opportunity_id,
            amount=amount,
            currency=_currency(policy, amount, currency),
            product=deal.value("product"),
            **_owner(deal),
        )
    ]


def decide_lose(deal: DealState, policy: UnitPolicy, act: Act, *, reason: str) -> list[Draft]:
    """Closes a deal without a sale, for a reason of the policy. Its last amount stays."""
    if reason not in policy.loss_reasons:
        raise unknown("reason", policy.loss_reasons)
    _must_be_open(deal, "Losing the opportunity")
    act.not_before(_stage_key(deal), "the deal entered its stage")
    return [
        act.draft(
            OpportunityLost,
            opportunity_id=deal.opportunity_id,
            reason=reason,
            amount=deal.value("amount"),
            currency=_currency(policy, deal.value("amount"), deal.value("currency")),
            product=deal.value("product"),
            **_owner(deal),
        )
    ]


def decide_reopen_deal(deal: DealState, policy: UnitPolicy, act: Act) -> list[Draft]:
    """Opens a closed deal again, in the stage it was closed from."""
    if deal.status == "open":
        raise illegal("Reopening the opportunity", "open", "Only a won or lost opportunity is reopened.")
    act.not_before(deal.ended, "the deal was closed")
    pipeline = deal.value("pipeline") or "default"
    stages = policy.pipelines.get(pipeline) or policy.pipelines.get("default") or ()
    stage = deal.value("stage") or (stages[0].name if stages else "open")
    position = policy.stage_position(stage, pipeline)
    return [act.draft(StageChanged, opportunity_id=deal.opportunity_id, stage=stage, position=position, **_owner(deal))]


def _must_be_open(deal: DealState, command: str) -> None:
    if deal.status != "open":
        raise illegal(command, deal.status, "Reopen the opportunity first.")


def _stage_key(deal: DealState) -> Key:
    latest = deal.first
    for key in (deal.staged, deal.ended):
        if key is not None and key > latest:
            latest = key
    return latest


def _currency(policy: UnitPolicy, amount: str | None, currency: str | None) -> str | None:
    return currency or (policy.currency if amount is not None else None)


def _owner(deal: DealState) -> dict[str, str | None]:
    return {"owner": deal.value("owner"), "team": deal.value("team")}
