"""Random histories around days on which calendars and clocks do something, told in any order, in any batches, again and to several
replicas at once: then every KPI, by every cut and calendar, is what a naive computation from the same facts says."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from services.metrics.domain.definitions import leads, opportunities
from services.metrics.domain.facts import Fact
from shared.contracts.policy import Policy, UnitPolicy
from shared.contracts.policy.calendar import Calendar as PolicyCalendar
from shared.kit.database import RacedWrite
from tests.integration.metrics.harness import Metrics
from tests.integration.metrics.naive.calendars import Calendar
from tests.integration.metrics.naive.lines import lines_of
from tests.integration.metrics.naive.numbers import KPIS, PERIODS, Asked, Number
from tests.integration.metrics.naive.people import everybody
from tests.unit.metrics.histories import history
from tests.unit.metrics.stories import DAY_0

ZONES = {name: ZoneInfo(zone) for name, zone in {
    "default": "UTC", "tehran": "Asia/Tehran", "berlin": "Europe/Berlin", "york": "America/New_York",
}.items()}  # fmt: skip
CALENDARS = {
    "default": Calendar(), "tehran": Calendar(jalali=True, week_starts=5), "berlin": Calendar(fiscal=4),
    "york": Calendar(week_starts=6, fiscal=10),
}  # fmt: skip
CURRENCIES = {"default": "EUR", "tehran": "IRR", "berlin": "EUR", "york": "USD"}
WEEKDAYS = {0: "monday", 5: "saturday", 6: "sunday"}
POLICY = Policy(
    version="test",
    business_units={
        unit: UnitPolicy(
            time_zone=str(zone),
            currency=CURRENCIES[unit],
            calendar=PolicyCalendar.model_validate(
                {
                    "system": "jalali" if CALENDARS[unit].jalali else "gregorian",
                    "week_starts": WEEKDAYS[CALENDARS[unit].week_starts],
                    "fiscal_year_starts": CALENDARS[unit].fiscal,
                }
            ),
        )
        for unit, zone in ZONES.items()
    },
)
TURNS = tuple(
    map(
        date.fromisoformat,
        # clocks change in New York, Berlin; Jalali years end, a common one and two of 366 days; a leap day; a year ends
        ("2026-03-08", "2026-03-29", "2026-11-01", "2026-10-25", "2026-03-20", "2025-03-20", "2029-03-19", "2028-02-29", "2026-12-31"),
    )
)  # fmt: skip
HORIZON_DAYS = 30
EXAMPLES = int(os.environ.get("LEADFLOW_PROOF_EXAMPLES", "2"))
"""How many histories; more of them take longer and find more."""
EVER = (date(2023, 6, 1), date(2030, 1, 1))
DIMENSIONS = ("business_unit", "channel", "source", "campaign", "product", "owner", "team", "grade", "stage", "reason")
CUTS: tuple[tuple[str, ...], ...] = (
    (), *((name,) for name in (*DIMENSIONS, *PERIODS)), ("owner", "month"), ("week", "stage"), ("business_unit", "quarter"),
)  # fmt: skip
FILTERS: tuple[dict[str, tuple[str | None, ...]], ...] = (
    {"business_unit": ("tehran",)}, {"business_unit": ("york", "berlin")}, {"channel": ("phone", None)}, {"stage": ("first",)},
)  # fmt: skip


def turning(random: Random, facts: list[Fact]) -> list[Fact]:
    """The same facts around days on which something turns, at midnights and just before and after them, and with more to cut by."""
    turn = random.choice(TURNS)
    moments = [
        datetime(*(turn + timedelta(days=random.randint(-2, 2))).timetuple()[:3], tzinfo=random.choice(list(ZONES.values())))
        + random.choice((timedelta(0), timedelta(microseconds=-1), timedelta(microseconds=1), timedelta(hours=2, minutes=30)))
        for _ in range(8)
    ]  # fmt: skip
    start = datetime(turn.year, turn.month, turn.day, tzinfo=UTC) - timedelta(days=30)
    places = {0.0: start}

    def moved(at: datetime) -> datetime:
        days = (at - DAY_0) / timedelta(days=1)
        if days not in places:
            tie = days in (1.0, 2.0, 2.9, 3.5, 5.0, 8.25, 20.0, 34.0)
            places[days] = random.choice(moments).astimezone(UTC) if tie else start + timedelta(days=days)
        return places[days]

    found = []
    for fact in facts:
        data = {name: value for name, value in fact.data.items() if value is not None}
        if "due_at" in data:
            data["due_at"] = moved(datetime.fromisoformat(data["due_at"])).isoformat()
        if fact.event in ("LeadCreated", "LeadTouched") and random.random() < 0.5:
            data |= {"source": random.choice("st"), "campaign": random.choice("cd"), "product": random.choice("pq")}
        if fact.event in ("LeadAssigned", "OpportunityOpened", "StageChanged") and random.random() < 0.5:
            data["team"] = random.choice(("north", "south"))
        if fact.event in ("OpportunityOpened", "OpportunityWon") and random.random() < 0.4:
            data["product"] = random.choice("pr")
        at = moved(fact.occurred_at)
        found.append(fact._replace(occurred_at=at, recorded_at=at, data=data))
    return found


class Proof(RuleBasedStateMachine):
    """One history on its way into the tables of one database."""

    loop: asyncio.AbstractEventLoop
    replicas: tuple[Metrics, Metrics]

    def __init__(self) -> None:
        super().__init__()
        self.facts: list[Fact] = []
        self.waiting: list[Fact] = []
        self.random = Random(0)
        self.loop.run_until_complete(self._forget_everything())

    async def _forget_everything(self) -> None:
        async with self.replicas[0].database.transaction() as tx:
            await tx.execute(
                "TRUNCATE metrics.facts, metrics.leads, metrics.entries, metrics.rollups, metrics.progress, "
                "metrics.sketches, metrics.sketch_changes"
            )

    @initialize(seed=st.integers(0, 2**32 - 1), people=st.integers(2, 7))
    def live(self, seed: int, people: int) -> None:
        self.random = random = Random(seed)
        self.facts = turning(random, history(random, people, tuple(ZONES)))
        self.waiting = list(self.facts)
        random.shuffle(self.waiting)

    @precondition(lambda self: self.waiting)
    @rule(size=st.integers(1, 40))
    def one_replica_folds(self, size: int) -> None:
        batch, self.waiting = self.waiting[:size], self.waiting[size:]
        self.loop.run_until_complete(self._fold(self.random.choice(self.replicas), batch))

    @precondition(lambda self: len(self.waiting) > 1)
    @rule(sizes=st.tuples(st.integers(1, 30), st.integers(1, 30)))
    def two_replicas_fold_at_once(self, sizes: tuple[int, int]) -> None:
        first, rest = self.waiting[: sizes[0]], self.waiting[sizes[0] :]
        second, self.waiting = rest[: sizes[1]], rest[sizes[1] :]

        async def both() -> None:
            await asyncio.gather(*(self._fold(*one) for one in zip(self.replicas, (first, second), strict=True)))

        self.loop.run_until_complete(both())

    @rule(size=st.integers(1, 20))
    def some_are_told_again(self, size: int) -> None:
        again = self.random.sample(self.facts, min(size, len(self.facts)))
        self.waiting = [*again, *self.waiting] if self.random.random() < 0.5 else [*self.waiting, *again]

    async def _fold(self, replica: Metrics, batch: list[Fact]) -> None:
        while True:
            try:
                await replica.fold(batch)
            except RacedWrite:
                continue
            return

    def teardown(self) -> None:
        if self.facts:
            self.loop.run_until_complete(self._prove())

    async def _prove(self) -> None:
        metrics = self.replicas[0]
        await metrics.fold_all(self.waiting, 50)
        assert (await metrics.audit())["differences"] == []
        last = max(fact.occurred_at for fact in self.facts)
        everything = self._asked(last + timedelta(days=self.random.choice((1, 200))), *EVER)
        for kpi in KPIS:
            for cuts in CUTS:
                await self._agree(kpi, replace(everything, cuts=cuts))
        some = self.random.choice(self.facts).occurred_at
        for as_of in (some, some - timedelta(microseconds=1)):
            day = as_of.date()
            for window in (EVER, (day - timedelta(days=2), day + timedelta(days=1)), (day - timedelta(days=400), day)):
                then = self._asked(as_of, *window)
                for kpi in self.random.sample(KPIS, 8):
                    filters = self.random.choice((None, *FILTERS))
                    await self._agree(kpi, replace(then, cuts=self.random.choice(CUTS), filters=filters))

    def _asked(self, as_of: datetime, start: date, end: date) -> Asked:
        lines = lines_of(everybody(self.facts, as_of), CURRENCIES)
        return Asked(lines, ZONES, CALENDARS, as_of, start, end, HORIZON_DAYS)

    async def _agree(self, kpi: str, asked: Asked) -> None:
        filters = {name: [value or "" for value in values] for name, values in (asked.filters or {}).items()}
        found = await self.replicas[0].ask(
            kpi, start=asked.start.isoformat(), to=asked.end.isoformat(), as_of=asked.as_of.isoformat(),
            horizon_days=asked.horizon_days, group_by=",".join(asked.cuts), **filters,
        )  # fmt: skip
        answers = {tuple(one["key"].values()): one for one in found["groups"]}
        for group, expected in asked.answer(kpi).items():
            answer = found["total"] if group is None else answers.pop(group, None)
            context = f"{kpi} by {asked.cuts} {group} as of {asked.as_of} where {asked.filters}"
            assert_same(answer, expected, context)
        assert not [one for one in answers.values() if not is_nothing(one)], (kpi, asked.cuts)


def is_nothing(answer: dict[str, Any]) -> bool:
    """Whether nothing counts in a group; one in which something goes on may be shown for that."""
    return not answer["value"] and not answer["n"] and not answer.get("by_currency")


def assert_same(answer: dict[str, Any] | None, expected: Number, context: str) -> None:
    """Whether an answer is the number that is expected. A group in which nothing counts may be left out."""
    if "money" in expected:
        each = {} if answer is None else answer.get("by_currency") or {answer.get("currency"): answer}
        found = {currency: values["value"] for currency, values in each.items() if currency}
        assert found == {currency: near(value) for currency, value in expected["money"].items()}, context
        return
    if answer is None:
        assert not expected["value"], context
        return
    beside = {"mean": answer.get("mean"), "p90": (answer.get("quantiles") or {}).get("p90")}
    for name, value in expected.items():
        assert {**answer, **beside}[name] == near(value), f"{name} of {context}"


def near(value: Any) -> Any:
    """The same but for the last digits."""
    return None if value is None else pytest.approx(value, rel=1e-9, abs=1e-9)


def test_every_number_told_of_leads_and_deals_is_proven() -> None:
    assert set(KPIS) == {one.id for one in (*leads.DEFINITIONS, *opportunities.DEFINITIONS)}


@pytest.mark.slow
@pytest.mark.timeout(450 * EXAMPLES)
def test_whatever_is_told_in_whatever_way_gives_the_naive_numbers(migrated_database: Callable[..., str]) -> None:
    loop = asyncio.new_event_loop()
    url = migrated_database("metrics")
    now = datetime(2035, 1, 1, tzinfo=UTC)
    replicas = (Metrics(url, now, POLICY), Metrics(url, now, POLICY))
    machine = type("Proving", (Proof,), {"loop": loop, "replicas": replicas})
    checked = settings(
        max_examples=EXAMPLES, stateful_step_count=12, deadline=None, database=None, print_blob=True,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    try:
        run_state_machine_as_test(machine, settings=checked)
    finally:
        for replica in replicas:
            loop.run_until_complete(replica.close())
        loop.close()
