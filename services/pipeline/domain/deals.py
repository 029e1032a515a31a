"""What may happen to an opportunity next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from services.pipeline.domain.amounts import Line, lines_total, worth
from services.pipeline.domain.deal_state import DealState
from services.pipeline.domain.decisions import Act, refuse_marked
from services.pipeline.domain.facts import Draft, Key, given
from services.pipeline.domain.reasons import known_reason
from services.pipeline.domain.refusals import Refused, illegal, unknown
from services.pipeline.domain.state import LeadState
from shared.contracts.lifecycle_events import (
    AmountChanged,
    CloseDateChanged,
    OpportunityAssigned,
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


@dataclass(frozen=True, slots=True)
class Deal:
    """A deal as somebody wants to open it. What it does not name, its lead, the unit and the rules of its pipelines do."""

    opportunity_id: str
    pipeline: str | None = None
    stage: str | None = None
    amount: str | None = None
    currency: str | None = None
    product: str | None = None
    owner: str | None = None
    team: str | None = None
    expected_close: datetime | None = None
    lines: Sequence[Line] | None = None


def decide_open(state: LeadState, policy: UnitPolicy, act: Act, deal: Deal) -> list[Draft]:
    """Opens a deal with a lead that is worth it. Which stage takes it is for `selling` to say."""
    refuse_marked(state, "Opening an opportunity")
    match state.status:
        case "new" | "working" as status:
            raise illegal("Opening an opportunity", status, "Qualify the lead first.")
        case "archived":
            raise illegal("Opening an opportunity", "archived", "Reopen the lead first.")
        case _:
            pass
    if deal.opportunity_id in state.deals:
        raise Refused(
            "The lead has an opportunity of this id already.",
            kind="conflict",
            code="opportunity-exists",
            field="opportunity_id",
            fix="Send another opportunity_id, or none to be given one.",
        )
    act.not_before(state.qualified_at, "the lead was qualified")
    assigned = state.assigned
    amount = worth(deal.amount, deal.lines)
    draft = act.draft(
        OpportunityOpened,
        opportunity_id=deal.opportunity_id,
        stage=deal.stage,
        pipeline=deal.pipeline,
        amount=amount,
        currency=_currency(policy, amount, deal.currency),
        product=deal.product or (state.first_touch.product if state.first_touch else None),
        owner=deal.owner or (assigned.owner if assigned else None),
        team=deal.team or (assigned.team if assigned and not deal.owner else None),
        expected_close=deal.expected_close.isoformat() if deal.expected_close else None,
        lines=list(deal.lines) if deal.lines else None,
    )
    return [draft]


def decide_move(deal: DealState, policy: UnitPolicy, act: Act, *, stage: str) -> list[Draft]:
    """Moves an open deal to a stage, forward, back or skipping."""
    _must_be_open(deal, "Moving the opportunity")
    position = _known_stage(policy, deal.value("pipeline") or "default", stage)
    if stage == deal.value("stage"):
        raise illegal("Moving the opportunity", f"in stage {stage}", "It is there already; send another stage.")
    act.not_before(_stage_key(deal), "the deal entered its stage")
    return [
        act.draft(StageChanged, opportunity_id=deal.opportunity_id, stage=stage, position=position, **_owner(deal, act))
    ]


def decide_change_amount(
    deal: DealState, policy: UnitPolicy, act: Act, *, amount: str, currency: str | None
) -> list[Draft]:
    """Corrects what an open deal is worth."""
    _must_be_open(deal, "Changing the amount")
    act.not_before(deal.values["amount"][0] if "amount" in deal.values else None, "the amount was last given")
    currency = currency or deal.value("currency") or policy.currency
    return [act.draft(AmountChanged, opportunity_id=deal.opportunity_id, amount=amount, currency=currency)]


def decide_change_lines(
    deal: DealState, policy: UnitPolicy, act: Act, *, lines: Sequence[Line], amount: str | None, currency: str | None
) -> list[Draft]:
    """Says anew what an open deal is about: all of its lines. It is worth their sum, unless an amount is given."""
    _must_be_open(deal, "Changing the lines")
    act.not_before(deal.values["lines"][0] if "lines" in deal.values else None, "the lines were last given")
    act.not_before(deal.values["amount"][0] if "amount" in deal.values else None, "the amount was last given")
    total = lines_total(lines)
    amount = amount if amount is not None else total
    currency = currency or deal.value("currency") or policy.currency
    return [
        act.draft(
            AmountChanged, opportunity_id=deal.opportunity_id, amount=amount, currency=currency, lines=list(lines)
        )
    ]


def decide_change_close_date(deal: DealState, act: Act, *, expected_close: datetime) -> list[Draft]:
    """Corrects when an open deal is expected to close."""
    _must_be_open(deal, "Changing the close date")
    told = deal.values.get("expected_close")
    act.not_before(told[0] if told is not None else None, "the close date was last given")
    closing = expected_close.isoformat()
    return [act.draft(CloseDateChanged, opportunity_id=deal.opportunity_id, expected_close=closing)]


def decide_hand_over(deal: DealState, act: Act, *, owner: str, team: str | None) -> list[Draft]:
    """Gives an open deal to somebody else. Who had it before had it until then."""
    _must_be_open(deal, "Handing the opportunity over")
    if (owner, team) == (deal.value("owner"), deal.value("team")):
        raise illegal("Handing the opportunity over", f"{owner}'s", "It is theirs already; name somebody else.")
    act.not_before(deal.values["owner"][0] if "owner" in deal.values else None, "the deal was last given to somebody")
    return [act.draft(OpportunityAssigned, opportunity_id=deal.opportunity_id, owner=owner, team=team)]


def decide_win(
    deal: DealState,
    policy: UnitPolicy,
    act: Act,
    *,
    amount: str | None,
    currency: str | None,
    reason: str | None = None,
    note: str | None = None,
) -> list[Draft]:
    """Closes a deal with a sale, for the given amount or the one it had, and for a reason where the policy has some."""
    if policy.win_reasons and reason is None:
        raise Refused(
            "reason is missing.",
            kind="invalid",
            code="reason-missing",
            field="reason",
            fix=f"Send one of: {', '.join(policy.win_reasons)}.",
        )
    if reason is not None:
        known_reason(reason, policy.win_reasons, note)
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
            reason=reason,
            **_owner(deal, act),
        )._replace(aside=given(note=note))
    ]


def decide_lose(deal: DealState, policy: UnitPolicy, act: Act, *, reason: str, note: str | None = None) -> list[Draft]:
    """Closes a deal without a sale, for a reason of the policy. Its last amount stays."""
    known_reason(reason, policy.loss_reasons, note)
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
            **_owner(deal, act),
        )._replace(aside=given(note=note))
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
    return [
        act.draft(StageChanged, opportunity_id=deal.opportunity_id, stage=stage, position=position, **_owner(deal, act))
    ]


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


def _owner(deal: DealState, act: Act) -> dict[str, str | None]:
    """Who has the deal now; nobody is named of a time before it was given to them: whoever had it then is known by then."""
    held = deal.values.get("owner")
    if held is not None and act.occurred_at < held[0].occurred_at:
        return {}
    return {"owner": deal.value("owner"), "team": deal.value("team")}
