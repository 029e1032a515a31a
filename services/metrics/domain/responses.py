"""What is done with a lead, how soon somebody tries to reach it, and whether the answer that was promised came in time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Literal, NamedTuple

from services.metrics.domain.facts import Fact
from services.metrics.domain.opportunities import Held

FIRST_RESPONSE = "first_response"
WITHDRAWN = "withdrawn"
ANSWER = "answer:"


NOTED, NOTE = "NoteAdded", "note"


class Activity(NamedTuple):
    """Somebody, or a machine, reached out to the lead or was reached by it, or wrote a note on it. `seconds` is how long that took,
    where it is known. A message that was withdrawn before it was sent does not count."""

    key: str
    at: datetime
    kind: str
    held: Held
    seconds: float | None = None
    counts: bool = True


class Answer(NamedTuple):
    """A promise to answer that was kept, or was not, when it was or should have been."""

    task: str
    outcome: Literal["met", "breached"]
    at: datetime
    held: Held


class Responses:
    """The activities and promises of one lead as its facts have made them so far. A promise that was not kept by its time is
    breached, whenever the answer comes; one that was called off is neither."""

    def __init__(self) -> None:
        self.activities: dict[str, Activity] = {}
        self._by_people: list[str] = []
        self._withdrawn: set[str] = set()
        self._due: dict[str, datetime] = {}
        self.answers: dict[str, Answer] = {}

    @property
    def first(self) -> Activity | None:
        """The first time that a person tried to reach the lead. What was withdrawn stays so, and is not looked at again."""
        while self._by_people and not self.activities[self._by_people[0]].counts:
            del self._by_people[0]
        return self.activities[self._by_people[0]] if self._by_people else None

    @property
    def scopes(self) -> Iterator[str]:
        """Every activity, and every promise that is decided."""
        yield from self.activities
        yield from (ANSWER + task for task in self.answers)

    def apply(self, fact: Fact, held: Held) -> set[str]:
        """One more fact; the scopes that it changed. The owner that it names holds for it, as who wrote it does for a note."""
        if by := fact.data.get("actor" if fact.event == NOTED else "owner"):
            held = held._replace(owner=by, team=held.team if by == held.owner else None)
        if fact.event == NOTED:
            note = Activity(activity_key(fact), fact.occurred_at, NOTE, held)
            self.activities[note.key] = note
            return {note.key}
        if fact.event == "ContactAttempted":
            return self._contact(fact, held)
        if fact.data.get("kind") != FIRST_RESPONSE:
            return set()
        return self._promise(fact, str(fact.data.get("task_id") or ""), held)

    def _contact(self, fact: Fact, held: Held) -> set[str]:
        """A message is one when it is decided on; what became of it is told of the same one again."""
        data, key = fact.data, activity_key(fact)
        if data.get("message_id") and data.get("outcome"):
            if data["outcome"] != WITHDRAWN:
                return set()
            self._withdrawn.add(key)
            if key not in self.activities:
                return set()
            self.activities[key] = self.activities[key]._replace(counts=False)
            return {key}
        counts = key not in self._withdrawn
        contact = Activity(key, fact.occurred_at, str(data.get("kind")), held, data.get("duration_seconds"), counts)
        is_new = self.activities.setdefault(key, contact) is contact
        if is_new and data.get("human", True) and data.get("outbound", True):
            self._by_people.append(key)
        return {key}

    def _promise(self, fact: Fact, task: str, held: Held) -> set[str]:
        if fact.event == "FollowUpScheduled":
            self._due[task] = datetime.fromisoformat(str(fact.data["due_at"]))
            return set()
        if task in self.answers:
            return set()
        if fact.event == "FollowUpMissed":
            self.answers[task] = Answer(task, "breached", fact.occurred_at, held)
            return {ANSWER + task}
        if fact.event == "FollowUpDone":
            due = self._due.get(task)
            late = due is not None and fact.occurred_at > due
            at = due if late and due is not None else fact.occurred_at
            self.answers[task] = Answer(task, "breached" if late else "met", at, held)
            return {ANSWER + task}
        return set()


def activity_key(fact: Fact) -> str:
    """The name of an activity among all of a person: a message's own, or the event's."""
    message = fact.data.get("message_id")
    return f"message:{message}" if message else f"{fact.lead_id}:{fact.event_id}"


PROMISES = frozenset({"ContactAttempted", NOTED, "FollowUpScheduled", "FollowUpMissed", "FollowUpDone"})
"""Facts that activities and promises are made of."""
