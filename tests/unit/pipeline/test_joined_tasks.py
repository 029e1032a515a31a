"""What is due for people who turned out to be one: each thing once, whoever had how much of it."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from functools import reduce
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from services.pipeline.domain.due import Cause, Kind, Task
from services.pipeline.domain.facts import Fact
from services.pipeline.domain.joined_tasks import MERGED, Person, resumed, settled
from services.pipeline.domain.state import LeadState, evolve
from tests.unit.pipeline.builders import an_id, at

WINNER, LOSER = UUID(int=1), UUID(int=2)
ONCE = ("first_response", "step", "request", "return", "escalation")


def qualified(owner: str = "kim") -> LeadState:
    """A person who is to be worked on."""
    said: list[tuple[str, dict[str, Any]]] = [
        ("LeadCreated", {}), ("LeadQualified", {}), ("LeadAssigned", {"owner": owner}),
    ]  # fmt: skip
    facts = [Fact(WINNER, place, event, an_id(), at(place), data) for place, (event, data) in enumerate(said, 1)]
    return reduce(evolve, facts, LeadState())


def a_task(lead_id: UUID, kind: Kind, minute: int, step: int | None = None, owner: str = "lee") -> Task:
    return Task(an_id(), lead_id, kind, kind, at(minute), at(minute), owner, step=step if kind == "step" else None)


TASKS = st.lists(
    st.builds(
        a_task,
        st.sampled_from([WINNER, LOSER]),
        st.sampled_from([*ONCE, "task"]),
        st.integers(10, 20),
        st.integers(0, 3),
        st.sampled_from(["kim", "lee"]),
    ),
    max_size=8,
)


def the_merge() -> tuple[Fact, Cause]:
    merge = Fact(LOSER, 9, "LeadMerged", an_id(), at(30), {})
    return merge, Cause(merge.event_id, merge.event_id, at(30))


@given(TASKS)
def test_nothing_is_due_twice_nothing_is_lost_and_whoever_has_the_lead_has_it(tasks: list[Task]) -> None:
    _, cause = the_merge()
    follows = settled(qualified(), tasks, {LOSER: cause})
    gone = {UUID(draft.data["task_id"]) for _, draft in follows if draft.kind.__name__ == "FollowUpCancelled"}
    owners = {
        UUID(draft.data["task_id"]): draft.data["owner"]
        for _, draft in follows
        if draft.kind.__name__ == "FollowUpScheduled"
    }
    left = [task._replace(owner=owners.get(task.task_id, task.owner)) for task in tasks if task.task_id not in gone]
    kinds = Counter(task.kind for task in left)
    assert kinds.keys() == {task.kind for task in tasks}
    assert all(kinds[kind] == 1 for kind in kinds if kind != "task")
    assert kinds["task"] == sum(task.kind == "task" for task in tasks)
    assert {task.owner for task in left if task.kind not in ("task", "escalation")} <= {"kim"}
    assert settled(qualified(), left, {LOSER: cause}) == []
    home = {task.task_id: task.lead_id for task in tasks}
    assert all(home[UUID(draft.data["task_id"])] == lead_id for lead_id, draft in follows)
    for kind in kinds.keys() - {"task", "step"}:
        assert [one.due_at for one in left if one.kind == kind] == [
            min(one.due_at for one in tasks if one.kind == kind)
        ]


def test_of_two_cadences_the_one_that_is_further_on_goes_on() -> None:
    _, cause = the_merge()
    first, third = a_task(WINNER, "step", 10, 0), a_task(LOSER, "step", 15, 2)
    ((lead_id, draft), *_) = settled(qualified("lee"), [first, third], {LOSER: cause})
    assert (lead_id, draft.data["task_id"], draft.data["reason"]) == (WINNER, str(first.task_id), MERGED)


def test_what_a_merge_called_off_is_due_again_once_it_is_taken_back_and_nothing_else() -> None:
    merge, cause = the_merge()
    mine, theirs = a_task(WINNER, "first_response", 40), a_task(LOSER, "first_response", 50)
    facts = [
        Fact(task.lead_id, 3, "FollowUpScheduled", an_id(), at(5), {
            "task_id": str(task.task_id), "kind": task.kind, "owner": task.owner, "due_at": task.due_at.isoformat(),
            "starts_at": task.starts_at.isoformat(),
        })
        for task in (mine, theirs)
    ]  # fmt: skip
    ((lead_id, draft),) = settled(qualified("lee"), [mine, theirs], {LOSER: cause})
    facts.append(Fact(lead_id, 4, "FollowUpCancelled", draft.event_id, draft.occurred_at, draft.data))
    parted = Cause(an_id(), an_id(), at(1000), "boss")
    people = [Person(WINNER, {WINNER}, qualified()), Person(LOSER, {LOSER}, qualified("zoe"))]
    ((whose, again),) = resumed(facts, [merge.event_id], people, [mine], parted, "v1")
    assert (whose, again.data["owner"]) == (LOSER, "zoe")
    assert again.data["due_at"] == (theirs.due_at + timedelta(minutes=970)).isoformat()
    put_aside = evolve(people[1].state, Fact(LOSER, 13, "LeadArchived", an_id(), at(31), {"reason": "other"}))
    assert (
        resumed(facts, [merge.event_id], [people[0], people[1]._replace(state=put_aside)], [mine], parted, "v1") == []
    )
