"""How soon somebody answers: attempts to reach the lead, and whether the answer that was promised came in time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Literal, NamedTuple

from services.metrics.domain.facts import Fact
from services.metrics.domain.opportunities import Held

FIRST_RESPONSE = "first_response"
WITHDRAWN = "withdrawn"
ANSWER = "answer:"


class Attempt(NamedTuple):
    """Somebody, or a machine, tried to reach the lead. `seconds` is how long that took, where it is known. A message that was
    withdrawn before it was sent does not count."""

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
    """The attempts and promises of one lead as its facts have made them so far. A promise that was not kept by its time is
    breached, whenever the answer comes; one that was called off is neither."""

    def __init__(self) -> None:
        self.attempts: dict[str, Attempt] = {}
        self._by_people: list[str] = []
        self._withdrawn: set[str] = set()
        self._due: dict[str, datetime] = {}
        self.answers: dict[str, Answer] = {}

    @property
    def first(self) -> Attempt | None:
        """The first time that a person tried. What was withdrawn stays so, and is not looked at again."""
        while self._by_people and not self.attempts[self._by_people[0]].counts:
            del self._by_people[0]
        return self.attempts[self._by_people[0]] if self._by_people else None

    @property
    def scopes(self) -> Iterator[str]:
        """Every attempt, and every promise that is decided."""
        yield from self.attempts
        yield from (ANSWER + task for task in self.answers)

    def apply(self, fact: Fact, held: Held) -> set[str]:
        """One more fact; the scopes that it changed. The owner that it names holds for it."""
        if fact.data.get("owner"):
            held = held._replace(owner=fact.data["owner"], team=held.team if fact.data["owner"] == held.owner else None)
        if fact.event == "ContactAttempted":
            return self._attempt(fact, held) if fact.data.get("outbound", True) else set()
        if fact.data.get("kind") != FIRST_RESPONSE:
            return set()
        return self._promise(fact, str(fact.data.get("task_id") or ""), held)

    def _attempt(self, fact: Fact, held: Held) -> set[str]:
        """A message is an attempt when it is decided on; what became of it is told of the same one again."""
        data, key = fact.data, attempt_key(fact)
        if data.get("message_id") and data.get("outcome"):
            if data["outcome"] != WITHDRAWN:
                return set()
            self._withdrawn.add(key)
            if key not in self.attempts:
                return set()
            self.attempts[key] = self.attempts[key]._replace(counts=False)
            return {key}
        counts = key not in self._withdrawn
        attempt = Attempt(key, fact.occurred_at, str(data.get("kind")), held, data.get("duration_seconds"), counts)
        if self.attempts.setdefault(key, attempt) is attempt and data.get("human", True):
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


def attempt_key(fact: Fact) -> str:
    """The name of an attempt among all of a person: a message's own, or the event's."""
    message = fact.data.get("message_id")
    return f"message:{message}" if message else f"{fact.lead_id}:{fact.event_id}"


PROMISES = frozenset({"ContactAttempted", "FollowUpScheduled", "FollowUpMissed", "FollowUpDone"})
"""Facts that attempts and promises are made of."""
