"""Whether a service that was told of a world answers what a naive computation says."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import date, datetime, timedelta
from random import Random
from typing import Any

import pytest

from services.metrics.storage.remembering import Memory
from shared.contracts.topics import PIPELINE_VISITS
from shared.kit.records import Record
from tests.integration.metrics.harness import Metrics
from tests.integration.metrics.naive.asked import PERIODS, Asked, Number
from tests.integration.metrics.naive.line import Line
from tests.integration.metrics.naive.lines import lines_of
from tests.integration.metrics.naive.numbers import BY_PLACE, OF_MONEY, PUT_DOWN, SPENDING, answer
from tests.integration.metrics.naive.people import PLACES, everybody
from tests.integration.metrics.naive.rates import Said
from tests.integration.metrics.naive.spending import NOWHERE, spent_lines
from tests.integration.metrics.naive.targets import attainment, coverage, pace
from tests.integration.metrics.worlds import CALENDARS, CURRENCIES, TERMS, ZONES, World

HORIZON_DAYS = 30
TOP = 3
EVER = (date(2023, 6, 1), date(2049, 1, 1))
DIMENSIONS = ("business_unit", "channel", "source", "campaign", "product", "owner", "team", "grade", "stage", "reason")
PLACE_CUTS: tuple[tuple[str, ...], ...] = (
    (), *((name,) for name in ("business_unit", *PLACES, *PERIODS)), ("channel", "month"), ("business_unit", "quarter"),
)  # fmt: skip
CUTS: tuple[tuple[str, ...], ...] = (
    (), *((name,) for name in (*DIMENSIONS, *PERIODS)), ("owner", "month"), ("week", "stage"), ("business_unit", "quarter"),
)  # fmt: skip
FILTERS: tuple[dict[str, tuple[str | None, ...]], ...] = (
    {"business_unit": ("tehran",)}, {"business_unit": ("york", "berlin")}, {"channel": ("phone", None)}, {"stage": ("first",)},
)  # fmt: skip
BY_THE_DAY = (*SPENDING, "ltv_to_cac", "payback", "visitors", "visitor_to_lead", "churn_rate")
"""What is asked of whole days alone."""
RULES = ("last", "linear", "position", "time_decay")


async def forget_everything(*replicas: Metrics) -> None:
    """Before the next world, in which people have the same ids: none of them may be remembered."""
    for one in replicas:
        one._handlers._memory = Memory()
    async with replicas[0].database.transaction() as tx:
        await tx.execute(
            "TRUNCATE metrics.facts, metrics.leads, metrics.entries, metrics.rollups, metrics.open_deals, metrics.progress, metrics.sketches, "
            "metrics.sketch_changes, metrics.visitors, metrics.visitor_registers, metrics.visitor_changes, metrics.spending, "
            "metrics.targets, metrics.rates, metrics.frozen"
        )


async def say_rates(metrics: Metrics, said: Iterable[Said]) -> None:
    """Tells the service of rates."""
    rows = [{**one._asdict(), "day": one.day.isoformat(), "rate": str(one.rate)} for one in said]
    if rows:
        answer = await metrics.client.post("/v1/rates", json={"rows": rows})
        assert answer.status_code == 200, answer.text


async def tell_beside(metrics: Metrics, world: World) -> None:
    """Tells of visitors, twice of some, of what was spent and is wanted, and what currencies were worth."""
    await say_rates(metrics, world.rates)
    told = [*world.visits, *world.visits[:5]]
    async with metrics.database.transaction() as tx:
        records = [
            Record(PIPELINE_VISITS.name, 0, place, b"", b"", (), one.recorded_at, PIPELINE_VISITS.parse(one.to_json()))
            for place, one in enumerate(told)
        ]
        await metrics._handlers.handle(tx, records)
    rows = [
        {
            "business_unit": one.unit, "kind": one.kind, "first_day": one.first.isoformat(), "last_day": one.last.isoformat(),
            "amount": str(one.amount), "currency": one.currency, **one.place,
        }
        for one in world.spending
    ]  # fmt: skip
    for aim in world.aims:
        said = {
            "kpi": aim.kpi, "business_unit": aim.unit, "cut": {"owner": aim.owner} if aim.owner else {}, "from": aim.first.isoformat(),
            "to": aim.after.isoformat(), "value": str(aim.value), "reading": aim.reading, "baseline": aim.baseline,
            "baseline_value": None if aim.baseline_value is None else str(aim.baseline_value),
        }  # fmt: skip
        answered = await metrics.client.put("/v1/targets?by=kim", json={k: v for k, v in said.items() if v is not None})
        assert answered.status_code == 200, answered.text
    if rows:
        answered = await metrics.client.post("/v1/spending", json={"rows": rows})
        assert answered.status_code == 200, answered.text


def asked_of(world: World, as_of: datetime, start: date, end: date) -> Asked:
    """A question about a world, with all lines that count by a moment."""
    lines = lines_of(everybody(world.facts, as_of), TERMS)
    lines.update(spent_lines(world.spending, ZONES, as_of))
    lines["visits"] = [
        Line(
            one.business_unit, one.occurred_at, one.occurred_at,
            {**NOWHERE, "channel": one.channel, "source": one.source}, who=one.lead_id,
        )
        for one in world.visits
    ]  # fmt: skip
    return Asked(lines, ZONES, CALENDARS, as_of, start, end, HORIZON_DAYS, top=TOP, said=tuple(world.rates))


def cuts_of(kpi: str) -> tuple[tuple[str, ...], ...]:
    """By what a KPI is known."""
    if kpi in BY_PLACE:
        return PLACE_CUTS
    if kpi == "opportunity_to_won_cohort":
        return (*CUTS, ("policy_version",))
    return tuple(cuts for cuts in CUTS if "reason" not in cuts) if kpi == "data_quality" else CUTS


def questions(random: Random, kpi: str, asked: Asked) -> list[Asked]:
    """One KPI as a whole and by any nine cuts, and anything else of it; where it can be put down to touches, by any two rules too, and
    of money in some currency."""
    whole, *others = cuts_of(kpi)
    found = [replace(asked, cuts=each) for each in (whole, *random.sample(others, 9))]
    found += [another(random, kpi, asked) for _ in range(2)]
    if kpi in PUT_DOWN:
        found += [replace(asked, attribution=rule, cuts=random.choice(PLACE_CUTS)) for rule in random.sample(RULES, 2)]
    if kpi in OF_MONEY:
        found += [in_some_currency(random, replace(one, cuts=random.choice(cuts_of(kpi)))) for one in found[-2:]]
    if kpi not in BY_THE_DAY:
        found.append(by_the_clock(random, replace(asked, cuts=random.choice(cuts_of(kpi)))))
    if kpi in ("leads_created", "sales_volume"):
        found.append(replace(asked, attribution="time_decay", cuts=("channel", "source"), half_life_days=0.5))
    return found


def by_the_clock(random: Random, asked: Asked) -> Asked:
    """The same from a moment at which something happened, or just after it, to another one, or to a day."""
    moments = [line.at for what in ("created", "won", "stood") for line in asked.lines.get(what, ())]
    start, end = sorted(random.choice(moments or [asked.as_of]) for _ in range(2))
    start += random.choice((timedelta(), timedelta(microseconds=1)))
    last = random.choice((end + timedelta(hours=1), end + timedelta(days=9), (end + timedelta(days=9)).date()))
    return replace(asked, start=start, end=last)


def another(random: Random, kpi: str, asked: Asked) -> Asked:
    """Any question about a KPI."""
    cuts, filters = random.choice(cuts_of(kpi)), random.choice((None, *FILTERS))
    rule = random.choice(("first", *RULES)) if kpi in PUT_DOWN else "first"
    if kpi in BY_PLACE and filters and "stage" in filters:
        filters = None
    found = replace(asked, cuts=cuts, filters=filters, attribution=rule)
    return in_some_currency(random, found) if kpi in OF_MONEY and random.random() < 0.4 else found


def in_some_currency(random: Random, asked: Asked) -> Asked:
    """The same in one currency, by the rates of each day or of now."""
    return replace(asked, currency=random.choice(CURRENCIES), restated=random.random() < 0.4)


def parameters_of(kpi: str, asked: Asked) -> dict[str, Any]:
    """A question as it is asked over HTTP."""
    found: dict[str, Any] = {
        "start": asked.start.isoformat(), "to": asked.end.isoformat(), "as_of": asked.as_of.isoformat(),
        "horizon_days": asked.horizon_days, "top": asked.top, "group_by": ",".join(asked.cuts),
        **{name: [value or "" for value in values] for name, values in (asked.filters or {}).items()},
    }  # fmt: skip
    if kpi in PUT_DOWN:
        found |= {"attribution": asked.attribution, "half_life_days": asked.half_life_days}
    if asked.currency is not None:
        found |= {"currency": asked.currency, "rates": "as_of" if asked.restated else "event"}
    return found


async def agree(metrics: Metrics, kpi: str, asked: Asked) -> None:
    """Whether the service answers what the naive computation says."""
    parameters = parameters_of(kpi, asked)
    found = await metrics.ask(kpi, **parameters)
    assert_answered(kpi, asked, found, f"{parameters}")


def assert_answered(kpi: str, asked: Asked, found: dict[str, Any], parameters: str) -> None:
    """Whether a total and groups are what the naive computation says, and there are no others."""
    answers = {tuple(one["key"].values()): one for one in found["groups"]}
    near = exactly if asked.attribution == "first" else in_billionths
    for group, expected in answer(asked, kpi).items():
        told = found["total"] if group is None else answers.pop(group, None)
        context = f"{kpi} by {asked.cuts} {group} as of {asked.as_of} {parameters}"
        assert_same(told, expected, context, near)
    left = {group: one for group, one in answers.items() if not is_nothing(one)}
    assert not left, (
        f"{kpi} by {asked.cuts} as of {asked.as_of} where {asked.filters} tells of what is not there: {left}"
    )


async def agree_on_targets(metrics: Metrics, world: World, asked: Asked) -> None:
    """Whether every target has come as far as the naive computation says."""
    for aim in world.aims:
        window = {"start": aim.first.isoformat(), "to": aim.after.isoformat(), "as_of": asked.as_of.isoformat()}
        window |= {name: value for name, value in (("business_unit", aim.unit), ("owner", aim.owner)) if value}
        for kpi, expected in (("target_attainment", attainment), ("pace", pace)):
            told = await metrics.total(kpi, of=aim.kpi, **window)
            assert told["value"] == exactly(expected(asked, aim)), f"{kpi} of {aim} as of {asked.as_of}"
        if aim.kpi == "sales_volume":
            told = await metrics.total("pipeline_coverage", **window)
            assert (told["value"], told["needed"]) == tuple(map(exactly, coverage(asked, aim))), f"coverage of {aim}"


def is_nothing(answer: dict[str, Any]) -> bool:
    """Whether nothing counts in a group; one in which something goes on may be shown for that."""
    return not answer["value"] and not answer["n"] and not answer.get("by_currency")


def assert_same(told: dict[str, Any] | None, expected: Number, context: str, near: Callable[[Any], Any]) -> None:
    """Whether an answer is the number that is expected. A group in which nothing counts may be left out."""
    if "money" in expected:
        each = {} if told is None else told.get("by_currency") or {told.get("currency"): told}
        for name, key in (("money", "value"), ("sd", "sd")):
            if name in expected:
                found = {currency: values[key] for currency, values in each.items() if currency}
                assert found == {currency: near(value) for currency, value in expected[name].items()}, (
                    f"{key} of {context}"
                )
        if told is not None and "maturity" in expected:
            assert told["maturity"] == near(expected["maturity"]), f"maturity of {context}"
        return
    if told is None:
        assert not expected["value"], context
        return
    for name in ("interval", "response_interval"):
        assert (name in told) == (name in expected), f"{name} of {context}"
    beside = {"mean": told.get("mean"), "p90": (told.get("quantiles") or {}).get("p90")}
    for name, value in expected.items():
        found = {**told, **beside}[name]
        if isinstance(value, dict):
            assert {part: found[part] for part in value} == {part: near(one) for part, one in value.items()}, (
                f"{name} of {context}"
            )
        else:
            assert found == near(value), f"{name} of {context}"


def exactly(value: Any) -> Any:
    """The same but for the last digits."""
    return None if value is None else pytest.approx(value, rel=1e-9, abs=1e-9)


def in_billionths(value: Any) -> Any:
    """The same but for what shares of whole billionths cannot tell."""
    return None if value is None else pytest.approx(value, rel=1e-4, abs=1e-4)
