"""Whether a model still fits those it speaks of, counted by hand."""

from __future__ import annotations

import math
from collections import Counter
from datetime import timedelta
from random import Random
from typing import Any

import pytest

from services.scoring.domain import Case, Outcome
from services.scoring.domain.model import OPPORTUNITY, AdditiveModel, History, Table
from services.scoring.domain.model.assessor import Expert
from services.scoring.domain.model.examples import MOMENTS_DAYS
from services.scoring.domain.model.watching import Watch
from tests.unit.scoring.builders import a_touch, an_id, at, days
from tests.unit.scoring.model.test_assessor import EXPERT, MODEL

HORIZON = timedelta(days=20)


def a_person(name: object, came: float, *, opened: float | None = None, channel: str = "web_form") -> History:
    """Somebody who came in on a day, and perhaps became an opportunity on another."""
    capture = a_touch(("c", name), days(came), lead_id=an_id(name), channel=channel, known_at=at(days(came)))
    outcomes: tuple[Outcome, ...] = ()
    if opened is not None:
        moment = at(days(opened))
        outcomes = (Outcome(an_id(name), an_id(("o", name)), "opened", moment, moment, "deal"),)
    return History(an_id(name), "default", (capture,), outcomes)


def watch(now: float, learned_until: float = 0.0) -> Watch:
    return Watch(EXPERT, OPPORTUNITY, HORIZON, at(days(learned_until)), at(days(now)))


def told(person: History, moment: float) -> float:
    cells = EXPERT.cells(Case("default", person.touches, at(days(moment))))
    assert cells is not None
    return MODEL.verdict(cells).probability


def test_expected_and_observed_are_of_leads_after_those_it_was_learned_from_whose_horizon_is_over() -> None:
    chance = Random(3)
    people = [
        a_person(number, came, opened=chance.choice([None, came + chance.uniform(0.5, 40)]))
        for number, came in enumerate(chance.uniform(0, 60) for _ in range(80))
    ]
    seen = watch(now=50, learned_until=10)
    seen.see(people)
    expected: list[tuple[float, bool]] = []
    for person in people:
        came = (person.touches[0].occurred_at - at(0)) / timedelta(days=1)
        opened = (person.outcomes[0].occurred_at - at(0)) / timedelta(days=1) if person.outcomes else math.inf
        for later in MOMENTS_DAYS:
            moment = came + later
            if 10 < moment <= 50 - 20 and opened > moment:
                expected.append((told(person, moment), opened <= moment + 20))
    assert sorted(zip(seen.probabilities, seen.followed, strict=True)) == sorted(expected)
    assert len(expected) > 20
    quality = seen.quality
    assert quality is not None
    assert quality.positives == sum(followed for _, followed in expected)


def test_drift_is_the_stability_index_of_recent_leads() -> None:
    seen = watch(now=40)
    seen.see([a_person(("old", number), -30, channel="event") for number in range(5)])
    seen.see([a_person(number, 35, channel="referral" if number < 30 else "web_form") for number in range(40)])
    looks = Counter(60 * [0] + 20 * [1])  # two moments of each are over
    assert seen.recent == 80
    before = {"0": 10.0, "1": 90.0}
    drift = seen.drift({"features": {"channel": before, "no longer a feature": {"0": 1.0}}, "probability": {}})
    shares = [(10 / 100, looks[0] / 80), (90 / 100, looks[1] / 80)]
    by_chance = 1 / 25 + 1 / 40  # a hundred looks were those of 25 people at least
    index = sum((now - was) * math.log(now / was) for was, now in shares)
    assert drift == {"channel": pytest.approx(index - by_chance)}
    of_people = seen.drift({"features": {"channel": before}, "people": 50})
    assert of_people == {"channel": pytest.approx(index - 1 / 50 - 1 / 40)}


def a_wide_watch(shares: list[float], people: int, chance: Random, *, levels: bool) -> tuple[Watch, dict[str, Any]]:
    """What 300 people look like to a model whose feature has many cells, and what those did that it was learned from."""
    cells = len(shares)
    named = {str(cell): cell for cell in range(cells - 2)} if levels else None
    table = Table("wide", (0,) * cells, () if levels else tuple(float(cell) for cell in range(cells - 2)), named)
    seen = Watch(Expert("wide", AdditiveModel(0, (table,))), OPPORTUNITY, HORIZON, at(0), at(1))
    before = Counter(chance.choices(range(cells), k=4_000))
    for cell in chance.choices(range(cells), shares, k=people):
        seen.looks[0][cell] += 1
        seen.recent += 1
        seen.recent_people += 1
    return seen, {"features": {"wide": {str(cell): count for cell, count in before.items()}}, "people": 4_000}


@pytest.mark.parametrize("levels", [True, False])
@pytest.mark.parametrize("cells", [4, 24, 42, 64])
def test_of_people_who_look_the_same_hardly_any_feature_drifts_by_chance(cells: int, levels: bool) -> None:
    found = []
    for seed in range(60):
        seen, profile = a_wide_watch([1.0] * cells, 300, Random(seed), levels=levels)
        found.append(seen.drift(profile)["wide"])
    assert max(found) < 0.1
    assert sorted(found)[30] < 0.01


@pytest.mark.parametrize("levels", [True, False])
def test_other_people_are_seen_in_a_feature_of_many_cells_too(levels: bool) -> None:
    shares = [5.0 if cell < 8 else 1.0 for cell in range(42)]
    seen, profile = a_wide_watch(shares, 300, Random(1), levels=levels)
    profile["features"]["wide"] |= {str(cell): 110 for cell in range(8)}
    assert seen.drift(profile)["wide"] > 0.25


def test_leads_that_look_the_same_have_not_drifted() -> None:
    before, now = watch(now=40), watch(now=80)
    for seen, came in ((before, 35), (now, 75)):
        seen.see([a_person(number, came, channel=("referral", "web_form")[number % 2]) for number in range(50)])
    profile: dict[str, Any] = {
        "features": {
            table.name: {str(cell): count for cell, count in counts.items()}
            for table, counts in zip(MODEL.tables, before.looks, strict=True)
        },
        "probability": {str(part): count for part, count in before.ranges.items()},
    }
    drift = now.drift(profile)
    assert set(drift) == {table.name for table in MODEL.tables} | {"probability"}
    assert all(index == pytest.approx(0) for index in drift.values())


def test_of_nobody_nothing_is_said() -> None:
    seen = watch(now=10)
    assert (seen.drift({"features": {"channel": {"0": 4}}}), seen.quality) == ({}, None)
