"""A lead is put aside for good, or until a date on which it comes back by itself. Whatever people do meanwhile, it is never
lost and never comes back twice."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from services.pipeline.domain.decisions import Act, decide_archive, decide_mark, decide_release, decide_reopen
from services.pipeline.domain.due import RECYCLE, Cause, Task, task_from
from services.pipeline.domain.facts import Draft
from services.pipeline.domain.follow_up import Following
from services.pipeline.domain.ledger import Lead, Ledger
from services.pipeline.domain.refusals import Refused
from services.pipeline.domain.tasks import decide_cancel, decide_complete, decide_snooze
from shared.contracts.lifecycle_events import LeadArchived, LeadCreated, LeadReopened
from shared.contracts.policy import Policy
from tests.unit.pipeline.builders import POLICY, an_id, at

LEAD = UUID(int=1)
UNIT = POLICY.defaults.model_copy(update={"recycle_days": {"no budget": 2}})
FOLLOWING = Following(UNIT, "7", {})


class Lives(RuleBasedStateMachine):
    """A lead that people put aside and take up, while timers fire."""

    @initialize()
    def begin(self) -> None:
        self.now = at(0)
        self.ledger = Ledger([Lead(LEAD, "default", LEAD, facts=[])])
        self.tasks: dict[UUID, Task] = {}
        self._record([Draft(LeadCreated, an_id(), self.now, an_id(), None, {})])

    def _act(self) -> Act:
        return Act(an_id(), self.now, "kim")

    def _record(self, drafts: list[Draft]) -> None:
        for draft in drafts:
            fact = self.ledger.record(LEAD, draft)
            if fact.event == "FollowUpScheduled":
                self.tasks[UUID(fact.data["task_id"])] = task_from(LEAD, fact.data)
            elif fact.event in ("FollowUpDone", "FollowUpCancelled"):
                del self.tasks[UUID(fact.data["task_id"])]

    def _do(self, decide: Any) -> None:
        act = self._act()
        known = list(self.tasks.values())
        try:
            drafts = decide(self.ledger.root(LEAD).state, act)
        except Refused:
            return
        self._record(drafts)
        cause = Cause(act.act_id, act.act_id, act.occurred_at, act.actor)
        self._record(FOLLOWING.after(self.ledger.root(LEAD).state, drafts, known, cause, cause.occurred_at))

    @rule(hours=st.integers(1, 100))
    def time_passes(self, hours: int) -> None:
        self.now += timedelta(hours=hours)

    @rule(reason=st.sampled_from(["no budget", "other"]), hours=st.none() | st.integers(0, 200))
    def archive(self, reason: str, hours: int | None) -> None:
        until = None if hours is None else self.now + timedelta(hours=hours)
        self._do(lambda state, act: decide_archive(state, UNIT, act, reason=reason, note="n", recycle_at=until))

    @rule()
    def reopen(self) -> None:
        self._do(decide_reopen)

    @rule()
    def mark(self) -> None:
        self._do(lambda state, act: decide_mark(state, act, mark="spam", note=None))

    @rule()
    def release(self) -> None:
        self._do(lambda state, act: decide_release(state, act, note=None))

    @precondition(lambda self: self.tasks)
    @rule(hours=st.integers(1, 100))
    def put_off(self, hours: int) -> None:
        (task,) = self.tasks.values()
        self._record(decide_snooze(task, self._act(), until=self.now + timedelta(hours=hours)))

    @precondition(lambda self: self.tasks)
    @rule()
    def leave_archived(self) -> None:
        (task,) = self.tasks.values()
        self._record(decide_cancel(task, self._act(), note=None))

    @rule()
    def timers_fire(self) -> None:
        for task in [one for one in self.tasks.values() if one.due_at <= self.now]:
            state = self.ledger.root(LEAD).state
            drafts = FOLLOWING.fire(state, task)
            self._record(drafts)
            assert task.task_id not in self.tasks
            if state.is_archived and state.mark is None:
                assert drafts[0].kind is LeadReopened
                assert drafts[0].occurred_at == task.due_at
                assert self.ledger.root(LEAD).state.status == "working"

    @invariant()
    def comes_back_at_most_once_and_only_from_the_archive(self) -> None:
        state = self.ledger.root(LEAD).state
        assert len(self.tasks) <= 1
        assert all(task.kind == RECYCLE for task in self.tasks.values())
        if self.tasks:
            assert state.is_archived


TestLives = Lives.TestCase


def archived(**said: Any) -> list[Draft]:
    ledger = Ledger([Lead(LEAD, "default", LEAD, facts=[])])
    ledger.record(LEAD, Draft(LeadCreated, an_id(), at(0), an_id(), None, {}))
    return decide_archive(ledger.root(LEAD).state, UNIT, Act(an_id(), at(10), "kim"), note="why", **said)


@pytest.mark.parametrize(
    ("said", "until"),
    [
        ({"reason": "other"}, None),
        ({"reason": "no budget"}, at(10) + timedelta(days=2)),
        ({"reason": "no budget", "recycle_at": at(99)}, at(99)),
        ({"reason": "other", "recycle_at": at(99)}, at(99)),
    ],
)
def test_it_comes_back_when_somebody_said_or_when_the_policy_has_it(said: Any, until: datetime | None) -> None:
    first, *rest = archived(**said)
    assert first.kind is LeadArchived
    assert first.data.get("recycle_at") == (until.isoformat() if until else None)
    assert [draft.data["due_at"] for draft in rest] == ([until.isoformat()] if until else [])
    assert first.aside == {"note": "why"}
    assert all(not draft.aside for draft in rest)


def test_a_date_that_has_passed_is_refused() -> None:
    with pytest.raises(Refused, match="recycle_at has passed"):
        archived(reason="other", recycle_at=at(10))


def test_coming_back_is_not_ticked_off() -> None:
    task = task_from(LEAD, archived(reason="no budget")[1].data)
    with pytest.raises(Refused, match="not ticked off"):
        decide_complete(task, FOLLOWING, Act(an_id(), at(11), "kim"), outcome=None, note=None)


def test_a_reason_that_is_none_cannot_have_days() -> None:
    with pytest.raises(ValueError, match="recycle_days names the reason 'boredom'"):
        Policy.model_validate({"version": "1", "defaults": {"recycle_days": {"boredom": 3}}})
