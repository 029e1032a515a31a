"""Everything that leads and deals count as, a line each."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime

from services.metrics.domain.facts import Fact
from tests.integration.metrics.naive.buying import failed_since, first_bought
from tests.integration.metrics.naive.customer_lines import of_customer
from tests.integration.metrics.naive.line import Line, Lines, Terms
from tests.integration.metrics.naive.people import CAPTURES, PLACES, Cuts, Deal, Person
from tests.integration.metrics.naive_responses import activities_of, attempts_of, doer_of, kind_of


def lines_of(people: list[Person], terms: dict[str, Terms]) -> Lines:
    """What everybody counts as."""
    found: Lines = defaultdict(list)
    for person in people:
        own: Lines = defaultdict(list)
        if person.mark:
            cuts = {**person.held(person.created), "stage": None, "reason": person.mark}
            own["marked"].append(Line(person.unit, person.created, person.created, cuts))
        else:
            _of_lead(person, terms[person.unit], own)
            _of_records(person, own)
            _of_deals(person, terms[person.unit], own)
            of_customer(person, terms[person.unit], own)
        touches = () if person.mark else person.touches
        for what, lines in own.items():
            found[what] += [line._replace(who=person.root, touches=touches) for line in lines]
    return found


def _seconds(since: datetime, until: datetime) -> float | None:
    seconds = (until - since).total_seconds()
    return seconds if seconds >= 0 else None


def _of_lead(person: Person, terms: Terms, found: Lines) -> None:
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
        for what in ("archived", "turned down")[: 1 if person.qualified else 2]:
            add(what, archive.occurred_at, person.held(archive.occurred_at), archive.data.get("reason"))
        if not person.qualified:
            add("of cohort: turned down", archive.occurred_at, born)
    if person.deals:
        first = min(person.deals, key=lambda deal: deal.opened)
        add("converted", first.opened, first.held_when_opened())
        seconds = _seconds(created, first.opened)
        add("of cohort: converted", first.opened, born, seconds=seconds, score=score)
    elif archive:
        add("of cohort: archived", archive.occurred_at, born, seconds=_seconds(created, archive.occurred_at))
    if bought := first_bought(person, terms.currency, terms.margin_rate):
        add("customers", bought.at, bought.cuts, seconds=_seconds(person.touched, bought.at))
        add("of cohort: customers", bought.at, born, seconds=_seconds(created, bought.at))
    elif (failed := failed_since(person)) is not None:
        add("of cohort: failed", failed, born, seconds=_seconds(created, failed))
    _stood(person, add)
    human = [fact for fact in attempts_of(person.story) if fact.data.get("human", True)]
    if human:
        at = human[0].occurred_at
        add("of cohort: contacted", at, born, seconds=_seconds(created, at))
    for fact in activities_of(person.story):
        by = _by_whom(person, fact, doer_of(fact))
        add("activities", fact.occurred_at, by, kind_of(fact), seconds=fact.data.get("duration_seconds"))
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


def _by_whom(person: Person, fact: Fact, owner: str | None) -> Cuts:
    """What holds of a lead, but for whose it was, if that is said: of the lead's team only where the lead is theirs."""
    held = person.held(fact.occurred_at)
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
        add(what, at, _by_whom(person, fact, fact.data.get("owner")))  # type: ignore[operator]
        return


def _told(person: Person) -> int | None:
    """The first score from the lead's creation on, where it came within a day and before the first opportunity."""
    for fact in person.story:
        if fact.event == "LeadGraded" and fact.occurred_at >= person.created and not fact.data.get("historical"):
            late = (fact.occurred_at - person.created).total_seconds() > 86_400
            after = person.deals and min(deal.opened for deal in person.deals) <= fact.occurred_at
            return None if late or after else int(fact.data["score"])
    return None


def _of_records(person: Person, found: Lines) -> None:
    """By what each can be reached, as far as it was told, and captures of somebody known."""
    told = [fact.data["contacts"] for fact in person.story if fact.event in CAPTURES and "contacts" in fact.data]
    known = None if not told else {kind for contacts in told for kind in contacts}
    (created,) = found["created"]
    for what, holds in (
        ("told of", known is not None), ("by phone", "phone" in (known or ())), ("by email", "email" in (known or ())),
        ("sourced", person.source["source"] is not None), ("good", bool(known) and person.source["source"] is not None),
    ):  # fmt: skip
        found[f"records: {what}"] += [created] * holds
    late = (person.captures[0].recorded_at - person.created).total_seconds() if person.captures else 0.0
    found["records: delays"].append(created._replace(seconds=late))
    for fact in person.captures[1:]:
        cuts = {**dict.fromkeys(created.cuts), **{name: fact.data.get(name) or None for name in PLACES}}
        found["records: again"].append(Line(person.unit, fact.occurred_at, fact.occurred_at, cuts))


def _let_through(deal: Deal) -> str | None:
    """The version of the policy that had qualified the deal's lead, for the first time, by when it was opened."""
    first = next((fact for fact in deal.person.story if fact.event == "LeadQualified"), None)
    return None if first is None or first.occurred_at > deal.opened else first.data.get("policy_version")


def _of_deals(person: Person, terms: Terms, found: Lines) -> None:
    for deal in person.deals:
        when_opened = {
            **deal.held_when_opened(),
            "stage": deal.opened_in(),
            "reason": None,
            "policy_version": _let_through(deal),
        }
        found["opened"].append(Line(person.unit, deal.opened, deal.opened, when_opened))
        amount, said = deal.money()
        money = (amount, (said or terms.currency) if amount is not None else None)
        if deal.end is None:
            in_stage = [number for number, stage in deal.moves if stage is not None]
            since = deal.facts[in_stage[-1]].occurred_at if in_stage else deal.opened
            cuts = {**deal.held(len(deal.facts) - 1), "stage": deal.stage, "reason": None}
            closes = datetime.fromisoformat(said_of) if (said_of := deal.said("expected_close")) else None
            chance = terms.chances.get((deal.said("pipeline") or "default", deal.stage or ""))
            still = Line(person.unit, since, deal.opened, cuts, None, *money, until=closes, chance=chance)
            found["open"].append(still)
            if closes is not None:
                found["expected"].append(still._replace(at=closes, chance=chance or 0.0))
        else:
            end = deal.facts[deal.end]
            cuts = {**deal.held(deal.end), "stage": deal.stage, "reason": end.data.get("reason")}
            took = _seconds(deal.opened, deal.closed)
            found[deal.outcome].append(Line(person.unit, deal.closed, deal.opened, cuts, took, *money))
            found[f"of cohort: {deal.outcome}"].append(Line(person.unit, deal.closed, deal.opened, when_opened))
        for stage, first in deal.entered().items():
            at = deal.facts[first].occurred_at
            cuts = {**deal.held(first), "stage": stage, "reason": None}
            found["entered"].append(Line(person.unit, at, at, cuts))
            if (further := deal.advanced(stage)) is not None:
                found["advanced"].append(Line(person.unit, further, at, cuts))
            elif deal.outcome == "lost":
                found["failed"].append(Line(person.unit, deal.closed, at, cuts))
            if deal.outcome == "lost" and deal.stage == stage:
                found["dropped"].append(Line(person.unit, deal.closed, at, cuts))
        for stage, begin, end_of in deal.stays():
            since, until = (deal.facts[number].occurred_at for number in (begin, end_of))
            cuts = {**deal.held(end_of), "stage": stage, "reason": None}
            found["stays"].append(Line(person.unit, until, since, cuts, (until - since).total_seconds()))
