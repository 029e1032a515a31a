"""What pipelines and stages ask of a deal, and what becomes of its way through them."""

from __future__ import annotations

from functools import reduce
from itertools import permutations
from typing import Any
from uuid import UUID

import pytest
from pydantic import ValidationError

from services.pipeline.domain import deal_story, deals
from services.pipeline.domain.amounts import lines_total
from services.pipeline.domain.deal_state import evolve_deal
from services.pipeline.domain.decisions import Act
from services.pipeline.domain.due import Cause, Task, task_from
from services.pipeline.domain.facts import Draft, Fact
from services.pipeline.domain.follow_up import Following
from services.pipeline.domain.ledger import Ledger
from services.pipeline.domain.refusals import Refused
from services.pipeline.domain.selling import Selling
from services.pipeline.domain.stays import Stay, stays_of, time_in_stages
from shared.contracts.lifecycle_events import FollowUpScheduled, LeadCreated, LeadQualified
from shared.contracts.policy import UnitPolicy
from tests.unit.pipeline.builders import an_id, at

PIPELINES: dict[str, Any] = {
    "default": [
        {"name": "discovery", "probability": 0.1, "overdue_after": "2h"},
        {"name": "proposal", "probability": 0.4, "needs": ["amount", "lead.email"], "overdue_after": "8h"},
        {"name": "contract", "probability": 0.9, "enter_when": 'amount >= 100 and lead.country != "XX"'},
    ],
    "large": [{"name": "study", "probability": 0.2}, {"name": "tender", "probability": 0.5}],
}
UNIT = UnitPolicy.model_validate(
    {
        "time_zone": "UTC",
        "win_reasons": ["price"],
        "loss_reasons": ["price", "other"],
        "pipelines": PIPELINES,
        "pipeline_rules": [
            {"when": 'product == "GTX Pro"', "pipeline": "large"},
            {"when": "amount > 5000", "pipeline": "large"},
        ],
    }
)
NAMES = [stage["name"] for stage in PIPELINES["default"]]


class Desk:
    """A qualified lead and its deals, as commands would have it: decided, placed, recorded, followed up."""

    def __init__(self, **person: str) -> None:
        self.ledger = Ledger()
        self.lead_id = an_id()
        self.selling = Selling(UNIT)
        self.following = Following(UNIT, "v1", {})
        self.ledger.create(self.lead_id, "default").learn({"email": "a@x.example", "country": "NL", **person}, at(0))
        for kind in (LeadCreated, LeadQualified):
            self.ledger.record(self.lead_id, Draft(kind, an_id(), at(0), an_id(), None, {}))
        self.tasks: dict[UUID, Task] = {}

    @property
    def deal(self) -> Any:
        return self.ledger[self.lead_id].state.deals["d"]

    @property
    def stays(self) -> list[Stay]:
        return stays_of(self.deal.moves, NAMES)

    def open(self, minute: float = 0, **values: Any) -> list[Draft]:
        act = Act(an_id(), at(minute), "kim")
        state = self.ledger[self.lead_id].state
        return self.tell(act, deals.decide_open(state, UNIT, act, deals.Deal("d", **values)))

    def do(self, decide: Any, minute: float, **values: Any) -> list[Draft]:
        act = Act(an_id(), at(minute), "kim")
        return self.tell(act, decide(self.deal, UNIT, act, **values))

    def move(self, stage: str, minute: float) -> list[Draft]:
        return self.do(deals.decide_move, minute, stage=stage)

    def tell(self, act: Act, decided: list[Draft]) -> list[Draft]:
        drafts = self.selling.placed(self.ledger, self.lead_id, decided)
        for draft in drafts:
            self.ledger.record(self.lead_id, draft)
        cause = Cause(act.act_id, act.act_id, act.occurred_at, act.actor)
        state, tasks = self.ledger[self.lead_id].state, list(self.tasks.values())
        follows = self.following.after(state, drafts, tasks, cause, cause.occurred_at)
        for draft in follows:
            self.ledger.record(self.lead_id, draft)
            if draft.kind is FollowUpScheduled:
                task = task_from(self.lead_id, draft.data)
                self.tasks[task.task_id] = task
            else:
                del self.tasks[UUID(draft.data["task_id"])]
        return [*drafts, *follows]


@pytest.mark.parametrize(
    ("deal", "pipeline", "stage"),
    [
        ({}, "default", "discovery"),
        ({"product": "GTX Pro"}, "large", "study"),
        ({"amount": "5001"}, "large", "study"),
        ({"lines": [{"product": "x", "quantity": "3", "unit_price": "2000"}]}, "large", "study"),
        ({"product": "GTX Pro", "pipeline": "default"}, "default", "discovery"),
        ({"pipeline": "large", "stage": "tender"}, "large", "tender"),
    ],
)
def test_a_deal_begins_where_it_is_asked_for_else_where_the_rules_say(
    deal: dict[str, Any], pipeline: str, stage: str
) -> None:
    desk = Desk()
    (opened, *_) = desk.open(**deal)
    assert (opened.data["pipeline"], opened.data["stage"]) == (pipeline, stage)
    assert opened.data["position"] == UNIT.stage_position(stage, pipeline)


@pytest.mark.parametrize(
    ("deal", "field"),
    [({"stage": "limbo"}, "stage"), ({"pipeline": "limbo"}, "pipeline"), ({"stage": "tender"}, "stage")],
)
def test_a_pipeline_or_stage_that_the_policy_does_not_know_is_refused(deal: dict[str, Any], field: str) -> None:
    with pytest.raises(Refused) as refused:
        Desk().open(**deal)
    assert (refused.value.kind, refused.value.field) == ("invalid", field)


def test_a_stage_is_entered_with_all_it_needs_and_where_its_condition_holds() -> None:
    desk = Desk()
    desk.open(0)
    with pytest.raises(Refused, match="needs what the opportunity does not have: amount") as refused:
        desk.move("proposal", 1)
    assert refused.value.extra == {"stage": "proposal", "missing": ["amount"]}
    desk.do(deals.decide_change_amount, 2, amount="50", currency=None)
    desk.move("proposal", 3)
    with pytest.raises(Refused, match="amount >= 100"):
        desk.move("contract", 4)
    desk.do(deals.decide_change_amount, 5, amount="100", currency=None)
    desk.move("contract", 6)
    assert desk.deal.value("stage") == "contract"


def test_what_is_asked_of_a_deal_is_asked_of_one_that_begins_there_and_of_none_that_is_reopened() -> None:
    nowhere = Desk(country="XX")
    with pytest.raises(Refused, match="takes only"):
        nowhere.open(stage="contract", amount="500")
    desk = Desk()
    desk.open(0, stage="contract", amount="500")
    desk.do(deals.decide_change_amount, 1, amount="1", currency=None)
    desk.do(deals.decide_lose, 2, reason="price")
    desk.do(deals.decide_reopen_deal, 3)
    assert (desk.deal.status, desk.deal.value("stage")) == ("open", "contract")


def test_every_stay_says_how_the_deal_came_there_and_what_it_passed_over() -> None:
    desk = Desk()
    desk.open(0, amount="500")
    desk.move("contract", 10)
    desk.move("proposal", 15)
    desk.move("contract", 20)
    desk.do(deals.decide_lose, 50, reason="price")
    desk.do(deals.decide_reopen_deal, 60)
    assert [(one.stage, one.how, one.visit, one.skipped) for one in desk.stays] == [
        ("discovery", "opened", 1, ()),
        ("contract", "skipped", 1, ("proposal",)),
        ("proposal", "back", 1, ()),
        ("contract", "next", 2, ()),
        ("contract", "reopened", 3, ()),
    ]
    assert [one.left_at for one in desk.stays] == [at(10), at(15), at(20), at(50), None]
    assert time_in_stages(desk.stays, at(61)) == {"discovery": 600, "contract": 300 + 1800 + 60, "proposal": 300}


@pytest.mark.parametrize("arrival", list(permutations(range(5))))
def test_history_that_tells_a_stage_again_or_opens_late_makes_no_stay_of_it(arrival: tuple[int, ...]) -> None:
    told = [
        ("StageChanged", "proposal", 1),
        ("OpportunityOpened", "discovery", 2),
        ("StageChanged", "proposal", 3),
        ("StageChanged", "contract", 4),
        ("OpportunityWon", None, 9),
    ]
    facts = [
        Fact(
            UUID(int=1),
            place + 1,
            event,
            an_id(),
            at(minute),
            {"opportunity_id": "d", **({"stage": stage} if stage else {})},
        )
        for place, (event, stage, minute) in enumerate(told)
    ]
    deal = reduce(evolve_deal, (facts[place] for place in arrival), None)
    assert deal is not None
    stays = stays_of(deal.moves, NAMES)
    assert [(one.stage, one.entered_at, one.left_at) for one in stays] == [
        ("proposal", at(1), at(4)),
        ("contract", at(4), at(9)),
    ]
    assert deal.value("stage") == "contract"
    assert reduce(evolve_deal, (facts[place] for place in arrival if place < 2), None).value("stage") == "proposal"  # type: ignore[union-attr]


def test_a_deal_that_begins_late_says_which_stages_it_never_saw() -> None:
    desk = Desk()
    desk.open(0, stage="contract", amount="500")
    assert [(one.how, one.skipped) for one in desk.stays] == [("opened", ("discovery", "proposal"))]


def test_a_deal_is_to_leave_its_stage_in_time_and_is_followed_to_the_next() -> None:
    desk = Desk()
    *_, due = desk.open(0, amount="500", owner="kim")
    assert (due.kind, due.data["kind"], due.data["due_at"]) == (FollowUpScheduled, "stage", at(120).isoformat())
    assert (due.data["opportunity_id"], due.data["owner"], due.data["policy_version"]) == ("d", "kim", "v1")
    _, done, following = desk.move("proposal", 30)
    assert (done.kind.__name__, done.data["outcome"]) == ("FollowUpDone", "proposal")
    assert following.data["due_at"] == at(30 + 480).isoformat()
    _, done = desk.move("contract", 40)  # for which the policy has no such age
    assert done.data["outcome"] == "contract"
    assert not desk.tasks


def test_a_deal_that_is_too_long_in_its_stage_is_missed_by_whoever_has_it_and_a_closed_one_is_not() -> None:
    desk = Desk()
    desk.open(0, owner="kim")
    (task,) = desk.tasks.values()
    (missed,) = desk.following.fire(desk.ledger[desk.lead_id].state, task)
    assert (missed.kind.__name__, missed.occurred_at, missed.data["opportunity_id"]) == ("FollowUpMissed", at(120), "d")
    elsewhere = task._replace(name="leave stage proposal")
    (left,) = desk.following.fire(desk.ledger[desk.lead_id].state, elsewhere)
    assert (left.kind.__name__, left.data["reason"]) == ("FollowUpCancelled", "elsewhere")
    desk.do(deals.decide_lose, 30, reason="price")
    assert not desk.tasks
    (gone,) = desk.following.fire(desk.ledger[desk.lead_id].state, task)
    assert (gone.kind.__name__, gone.data["reason"]) == ("FollowUpCancelled", "lost")


@pytest.mark.parametrize(
    ("lines", "total"),
    [
        ([("1", "19.99", None)], "19.99"),
        ([("3", "19.99", "0.1")], "53.97"),
        ([("0.5", "0.125", None)], "0.063"),
        ([("2", "100", "1"), ("1", "7.50", None)], "7.5"),
        ([], "0"),
    ],
)
def test_a_deal_is_worth_its_lines(lines: list[tuple[str, str, str | None]], total: str) -> None:
    said = [
        {"product": "x", "quantity": quantity, "unit_price": price, **({"discount": off} if off else {})}
        for quantity, price, off in lines
    ]
    assert lines_total(said) == total


def test_a_deal_with_lines_beyond_any_amount_is_refused_at_the_door_and_can_be_read_where_there_is_one() -> None:
    huge = {"product": "x", "quantity": "999999999999999", "unit_price": "999999999999999"}
    desk = Desk()
    with pytest.raises(Refused, match="more than an amount"):
        desk.open(0, lines=[huge], amount="1")
    desk.open(0)
    with pytest.raises(Refused, match="more than an amount"):
        desk.do(deals.decide_change_lines, 1, lines=[huge], amount="1", currency=None)
    said: dict[str, Any] = {"opportunity_id": "d", "amount": "1", "lines": [huge]}
    taken_before = Fact(desk.lead_id, 1, "OpportunityOpened", an_id(), at(0), said)
    shown = deal_story.told("d", [(taken_before, {})], UNIT, at(1))
    assert (shown["lines"], shown["lines_amount"]) == ([huge], None)


def test_the_amount_is_the_sum_of_the_lines_unless_it_is_given() -> None:
    desk = Desk()
    line = {"product": "x", "quantity": "2", "unit_price": "10"}
    desk.open(0, lines=[line])
    assert (desk.deal.value("amount"), desk.deal.value("currency")) == ("20", "EUR")
    desk.do(deals.decide_change_lines, 1, lines=[line, line], amount=None, currency=None)
    assert (desk.deal.value("amount"), desk.deal.value("lines")) == ("40", [line, line])
    desk.do(deals.decide_change_lines, 2, lines=[line], amount="15", currency=None)
    assert (desk.deal.value("amount"), desk.deal.value("lines")) == ("15", [line])
    desk.do(deals.decide_change_amount, 3, amount="9", currency=None)
    assert (desk.deal.value("amount"), desk.deal.value("lines")) == ("9", [line])


def test_a_win_has_a_reason_where_the_policy_has_some() -> None:
    desk = Desk()
    desk.open(0)
    with pytest.raises(Refused, match="reason is missing"):
        desk.do(deals.decide_win, 1, amount=None, currency=None)
    won, *_ = desk.do(deals.decide_win, 1, amount=None, currency=None, reason="price", note="He liked Ann.")
    assert (won.data["reason"], won.aside) == ("price", {"note": "He liked Ann."})


@pytest.mark.parametrize(
    ("policy", "fault"),
    [
        ({"pipelines": {"default": []}}, "at least 1 item"),
        ({"pipeline_rules": [{"when": "amount > 5", "pipeline": "limbo"}]}, "which pipelines does not have"),
        ({"pipeline_rules": [{"when": "amont > 5", "pipeline": "default"}]}, "did you mean amount"),
        ({"pipeline_rules": [{"when": "attributes.x == 5", "pipeline": "default"}]}, "is not kept where deals are"),
        ({"pipelines": {"default": [{"name": "a", "probability": 1, "needs": ["e-mail"]}]}}, "is no field of a deal"),
        ({"pipelines": {"default": [{"name": "a", "probability": 1, "overdue_after": "2d"}]}}, "is no duration"),
    ],
)
def test_a_slip_in_the_pipelines_is_named(policy: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValidationError, match=fault):
        UnitPolicy.model_validate(policy)
