"""A proof is worth what it notices: faults are put into the service one at a time, and each has to show in some number."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from tests.integration.metrics.backtesting import agree_on_backtest
from tests.integration.metrics.comparing import COMPARED, agree_on_comparison
from tests.integration.metrics.foreseeing import a_business, agree_on_forecast
from tests.integration.metrics.harness import Metrics
from tests.integration.metrics.looking_back import agree_on_accuracy, live_through
from tests.integration.metrics.naive.numbers import KPIS
from tests.integration.metrics.proving import (
    EVER,
    agree,
    agree_on_targets,
    another,
    asked_of,
    forget_everything,
    say_rates,
    tell_beside,
)
from tests.integration.metrics.worlds import POLICY, World, a_world
from tests.integration.metrics.wrong import WRONG, Wrong, forget_what_was_remembered
from tests.integration.metrics.wrong_cohorts import WRONG_COHORTS
from tests.integration.metrics.wrong_forecasts import WRONG_FORECASTS
from tests.integration.metrics.wrong_windows import WRONG_WINDOWS

MOST_WORLDS = 12
ENOUGH = 3
ONLY = [name for name in os.environ.get("LEADFLOW_PROOF_ONLY", "").split(",") if name]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3600),
    pytest.mark.skipif("LEADFLOW_PROOF_FAULTS" not in os.environ, reason="it takes long: make proof-faults"),
]


async def differing(metrics: Metrics, world: World, random: Random) -> list[str]:
    """Up to so many numbers that are not what the naive computation says, in a few questions about each, asked in any order."""
    told = random.sample(world.facts, len(world.facts))
    await forget_everything(metrics)
    forget_what_was_remembered()
    await metrics.fold_all(told, 40)
    await tell_beside(metrics, world)
    last, some = max(fact.occurred_at for fact in world.facts), random.choice(world.facts).occurred_at
    day = some.date()
    moments = [
        asked_of(world, last + timedelta(days=1), *EVER),
        asked_of(world, some, day - timedelta(days=20), day + timedelta(days=1)),
    ]
    found: dict[str, None] = {}
    for kpi in random.sample((*KPIS, "targets"), len(KPIS) + 1):
        if len(found) == ENOUGH:
            break
        for asked in moments:
            try:
                if kpi == "targets":
                    await agree_on_targets(metrics, world, asked)
                    continue
                await agree(metrics, kpi, asked)
                for _ in range(2):
                    await agree(metrics, kpi, another(random, kpi, asked))
                if kpi in COMPARED:
                    await agree_on_comparison(metrics, random, kpi, asked, world.turn)
            except AssertionError:
                found[kpi] = None
    return list(found)


async def noticed(metrics: Metrics, one: Wrong | None, worlds: int) -> tuple[int, list[str]]:
    """In how many worlds nothing was noticed, and which numbers showed it in the first in which something was."""
    for seed in range(worlds):
        random = Random(seed)
        world = a_world(random, random.randint(3, 6))
        with pytest.MonkeyPatch.context() as patch:
            if one is not None:
                one.put_in(patch)
            found = await differing(metrics, world, random)
        forget_what_was_remembered()
        if found:
            return seed, found
    return worlds, []


async def forecast_otherwise(metrics: Metrics, random: Random) -> list[str]:
    """Which kinds of forecasts are not what the naive computation says, in a few questions about each."""
    found: dict[str, None] = {}
    await forget_everything(metrics)
    forget_what_was_remembered()
    world = a_business(random, random.randint(3, 6))
    await metrics.fold_all(random.sample(world.facts, len(world.facts)), 40)
    await say_rates(metrics, world.rates)
    last = max(fact.occurred_at for fact in world.facts)
    for _ in range(8):
        as_of = random.choice(
            (last + timedelta(days=random.choice((1, 30, 200))), random.choice(world.facts).occurred_at)
        )
        try:
            await agree_on_forecast(metrics, random, world, as_of, world.rates)
        except AssertionError:
            found["forecast"] = None
    for _ in range(3):
        try:
            await agree_on_backtest(
                metrics, random, world, last + timedelta(days=random.choice((1, 30, 200))), world.rates
            )
        except AssertionError:
            found["backtest"] = None
    await forget_everything(metrics)
    past = await live_through(metrics, random)
    for _ in range(8):
        try:
            await agree_on_accuracy(metrics, random, past)
        except AssertionError:
            found["forecast_accuracy"] = None
    return list(found)


async def test_each_fault_shows_in_some_forecast(
    migrated_database: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    metrics = Metrics(migrated_database("metrics"), datetime(2035, 1, 1, tzinfo=UTC), POLICY)
    try:
        for seed in range(2):
            assert await forecast_otherwise(metrics, Random(seed)) == [], "without a fault nothing is noticed"
        unseen = []
        for one in WRONG_FORECASTS:
            if ONLY and not any(part in one.name for part in ONLY):
                continue
            found: list[str] = []
            for seed in range(MOST_WORLDS):
                with pytest.MonkeyPatch.context() as patch:
                    one.put_in(patch)
                    found = await forecast_otherwise(metrics, Random(seed))
                if found:
                    break
            unseen += [one.name] * (not found)
            with capsys.disabled():
                print(f"| {one.name} | {seed + 1} | {', '.join(f'`{what}`' for what in found)} |", flush=True)
        assert unseen == []
    finally:
        await metrics.close()


async def test_each_fault_shows_in_some_number(
    migrated_database: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    metrics = Metrics(migrated_database("metrics"), datetime(2035, 1, 1, tzinfo=UTC), POLICY)
    try:
        assert await noticed(metrics, None, 2) == (2, []), "without a fault nothing is noticed"
        unseen = []
        for one in (*WRONG, *WRONG_WINDOWS, *WRONG_COHORTS):
            if ONLY and not any(part in one.name for part in ONLY):
                continue
            world, found = await noticed(metrics, one, MOST_WORLDS)
            unseen += [one.name] * (not found)
            with capsys.disabled():
                print(f"| {one.name} | {world + 1} | {', '.join(f'`{kpi}`' for kpi in found)} |", flush=True)
        assert unseen == []
    finally:
        await metrics.close()
