"""Ways to count wrongly: each is put into the running service, and the proof has to notice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pytest

from services.metrics.domain import (
    answers,
    calendars,
    contributions,
    customers,
    facts,
    opportunities,
    rates,
    responses,
    rollups,
    targets,
)
from services.metrics.domain.definitions import BY_ID
from services.metrics.domain.forms import Cost
from services.metrics.domain.spend_kinds import MARKETING
from services.metrics.domain.statistics import Ages, Curve, cumulative_incidence
from services.metrics.domain.touches import Attribution
from services.metrics.storage import attributing, cutting, expecting
from shared.contracts.policy.calendar import Calendar, Period
from shared.kit.database import Database

Patch = pytest.MonkeyPatch
Lead = contributions._Lead
A_DAY = timedelta(days=1)
DOMAIN, STORAGE = "services.metrics.domain", "services.metrics.storage"


class Wrong(NamedTuple):
    """A fault, in words, and how it gets into the service."""

    name: str
    put_in: Callable[[Patch], None]


WRONG: list[Wrong] = []


def wrong(name: str) -> Callable[[Callable[[Patch], None]], Callable[[Patch], None]]:
    """Adds to the list."""

    def added(put_in: Callable[[Patch], None]) -> Callable[[Patch], None]:
        WRONG.append(Wrong(name, put_in))
        return put_in

    return added


def before(patch: Patch, owner: type, name: str, first: Callable[..., Any]) -> None:
    """Runs something in front of a method; what it answers, if anything, is the method's fact instead of its own."""
    original = getattr(owner, name)

    def instead(self: Any, fact: Any, *more: Any) -> Any:
        return original(self, first(self, fact) or fact, *more)

    patch.setattr(owner, name, instead)


def said(fact: facts.Fact, **otherwise: Any) -> facts.Fact:
    """The same fact that says something else; None takes it out."""
    data = {**fact.data, **otherwise}
    return fact._replace(data={name: value for name, value in data.items() if value is not None})


def in_sql(patch: Patch, text: str, instead: str) -> None:
    """Changes what the database is asked."""
    original = Database.rows

    async def rows(self: Database, sql: str, **values: Any) -> Any:
        return await original(self, sql.replace(text, instead), **values)

    patch.setattr(Database, "rows", rows)


@wrong("who qualified under an id that was merged away did not")
def _(patch: Patch) -> None:
    original = Lead._happen

    def happen(self: Lead, fact: facts.Fact) -> None:
        if fact.event != "LeadQualified" or fact.lead_id == self.root_id:
            original(self, fact)

    patch.setattr(Lead, "_happen", happen)


@wrong("a merge that was taken back holds")
def _(patch: Patch) -> None:
    original = facts.link_of
    for module in ("facts", "folding"):
        patch.setattr(
            f"{DOMAIN}.{module}.link_of", lambda fact: None if fact.event == "LeadUnmerged" else original(fact)
        )


@wrong("tests and spam are people")
def _(patch: Patch) -> None:
    patch.setattr(contributions, "counted", lambda told: facts.Counted(
        sorted((f for f in told if f.event not in {*facts.LINKS, "LeadMarked"}), key=facts.story_order), None
    ))  # fmt: skip


@wrong("what was taken back happened")
def _(patch: Patch) -> None:
    patch.setattr(facts, "_without_taken_back", lambda story, _: story)


@wrong("a Jalali month begins a day late")
def _(patch: Patch) -> None:
    original = Calendar.begins
    patch.setattr(Calendar, "begins", lambda self, month: original(self, month) + A_DAY * (self.system == "jalali"))


@wrong("weeks start on Monday everywhere")
def _(patch: Patch) -> None:
    original = Calendar.first_of

    def first_of(self: Calendar, period: Period, day: date) -> date:
        return day - A_DAY * day.weekday() if period == "week" else original(self, period, day)

    patch.setattr(Calendar, "first_of", first_of)
    patch.setattr(cutting, "_is_known_to_postgres", lambda *_: False)


@wrong("fiscal years begin with the calendar's")
def _(patch: Patch) -> None:
    patch.setattr(
        Calendar,
        "_first_month",
        lambda _, period, month: month // (n := {"month": 1, "quarter": 3, "half_year": 6, "year": 12}[period]) * n,
    )


@wrong("clocks never go forward")
def _(patch: Patch) -> None:
    def local_day(at: datetime, zone: ZoneInfo) -> date:
        there = at.astimezone(zone)
        return (there - (there.dst() or timedelta())).date()

    patch.setattr(rollups, "local_day", local_day)
    patch.setattr(f"{STORAGE}.folding.local_day", local_day)


@wrong("a day always has 24 hours")
def _(patch: Patch) -> None:
    def elapsed_share(start: datetime, end: datetime, now: datetime) -> float:
        local = now.astimezone(start.tzinfo)
        return min(max((local - start) / (end - start), 0.0), 1.0)

    patch.setattr(f"{STORAGE}.attaining.elapsed_share", elapsed_share)
    assert targets.elapsed_share is not elapsed_share


@wrong("the day after a window is in it")
def _(patch: Patch) -> None:
    original = cutting.window

    def window(*asked: Any) -> cutting.Where:
        conditions, values = original(*asked)
        return [one.replace("< :end", "<= :end") for one in conditions], values

    patch.setattr(cutting, "window", window)
    patch.setattr(f"{STORAGE}.answering.window", window)


@wrong("what is no longer so was never so")
def _(patch: Patch) -> None:
    in_sql(patch, "(valid_to IS NULL OR valid_to > :as_of)", "valid_to IS NULL")


@wrong("what changes is added and not taken away")
def _(patch: Patch) -> None:
    patch.setattr(
        rollups.Delta, "sum_up", lambda self, rules: rollups.add_up(self.sums, (*self.replaced, *self.added), rules)
    )


@wrong("qualified again counts when it was last")
def _(patch: Patch) -> None:
    def again(lead: Any, fact: facts.Fact) -> None:
        if fact.event == "LeadQualified":
            lead.qualified = None

    before(patch, Lead, "_happen", again)


@wrong("who was reopened is still archived")
def _(patch: Patch) -> None:
    patch.setattr(contributions, "REVIVES", contributions.REVIVES - {"LeadReopened"})


@wrong("the owner is whoever it is today")
def _(patch: Patch) -> None:
    original = Lead._lead_snapshot

    def snapshot(self: Lead, now: datetime) -> Iterator[Any]:
        self.qualified = self.qualified and self.qualified._replace(held=self.held)
        return original(self, now)

    patch.setattr(Lead, "_lead_snapshot", snapshot)
    original_live = Lead.live

    def live(self: Lead, at: datetime, instant: list[facts.Fact]) -> None:
        self.changed.add(contributions.LEAD_SCOPE)
        original_live(self, at, instant)

    patch.setattr(Lead, "live", live)


@wrong("a lead converts with its latest deal")
def _(patch: Patch) -> None:
    def latest(lead: Any, fact: facts.Fact) -> None:
        if str(fact.data["opportunity_id"]) not in lead.opportunities:
            lead.converted = None

    before(patch, Lead, "_deal", latest)


@wrong("who was put aside is taken to wait still")
def _(patch: Patch) -> None:
    def kaplan_meier(ages: Ages) -> Curve:
        waiting = dict(ages.waiting)
        for age, n in ages.competing.items():
            waiting[age] = waiting.get(age, 0) + n
        return cumulative_incidence(Ages(ages.outcome, {}, waiting))

    patch.setattr(answers, "cumulative_incidence", kaplan_meier)


@wrong("a time that runs backwards is turned round")
def _(patch: Patch) -> None:
    for module in ("contributions", "deal_entries", "customer_entries"):
        patch.setattr(f"{DOMAIN}.{module}.elapsed", lambda start, end: (abs((end - start).total_seconds()), False))


@wrong("a quantile is the nearest value")
def _(patch: Patch) -> None:
    in_sql(patch, "percentile_cont", "percentile_disc")


@wrong("an automatic reply is a contact")
def _(patch: Patch) -> None:
    before(patch, responses.Responses, "_attempt", lambda _, fact: said(fact, human=True))


@wrong("an answer after its time is in time")
def _(patch: Patch) -> None:
    def late(promises: Any, fact: facts.Fact) -> None:
        if fact.event == "FollowUpDone":
            promises._due.pop(str(fact.data.get("task_id") or ""), None)

    before(patch, responses.Responses, "_promise", late)


@wrong("a score that was told after the outcome told it")
def _(patch: Patch) -> None:
    patch.setattr(Lead, "_first_told", lambda self: self.told[0])


@wrong("nothing divided by nothing is 0")
def _(patch: Patch) -> None:
    def ratio(numerator: float, denominator: float, *, interval: bool) -> answers.Values:
        return answers.plain(numerator / denominator if denominator else 0.0, numerator, denominator, denominator)

    patch.setattr(answers, "ratio", ratio)


@wrong("only the next stage is further")
def _(patch: Patch) -> None:
    def is_later(_: Any, __: str, position: int | None, than: opportunities.Visit) -> bool:
        return position is not None and than.position is not None and position == than.position + 1

    patch.setattr(opportunities.Opportunity, "_is_later", is_later)


@wrong("a lost deal is worth what the loss says")
def _(patch: Patch) -> None:
    def loss(deal: Any, fact: facts.Fact) -> None:
        if fact.event == "OpportunityLost" and fact.data.get("amount") is not None:
            deal.amount = Decimal(fact.data["amount"])

    before(patch, opportunities.Opportunity, "apply", loss)


@wrong("a deal closes when it was first said to")
def _(patch: Patch) -> None:
    def first(deal: Any, fact: facts.Fact) -> facts.Fact | None:
        return said(fact, expected_close=None) if deal.expected_close is not None else None

    before(patch, opportunities.Opportunity, "apply", first)


@wrong("a forecast spreads as if all were won or none")
def _(patch: Patch) -> None:
    original = expecting._moments
    patch.setattr(expecting, "_moments", lambda: original().replace(" * (1 - CAST(chance AS numeric))", ""))


@wrong("euros and dollars are added up")
def _(patch: Patch) -> None:
    original = answers._per_currency

    def together(cells: Any) -> dict[str, list[answers.Cell]]:
        found = original(cells)
        return {min(found): [cell for each in found.values() for cell in each]} if found else {}

    patch.setattr(answers, "_per_currency", together)


@wrong("an order that is told twice is two")
def _(patch: Patch) -> None:
    def again(customer: Any, fact: facts.Fact) -> facts.Fact | None:
        known = f"order:{fact.data.get('order_id')}" in customer._purchases
        return said(fact, order_id=f"{fact.event_id}") if known else None

    before(patch, customers.Customer, "_place", again)


@wrong("what was paid back was not")
def _(patch: Patch) -> None:
    patch.setattr(f"{DOMAIN}.customer_entries._refund", lambda *_: iter(()))


@wrong("a cancelled order stays")
def _(patch: Patch) -> None:
    patch.setattr(customers.Customer, "_cancel", lambda *_: set())


@wrong("revenue is margin")
def _(patch: Patch) -> None:
    before(patch, customers.Customer, "_place", lambda _, fact: said(fact, cost="0"))


@wrong("who left and came back never left")
def _(patch: Patch) -> None:
    original = customers.Customer.stays
    assert isinstance(original, property)
    fget = original.fget
    assert fget is not None

    def stays(self: customers.Customer) -> list[customers.Stay]:
        found = fget(self)
        return [customers.Stay(found[0].since, found[-1].left)] if found else []

    patch.setattr(customers.Customer, "stays", property(stays))


@wrong("customers cost their advertising alone")
def _(patch: Patch) -> None:
    cac = BY_ID["cac"]
    assert isinstance(cac.form, Cost)
    patch.setitem(BY_ID, "cac", replace(cac, form=Cost(MARKETING, cac.form.measure)))


@wrong("the last touch is the first")
def _(patch: Patch) -> None:
    patch.setitem(
        attributing.UNITS,
        Attribution.LAST,
        attributing.UNITS[Attribution.LAST].replace("place = touches", "place = 1"),
    )


@wrong("who came twice is two visitors")
def _(patch: Patch) -> None:
    in_sql(patch, "count(DISTINCT visitor_id)", "count(visitor_id)")


@wrong("a rate holds from the day after on")
def _(patch: Patch) -> None:
    original = rates._Line.at
    patch.setattr(rates._Line, "at", lambda self, day: original(self, day - A_DAY))


@wrong("what was said of a currency is not turned round")
def _(patch: Patch) -> None:
    patch.setattr(
        rates.Rates, "_between", lambda self, one, into, day: (self._lines[one, into].at(day) or (None, None))[1]
    )


def forget_what_was_remembered() -> None:
    """Days and periods are worked out once: of the right rules or of the wrong ones."""
    calendars.periods.cache_clear()
    if hasattr(rollups.local_day, "cache_clear"):
        rollups.local_day.cache_clear()
