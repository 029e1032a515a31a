"""People who are joined and parted in any order, in one batch or one by one: whoever is together has each thing to do once, whoever
was parted has what is due for them, and never twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Any, cast
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.pipeline.assigning import Assigning
from services.pipeline.domain.due import Cause, Kind, Task, done, scheduled
from services.pipeline.domain.facts import Draft
from services.pipeline.domain.follow_up import needless
from services.pipeline.domain.identity_join import record_merge
from services.pipeline.domain.ledger import Ledger
from services.pipeline.domain.tasks import brought_up
from services.pipeline.joining import Joining
from shared.contracts.envelope import LifecycleEvent
from shared.contracts.lifecycle_events import (
    ContactAttempted,
    FollowUpMissed,
    LeadArchived,
    LeadAssigned,
    LeadCreated,
    LeadQualified,
    LeadUnmerged,
    OrderPlaced,
)
from shared.kit.database import Transaction
from tests.unit.pipeline.builders import POLICY, an_id, at

KINDS: tuple[Kind, ...] = ("first_response", "step", "request", "return", "escalation")
HOW = ("new", "answered", "archived", "customer")
A, B, C, D = range(4)


class People:
    """Leads in memory, with what is due for them, and how long it is."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.joining = Joining(Assigning(POLICY))
        self.ids: list[UUID] = []
        self.minute = 10.0

    @property
    def now(self) -> datetime:
        return at(self.minute)

    def say(self, lead_id: UUID, kind: type[LifecycleEvent], minute: float, /, **data: Any) -> None:
        event_id = an_id()
        self.ledger.record(lead_id, Draft(kind, event_id, at(minute), event_id, None, data))

    def come(self, how: str, due: dict[Kind, float]) -> None:
        """Somebody new, and what is due for them, if anything can be."""
        place = len(self.ids)
        lead_id = UUID(int=place + 1)
        self.ids.append(lead_id)
        self.ledger.create(lead_id, "default")
        self.say(lead_id, LeadCreated, place / 10)
        self.say(lead_id, LeadQualified, 1)
        self.say(lead_id, LeadAssigned, 2, owner=f"owner {place}")
        if how == "answered":
            self.say(lead_id, ContactAttempted, 3, kind="phone", human=True, outbound=True)
        elif how == "archived":
            self.say(lead_id, LeadArchived, 3, reason="other")
        elif how == "customer":
            self.say(lead_id, OrderPlaced, 3, order_id=f"o{place}", amount="5", currency="EUR")
        state = self.ledger[lead_id].state
        for kind, minute in due.items():
            task = Task(
                an_id(), lead_id, kind, kind, at(minute), at(5), "lee", step=int(minute) % 3 if kind == "step" else None
            )
            is_met = kind == "first_response" and how == "answered"
            if needless(state, task) is None and not is_met:
                self.ledger.record(lead_id, scheduled(Cause(task.task_id, task.task_id, at(4)), task))

    def join(self, *pairs: tuple[int, int]) -> None:
        """Whoever is not one yet is from now on, all in one batch."""
        self.minute += 10
        losers = []
        for one, other in pairs:
            roots = self.ledger.root(self.ids[one]), self.ledger.root(self.ids[other])
            if roots[0] is not roots[1]:
                act = an_id()
                loser = record_merge(self.ledger, roots, occurred_at=self.now, cause=act, correlation_id=act, data={})
                losers.append(loser)
        self._run(self.joining.settle(NOWHERE, self.ledger, losers))

    def part(self, place: int) -> set[UUID]:
        """Takes back how this id became another's, if it did. Answers with the ids of the two people."""
        self.minute += 10
        lead_id = self.ids[place]
        root = self.ledger.root(lead_id)
        into = self.ledger[lead_id].merged_into
        if into is None:
            return set()
        act = an_id()
        self.ledger.part(lead_id)
        unmerged = Draft(LeadUnmerged, act, self.now, act, None, {"from_lead_id": str(into)})
        self.ledger.record(lead_id, unmerged)
        cause = Cause(act, act, self.now, "boss")
        self._run(self.joining.begin_again(NOWHERE, self.ledger, lead_id, root.lead_id, cause))
        return {one.lead_id for two in (lead_id, root.lead_id) for one in self.ledger.group(two)}

    def miss(self, place: int) -> None:
        for task in self.due(place):
            data = {"task_id": str(task.task_id), "kind": task.kind, "due_at": task.due_at.isoformat()}
            self.say(task.lead_id, FollowUpMissed, self.minute, **data)

    def do(self, place: int) -> None:
        """Whoever has this person does what is due for them."""
        self.minute += 1
        for task in self.due(place):
            act = an_id()
            if task.kind == "first_response":
                self.say(
                    self.ledger.root(task.lead_id).lead_id, ContactAttempted, self.minute, kind="phone", outbound=True
                )
            draft = done(Cause(act, act, self.now), task)
            self.ledger.record(self.ledger.story_of(task.lead_id, draft), draft)

    def due(self, place: int) -> list[Task]:
        group = {one.lead_id for one in self.ledger.group(self.ids[place])}
        return [task for task in brought_up({}, self.ledger.entries).values() if task.lead_id in group]

    def kinds(self, place: int) -> dict[str, int]:
        return dict(Counter(task.kind for task in self.due(place)))

    @staticmethod
    def _run(work: Coroutine[Any, Any, None]) -> None:
        asyncio.run(work)


NOWHERE = cast(Transaction, None)
"""None of these leads is stored, so nothing is read."""

PEOPLE = st.lists(
    st.tuples(st.sampled_from(HOW), st.dictionaries(st.sampled_from(KINDS), st.integers(1, 40).map(float))),
    min_size=3,
    max_size=4,
)
PLACES = st.integers(0, 3)
JOINED = st.lists(st.tuples(PLACES, PLACES), min_size=1, max_size=3)
STEPS = st.lists(JOINED | PLACES, max_size=9)


@given(PEOPLE, STEPS)
def test_whoever_is_together_has_each_thing_once_and_whoever_was_parted_has_their_own(
    who: list[tuple[str, dict[Kind, float]]], steps: list[list[tuple[int, int]] | int]
) -> None:
    people = People()
    for how, due in who:
        people.come(how, due)
    size = len(who)
    own = [set(people.kinds(place)) for place in range(size)]
    for step in steps:
        before = [set(people.kinds(place)) for place in range(size)]
        groups = [len(people.ledger.group(lead_id)) for lead_id in people.ids]
        parted: set[UUID] = set()
        if isinstance(step, int):
            parted = people.part(step % size)
        else:
            people.join(*((one % size, other % size) for one, other in step))
        for place, lead_id in enumerate(people.ids):
            group = [people.ids.index(one.lead_id) for one in people.ledger.group(lead_id)]
            had = own if lead_id in parted else before
            if len(group) == groups[place]:
                assert people.kinds(place) == dict.fromkeys(before[place], 1)
                continue
            theirs = {kind for member in group for kind in had[member]}
            wanted, now = set(filter(needed(people, lead_id), theirs)), people.kinds(place)
            # What the parted need no more is called off when it would be due.
            stays: set[str] = before[place] if parted else set()
            assert wanted <= now.keys() <= wanted | stays
            assert set(now.values()) <= {1}


def needed(people: People, lead_id: UUID) -> Callable[[str], bool]:
    """Whether a person needs something of a kind."""
    state = people.ledger.root(lead_id).state

    def is_needed(kind: str) -> bool:
        task = Task(UUID(int=9), lead_id, cast(Kind, kind), kind, at(0), at(0))
        return needless(state, task) is None and not (kind == "first_response" and state.first_response_at is not None)

    return is_needed


DOING = st.lists(st.tuples(st.sampled_from(["join", "part", "do"]), PLACES, PLACES), max_size=12)


@given(st.lists(st.booleans(), min_size=2, max_size=4), DOING)
def test_whoever_was_promised_an_answer_has_it_or_it_is_due_whatever_is_done_while_they_are_one(
    promised: list[bool], doing: list[tuple[str, int, int]]
) -> None:
    people = People()
    for has_one in promised:
        people.come("new", {"first_response": 60, "step": 30} if has_one else {})
    size = len(promised)
    for what, one, other in doing:
        if what == "join":
            people.join((one % size, other % size))
        elif what == "part":
            people.part(one % size)
        else:
            people.do(one % size)
        for place, lead_id in enumerate(people.ids):
            group = [people.ids.index(member.lead_id) for member in people.ledger.group(lead_id)]
            if people.ledger.root(lead_id).state.first_response_at is None and any(
                promised[member] for member in group
            ):
                assert people.kinds(place)["first_response"] == 1


@pytest.mark.parametrize("how", ["answered", "archived", "customer"])
def test_what_nobody_needed_while_they_were_taken_for_another_is_due_once_they_are_parted(how: str) -> None:
    people = People()
    people.come(how, {})
    people.come("new", {"first_response": 60})
    people.join((A, B))
    assert people.kinds(B) == {}
    people.part(B)
    assert people.kinds(B) == {"first_response": 1}
    assert people.due(B)[0].due_at == at(70)
    assert people.kinds(A) == {}


def test_what_was_called_off_for_somebody_who_left_is_due_by_whichever_merge_it_was_called_off() -> None:
    people = People()
    people.come("new", {})
    people.come("new", {"first_response": 60})
    people.come("new", {"first_response": 50})
    people.join((A, C))
    people.join((A, B))
    people.part(C)
    assert (people.kinds(A), people.kinds(C)) == ({"first_response": 1}, {"first_response": 1})
    assert people.due(A)[0].lead_id == people.ids[B]


@pytest.mark.parametrize("leaves", [B, C])
def test_of_three_joined_in_one_batch_nobody_is_answered_twice_or_never(leaves: int) -> None:
    people = People()
    people.come("new", {"first_response": 60})
    people.come("new", {})
    people.come("new", {"first_response": 50})
    people.join((A, B), (A, C))
    people.part(leaves)
    assert people.kinds(A) == people.kinds(C) == {"first_response": 1}


def test_who_left_for_good_does_not_hide_by_whose_merge_something_was_called_off() -> None:
    people = People()
    people.come("new", {"first_response": 60})
    people.come("customer", {})
    people.come("customer", {})
    people.join((A, B))
    people.join((A, C))
    people.part(B)
    assert people.kinds(A) == {}
    people.part(C)
    assert people.kinds(A) == {"first_response": 1}


def test_what_was_missed_before_has_as_much_time_as_at_first_and_is_not_missed_again_at_once() -> None:
    people = People()
    people.come("new", {"first_response": 8})
    people.come("new", {"first_response": 9})
    people.miss(A)
    people.miss(B)
    people.join((A, B))
    people.part(B)
    (task,) = people.due(B)
    assert (task.starts_at, task.due_at) == (people.now, at(people.minute + 4))


def test_what_others_did_for_the_person_since_stands_for_what_was_called_off() -> None:
    people = People()
    people.come("new", {"step": 30})
    people.come("new", {"step": 40})
    people.come("new", {"request": 40})
    people.join((A, B))
    (stays,) = people.due(A)
    people.do(A)
    people.join((A, C))
    people.part(C)
    assert people.kinds(A) == {}
    people.part(B)
    gone = A if stays.lead_id == people.ids[B] else B
    assert people.kinds(gone) == {"step": 1}


def test_what_began_again_and_was_done_does_not_begin_a_second_time() -> None:
    people = People()
    people.come("new", {"first_response": 50})
    people.come("new", {"first_response": 60})
    people.join((A, B))
    people.part(B)
    people.do(B)
    people.join((A, B))
    people.part(B)
    assert people.kinds(B) == {}
    assert people.kinds(A) == {"first_response": 1}
