"""Worlds of which something can be forecast, and whether a service foresees what a naive computation does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID, uuid5

import pytest
from scipy.stats import pearson3

from services.metrics.domain.facts import Fact
from tests.integration.metrics.harness import Metrics
from tests.integration.metrics.naive.calendars import Calendar, periods_from
from tests.integration.metrics.naive.forecasts import Foreseen, Number, Owner
from tests.integration.metrics.naive.rates import Said
from tests.integration.metrics.proving import asked_of, exactly
from tests.integration.metrics.worlds import CALENDARS, CURRENCIES, TERMS, World, a_world
from tests.unit.metrics.histories import OWNERS

PERIODS = ("month", "quarter", "half_year", "year")
BY = (None, "owner", "team", "business_unit")
LONG_AGO = (0, 0, 1, 27, 28, 91, 181, 182, 183, 330, 364, 365, 366, 500, 729, 730, 731, 1_200)
"""How many days ago something may be: around all the days on which it is no longer looked at."""
ABOUT_DEALS = ("OpportunityOpened", "StageChanged", "AmountChanged", "OpportunityAssigned")
METHODS = ("weighted", "historical", "combined")


def a_business(random: Random, people: int, ago: Sequence[int] = LONG_AGO) -> World:
    """A world whose people came so many days before its own, or after it, and which sells more."""
    world = a_world(random, people)
    moved_by: dict[UUID, timedelta] = {}

    def moved(fact: Fact) -> Fact:
        by = moved_by.setdefault(fact.lead_id, timedelta(days=random.choice(ago)))
        data = dict(fact.data)
        if "expected_close" in data and random.random() < 0.7:
            data["expected_close"] = (datetime.fromisoformat(data["expected_close"]) - by).isoformat()
        return fact._replace(occurred_at=fact.occurred_at - by, recorded_at=fact.recorded_at - by, data=data)

    facts = [moved(fact) for fact in world.facts]
    more = [one for fact in facts if fact.event in ABOUT_DEALS for one in _and_then(random, fact)]
    return replace(world, facts=[*facts, *more])


def _and_then(random: Random, fact: Fact) -> list[Fact]:
    """A deal is won some time after something was said of it, or gets to a stage of which it is known how likely it is won, is worth
    something and is to close some day, or nothing more is said."""
    at = fact.occurred_at + timedelta(days=random.choice((0, 0.5, 3, 20, 45, 80)))
    worth = {"amount": random.choice(("10", "250.5", "9000"))}
    if random.random() < 0.4:
        worth["currency"] = random.choice(CURRENCIES)
    whose = {"owner": random.choice(OWNERS), "team": random.choice(("north", "south"))} if random.random() < 0.6 else {}
    closes = at + timedelta(days=random.choice((5, 25, 60, 100)))
    won = ("OpportunityWon", {**worth, **whose})
    stage = {"stage": random.choice(("first", "second", "third")), **whose}
    pursued = [
        ("StageChanged", stage),
        ("AmountChanged", worth),
        ("CloseDateChanged", {"expected_close": closes.isoformat()}),
    ]
    what: list[tuple[str, dict[str, str]]] = random.choice(([], [won], [won], pursued))
    return [
        fact._replace(
            event=event, event_id=uuid5(fact.event_id, event), version=fact.version + 600 + number, occurred_at=at, recorded_at=at,
            data={"opportunity_id": fact.data["opportunity_id"], **data},
        )
        for number, (event, data) in enumerate(what)
    ]  # fmt: skip


def foreseen_in(world: World, as_of: datetime, said: list[Said], unit: str | None, by: str | None, currency: str) -> Foreseen:  # fmt: skip
    """What a naive computation foresees."""
    return Foreseen(asked_of(world, as_of, date(2020, 1, 1), date(2032, 1, 1)), currency, said, by, unit)


def calendar_of(unit: str | None) -> Calendar:
    """A unit's, or that of all of them."""
    return CALENDARS[unit or "default"]


async def agree_on_forecast(metrics: Metrics, random: Random, world: World, as_of: datetime, said: list[Said]) -> int:
    """Whether the service foresees what the naive computation does of a unit and period; how many numbers that were."""
    unit, by, period = random.choice((None, *CALENDARS)), random.choice(BY), random.choice(PERIODS)
    currency = random.choice((None, *CURRENCIES))
    many, level = random.choice((1, 2, 3)) if period != "year" else 1, random.choice((0.5, 0.8, 0.95, 0.99))
    asked = {"business_unit": unit, "by": by, "currency": currency, "period": period, "periods": many, "level": level}
    answer = await metrics.client.get(
        "/v1/forecast", params={name: one for name, one in {**asked, "as_of": as_of.isoformat()}.items() if one}
    )
    assert answer.status_code == 200, answer.text
    told, context = answer.json(), f"{asked} as of {as_of}"
    naive = foreseen_in(world, as_of, said, unit, by, currency or TERMS[unit or "default"].currency)
    assert_experience(told, naive, context)
    ahead = periods_from(naive.today, period, calendar_of(unit), many)
    assert [(one["period"], one["from"], one["to"]) for one in told["periods"]] == [
        (name, first.isoformat(), after.isoformat()) for name, first, after in ahead
    ]
    seen = 0
    for one, (_, first, after) in zip(told["periods"], ahead, strict=True):
        expected = naive.forecasts(first, after, period)
        groups: dict[Owner | bool, Any] = {True: one["total"], **{group["key"][by]: group for group in one["groups"]}}
        for owner in {*groups, *expected}:
            assert_foreseen(groups.get(owner), expected.get(owner), level, f"{owner} in {first} of {context}")
            seen += owner in expected and any(number.to_come.mean > 0 for number in expected[owner].values())
    return seen


def assert_experience(told: Mapping[str, Any], naive: Foreseen, context: str) -> None:
    """Whether it rests on what the naive computation knows of the past."""
    expected = {
        "deals_decided": naive.deals.decided, "share_won": naive.deals.there[-1], "leads_decided": naive.leads.decided,
        "share_converted": naive.leads.there[-1], "leads_a_day": naive.a_day(naive.lately("created")),
        "later_deals_a_day": naive.a_day(naive.later), "wins": len(naive.wins), "worth_of_one": naive.power(1),
    }  # fmt: skip
    assert told["experience"] == {name: exactly(value) for name, value in expected.items()}, context


def assert_foreseen(told: Any, expected: dict[str, Number] | None, level: float, context: str) -> None:
    """Whether all three are the same. A group of which nothing is expected may be left out."""
    if told is None or expected is None:
        there = told or {method: {"value": one.won + one.to_come.mean} for method, one in (expected or {}).items()}
        assert not any(there[method]["value"] for method in METHODS), context
        return
    for method in METHODS:
        one, number = told[method], expected[method]
        sd = number.to_come.variance**0.5
        assert (one["value"], one["sd"]) == (exactly(number.won + number.to_come.mean), near(sd)), (
            f"{method} of {context}"
        )
        assert one["made_of"] == {name: near(part) for name, part in number.made_of.items()}, f"{method} of {context}"
        bounds = one["interval"]["low"], one["interval"]["high"]
        assert bounds == tuple(near(bound) for bound in interval(number, level)), f"{method} of {context}"


def interval(number: Number, level: float) -> tuple[float, float]:
    """From where to where it is with some chance: as a gamma distribution of these moments has it, within what can be."""
    mean, variance, third, most = number.to_come
    if variance <= 1e-12:
        return number.won + mean, number.won + mean
    skewness, sd = third / variance**1.5, variance**0.5
    low, high = (mean + sd * float(pearson3.ppf(share, skewness)) for share in ((1 - level) / 2, (1 + level) / 2))
    return number.won + max(low, 0.0), number.won + min(high, most)


def near(value: float) -> Any:
    """The same but for the last digits of what was taken from what is much larger."""
    return pytest.approx(value, rel=1e-6, abs=1e-5)
