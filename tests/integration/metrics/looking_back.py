"""Businesses whose forecasts are frozen as they are told of, and whether a service judges them as a naive computation does."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from typing import Any, NamedTuple

from tests.integration.metrics.foreseeing import (
    a_business,
    calendar_of,
    foreseen_in,
)
from tests.integration.metrics.harness import Metrics
from tests.integration.metrics.naive.calendars import periods_from
from tests.integration.metrics.naive.judged import LEAD_DAYS, METHODS, NEAR_DAYS, Frozen, Key, Pair, judged, off_by
from tests.integration.metrics.naive.rates import Said
from tests.integration.metrics.proving import exactly, say_rates
from tests.integration.metrics.worlds import CALENDARS, TERMS, ZONES, World

MANY = {"quarter": 14, "half_year": 8, "year": 5}
"""Of how many periods of a kind there may be something that was frozen."""
KINDS = tuple(MANY)
BY = ("owner", "team")
AROUND = tuple(range(-330, 60, 30))
"""How many days before a world's own turn, or after it, its people may come."""
A_MOMENT = timedelta(microseconds=1)


class Past(NamedTuple):
    """What was frozen of a unit while a world was told, near the beginnings of periods of a kind, and what there was said of rates in the
    end."""

    world: World
    unit: str | None
    kind: str
    frozen: list[Frozen]
    said: list[Said]
    moments: list[datetime]


async def live_through(metrics: Metrics, random: Random) -> Past:
    """Tells of a world bit by bit, in any order, and freezes what is forecast near the times before periods begin at which it is
    looked at; the rest is told when all is frozen."""
    world = a_business(random, random.randint(4, 8), AROUND)
    unit, kind = random.choice((None, *CALENDARS)), random.choice(KINDS)
    day = world.turn - timedelta(days=random.choice((0, 60, 200)))
    begins = [first for _, first, _ in periods_from(day, kind, calendar_of(unit), 2)]
    moments = sorted({moment for first in begins for moment in _before(random, first, unit)})
    waiting, rates = random.sample(world.facts, len(world.facts)), world.rates
    own, told, said, frozen = TERMS[unit or "default"].currency, [], rates[::2], []
    now = metrics.clock.now()
    await say_rates(metrics, said)
    for moment in moments:
        many = random.randint(0, 3 * len(world.facts) // len(moments))
        batch, waiting = waiting[:many], waiting[many:]
        told += batch
        await metrics.fold_all(batch, 50)
        metrics.clock.advance(moment - metrics.clock.now())
        named = {} if unit is None else {"business_unit": unit}
        answer = await metrics.client.post("/v1/frozen", json={"name": "forecast", "by": "kim", **named})
        assert answer.status_code == 201, answer.text
        known = replace(world, facts=list(told))
        frozen.append(Frozen(moment, {by: foreseen_in(known, moment, list(said), unit, by, own) for by in BY}))
    await metrics.fold_all(waiting, 50)
    await say_rates(metrics, rates[1::2])
    metrics.clock.advance(now - metrics.clock.now())
    return Past(world, unit, kind, frozen, rates, moments)


def _before(random: Random, first: date, unit: str | None) -> list[datetime]:
    """Moments at and near those before a period begins at which forecasts are looked at, and at the ends of how near they have to be."""
    zone = ZONES[unit or "default"]
    found = []
    for lead in random.sample(LEAD_DAYS, random.choice((2, 3))):
        for days in random.sample((0, 1, 5, NEAR_DAYS), random.choice((1, 2))):
            at = datetime.combine(first - timedelta(days=lead + days), time(), zone)
            found.append(at.astimezone(UTC) + random.choice((timedelta(), A_MOMENT, -A_MOMENT, timedelta(hours=7))))
    return found


async def agree_on_accuracy(metrics: Metrics, random: Random, past: Past) -> int:
    """Whether the service says how far off what was frozen is as the naive computation does; how many forecasts that were."""
    kind, by = random.choice((past.kind, past.kind, *KINDS)), random.choice(BY)
    cuts = random.choice(((), (kind,), (by,), (kind, by), (by, kind)))
    kind = kind if kind in cuts else "quarter"
    calendar = calendar_of(past.unit)
    every = periods_from(past.moments[0].date() - timedelta(days=200), kind, calendar, MANY[kind])
    as_of = random.choice(
        (
            past.moments[-1] + timedelta(days=random.choice((100, 200, 500))),
            datetime.combine(random.choice(every)[1], time(), ZONES[past.unit or "default"]).astimezone(UTC)
            - random.choice((timedelta(), A_MOMENT)),
        )
    )
    one, other = sorted(random.sample(range(len(every)), 2))
    some = (every[one][1] + timedelta(days=random.choice((0, 0, 1))), every[other][1])
    start, end = random.choice(((None, None), (None, None), some))
    now = foreseen_in(past.world, as_of, past.said, past.unit, by, TERMS[past.unit or "default"].currency)
    over = [
        (name, first, after)
        for name, first, after in every
        if after <= min(end or date.max, now.today) and first >= (start or date.min)
    ]
    known = judged([one for one in past.frozen if one.at <= as_of], over, by, kind, now)
    named = {"business_unit": past.unit, "start": start and start.isoformat(), "to": end and end.isoformat()}
    asked = {
        **{name: one for name, one in named.items() if one},
        "as_of": as_of.isoformat(),
        "group_by": ",".join(cuts),
    }
    told = await metrics.ask("forecast_accuracy", **asked)
    groups: dict[tuple[str | None, ...] | None, list[Pair]] = defaultdict(list)
    for key, pairs in known.items():
        groups[None] += pairs if key[1] is True else []
        if cuts and (key[1] is True) == (by not in cuts):
            groups[_named(key, cuts, kind)] += pairs
    answers: dict[tuple[str | None, ...] | None, Any] = {tuple(one["key"].values()): one for one in told["groups"]}
    answers[None] = told["total"]
    assert set(answers) == {None, *groups}, asked
    for group, answer in answers.items():
        assert_judged(answer, groups[group], f"{group} of {asked}")
    return sum(pair.won > 0 for pair in groups[None])


def assert_judged(told: dict[str, Any], pairs: list[Pair], context: str) -> None:
    """Whether an answer says of each lead time and method how far off its forecasts were."""
    expected = {lead: {method: off_by(pairs, lead, method) for method in METHODS} for lead in LEAD_DAYS}
    assert told["by_lead_time"] == [
        {
            "lead_days": lead,
            **{method: {name: exactly(part) for name, part in each.items()} for method, each in methods.items()},
        }
        for lead, methods in expected.items()
    ], context
    head = expected[0]["combined"]
    assert (told["value"], told["bias"], told["n"]) == (exactly(head["wape"]), exactly(head["bias"]), head["n"]), (
        context
    )


def _named(key: Key, cuts: tuple[str, ...], kind: str) -> tuple[str | None, ...]:
    name, owner = key
    return tuple(name if cut == kind else owner if not isinstance(owner, bool) else None for cut in cuts)
