"""Whether a lead is worth a salesperson's time, by the policy of its unit and product, and why. What meets a rule qualifies, or
waits for somebody who says yes; either way it happened when the last of its causes did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from services.pipeline.domain.business_time import BusinessCalendar
from services.pipeline.domain.consents import by_purpose
from services.pipeline.domain.due import CONFIRMATION, Cause, Task, done, later, scheduled, task_from
from services.pipeline.domain.facts import Draft, Fact, in_order
from services.pipeline.domain.ledger import Ledger
from services.pipeline.domain.routing import fields_of_lead
from services.pipeline.domain.state import LeadState
from services.pipeline.domain.taken_back import that_happened
from shared.contracts.conditions import Test, Value, compiled, fields_of, folded, parse
from shared.contracts.identity import derived_event_id
from shared.contracts.lifecycle_events import LeadQualified
from shared.contracts.policy import (
    ACTIVITY_PREFIX,
    ANY_ACTIVITY,
    QUALIFICATION_VOCABULARY,
    Criteria,
    Policy,
    UnitPolicy,
)

CONSENT = "consent"

_CAUSES = ("LeadCreated", "LeadTouched", "ConsentChanged")

Fields = Mapping[str, Value]


class Verdict(NamedTuple):
    """That a lead meets the policy: by which rule, if they have names, and why; and whether somebody has to say yes."""

    rule: str | None
    reason: str
    confirm: bool


@dataclass(frozen=True, slots=True)
class _Rule:
    name: str | None
    words: tuple[str, ...]
    tests: tuple[Test, ...]
    confirm: bool


class Judge:
    """The criteria of a unit for a product, their conditions ready to be asked."""

    def __init__(self, criteria: Criteria) -> None:
        self.criteria = criteria
        self._rules = [
            _rule(criteria, one.rule, [criteria.when, one.when], (*criteria.required, *one.required), one.confirm)
            for one in criteria.rules
        ] or [_rule(criteria, None, [criteria.when], criteria.required, None)]
        conditions = [criteria.when, *(rule.when for rule in criteria.rules)]
        looked_at = {
            name for text in conditions if text is not None for name in fields_of(parse(text, QUALIFICATION_VOCABULARY))
        }
        self.asks_fields = any(rule.tests for rule in self._rules)
        self.asks_story = (
            any(rule.confirm for rule in self._rules)
            or CONSENT in looked_at
            or any(name.startswith(ACTIVITY_PREFIX) for name in looked_at)
        )

    def may_meet(self, score: int, grade: str) -> bool:
        """Whether a lead of this score and grade can qualify at all."""
        criteria = self.criteria
        return score >= criteria.min_score and (not criteria.grades or grade in criteria.grades)

    def verdict(self, fields: Fields, score: int, grade: str) -> Verdict | None:
        """The first rule that a lead meets; None for one that meets none."""
        if not self.may_meet(score, grade):
            return None
        for rule in self._rules:
            if all(test(fields) for test in rule.tests):
                return Verdict(rule.name, "; ".join((*self._scored(score, grade), *rule.words)), rule.confirm)
        return None

    def _scored(self, score: int, grade: str) -> list[str]:
        floor, grades = self.criteria.min_score, self.criteria.grades
        told = [f"score {score} is at least {floor}"] if floor > 0 else [f"score {score}"]
        return [*told, f"grade {grade} is one of {', '.join(grades)}"] if grades else told


class Qualifier:
    """The qualification of one business unit."""

    def __init__(self, unit: UnitPolicy, version: str) -> None:
        self._version = version
        self._own = Judge(unit.qualification)
        self._products = {folded(name): Judge(one) for name, one in unit.qualification.products.items()}
        self._fallback = unit.routing.fallback
        self._calendar = BusinessCalendar.of(unit.working_hours, unit.zone)
        judges = [one for one in (self._own, *self._products.values()) if one.criteria.automatic]
        self.asks_story = any(one.asks_story for one in judges)
        self.least_score = min((one.criteria.min_score for one in judges), default=101)

    def judge(self, product: str | None) -> Judge:
        """The criteria for a product."""
        return self._products.get(folded(product), self._own) if product and self._products else self._own

    def decide(self, ledger: Ledger, lead_id: UUID, *, cause: UUID, correlation_id: UUID) -> list[Draft]:
        """What follows from what is known of a lead now: that it qualifies, that somebody is asked, or nothing. Raises
        `LookupError` where the story of a lead is needed and was not loaded."""
        root = ledger.root(lead_id)
        state = root.state
        graded = state.graded
        if graded is None or state.status not in ("new", "working") or state.mark is not None or state.is_erased:
            return []
        judge = self.judge(state.first_touch.product if state.first_touch is not None else None)
        if not judge.criteria.automatic or not judge.may_meet(graded.score, graded.grade):
            return []
        story = ledger.facts(lead_id) if judge.asks_story else ()
        fields = known_of(ledger, root.lead_id, story) if judge.asks_fields else {}
        found = judge.verdict(fields, graded.score, graded.grade)
        if found is None:
            return []
        created_at = state.created_at
        occurred_at = max(graded.key.occurred_at, created_at) if created_at else graded.key.occurred_at
        if story:
            occurred_at = max(occurred_at, *(fact.occurred_at for fact in story if fact.event in _CAUSES))
        asked = confirmations(story)
        if not found.confirm:
            data = {"automatic": True, "policy_version": self._version, **_why(found)}
            event_id = derived_event_id(cause, "LeadQualified")
            so = Cause(cause, correlation_id, occurred_at)
            ended = [done(so, one.task) for one in asked if one.is_open]
            return [Draft(LeadQualified, event_id, occurred_at, correlation_id, cause, data), *ended]
        if any(one.is_open or one.rule == found.rule for one in asked):
            return []
        return [self._ask(root.lead_id, state, found, Cause(cause, correlation_id, occurred_at), judge.criteria)]

    def _ask(self, lead_id: UUID, state: LeadState, found: Verdict, cause: Cause, criteria: Criteria) -> Draft:
        """Somebody is to say whether the lead qualifies: whoever has it, else who the policy names, else whoever takes the rest."""
        owner = state.assigned.owner if state.assigned is not None else criteria.confirm_by or self._fallback
        due_at = later(self._calendar, cause.occurred_at, criteria.confirm_within)
        task = Task(
            derived_event_id(cause.event_id, f"task:{CONFIRMATION}"),
            lead_id,
            CONFIRMATION,
            "confirm qualification",
            due_at,
            cause.occurred_at,
            owner,
        )
        draft = scheduled(cause, task, self._version)
        return draft._replace(data={**draft.data, **_why(found)})


class Qualifiers:
    """The qualification of all units."""

    def __init__(self, policy: Policy) -> None:
        self._units = {name: Qualifier(unit, policy.version) for name, unit in policy.business_units.items()}
        self._default = Qualifier(policy.defaults, policy.version)
        self.ask_stories = any(one.asks_story for one in (self._default, *self._units.values()))

    def of(self, business_unit: str) -> Qualifier:
        """That of a unit."""
        return self._units.get(business_unit, self._default)


class Asked(NamedTuple):
    """A confirmation that was asked for since the lead was last taken up again. What was declined is not asked anew."""

    task: Task
    rule: str | None
    reason: str | None
    is_open: bool


def confirmations(story: Iterable[Fact]) -> list[Asked]:
    """What somebody was asked to confirm."""
    asked: dict[UUID, Asked] = {}
    for fact in in_order(story):
        match fact.event:
            case "LeadReopened":
                asked.clear()
            case "FollowUpScheduled" if fact.data["kind"] == CONFIRMATION:
                task = task_from(fact.lead_id, fact.data)
                known = asked.get(task.task_id)
                rule, reason = (known.rule, known.reason) if known else (fact.data.get("rule"), fact.data.get("reason"))
                asked[task.task_id] = Asked(task, rule, reason, is_open=True)
            case "FollowUpDone" | "FollowUpCancelled" if (task_id := UUID(str(fact.data["task_id"]))) in asked:
                asked[task_id] = asked[task_id]._replace(is_open=False)
            case _:
                pass
    return list(asked.values())


def confirming(ledger: Ledger, lead_id: UUID, drafts: list[Draft]) -> list[Draft]:
    """What a person's qualification confirms, if anything was asked."""
    waiting = [one for one in confirmations(ledger.facts(lead_id)) if one.is_open]
    if not waiting:
        return drafts
    told = Verdict(waiting[-1].rule, f"confirmed: {waiting[-1].reason}", confirm=False)
    return [
        draft._replace(data={**draft.data, **_why(told)}) if draft.kind is LeadQualified else draft for draft in drafts
    ]


def known_of(ledger: Ledger, lead_id: UUID, story: Sequence[Fact] | tuple[()]) -> dict[str, Value]:
    """What a qualification looks at; consents and activity only where the story is given."""
    root = ledger.root(lead_id)
    known = fields_of_lead(ledger, lead_id)
    for member in ledger.group(lead_id):
        known |= {name: True for name in ("name", "email", "phone") if member.personal.get(name)}
    if root.state.graded is not None and root.state.graded.probability is not None:
        known["probability"] = root.state.graded.probability
    return known | heard(story, root.state) if story else known


def heard(story: Iterable[Fact], state: LeadState) -> dict[str, Value]:
    """What a lead permits and did, as conditions see it. What was captured or done under a mark of its own, or was
    taken back, does not count."""
    facts = list(story)
    released = {one for one, marking in state.marks.items() if marking.counts_marked_touches}
    granted = tuple(purpose for purpose, fact in by_purpose(facts, released).items() if fact.data["granted"])
    touches = (
        fact for fact in facts if fact.event == "LeadTouched" and ("mark" not in fact.data or fact.lead_id in released)
    )
    kinds = Counter(fact.data["kind"] for fact in that_happened(touches))
    counts: dict[str, Value] = {f"{ACTIVITY_PREFIX}{kind}": number for kind, number in kinds.items()}
    counts[f"{ACTIVITY_PREFIX}{ANY_ACTIVITY}"] = kinds.total()
    return counts | ({CONSENT: granted} if granted else {})


def _rule(
    criteria: Criteria,
    name: str | None,
    conditions: Sequence[str | None],
    required: Sequence[str],
    confirm: bool | None,
) -> _Rule:
    texts = [text for text in conditions if text is not None]
    wanted = tuple(dict.fromkeys(required))
    tests = [compiled(parse(text, QUALIFICATION_VOCABULARY), _reader) for text in texts]
    words = [f"has {', '.join(wanted)}"] if wanted else []
    if texts:
        words.insert(0, f"{f'rule {name!r}: ' if name else ''}{' and '.join(texts)}")
    elif name:
        words.insert(0, f"rule {name!r}")
    return _Rule(
        name,
        tuple(words),
        (*tests, *(_has(field) for field in wanted)),
        criteria.confirm if confirm is None else confirm,
    )


def _has(field: str) -> Test:
    return lambda lead: lead.get(field) is not None


def _reader(name: str) -> Callable[[Fields], Value | None]:
    if name.startswith(ACTIVITY_PREFIX):
        return lambda lead: lead.get(name, 0)
    return lambda lead: lead.get(name)


def _why(found: Verdict) -> dict[str, str]:
    return {"reason": found.reason, **({"rule": found.rule} if found.rule is not None else {})}
