"""Everything that is counted, a line each: when it counts, what it is cut by, how long it took and what it was worth."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import NamedTuple

from services.metrics.domain.facts import Fact
from tests.integration.metrics.naive.people import Cuts, Person
from tests.integration.metrics.naive_responses import attempts_of


class Line(NamedTuple):
    """One thing counted. `began` is when its cohort began. `seconds` None is not measured, or not measurable."""

    unit: str
    at: datetime
    began: datetime
    cuts: Cuts
    seconds: float | None = None
    amount: float | None = None
    currency: str | None = None
    score: int | None = None


Lines = dict[str, list[Line]]


def lines_of(people: list[Person], currencies: dict[str, str]) -> Lines:
    """What everybody counts as."""
    found: Lines = defaultdict(list)
    for person in people:
        if person.mark:
            cuts = {**person.held(person.created), "stage": None, "reason": person.mark}
            found["marked"].append(Line(person.unit, person.created, person.created, cuts))
            continue
        _of_lead(person, found)
        _of_deals(person, found, currencies[person.unit])
    return found


def _seconds(since: datetime, until: datetime) -> float | None:
    seconds = (until - since).total_seconds()
    return seconds if seconds >= 0 else None


def _of_lead(person: Person, found: Lines) -> None:
    born, created = person.held(person.created), person.created

    def add(what: str, at: datetime, cuts: Cuts, reason: str | None = None, **more: object) -> None:
        line = Line(person.unit, at, created, {"stage": None, "reason": reason, **cuts})
        found[what].append(line._replace(**more))  # type: ignore[arg-type]

    score = _told(person)
    add("created", created, born, score=score)
    if person.qualified:
        add("qualified", person.qualified, person.held(person.qualified))
        add("of cohort: qualified", person.qualified, born)
    archive = person.archived()
    if archive:
        add("archived", archive.occurred_at, person.held(archive.occurred_at), archive.data.get("reason"))
    if person.deals:
        first = min(person.deals, key=lambda deal: deal.opened)
        add("converted", first.opened, first.held_when_opened())
        seconds = _seconds(created, first.opened)
        add("of cohort: converted", first.opened, born, seconds=seconds, score=score)
    elif archive:
        add("of cohort: archived", archive.occurred_at, born, seconds=_seconds(created, archive.occurred_at))
    if person.win:
        assert person.win.end is not None
        at = person.win.closed
        add("customers", at, person.win.held(person.win.end), seconds=_seconds(person.touched, at))
        add("of cohort: customers", at, born, seconds=_seconds(created, at))
    elif person.failed:
        add("of cohort: failed", person.failed, born, seconds=_seconds(created, person.failed))
    _stood(person, add)
    attempts = attempts_of(person.story)
    human = [fact for fact in attempts if fact.data.get("human", True)]
    if human:
        at = human[0].occurred_at
        add("of cohort: contacted", at, born, seconds=_seconds(created, at))
    for fact in attempts:
        add(
            "attempts",
            fact.occurred_at,
            _by_whom(person, fact),
            fact.data["kind"],
            seconds=fact.data.get("duration_seconds"),
        )
    for task in dict.fromkeys(fact.data.get("task_id") for fact in person.story if fact.event.startswith("FollowUp")):
        _answered(person, str(task), add)


def _stood(person: Person, add: object) -> None:
    """Each stay in a status from the lead's creation on, and the one that goes on."""
    status, since = None, person.created
    for at in sorted({fact.occurred_at for fact in person.story if fact.occurred_at >= person.created}):
        now = person.status(at)
        if now == status:
            continue
        if status is not None:
            add("stood", at, {**person.held(at), "stage": status}, seconds=(at - since).total_seconds())  # type: ignore[operator]
        status, since = now, at
    if status is not None:
        add("standing", since, {**person.held(person.story[-1].occurred_at), "stage": status})  # type: ignore[operator]


def _by_whom(person: Person, fact: Fact) -> Cuts:
    """What holds of a lead, but for the owner that a fact names, who is of the lead's team only where the lead is theirs."""
    held = person.held(fact.occurred_at)
    owner = fact.data.get("owner")
    if not owner:
        return held
    return {**held, "owner": owner, "team": held["team"] if owner == held["owner"] else None}


def _answered(person: Person, task: str, add: object) -> None:
    """A promise to answer, decided by the first thing that can."""
    due: datetime | None = None
    for fact in person.story:
        if fact.data.get("task_id") != task or fact.data.get("kind") != "first_response":
            continue
        if fact.event == "FollowUpScheduled":
            due = datetime.fromisoformat(fact.data["due_at"])
            continue
        late = due is not None and fact.occurred_at > due
        what = "kept" if fact.event == "FollowUpDone" and not late else "broken"
        at = due if fact.event == "FollowUpDone" and late else fact.occurred_at
        add(what, at, _by_whom(person, fact))  # type: ignore[operator]
        return


def _told(person: Person) -> int | None:
    """The first score from the lead's creation on, where it came within a day and before the first opportunity."""
    for fact in person.story:
        if fact.event == "LeadGraded" and fact.occurred_at >= person.created and not fact.data.get("historical"):
            late = (fact.occurred_at - person.created).total_seconds() > 86_400
            after = person.deals and min(deal.opened for deal in person.deals) <= fact.occurred_at
            return None if late or after else int(fact.data["score"])
    return None


def _of_deals(person: Person, found: Lines, currency: str) -> None:
    for deal in person.deals:
        when_opened = {**deal.held_when_opened(), "stage": deal.opened_in(), "reason": None}
        found["opened"].append(Line(person.unit, deal.opened, deal.opened, when_opened))
        amount, said = deal.money()
        money = (amount, (said or currency) if amount is not None else None)
        if deal.end is None:
            in_stage = [number for number, stage in deal.moves if stage is not None]
            since = deal.facts[in_stage[-1]].occurred_at if in_stage else deal.opened
            cuts = {**deal.held(len(deal.facts) - 1), "stage": deal.stage, "reason": None}
            found["open"].append(Line(person.unit, since, deal.opened, cuts, None, *money))
        else:
            end = deal.facts[deal.end]
            cuts = {**deal.held(deal.end), "stage": deal.stage, "reason": end.data.get("reason")}
            took = _seconds(deal.opened, deal.closed)
            found[deal.outcome].append(Line(person.unit, deal.closed, deal.opened, cuts, took, *money))
            found[f"of cohort: {deal.outcome}"].append(Line(person.unit, deal.closed, deal.opened, when_opened))
            if deal.outcome == "won" and amount is not None:
                born = {**person.held(person.created), "stage": None, "reason": None}
                found["revenue"].append(Line(person.unit, deal.closed, person.created, born, None, *money))
        for stage, first in deal.entered().items():
            at = deal.facts[first].occurred_at
            cuts = {**deal.held(first), "stage": stage, "reason": None}
            found["entered"].append(Line(person.unit, at, at, cuts))
            if (further := deal.advanced(stage)) is not None:
                found["advanced"].append(Line(person.unit, further, at, cuts))
            if deal.outcome == "lost" and deal.stage == stage:
                found["dropped"].append(Line(person.unit, deal.closed, at, cuts))
        for stage, begin, end_of in deal.stays():
            since, until = (deal.facts[number].occurred_at for number in (begin, end_of))
            cuts = {**deal.held(end_of), "stage": stage, "reason": None}
            found["stays"].append(Line(person.unit, until, since, cuts, (until - since).total_seconds()))
