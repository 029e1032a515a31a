"""What is told of late is dated when it happened; what it asks for is still to come when it is told."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from services.pipeline.domain.deal_state import evolve_deal
from services.pipeline.domain.deals import decide_change_close_date
from services.pipeline.domain.decisions import Act, decide_archive, decide_qualify
from services.pipeline.domain.due import Task
from services.pipeline.domain.facts import Fact
from services.pipeline.domain.refusals import Refused
from services.pipeline.domain.state import LeadState
from services.pipeline.domain.tasks import decide_add
from shared.contracts.policy import UnitPolicy
from tests.unit.pipeline.builders import START, an_id

TOLD_AT = START + timedelta(days=7)
UNIT = UnitPolicy.model_validate({"archive_reasons": ["silence"], "recycle_days": {"silence": 3}})


def an_act() -> Act:
    """Of last week, told of today."""
    return Act(an_id(), START, "kim", TOLD_AT)


def a_task(act: Act, due_at: datetime) -> Task:
    return Task(act.act_id, an_id(), "task", "task", due_at, act.occurred_at, "kim")


def test_a_task_that_was_due_before_anybody_told_of_it_is_refused() -> None:
    act = an_act()
    with pytest.raises(Refused, match="due_at has passed"):
        decide_add(LeadState(), act, a_task(act, TOLD_AT - timedelta(days=1)), note=None)
    (added,) = decide_add(LeadState(), act, a_task(act, TOLD_AT + timedelta(days=1)), note=None)
    assert added.occurred_at == START


def test_a_lead_is_not_put_aside_until_a_time_that_has_passed() -> None:
    with pytest.raises(Refused, match="recycle_at has passed"):
        decide_archive(LeadState(), UNIT, an_act(), reason="silence", note=None, recycle_at=TOLD_AT)
    later = TOLD_AT + timedelta(days=1)
    archived, _ = decide_archive(LeadState(), UNIT, an_act(), reason="silence", note=None, recycle_at=later)
    assert archived.data["recycle_at"] == later.isoformat()


def test_what_the_policy_says_of_a_reason_counts_from_when_it_happened() -> None:
    _, back = decide_archive(LeadState(), UNIT, an_act(), reason="silence", note=None)
    assert back.data["due_at"] == (START + timedelta(days=3)).isoformat()


def test_a_lead_is_not_qualified_before_it_came_in() -> None:
    came_in = START + timedelta(days=1)
    with pytest.raises(Refused, match="before the lead came in"):
        decide_qualify(LeadState(explicit_at=came_in, first_fact_at=came_in), an_act())
    (qualified,) = decide_qualify(LeadState(explicit_at=START, first_fact_at=START), an_act())
    assert qualified.occurred_at == START


def test_a_close_date_that_was_given_later_is_not_changed_by_what_was_said_before() -> None:
    lead_id, said = an_id(), {"opportunity_id": "d1", "expected_close": TOLD_AT.isoformat()}
    opened = Fact(lead_id, 1, "OpportunityOpened", an_id(), START - timedelta(days=1), {"opportunity_id": "d1"})
    changed = Fact(lead_id, 2, "CloseDateChanged", an_id(), START + timedelta(days=1), said)
    deal = evolve_deal(None, opened)
    assert len(decide_change_close_date(deal, an_act(), expected_close=TOLD_AT)) == 1
    with pytest.raises(Refused, match="before the close date was last given"):
        decide_change_close_date(evolve_deal(deal, changed), an_act(), expected_close=TOLD_AT)
