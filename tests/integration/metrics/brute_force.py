"""KPIs computed a second time, naively: each number straight from the facts by its definition in words, sharing nothing
with the service but the facts themselves."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from services.metrics.domain.facts import Fact
from tests.integration.metrics.naive.people import answers_to_others, never_happened
from tests.integration.metrics.naive_responses import activities_of, answers_of, attempts_of, kind_of

ZONES = {"default": ZoneInfo("UTC"), "europe": ZoneInfo("Europe/Amsterdam"), "tehran": ZoneInfo("Asia/Tehran")}
CURRENCY = {"default": "EUR", "europe": "EUR", "tehran": "IRR"}
ABOUT_DEALS = (
    "OpportunityOpened", "StageChanged", "AmountChanged", "CloseDateChanged", "OpportunityAssigned", "OpportunityWon",
    "OpportunityLost",
)  # fmt: skip


@dataclass
class Deal:
    opened: datetime
    status: str = "open"
    stage: str | None = None
    since: datetime | None = None
    closed: datetime | None = None
    reason: str | None = None
    amount: float | None = None
    currency: str | None = None
    expected: datetime | None = None
    close_amount: float | None = None
    close_currency: str | None = None
    owners: dict[datetime, str | None] = field(default_factory=dict)
    path: list[tuple[str, int | None, datetime]] = field(default_factory=list)
    spells: list[tuple[str, datetime, datetime]] = field(default_factory=list)
    wins: list[tuple[int, datetime]] = field(default_factory=list)


@dataclass
class Lead:
    unit: str
    channel: str | None
    created: datetime
    touched: datetime
    qualified: datetime | None
    archived: tuple[datetime, str] | None
    deals: list[Deal]
    activities: list[tuple[datetime, str, float | None]]
    contacted: datetime | None
    answers: list[tuple[str, datetime]]
    mark: str | None = None
    story: list[Fact] = field(default_factory=list)

    @property
    def converted(self) -> datetime | None:
        return min((deal.opened for deal in self.deals), default=None)

    @property
    def first_win(self) -> datetime | None:
        return min((deal.closed for deal in self.deals if deal.status == "won" and deal.closed), default=None)


def people(facts: list[Fact], as_of: datetime) -> list[Lead]:
    """Everyone there is at a moment, merged ones once, with those who are held out."""
    found = []
    for story, mark in stories(facts, as_of):
        person = _person(story)
        person.mark, person.story = mark, story
        found.append(person)
    return found


def stories(facts: list[Fact], as_of: datetime) -> list[tuple[list[Fact], str | None]]:
    """What happened to each of them by then, in order, and why one is held out."""
    parent: dict[UUID, tuple[int, UUID | None]] = {}
    for fact in facts:
        if fact.event in ("LeadMerged", "LeadUnmerged") and fact.version > parent.get(fact.lead_id, (0, None))[0]:
            into = UUID(fact.data["into_lead_id"]) if fact.event == "LeadMerged" else None
            parent[fact.lead_id] = (fact.version, into)
    together: dict[UUID, set[UUID]] = {fact.lead_id: {fact.lead_id} for fact in facts}
    for child, (_, into) in parent.items():
        if into is not None:
            union = together[child] | together.setdefault(into, {into})
            for one in union:
                together[one] = union
    own: dict[UUID, list[Fact]] = defaultdict(list)
    for fact in facts:
        own[fact.lead_id].append(fact)
    marks = {lead: _mark(own[lead]) for lead in together}
    found, seen = [], set[UUID]()
    for lead, group in together.items():
        if lead in seen:
            continue
        seen |= group
        reasons = {marks[one][0] for one in group if told_anything(own[one])}
        mark = None if None in reasons or not reasons else "test" if "test" in reasons else "spam"
        story = [
            fact
            for one in group
            if mark or not marks[one][0]
            for fact in own[one]
            if not fact.event.endswith(("arked", "erged")) and (mark or marks[one][1] or not fact.data.get("mark"))
        ]
        gone = never_happened(story)
        others = answers_to_others([fact for one in group for fact in own[one]])
        story = [gone.get(f.event_id, f) for f in story if f.occurred_at <= as_of and f.event_id not in others]
        if story:
            found.append((sorted(story, key=lambda f: (f.occurred_at, f.version, f.lead_id)), mark))
    return found


def told_anything(facts: list[Fact]) -> bool:
    """Whether an id of which this is told is more than the other end of a merge."""
    return any(not fact.event.endswith("erged") for fact in facts)


def _mark(facts: list[Fact]) -> tuple[str | None, bool]:
    """Why an id is held out by all that is ever said of it, and whether what came under a mark counts all the same."""
    words = sorted((fact.version, fact.data.get("mark")) for fact in facts if fact.event == "LeadMarked")
    if words:
        return words[-1][1], words[-1][1] is None
    captures = [
        fact.data.get("mark") for fact in facts if fact.event == "LeadCreated" or fact.data.get("kind") == "captured"
    ]
    if not captures or None in captures:
        return None, False
    return "test" if "test" in captures else "spam", False


def _person(story: list[Fact]) -> Lead:
    explicit = [
        f.occurred_at
        for f in story
        if (f.event == "LeadCreated" and not f.data.get("implied")) or f.data.get("kind") == "captured"
    ]
    created = min(explicit) if explicit else story[0].occurred_at
    touches = [f for f in story if f.event in ("LeadCreated", "LeadTouched")]
    channel = next((f.data["channel"] for f in touches if f.data.get("channel")), None)
    touched = min([created, *(f.occurred_at for f in touches if not f.data.get("implied"))])
    qualified = next((f.occurred_at for f in story if f.event == "LeadQualified"), None)
    archived: tuple[datetime, str] | None = None
    revives = {"LeadReopened", "LeadQualified", "OrderPlaced", *ABOUT_DEALS}
    known: set[str] = set()
    for fact in story:
        if fact.event == "LeadArchived":
            archived = archived or (fact.occurred_at, fact.data["reason"])
        elif fact.event in revives:
            archived = None
        if fact.event in ABOUT_DEALS:
            known.add(fact.data["opportunity_id"])
    deals = [
        _deal([f for f in story if f.event in ABOUT_DEALS and f.data["opportunity_id"] == name], story)
        for name in sorted(known)
    ]
    contacted = next((f.occurred_at for f in attempts_of(story) if f.data.get("human", True)), None)
    return Lead(
        story[0].business_unit, channel, created, touched, qualified, archived, deals,
        [(f.occurred_at, kind_of(f), f.data.get("duration_seconds")) for f in activities_of(story)], contacted, answers_of(story),
    )  # fmt: skip


def _deal(story: list[Fact], everything: list[Fact]) -> Deal:
    deal = Deal(story[0].occurred_at)
    own: str | None = None
    for fact in story:
        data, at = fact.data, fact.occurred_at
        own = data.get("owner") or own
        assigned = [f.data["owner"] for f in everything if f.event == "LeadAssigned" and f.occurred_at <= at]
        deal.owners[at] = own or (assigned[-1] if assigned else None)
        if data.get("amount"):
            deal.amount = float(data["amount"])
        deal.currency = data.get("currency") or deal.currency
        if data.get("expected_close"):
            deal.expected = datetime.fromisoformat(data["expected_close"])
        move = fact.event == "StageChanged" and (deal.status != "open" or data["stage"] != deal.stage)
        if move or (fact.event == "OpportunityOpened" and deal.status == "open" and deal.stage is None):
            if deal.status == "open" and deal.stage and deal.since:
                deal.spells.append((deal.stage, deal.since, at))
            deal.status, deal.stage, deal.since, deal.closed = "open", data["stage"], at, None
            deal.path.append((data["stage"], data.get("position"), at))
        outcome = {"OpportunityWon": "won", "OpportunityLost": "lost"}.get(fact.event)
        if outcome:
            if deal.status == "open" and deal.stage and deal.since:
                deal.spells.append((deal.stage, deal.since, at))
            deal.status, deal.closed, deal.reason = outcome, at, data.get("reason")
            deal.close_amount, deal.close_currency = deal.amount, deal.currency
            if outcome == "won":
                deal.wins.append((len(deal.path), at))
    return deal


def advanced(deal: Deal, stage: str) -> bool:
    """Whether a deal ever got further than a stage it was in."""
    first = next(number for number, (name, _, _) in enumerate(deal.path) if name == stage)
    position = deal.path[first][1]
    if any(moves > first for moves, _ in deal.wins):
        return True
    for number in range(first + 1, len(deal.path)):
        name, place, _ = deal.path[number]
        if place is not None and position is not None:
            later = place > position
        else:
            later = name not in {one for one, _, _ in deal.path[:number]}
        if name != stage and later:
            return True
    return False


def entered(deal: Deal) -> dict[str, datetime]:
    """When a deal was first in each of its stages."""
    return {name: at for name, _, at in reversed(deal.path)}


class Naive:
    """Every KPI over one window of local days. `where` picks leads."""

    def __init__(self, facts: list[Fact], as_of: datetime, start: Any, end: Any, horizon_days: int = 90) -> None:
        everybody = people(facts, as_of)
        self.leads = [lead for lead in everybody if not lead.mark]
        self.marked = [lead for lead in everybody if lead.mark]
        self.as_of, self.start, self.end, self.horizon = as_of, start, end, timedelta(days=horizon_days)

    def inside(self, unit: str, at: datetime | None) -> bool:
        return at is not None and self.start <= at.astimezone(ZONES[unit]).date() < self.end

    def leads_with(self, when: Callable[[Lead], datetime | None]) -> list[Lead]:
        return [lead for lead in self.leads if self.inside(lead.unit, when(lead))]

    def deals_with(self, when: Callable[[Deal], datetime | None], status: str = "") -> list[tuple[Lead, Deal]]:
        return [
            (lead, deal)
            for lead in self.leads
            for deal in lead.deals
            if self.inside(lead.unit, when(deal)) and status in ("", deal.status)
        ]

    def counts(self) -> dict[str, float | None]:
        created = self.leads_with(lambda lead: lead.created)
        won = self.deals_with(lambda deal: deal.closed, "won")
        lost = self.deals_with(lambda deal: deal.closed, "lost")
        qualified = self.leads_with(lambda lead: lead.qualified)
        archived = self.leads_with(lambda lead: lead.archived[0] if lead.archived else None)
        stages = [
            (deal, stage)
            for lead in self.leads
            for deal in lead.deals
            for stage, at in entered(deal).items()
            if self.inside(lead.unit, at)
        ]

        def share(part: int, whole: int) -> float | None:
            return part / whole if whole else None

        turned_down = sum(lead.qualified is None for lead in archived)
        opened = self.deals_with(lambda deal: deal.opened)
        answers = [what for lead in self.leads for what, at in lead.answers if self.inside(lead.unit, at)]
        return {
            "opportunity_to_won_cohort": share(sum(deal.status == "won" for _, deal in opened), len(opened)),
            "sla_attainment": share(answers.count("met"), len(answers)),
            "activities": sum(self.inside(lead.unit, at) for lead in self.leads for at, _, _ in lead.activities),
            "leads_created": len(created),
            "leads_marked": sum(self.inside(lead.unit, lead.created) for lead in self.marked),
            "leads_qualified": len(qualified),
            "leads_archived": len(archived),
            "qualification_rate_decided": share(len(qualified), len(qualified) + turned_down),
            "created_to_qualified_cohort": share(sum(lead.qualified is not None for lead in created), len(created)),
            "lead_to_opportunity_cohort": share(sum(bool(lead.deals) for lead in created), len(created)),
            "lead_to_opportunity_period": share(len(self.leads_with(lambda lead: lead.converted)), len(created)),
            "lead_to_customer_cohort": share(sum(lead.first_win is not None for lead in created), len(created)),
            "opportunities_opened": len(self.deals_with(lambda deal: deal.opened)),
            "opportunities_won": len(won),
            "opportunities_lost": len(lost),
            "opportunities_open": sum(deal.status == "open" for lead in self.leads for deal in lead.deals),
            "win_rate_count": share(len(won), len(won) + len(lost)),
            "stage_conversion": share(sum(advanced(deal, stage) for deal, stage in stages), len(stages)),
            "stage_drop_off": share(
                sum(deal.status == "lost" and deal.stage == stage for deal, stage in stages), len(stages)
            ),
        }

    def maturity(self, kpi: str) -> float | None:
        decided: Callable[[Lead], bool] = {
            "created_to_qualified_cohort": lambda lead: bool(lead.qualified or lead.archived),
            "lead_to_opportunity_cohort": lambda lead: bool(lead.deals or lead.archived),
            "lead_to_customer_cohort": lambda lead: bool(
                lead.first_win or lead.archived or (lead.deals and all(deal.status == "lost" for deal in lead.deals))
            ),
        }[kpi]
        cohort = self.leads_with(lambda lead: lead.created)
        grown = sum(decided(lead) or lead.created + self.horizon <= self.as_of for lead in cohort)
        return grown / len(cohort) if cohort else None

    def durations(self) -> dict[str, list[float]]:
        spells = [
            (end - start).total_seconds()
            for lead in self.leads
            for deal in lead.deals
            for _, start, end in deal.spells
            if self.inside(lead.unit, end)
        ]
        cycles = [
            (lead.first_win - lead.touched).total_seconds()
            for lead in self.leads_with(lambda lead: lead.first_win)
            if lead.first_win
        ]
        deals = [
            (deal.closed - deal.opened).total_seconds()
            for _, deal in self.deals_with(lambda deal: deal.closed, "won")
            if deal.closed
        ]
        return {
            "time_in_stage": spells,
            "sales_cycle_from_lead": [one for one in cycles if one >= 0],
            "sales_cycle_from_opportunity": deals,
        }

    def won_values(self) -> dict[str, list[float]]:
        found: dict[str, list[float]] = defaultdict(list)
        for lead, deal in self.deals_with(lambda deal: deal.closed, "won"):
            if deal.close_amount is not None:
                found[deal.close_currency or CURRENCY[lead.unit]].append(deal.close_amount)
        return found

    def lost_values(self) -> dict[str, float]:
        found: dict[str, float] = defaultdict(float)
        for lead, deal in self.deals_with(lambda deal: deal.closed, "lost"):
            if deal.close_amount is not None:
                found[deal.close_currency or CURRENCY[lead.unit]] += deal.close_amount
        return found

    def speed_to_lead(self) -> tuple[list[float], int]:
        """How long it took until somebody tried to reach those that were created, and how many nobody tried to reach."""
        created = self.leads_with(lambda lead: lead.created)
        times = [(lead.contacted - lead.created).total_seconds() for lead in created if lead.contacted]
        return [one for one in times if one >= 0], len(created) - len(times)

    def time_taken(self) -> dict[str, list[float]]:
        """How long activities took, by their kind, of those that say so."""
        found: dict[str, list[float]] = defaultdict(list)
        for lead in self.leads:
            for at, kind, seconds in lead.activities:
                if self.inside(lead.unit, at) and seconds is not None:
                    found[kind].append(seconds)
        return found

    def velocity(self) -> dict[str, float | None]:
        """Money a day by currency: opened × share won × worth ÷ days."""
        won, lost = (self.deals_with(lambda deal: deal.closed, outcome) for outcome in ("won", "lost"))
        if not won:
            return {}
        cycle = [(deal.closed - deal.opened).total_seconds() / 86_400 for _, deal in won if deal.closed]
        values = self.won_values()
        valued = sum(len(each) for each in values.values())
        rate = len(won) / (len(won) + len(lost))
        flow = len(self.deals_with(lambda deal: deal.opened)) * rate
        days = sum(cycle) / len(cycle)
        return {currency: flow * sum(each) / valued / days if days else None for currency, each in values.items()}

    def won_by_owner(self) -> dict[str | None, int]:
        found: dict[str | None, int] = defaultdict(int)
        for _, deal in self.deals_with(lambda deal: deal.closed, "won"):
            assert deal.closed is not None
            found[deal.owners[deal.closed]] += 1
        return found

    def incidence(self) -> float | None:
        """The share with an outcome within the horizon: at each age, the outcomes among those still at risk, weighed by
        the share that nothing had happened to before."""
        cohort = self.leads_with(lambda lead: lead.created)
        if not cohort:
            return None
        fates: list[tuple[timedelta, str]] = []
        for lead in cohort:
            if lead.converted:
                fates.append((max(lead.converted - lead.created, timedelta()), "converted"))
            elif lead.archived:
                fates.append((max(lead.archived[0] - lead.created, timedelta()), "archived"))
            else:
                fates.append((self.as_of - lead.created, "open"))
        untouched, share = 1.0, 0.0
        for age in sorted({age for age, fate in fates if fate != "open" and age <= self.horizon}):
            at_risk = sum(one >= age for one, _ in fates)
            share += untouched * sum(fate == (age, "converted") for fate in fates) / at_risk
            untouched *= 1 - sum(one == age and fate != "open" for one, fate in fates) / at_risk
        return share


def quantile(values: list[float], percent: int) -> float | None:
    """Type 7."""
    if len(values) < 2:
        return values[0] if values else None
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]
