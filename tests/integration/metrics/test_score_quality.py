"""How well scores told who becomes an opportunity, held against counting pair by pair."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from random import Random
from typing import Any, NamedTuple
from uuid import UUID

import pytest

from services.metrics.domain.facts import Fact
from services.metrics.storage import sketched
from tests.integration.metrics.harness import Metrics
from tests.unit.metrics.stories import Told, day, lead_id

HORIZON = 30
CHANNELS = ("web_form", "phone", None)


class Life(NamedTuple):
    """One lead of the made-up world, as the test knows it."""

    channel: str | None
    created: float
    score: int | None
    probability: float | None
    told: float
    opened: float | None


def a_world(seed: int, leads: int = 160) -> tuple[list[Fact], list[Life]]:
    """Leads that are told a score soon, late, never or from history, and become opportunities before and after that."""
    chance = Random(seed)
    told = Told()
    lives = []
    for number in range(leads):
        name, created, channel = f"lead {number}", chance.uniform(0, 60), chance.choice(CHANNELS)
        likely = chance.random()
        told.tell(name, "LeadCreated", created, channel=channel)
        score = round(100 * (0.6 * likely + 0.4 * chance.random()))
        probability = chance.choice([None, round(likely, 6), round(chance.random(), 6)])
        at = created + chance.choice([0, 0, 0.01, 0.9, 1.1, 20])
        historical = chance.random() < 0.1
        beside = {"probability": probability} if probability is not None else {}
        told.tell(
            name, "LeadGraded", at, score=score, grade="A", **({"historical": True} if historical else {}), **beside
        )
        for later in range(0 if historical else chance.randint(0, 2)):
            told.tell(name, "LeadGraded", at + 0.02 + later, score=chance.randint(0, 100), grade="B")
        opened = created + chance.uniform(0, 40) if chance.random() < likely * 0.8 else None
        if opened is not None and chance.random() < 0.1:
            opened = created
        if opened is not None:
            told.tell(name, "OpportunityOpened", opened, opportunity_id=f"deal {number}", stage="first")
        lives.append(Life(channel, created, None if historical else score, probability, at, opened))
    merged = "lead 5"
    told.tell("lead 3", "LeadMarked", 61, mark="test")
    told.tell(merged, "LeadMerged", 62, into_lead_id=str(lead_id("lead 6")), matched_on="email")
    facts = [fact for fact in told.facts if fact.lead_id != lead_id(merged) or fact.event != "OpportunityOpened"]
    return facts, lives


def by_hand(lives: list[Life], as_of: float, of: Callable[[Life], float | None]) -> dict[str, Any]:
    """The definition in words, over what the test knows."""
    cohort = [one for one in lives if of(one) is not None and one.score is not None and one.told <= one.created + 1]
    cohort = [one for one in cohort if one.opened is None or one.opened > one.told]
    grown = [one for one in cohort if one.created + HORIZON <= as_of]
    ended = [(of(one) or 0.0, one.opened is not None and one.opened <= one.created + HORIZON) for one in grown]
    won = [number for number, followed in ended if followed]
    lost = [number for number, followed in ended if not followed]
    pairs = [1.0 if good > bad else 0.5 if good == bad else 0.0 for good in won for bad in lost]
    return {
        "n": len(ended),
        "followed": len(won),
        "auc": sum(pairs) / len(pairs),
        "brier": sum((number - followed) ** 2 for number, followed in ended) / len(ended),
        "maturity": len(grown) / len(cohort),
        "ended": ended,
    }


def without(lives: list[Life]) -> list[Life]:
    """Those that count: not the marked one, nor the two that are merged."""
    return [one for number, one in enumerate(lives) if number not in (3, 5, 6)]


async def folded(metrics: Metrics, facts: list[Fact], chance: Random) -> None:
    shuffled = [*facts, *chance.sample(facts, 30)]
    chance.shuffle(shuffled)
    for start in range(0, len(shuffled), 70):
        await metrics.fold(shuffled[start : start + 70])


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_score_quality_is_what_counting_pair_by_pair_gives(metrics: Metrics, seed: int) -> None:
    facts, lives = a_world(seed)
    facts = [fact for fact in facts if fact.lead_id not in (lead_id("lead 5"), lead_id("lead 6"))]
    await folded(metrics, facts, Random(seed))
    assert (await metrics.audit())["differences"] == []
    known = without(lives)
    for as_of in (75.0, 200.0):
        asked = {"as_of": day(as_of).isoformat(), "horizon_days": HORIZON}
        answer = await metrics.ask("score_quality", **asked, group_by="channel")
        for channel, found in [
            (..., answer["total"]),
            *((group["key"]["channel"], group) for group in answer["groups"]),
        ]:
            some = [one for one in known if channel is ... or one.channel == channel]
            naive = by_hand(some, as_of, lambda one: one.score)
            assert (found["n"], found["numerator"]) == (naive["n"], naive["followed"])
            assert found["value"] == pytest.approx(naive["auc"])
            assert found["maturity"] == pytest.approx(naive["maturity"])
            best = sorted(naive["ended"], reverse=True)
            assert found["lift"] == pytest.approx(top_tenth(best), abs=1e-9)
            told = [one for one in some if one.probability is not None]
            model = by_hand(told, as_of, lambda one: one.probability)
            probability = found["probability"]
            assert (probability["n"], probability["numerator"]) == (model["n"], model["followed"])
            assert probability["brier"] == pytest.approx(model["brier"])
            rounded = by_hand(told, as_of, lambda one: round(one.probability or 0.0, 3))
            assert probability["auc"] == pytest.approx(rounded["auc"])
            deciles = probability["deciles"]
            assert sum(one["leads"] for one in deciles) == pytest.approx(model["n"])
            assert sum(one["leads"] * one["observed"] for one in deciles) == pytest.approx(model["followed"])
            expected = sum(number for number, _ in model["ended"])
            assert sum(one["leads"] * one["expected"] for one in deciles) == pytest.approx(expected)
            assert [one["expected"] for one in deciles] == sorted((one["expected"] for one in deciles), reverse=True)


async def test_of_many_around_the_horizon_none_is_old_enough_before_the_day_is_over(
    metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts, lives = a_world(4, 400)
    facts = [fact for fact in facts if fact.lead_id not in (lead_id("lead 5"), lead_id("lead 6"))]
    await folded(metrics, facts, Random(4))
    monkeypatch.setattr(sketched, "FEW", -1)
    for few, counted_to in ((1_000, 75.6), (-1, 75.0)):
        monkeypatch.setattr(sketched, "FEW_AROUND", few)
        answer = await metrics.ask(
            "score_quality", as_of=day(75.6).isoformat(), horizon_days=HORIZON, group_by="channel"
        )
        for group in answer["groups"]:
            some = [one for one in without(lives) if one.channel == group["key"]["channel"]]
            naive = by_hand(some, counted_to, lambda one: one.score)
            assert (group["n"], group["numerator"]) == (naive["n"], naive["followed"])
            assert group["value"] == pytest.approx(naive["auc"])
            assert group["maturity"] == pytest.approx(naive["maturity"])


def top_tenth(best: list[tuple[float, bool]]) -> float:
    """Those told the same in no order: each counts as their average."""
    rates: dict[float, list[bool]] = {}
    for number, followed in best:
        rates.setdefault(number, []).append(followed)
    each = [sum(rates[number]) / len(rates[number]) for number, _ in best]
    wanted = len(each) / 10
    whole = int(wanted)
    top = sum(each[:whole]) + each[whole] * (wanted - whole)
    return (top / wanted) / (sum(each) / len(each))


async def test_a_window_and_a_merge_and_a_mark_change_who_is_asked_about(metrics: Metrics) -> None:
    told = Told()
    for name, on in (("a", 1.0), ("b", 2.0), ("c", 40.0)):
        told.tell(name, "LeadCreated", on, channel="phone").tell(name, "LeadGraded", on, score=60, grade="A")
    told.tell("a", "OpportunityOpened", 5.0, opportunity_id="x", stage="first")
    await metrics.fold(told.facts)
    asked: dict[str, Any] = {"as_of": day(100).isoformat(), "horizon_days": HORIZON}
    assert (await metrics.total("score_quality", **asked))["n"] == 3
    in_january = {**asked, "start": "2026-01-01", "to": "2026-02-01"}
    assert (await metrics.total("score_quality", **in_january))["n"] == 2
    told.tell("a", "LeadMerged", 50, into_lead_id=str(lead_id("b")), matched_on="email").tell(
        "c", "LeadMarked", 51, mark="spam"
    )
    await metrics.fold(told.facts)
    found = await metrics.total("score_quality", **asked)
    assert (found["n"], found["numerator"], found["value"], found["lift"]) == (1, 1, None, pytest.approx(1.0))
    assert found["probability"] is None
    assert (await metrics.audit())["differences"] == []


async def test_nobody_asked_about_has_no_quality(metrics: Metrics) -> None:
    found = await metrics.total("score_quality")
    assert (found["value"], found["n"], found["lift"], found["maturity"]) == (None, 0, None, None)


async def test_entries_of_before_are_filled_as_they_would_be_counted(metrics: Metrics) -> None:
    facts, _ = a_world(7)
    await folded(metrics, facts, Random(7))
    before = await metrics.database.rows("SELECT root_id, key, score, probability FROM metrics.entries ORDER BY 1, 2")
    assert any(row.score is not None for row in before)
    fill = import_module("services.metrics.migrations.0003_first_scores").FILL
    async with metrics.database.transaction() as tx:
        await tx.execute("UPDATE metrics.entries SET score = NULL, probability = NULL")
        await tx.execute(fill, {"after": UUID(int=0), "until": UUID(int=2**128 - 1)})
    after = await metrics.database.rows("SELECT root_id, key, score, probability FROM metrics.entries ORDER BY 1, 2")
    assert after == before
    assert (await metrics.audit())["differences"] == []
