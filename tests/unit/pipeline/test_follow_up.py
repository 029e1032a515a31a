"""What is due for a lead follows from its cadence and its facts, in working time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from pydantic import ValidationError

from services.pipeline.domain.decisions import Act, decide_archive, decide_assign, decide_contact
from services.pipeline.domain.due import Cause, Task, task_from
from services.pipeline.domain.facts import Draft
from services.pipeline.domain.follow_up import Following
from services.pipeline.domain.ledger import Ledger
from services.pipeline.domain.routing import Router
from services.pipeline.domain.tasks import decide_add, decide_snooze
from shared.contracts.lifecycle_events import LeadAssigned, LeadCreated, LeadGraded, LeadQualified
from shared.contracts.policy import UnitPolicy
from tests.unit.pipeline.builders import START, an_id, at

WEEK = dict.fromkeys(("monday", "tuesday", "wednesday", "thursday", "friday"), "09:00-17:00")
UNIT: dict[str, Any] = {
    "time_zone": "UTC",
    "archive_reasons": ["no need"],
    "working_hours": WEEK,
    "routing": {"owners": {"ann": {}, "boss": {}, "night": {"working_hours": {"monday": "20:00-23:00"}}}, "fallback": "ann"},
    "follow_up": {
        "cadences": [
            {
                "cadence": "hot",
                "grades": ["A"],
                "respond_within": "1h",
                "steps": [
                    {"step": "call", "channel": "phone", "within": "30m"},
                    {"step": "write", "channel": "email", "wait": "8h", "within": "2h"},
                ],
                "escalate": {"to": "boss", "within": "2h"},
            },
            {"cadence": "rest", "steps": [{"step": "write", "channel": "email"}]},
        ]
    },
}  # fmt: skip


class Story:
    """A lead whose facts are recorded one after another, and the tasks they leave."""

    def __init__(self, grade: str = "A", owner: str | None = "ann", qualified_at: datetime = START) -> None:
        policy = UnitPolicy.model_validate(UNIT)
        self.policy = policy
        self.following = Following(policy, "v1", Router(policy).calendars)
        self.ledger = Ledger()
        self.lead_id = an_id()
        self.ledger.create(self.lead_id, "default")
        self.tell(Draft(LeadCreated, an_id(), at(-60), an_id(), None, {}))
        self.tell(Draft(LeadGraded, an_id(), at(-50), an_id(), None, {"grade": grade, "score": 70}))
        self.tell(Draft(LeadQualified, an_id(), qualified_at, an_id(), None, {}))
        if owner is not None:
            self.tell(Draft(LeadAssigned, an_id(), qualified_at, an_id(), None, {"owner": owner}))
        cause = Cause(an_id(), an_id(), qualified_at)
        self.begun = self.tell(*self.following.begin(self.state, self.lead_id, cause))

    @property
    def state(self) -> Any:
        return self.ledger.root(self.lead_id).state

    def tell(self, *drafts: Draft) -> list[Draft]:
        for draft in drafts:
            self.ledger.record(self.lead_id, draft)
        return list(drafts)

    def do(self, decide: Any, minutes: float, *args: Any, now: datetime | None = None, **values: Any) -> list[Draft]:
        act = Act(an_id(), at(minutes), "ann")
        had = self.state.assigned.owner if self.state.assigned is not None else None
        drafts = self.tell(*decide(self.state, *args, act, **values))
        cause = Cause(act.act_id, act.act_id, act.occurred_at, act.actor)
        return self.tell(*self.following.after(self.state, drafts, self.open, cause, now or cause.occurred_at, had))

    def contact(self, minutes: float, kind: str = "phone", outcome: str | None = None, **values: Any) -> list[Draft]:
        said = {"owner": None, "human": True, "outbound": True, **values}
        return self.do(decide_contact, minutes, kind=kind, outcome=outcome, **said)

    def fire(self, name: str) -> list[Draft]:
        return self.tell(*self.following.fire(self.state, self.task(name)))

    @property
    def open(self) -> list[Task]:
        tasks: dict[UUID, Task] = {}
        for entry in self.ledger.entries:
            fact = entry.fact
            if fact.event == "FollowUpScheduled":
                one = task_from(self.lead_id, fact.data)
                tasks[one.task_id] = one
            elif fact.event in ("FollowUpDone", "FollowUpCancelled"):
                tasks.pop(UUID(fact.data["task_id"]))
        return list(tasks.values())

    def task(self, name: str) -> Task:
        return next(one for one in self.open if one.name == name)


def told(drafts: Sequence[Draft]) -> list[tuple[str, str]]:
    return [(draft.kind.__name__, draft.data["name"]) for draft in drafts]


def test_a_qualified_lead_has_to_be_answered_and_its_first_step_is_due() -> None:
    story = Story()
    assert [(one.kind, one.name, one.owner, one.due_at) for one in story.open] == [
        ("first_response", "first_response", "ann", at(60)),
        ("step", "call", "ann", at(30)),
    ]
    assert all(draft.data["policy_version"] == "v1" for draft in story.begun)


def test_the_cadence_is_that_of_the_grade() -> None:
    assert [(one.cadence, one.name) for one in Story("C").open] == [("rest", "write")]


def test_at_night_it_is_due_in_the_morning() -> None:
    story = Story(qualified_at=START + timedelta(hours=12))
    assert story.task("first_response").due_at == START + timedelta(hours=25)
    assert (story.task("call").starts_at, story.task("call").due_at) == (
        START + timedelta(hours=24),
        START + timedelta(hours=24, minutes=30),
    )


def test_steps_are_due_in_their_owners_hours_and_the_answer_in_the_units() -> None:
    story = Story(owner="night")
    assert story.task("first_response").due_at == at(60)
    assert story.task("call").due_at == at(11.5 * 60)


@pytest.mark.parametrize("kind", ["Phone", "PHONE ", "call", "Telephone"])
def test_an_attempt_does_the_step_on_its_channel_however_that_is_spelled(kind: str) -> None:
    story = Story()
    story.contact(10, kind=kind, outcome="no answer")
    assert [task.name for task in story.open] == ["write"]


def test_an_attempt_is_an_answer_does_the_step_on_its_channel_and_the_next_one_is_due() -> None:
    story = Story()
    assert told(story.contact(10, outcome="voicemail")) == [
        ("FollowUpDone", "first_response"),
        ("FollowUpDone", "call"),
        ("FollowUpScheduled", "write"),
    ]
    (left,) = story.open
    assert (left.name, left.starts_at, left.due_at) == ("write", at(24 * 60 + 10), at(26 * 60 + 10))


def test_an_attempt_on_another_channel_answers_and_leaves_the_step() -> None:
    story = Story()
    assert told(story.contact(10, "email")) == [("FollowUpDone", "first_response")]
    assert [one.name for one in story.open] == ["call"]


@pytest.mark.parametrize("outcome", ["reached", "Reached"])
def test_whoever_was_reached_is_gone_after_no_more(outcome: str) -> None:
    assert told((story := Story()).contact(10, outcome=outcome)) == [
        ("FollowUpDone", "first_response"),
        ("FollowUpDone", "call"),
    ]
    assert story.open == []
    other = Story()
    assert told(other.contact(10, "email", outcome=outcome)) == [
        ("FollowUpDone", "first_response"),
        ("FollowUpCancelled", "call"),
    ]


@pytest.mark.parametrize("values", [{"human": False}, {"outbound": False}])
def test_a_machines_letter_and_a_call_of_theirs_are_no_response(values: dict[str, Any]) -> None:
    story = Story()
    assert story.contact(10, **values) == []
    assert len(story.open) == 2


def test_what_was_put_aside_needs_nothing() -> None:
    story = Story()
    called_off = story.do(decide_archive, 5, story.policy, reason="no need", note=None)
    assert told(called_off) == [("FollowUpCancelled", "first_response"), ("FollowUpCancelled", "call")]
    assert {draft.data["reason"] for draft in called_off} == {"archived"}


def test_tasks_go_with_the_lead_to_another_owner() -> None:
    story = Story()
    story.do(decide_assign, 5, owner="bob", team=None)
    assert {one.owner for one in story.open} == {"bob"}
    assert {one.due_at for one in story.open} == {at(30), at(60)}


def test_what_was_not_done_is_missed_when_it_was_due_and_somebody_else_is_told() -> None:
    story = Story()
    missed, escalation = story.fire("first_response")
    assert (missed.kind.__name__, missed.occurred_at, missed.data["owner"]) == ("FollowUpMissed", at(60), "ann")
    assert (escalation.data["kind"], escalation.data["owner"], escalation.data["due_at"]) == (
        "escalation",
        "boss",
        at(180).isoformat(),
    )
    assert told(story.fire("first_response is late")) == [("FollowUpMissed", "first_response is late")]
    assert story.fire("first_response")[0].event_id == missed.event_id


def test_a_timer_of_something_that_is_over_calls_it_off() -> None:
    story = Story()
    story.tell(*decide_archive(story.state, story.policy, Act(an_id(), at(5), "ann"), reason="no need", note=None))
    assert told(story.fire("call")) == [("FollowUpCancelled", "call")]


def test_an_answer_that_was_told_late_is_one_and_an_answer_that_came_late_is_none() -> None:
    early, late = Story(), Story()
    for story, minutes in ((early, 50), (late, 70)):
        act = Act(an_id(), at(minutes), "ann")
        story.tell(*decide_contact(story.state, act, kind="phone", outcome=None, owner=None, human=True, outbound=True))
    assert early.fire("first_response")[0].kind.__name__ == "FollowUpDone"
    assert late.fire("first_response")[0].kind.__name__ == "FollowUpMissed"


@pytest.mark.parametrize(
    ("follow_up", "said"),
    [
        ({"cadences": [{"cadence": "a", "grades": ["Z"]}]}, "cadence 'a' names grade 'Z', which scoring never gives"),
        ({"cadences": [{"cadence": "a", "respond_within": "soon"}]}, "'soon' is no duration"),
        ({"cadences": [{"cadence": "a", "respond_within": "0m"}]}, "write 1m at least"),
        ({"cadences": [{"cadence": "a"}, {"cadence": "a"}]}, "cadence 'a' is there 2 times"),
        ({"cadences": [{"cadence": "a", "steps": [{"step": "b"}, {"step": "b"}]}]}, "step 'b' is there 2 times"),
        ({"cadences": [{"cadence": "a", "escalate": {"to": "zoe"}}]}, "cadence 'a' tells 'zoe', who is not under"),
    ],
)
def test_a_cadence_that_cannot_be_kept_is_refused(follow_up: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        UnitPolicy.model_validate({**UNIT, "follow_up": follow_up})


def test_an_attempt_from_before_a_step_was_due_at_all_is_told_of_late_and_ends_no_step() -> None:
    story = Story()
    story.contact(10)
    write = story.task("write")
    story.contact(5, kind="email", now=at(15))
    assert story.open == [write]
    story.contact(12, kind="email", now=at(15))
    assert story.open == []


def test_a_step_that_was_put_off_is_done_by_an_attempt_that_is_made_now() -> None:
    story = Story()
    call = story.task("call")
    (again,) = decide_snooze(call, Act(an_id(), at(5), "ann"), until=at(300))
    story.tell(again)
    story.contact(20)
    assert [one.name for one in story.open] == ["write"]


def test_with_the_lead_goes_what_its_owner_was_to_do_and_what_is_a_colleagues_stays_theirs() -> None:
    story = Story()
    for owner in ("ann", "lee"):
        task = Task(an_id(), story.lead_id, "task", f"of {owner}", at(600), at(60), owner)
        story.tell(*decide_add(story.state, Act(an_id(), at(5), "ann"), task, note=None))
    story.do(decide_assign, 10, owner="bob", team=None)
    assert {one.name: one.owner for one in story.open} == {
        "first_response": "bob",
        "call": "bob",
        "of ann": "bob",
        "of lee": "lee",
    }


def test_a_step_that_was_put_off_is_done_by_an_attempt_that_is_told_of_at_once_and_by_none_from_before() -> None:
    story = Story()
    call = story.task("call")
    (again,) = decide_snooze(call, Act(an_id(), at(5), "ann"), until=at(300))
    story.tell(again)
    story.contact(10, now=at(30))
    assert [one.name for one in story.open] == ["call"]
    story.contact(20, now=at(20.1))
    assert [one.name for one in story.open] == ["write"]
