"""Random worlds around days on which calendars and clocks do something: people, visitors, what was spent and is wanted, rates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

from services.metrics.domain.facts import Fact
from shared.contracts.policy import Customers, Policy, Stage, UnitPolicy
from shared.contracts.policy.calendar import Calendar as PolicyCalendar
from shared.contracts.visit_events import VisitorSeen, visitor_of
from tests.integration.metrics.naive.calendars import Calendar, month_around
from tests.integration.metrics.naive.line import Terms
from tests.integration.metrics.naive.rates import Said
from tests.integration.metrics.naive.spending import KINDS, Spending
from tests.integration.metrics.naive.targets import GROWING, RATES, Aim
from tests.unit.metrics import customer_histories, histories
from tests.unit.metrics.stories import DAY_0

ZONES = {name: ZoneInfo(zone) for name, zone in {
    "default": "UTC", "tehran": "Asia/Tehran", "berlin": "Europe/Berlin", "york": "America/New_York",
}.items()}  # fmt: skip
CALENDARS = {
    "default": Calendar(), "tehran": Calendar(jalali=True, week_starts=5), "berlin": Calendar(fiscal=4),
    "york": Calendar(week_starts=6, fiscal=10),
}  # fmt: skip
TERMS = {
    "default": Terms("EUR", 0.4, {("default", "first"): 0.15, ("default", "second"): 0.4, ("renewals", "first"): 0.9}),
    "tehran": Terms("IRR", None, {("default", "third"): 0.7}),
    "berlin": Terms("EUR", 0.25, {("default", "first"): 0.3}),
    "york": Terms("USD", 0.5, {}),
}
WEEKDAYS = {0: "monday", 5: "saturday", 6: "sunday"}


def _unit(name: str) -> UnitPolicy:
    calendar, terms = CALENDARS[name], TERMS[name]
    pipelines: dict[str, list[Stage]] = {"default": []}
    for (pipeline, stage), chance in terms.chances.items():
        pipelines.setdefault(pipeline, []).append(Stage(name=stage, probability=chance))
    return UnitPolicy(
        time_zone=str(ZONES[name]), currency=terms.currency, customers=Customers(margin_rate=terms.margin_rate),
        pipelines={pipeline: tuple(stages) for pipeline, stages in pipelines.items() if stages},
        calendar=PolicyCalendar.model_validate({
            "system": "jalali" if calendar.jalali else "gregorian", "week_starts": WEEKDAYS[calendar.week_starts],
            "fiscal_year_starts": calendar.fiscal,
        }),
    )  # fmt: skip


POLICY = Policy(version="test", business_units={unit: _unit(unit) for unit in ZONES})
TURNS = tuple(
    map(
        date.fromisoformat,
        # clocks change in New York, Berlin; Jalali years end, a common one and two of 366 days; a leap day; a year ends
        ("2026-03-08", "2026-03-29", "2026-11-01", "2026-10-25", "2026-03-20", "2025-03-20", "2029-03-19", "2028-02-29", "2026-12-31"),
    )
)  # fmt: skip
Moved = Callable[[datetime], datetime]
"""Where a moment of a story is put."""
TIES = (1.0, 2.0, 2.5, 2.9, 3.5, 5.0, 8.25, 20.0, 34.0, 61.0)
CURRENCIES = ("EUR", "USD", "IRR")
FAR_AHEAD_DAYS = 6_500
MOMENTS = ("due_at", "runs_until")


@dataclass
class World:
    """What there is to be told: of leads and customers, of visitors, and of what was spent."""

    turn: date
    facts: list[Fact]
    visits: list[VisitorSeen] = field(default_factory=list)
    spending: list[Spending] = field(default_factory=list)
    aims: list[Aim] = field(default_factory=list)
    rates: list[Said] = field(default_factory=list)


def a_world(random: Random, people: int) -> World:
    """One of so many people in each unit."""
    turn = random.choice(TURNS)
    told = histories.history(random, people, tuple(ZONES))
    for fact in customer_histories.history(random, people, tuple(ZONES)):
        told.append(fact._replace(version=fact.version + 1_000, event_id=uuid5(fact.event_id, "bought")))
    moments = [
        datetime(*(turn + timedelta(days=random.randint(-2, 2))).timetuple()[:3], tzinfo=random.choice(list(ZONES.values())))
        + random.choice((timedelta(0), timedelta(microseconds=-1), timedelta(microseconds=1), timedelta(hours=2, minutes=30)))
        for _ in range(8)
    ]  # fmt: skip
    facts = _turning(random, told, turn, moments)
    visits, spending, aims = _visits(random, turn, moments), _spending(random, turn), _aims(random, turn)
    return World(turn, facts, visits, spending, aims, rates_around(random, turn))


def rates_around(random: Random, turn: date) -> list[Said]:
    """What was said of some pairs on some days, one way or the other; of some nothing."""
    found: dict[tuple[str, str, date], Said] = {}
    for _ in range(random.choice((0, 3, 12))):
        currency, into = random.sample(CURRENCIES, 2)
        day = turn + timedelta(days=random.choice((-1_500, -700, -60, -20, -2, -1, 0, 1, 5)))
        found[currency, into, day] = Said(currency, into, day, random.choice((0.5, 0.92, 1.25, 40.0)))
    return list(found.values())


def _turning(random: Random, facts: list[Fact], turn: date, moments: list[datetime]) -> list[Fact]:
    """The same facts around a day on which something turns, at midnights and just before and after them, and with more to cut by."""
    start = datetime(turn.year, turn.month, turn.day, tzinfo=UTC) - timedelta(days=30)
    places = {0.0: start}

    def moved(at: datetime) -> datetime:
        days = (at - DAY_0) / timedelta(days=1)
        if days not in places:
            places[days] = random.choice(moments).astimezone(UTC) if days in TIES else start + timedelta(days=days)
        return places[days]

    found = []
    for fact in facts:
        data = {name: value for name, value in fact.data.items() if value is not None}
        if fact.event in ("LeadCreated", "LeadTouched") and random.random() < 0.5:
            data |= {"source": random.choice("st"), "campaign": random.choice("cd"), "product": random.choice("pq")}
        if fact.event in ("LeadCreated", "LeadTouched") and random.random() < 0.6:
            data["contacts"] = random.choice(([], ["email"], ["phone"], ["email", "phone"]))
        if fact.event in ("LeadAssigned", "OpportunityOpened", "StageChanged") and random.random() < 0.5:
            data["team"] = random.choice(("north", "south"))
        if fact.event in ("OpportunityOpened", "OpportunityWon", "OrderPlaced") and random.random() < 0.4:
            data["product"] = random.choice("pr")
        if fact.event == "OpportunityOpened" and random.random() < 0.6:
            data |= _closing(random, moved, fact)
        if fact.event == "OpportunityOpened" and random.random() < 0.5:
            data |= {"amount": random.choice(("40", "900.5")), "currency": random.choice(("EUR", "USD"))}
        if fact.event == "OpportunityLost" and random.random() < 0.4:
            data["amount"] = random.choice(("0", "77"))
        if fact.event == "OpportunityOpened" and random.random() < 0.2:
            data["pipeline"] = "renewals"
        data |= {name: moved(datetime.fromisoformat(data[name])).isoformat() for name in MOMENTS if name in data}
        at = moved(fact.occurred_at)
        late = timedelta(seconds=random.choice((0, 0, 5, 59, 600, 90_000)))
        found.append(fact._replace(occurred_at=at, recorded_at=at + late, data=data))
        found += _more_of(random, found[-1], moved)
    return found


def _closing(random: Random, moved: Moved, fact: Fact) -> dict[str, Any]:
    """When a deal is said to close: soon, or, by a slip of the pen or of some leads in earnest, many years later."""
    days = random.choice((20.0, 34.0, 70.0))
    if days == 70.0 and fact.lead_id.int % 2:
        days += FAR_AHEAD_DAYS
    return {"expected_close": moved(DAY_0 + timedelta(days=days)).isoformat()}


AND_THEN = {
    "LeadQualified": ("LeadQualified", 0.6), "LeadArchived": ("LeadReopened", 0.4), "FollowUpScheduled": ("FollowUpDone", 0.5),
    "OpportunityOpened": ("CloseDateChanged", 0.6), "StageChanged": ("CloseDateChanged", 0.5),
}  # fmt: skip
"""What else happens to many of whom something happened, at any time: chance alone makes too few of them to prove anything by."""


def _more_of(random: Random, fact: Fact, moved: Moved) -> list[Fact]:
    """What happens beside a fact, before or after it: some are qualified again, taken up again, answered, or said to close later."""
    event, often = AND_THEN.get(fact.event, ("", 0.0))
    if random.random() >= often:
        return []
    data: dict[str, Any] = {}
    if event == "FollowUpDone":
        data = {name: fact.data[name] for name in ("kind", "task_id")}
    elif event == "CloseDateChanged":
        data = {"opportunity_id": fact.data["opportunity_id"], **_closing(random, moved, fact)}
    at = moved(DAY_0 + timedelta(days=random.choice(TIES)))
    return [
        fact._replace(
            event=event, event_id=uuid5(fact.event_id, "again"), version=fact.version + 300, occurred_at=at, recorded_at=at, data=data
        )
    ]  # fmt: skip


def _visits(random: Random, turn: date, moments: list[datetime]) -> list[VisitorSeen]:
    start = datetime(turn.year, turn.month, turn.day, tzinfo=UTC)
    found = {}
    for _ in range(random.choice((0, 20, 60))):
        unit, who = random.choice(list(ZONES)), random.randrange(9)
        at = random.choice((random.choice(moments), start + timedelta(days=random.uniform(-30, 30)))).astimezone(UTC)
        channel, source = random.choice(("web_form", "chat")), random.choice(("s", "t", None))
        event_id, day = UUID(int=random.getrandbits(128), version=4), at.astimezone(ZONES[unit]).date()
        found[unit, who, day, channel, source] = VisitorSeen(
            event_id=event_id, lead_id=visitor_of(f"{unit}-{who}"), business_unit=unit, occurred_at=at, recorded_at=at,
            correlation_id=event_id, day=day, channel=channel, source=source,
        )  # fmt: skip
    return list(found.values())


def _spending(random: Random, turn: date) -> list[Spending]:
    found = {}
    for _ in range(random.choice((0, 5, 14))):
        unit, first = random.choice(list(ZONES)), turn + timedelta(days=random.randint(-30, 12))
        place = {
            "channel": random.choice(("web_form", "phone", None)), "source": random.choice(("s", "t", None)),
            "campaign": random.choice(("c", None)),
        }  # fmt: skip
        last, kind = first + timedelta(days=random.choice((0, 1, 6, 33))), random.choice(KINDS)
        currency = random.choice((TERMS[unit].currency, "EUR"))
        one = Spending(unit, kind, place, first, last, random.randrange(0, 90_000) / 4, currency)
        found[(*one[:2], *place.values(), *one[3:5], currency)] = one
    return list(found.values())


def _aims(random: Random, turn: date) -> list[Aim]:
    """Targets of months of each unit's calendar and of any days, for numbers that grow with the days and for others."""
    found = {}
    for _ in range(12):
        unit, kpi = random.choice((None, *ZONES)), random.choice((*GROWING, *RATES))
        of_a_month = random.random() < 0.6
        first = turn + timedelta(days=random.randint(-30, 10))
        after = first + timedelta(days=random.choice((1, 7, 9, 31, 70)))
        if of_a_month:
            first, after = month_around(turn, CALENDARS[unit or "default"])
        how: dict[str, Any] = random.choice((
            {}, {"baseline": "fixed", "baseline_value": 0.25}, *(
                {"baseline": earlier, "reading": reading}
                for earlier in ("previous_period", "last_year")
                for reading in ("absolute", "relative", "points")
            )
        ))  # fmt: skip
        if how.get("reading") == "points" and kpi not in ("win_rate_count", "lead_to_opportunity_cohort"):
            how = {**how, "reading": "relative"}
        value = random.choice((0.05, 0.3, 0.9)) if kpi in RATES or how.get("reading") == "relative" else 400.0
        owner = random.choice((None, "kim"))
        currency = TERMS[unit or "default"].currency
        found[kpi, unit, owner, first, after] = Aim(kpi, unit, owner, first, after, value, currency, **how)
    return list(found.values())
