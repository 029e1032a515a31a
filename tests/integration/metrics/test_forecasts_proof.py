"""Forecasts are what a naive computation makes of the same facts, of businesses of some years, told in any order, in any unit,
calendar and currency, by anything and of any period; and they are judged by what was frozen of them, whatever was told since."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.integration.metrics.backtesting import agree_on_backtest
from tests.integration.metrics.foreseeing import a_business, agree_on_forecast
from tests.integration.metrics.harness import Metrics
from tests.integration.metrics.looking_back import agree_on_accuracy, live_through
from tests.integration.metrics.proving import forget_everything, say_rates
from tests.integration.metrics.worlds import POLICY

EXAMPLES = int(os.environ.get("LEADFLOW_PROOF_EXAMPLES", "2"))
ENOUGH_TO_TELL = 10
"""In so many worlds something happens; in two of them there may be nothing."""
LATER = (0, 1, 30, 90, 200, 365, 400)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120 * EXAMPLES)]


def in_random_worlds(url: str, proven: Callable[[Metrics, Random], Awaitable[int]]) -> None:
    """Runs a property with so many seeds on one database, which is emptied before each; it says how many numbers told something."""
    loop = asyncio.new_event_loop()
    metrics = Metrics(url, datetime(2035, 1, 1, tzinfo=UTC), POLICY)
    seen = []

    async def anew(random: Random) -> int:
        await forget_everything(metrics)
        return await proven(metrics, random)

    @settings(
        max_examples=EXAMPLES, deadline=None, database=None, print_blob=True, phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(seed=st.integers(0, 2**32 - 1))
    def prove(seed: int) -> None:
        seen.append(loop.run_until_complete(anew(Random(seed))))

    try:
        prove()
    finally:
        loop.run_until_complete(metrics.close())
        loop.close()
    if EXAMPLES >= ENOUGH_TO_TELL:
        assert sum(seen) > EXAMPLES, "something was to come, or was won, in some of them"


def test_what_is_forecast_is_what_a_naive_computation_forecasts(migrated_database: Callable[..., str]) -> None:
    async def proven(metrics: Metrics, random: Random) -> int:
        world = a_business(random, random.randint(2, 6))
        said = world.rates
        await metrics.fold_all(random.sample(world.facts, len(world.facts)), 50)
        await say_rates(metrics, said)
        last = max(fact.occurred_at for fact in world.facts)
        moments = [last + timedelta(days=random.choice(LATER)), random.choice(world.facts).occurred_at]
        moments.append(random.choice(moments) + timedelta(hours=random.randint(-3_000, 3_000)))
        return sum(
            [await agree_on_forecast(metrics, random, world, as_of, said) for as_of in moments for _ in range(4)]
        )

    in_random_worlds(migrated_database("metrics"), proven)


def test_what_would_have_been_forecast_is_what_a_naive_computation_would_have_forecast(
    migrated_database: Callable[..., str],
) -> None:
    async def proven(metrics: Metrics, random: Random) -> int:
        world = a_business(random, random.randint(2, 6))
        await metrics.fold_all(random.sample(world.facts, len(world.facts)), 50)
        await say_rates(metrics, world.rates)
        last = max(fact.occurred_at for fact in world.facts)
        moments = [last + timedelta(days=random.choice(LATER)), random.choice(world.facts).occurred_at]
        return sum(
            [await agree_on_backtest(metrics, random, world, as_of, world.rates) for as_of in moments for _ in range(3)]
        )

    in_random_worlds(migrated_database("metrics"), proven)


def test_forecasts_are_judged_by_what_was_frozen_of_them_whatever_is_told_later(
    migrated_database: Callable[..., str],
) -> None:
    async def proven(metrics: Metrics, random: Random) -> int:
        past = await live_through(metrics, random)
        return sum([await agree_on_accuracy(metrics, random, past) for _ in range(8)])

    in_random_worlds(migrated_database("metrics"), proven)
