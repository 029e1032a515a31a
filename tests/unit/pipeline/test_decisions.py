"""What may happen next, as a table: each command in each state."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from services.pipeline.domain import deals, decisions
from services.pipeline.domain.decisions import Act
from services.pipeline.domain.facts import Fact
from services.pipeline.domain.refusals import Refused
from services.pipeline.domain.state import LeadState, fold
from tests.unit.pipeline.builders import POLICY, at

UNIT = POLICY.unit("default")
ACT = Act(UUID(int=9), at(60), "kim")


def a_state(*events: tuple[str, dict[str, Any]]) -> LeadState:
    return fold(
        Fact(UUID(int=1), version, event, UUID(int=version), at(version), data)
        for version, (event, data) in enumerate((("LeadCreated", {}), *events), start=1)
    )


OPENED = ("OpportunityOpened", {"opportunity_id": "d", "stage": "discovery", "amount": "10", "currency": "EUR"})
WON = ("OpportunityWon", {"opportunity_id": "d"})
LOST = ("OpportunityLost", {"opportunity_id": "d", "reason": "price"})
STATES = {
    "new": a_state(),
    "working": a_state(("LeadAssigned", {"owner": "kim"})),
    "qualified": a_state(("LeadQualified", {})),
    "converted": a_state(OPENED),
    "lost": a_state(OPENED, LOST),
    "customer": a_state(OPENED, WON),
    "archived": a_state(("LeadArchived", {"reason": "other"})),
    "marked": a_state(("LeadQualified", {}), ("LeadMarked", {"mark": "spam"})),
}
LEAD_COMMANDS = {
    "assign": lambda state: decisions.decide_assign(state, ACT, owner="lee", team=None),
    "qualify": lambda state: decisions.decide_qualify(state, ACT),
    "archive": lambda state: decisions.decide_archive(state, UNIT, ACT, reason="no budget", note=None),
    "reopen": lambda state: decisions.decide_reopen(state, ACT),
    "contact": lambda state: decisions.decide_contact(
        state, ACT, kind="call", outcome=None, owner=None, human=False, outbound=True
    ),
    "mark": lambda state: decisions.decide_mark(state, ACT, mark="spam", note=None),
    "release": lambda state: decisions.decide_release(state, ACT, note=None),
    "open": lambda state: deals.decide_open(state, UNIT, ACT, deals.Deal("e")),
}
ALLOWED = {
    "assign": {"new", "working", "qualified", "converted", "lost", "customer"},
    "qualify": {"new", "working"},
    "archive": {"new", "working", "qualified", "lost", "marked"},
    "reopen": {"archived"},
    "contact": {"new", "working", "qualified", "converted", "lost", "customer", "marked"},
    "mark": {"new", "working", "qualified", "converted", "lost", "customer", "archived"},
    "release": {"marked"},
    "open": {"qualified", "converted", "lost", "customer"},
}


@pytest.mark.parametrize("command", LEAD_COMMANDS)
@pytest.mark.parametrize("state", STATES)
def test_each_command_in_each_state_is_done_or_refused_aloud(command: str, state: str) -> None:
    if state in ALLOWED[command]:
        (draft,) = LEAD_COMMANDS[command](STATES[state])
        assert (draft.event_id, draft.occurred_at, draft.data["actor"]) == (ACT.act_id, at(60), "kim")
        return
    with pytest.raises(Refused) as refused:
        LEAD_COMMANDS[command](STATES[state])
    assert refused.value.kind == "conflict"
    assert refused.value.state
    assert refused.value.fix


DEALS = {name: STATES[name].deals["d"] for name in ("converted", "lost", "customer")}
DEAL_COMMANDS: dict[str, Any] = {
    "move": lambda deal: deals.decide_move(deal, UNIT, ACT, stage="proposal"),
    "change amount": lambda deal: deals.decide_change_amount(deal, UNIT, ACT, amount="5", currency=None),
    "change date": lambda deal: deals.decide_change_close_date(deal, ACT, expected_close=at(999)),
    "win": lambda deal: deals.decide_win(deal, UNIT, ACT, amount=None, currency=None),
    "lose": lambda deal: deals.decide_lose(deal, UNIT, ACT, reason="price"),
    "reopen": lambda deal: deals.decide_reopen_deal(deal, UNIT, ACT),
}


@pytest.mark.parametrize("command", DEAL_COMMANDS)
@pytest.mark.parametrize("deal", DEALS)
def test_only_an_open_deal_changes_and_only_a_closed_one_is_reopened(command: str, deal: str) -> None:
    if (deal == "converted") == (command != "reopen"):
        assert len(DEAL_COMMANDS[command](DEALS[deal])) == 1
        return
    with pytest.raises(Refused, match="not possible"):
        DEAL_COMMANDS[command](DEALS[deal])


@pytest.mark.parametrize(
    ("decide", "field"),
    [
        (lambda: decisions.decide_archive(STATES["new"], UNIT, ACT, reason="bored", note=None), "reason"),
        (lambda: decisions.decide_archive(STATES["new"], UNIT, ACT, reason="other", note=" "), "note"),
        (lambda: deals.decide_move(DEALS["converted"], UNIT, ACT, stage="limbo"), "stage"),
        (lambda: deals.decide_lose(DEALS["converted"], UNIT, ACT, reason="bored"), "reason"),
        (lambda: deals.decide_lose(DEALS["converted"], UNIT, ACT, reason="other"), "note"),
        (lambda: deals.decide_win(DEALS["converted"], UNIT, ACT, amount=None, currency=None, reason="luck"), "reason"),
    ],
)
def test_what_the_policy_does_not_know_is_refused_with_what_it_knows(decide: Any, field: str) -> None:
    with pytest.raises(Refused) as refused:
        decide()
    assert (refused.value.kind, refused.value.field) == ("invalid", field)


def test_a_command_dated_before_what_it_changes_is_refused() -> None:
    early = Act(UUID(int=9), at(1), "kim")
    with pytest.raises(Refused, match="before the lead was archived"):
        decisions.decide_reopen(STATES["archived"], early)
    with pytest.raises(Refused, match="before the deal entered its stage"):
        deals.decide_win(DEALS["converted"], UNIT, early, amount=None, currency=None)


def test_winning_and_losing_carry_the_deals_last_values() -> None:
    won = deals.decide_win(DEALS["converted"], UNIT, ACT, amount="12", currency=None)[0]
    lost = deals.decide_lose(DEALS["converted"], UNIT, ACT, reason="price")[0]
    assert (won.data["amount"], won.data["currency"], lost.data["amount"]) == ("12", "EUR", "10")


@pytest.mark.parametrize(
    ("minute", "told"),
    [(3, {}), (4, {"owner": "zoe", "team": "south"}), (60, {"owner": "zoe", "team": "south"})],
)
def test_what_happened_to_a_deal_before_it_was_handed_over_is_not_its_new_owners(
    minute: int, told: dict[str, str]
) -> None:
    opened = ("OpportunityOpened", {**OPENED[1], "owner": "ann", "team": "north"})
    closing = ("CloseDateChanged", {"opportunity_id": "d", "expected_close": at(900).isoformat()})
    deal = a_state(
        opened, closing, ("OpportunityAssigned", {"opportunity_id": "d", "owner": "zoe", "team": "south"})
    ).deals["d"]
    act = Act(ACT.act_id, at(minute), ACT.actor)
    for drafts in (
        deals.decide_move(deal, UNIT, act, stage="proposal"),
        deals.decide_win(deal, UNIT, act, amount=None, currency=None),
        deals.decide_lose(deal, UNIT, act, reason="price"),
    ):
        assert {name: drafts[0].data[name] for name in ("owner", "team") if name in drafts[0].data} == told
