"""Random worlds around days on which calendars and clocks do something, told in any order, in any batches, again and to several
replicas at once: then every KPI, by every cut, calendar, rule and currency, is what a naive computation from the same facts says,
and what the leads behind it make together."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from services.metrics.domain.definitions import DEFINITIONS
from services.metrics.domain.facts import Fact
from shared.kit.database import RacedWrite
from tests.integration.metrics import test_forecasts_proof
from tests.integration.metrics.adding_up import adds_up
from tests.integration.metrics.comparing import COMPARED, agree_on_comparison
from tests.integration.metrics.harness import Metrics
from tests.integration.metrics.naive.numbers import KPIS
from tests.integration.metrics.naive.targets import OF_TARGETS
from tests.integration.metrics.proving import (
    EVER,
    agree,
    agree_on_targets,
    another,
    asked_of,
    forget_everything,
    parameters_of,
    questions,
    tell_beside,
)
from tests.integration.metrics.worlds import POLICY, World, a_world

EXAMPLES = int(os.environ.get("LEADFLOW_PROOF_EXAMPLES", "2"))
"""How many histories; more of them take longer and find more."""


class Proof(RuleBasedStateMachine):
    """One history on its way into the tables of one database."""

    loop: asyncio.AbstractEventLoop
    replicas: tuple[Metrics, Metrics]

    def __init__(self) -> None:
        super().__init__()
        self.world: World | None = None
        self.waiting: list[Fact] = []
        self.random = Random(0)
        self.loop.run_until_complete(forget_everything(*self.replicas))

    @initialize(seed=st.integers(0, 2**32 - 1), people=st.integers(2, 7))
    def live(self, seed: int, people: int) -> None:
        self.random = random = Random(seed)
        self.world = a_world(random, people)
        self.waiting = list(self.world.facts)
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
        assert self.world is not None
        again = self.random.sample(self.world.facts, min(size, len(self.world.facts)))
        self.waiting = [*again, *self.waiting] if self.random.random() < 0.5 else [*self.waiting, *again]

    async def _fold(self, replica: Metrics, batch: list[Fact]) -> None:
        while True:
            try:
                await replica.fold(batch)
            except RacedWrite:
                continue
            return

    def teardown(self) -> None:
        if self.world is not None:
            self.loop.run_until_complete(self._prove(self.world))

    async def _prove(self, world: World) -> None:
        metrics = self.replicas[0]
        await metrics.fold_all(self.waiting, 50)
        await tell_beside(metrics, world)
        assert (await metrics.audit())["differences"] == []
        last = max(fact.occurred_at for fact in world.facts)
        everything = asked_of(world, last + timedelta(days=self.random.choice((1, 200))), *EVER)
        for kpi in KPIS:
            for asked in questions(self.random, kpi, everything):
                await agree(metrics, kpi, asked)
        await agree_on_targets(metrics, world, everything)
        for kpi in COMPARED:
            await agree_on_comparison(metrics, self.random, kpi, everything, world.turn)
        for kpi in self.random.sample(KPIS, 5):
            asked = another(self.random, kpi, everything)
            if "policy_version" in asked.cuts:  # nobody is shown by it
                asked = replace(asked, cuts=())
            parameters = parameters_of(kpi, asked)
            await adds_up(metrics, kpi, f"{parameters}", **parameters)
        some = self.random.choice(world.facts).occurred_at
        for as_of in (some, some - timedelta(microseconds=1)):
            day = as_of.date()
            for window in (EVER, (day - timedelta(days=2), day + timedelta(days=1)), (day - timedelta(days=400), day)):
                then = asked_of(world, as_of, *window)
                await agree_on_targets(metrics, world, then)
                for kpi in self.random.sample(KPIS, 14):
                    await agree(metrics, kpi, another(self.random, kpi, then))
                for kpi in self.random.sample(COMPARED, 7):
                    await agree_on_comparison(metrics, self.random, kpi, then, day)


ELSEWHERE = {
    "forecast_accuracy": test_forecasts_proof.test_forecasts_are_judged_by_what_was_frozen_of_them_whatever_is_told_later
}
"""Numbers that are held against the naive computation by another test: a world has nothing that was frozen while it was told."""


def test_every_number_is_proven_here_or_by_the_test_that_is_named() -> None:
    here = {*KPIS, *OF_TARGETS}
    assert here.isdisjoint(ELSEWHERE)
    assert here | set(ELSEWHERE) == {one.id for one in DEFINITIONS}


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
