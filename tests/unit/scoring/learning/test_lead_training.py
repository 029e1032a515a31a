"""A model is learned from earlier people, judged on later ones, and speaks only where it is better and right."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from services.scoring.domain.model import EVERY_UNIT, OPPORTUNITY, Cell, Example, read_artefact
from services.scoring.learning.boosting import Recipe
from services.scoring.learning.contest import Verdict, decide
from services.scoring.learning.gathering import MOST_COLUMNS, MOST_FEATURES, Examples
from services.scoring.learning.lead_training import Champion, Learned, Task, TooLittle, learn_of_leads, parted
from services.scoring.learning.sheet import sheet
from services.scoring.learning.suspicion import suspicious
from services.scoring.learning.training import folds
from shared.contracts.policy.learning import Learning
from tests.unit.scoring.builders import an_id, at, days
from tests.unit.scoring.learning.worlds import world

QUICK = Recipe(rate=0.2, most_rounds=40, models=1)
LEARNING = Learning(least_to_learn=50, least_to_judge=20)
TASK = Task(OPPORTUNITY, EVERY_UNIT, 90, LEARNING, recipe=QUICK)


def gathered(size: int, *, moments: int = 1, seed: int = 1, **columns: Any) -> Examples:
    """People of a world, one a day, each at so many moments."""
    found = Examples()
    rows, labels = world(size, seed)
    for number, (row, followed) in enumerate(zip(rows, labels, strict=True)):
        extra = {name: make(number, followed) for name, make in columns.items()}
        for turn in range(moments):
            found.add(Example(an_id(number), at(days(number + turn / 4)), {**row, **extra}, followed))
    found.close()
    return found


def learned(given: Examples, task: Task = TASK, champion: Champion | None = None) -> Learned:
    found = learn_of_leads(given, task, champion)
    assert isinstance(found, Learned)
    return found


def test_examples_of_different_features_are_columns_of_one_length() -> None:
    found = Examples()
    found.add(Example(an_id(1), at(0), {"a": 1}, True))
    found.add(Example(an_id(2), at(1), {"b": "x"}, False))
    found.add(Example(an_id(1), at(2), {"a": 2}, True))
    found.close()
    assert found.columns == {"a": [1, None, 2], "b": [None, "x", None]}
    assert (found.row(1), found.people) == ({"a": None, "b": "x"}, [0, 1, 0])


def test_a_flood_of_features_is_bounded() -> None:
    found = Examples()
    found.add(Example(an_id(1), at(0), {f"attributes.{number}": 1 for number in range(MOST_FEATURES + 7)}, True))
    found.close()
    assert (len(found.columns), len(found.refused)) == (MOST_FEATURES, 7)


def test_in_a_flood_what_every_lead_has_and_what_is_frequent_is_learned_from_whenever_it_comes() -> None:
    found = Examples()
    for number in range(50):
        seldom: dict[str, Cell] = {f"attributes.{number} {turn}": 1 for turn in range(40)}
        late: dict[str, Cell] = {"did.meeting": 1, "source": "ads", "attributes.size": number} if number > 20 else {}
        found.add(Example(an_id(number), at(number), {**seldom, **late}, True))
        assert len(found.columns) <= MOST_COLUMNS
    found.close()
    assert len(found.columns) == MOST_FEATURES
    assert {"did.meeting", "source", "attributes.size"} <= found.columns.keys()
    assert all(len(column) == 50 for column in found.columns.values())
    assert found.columns["attributes.size"][20:23] == [None, 21, 22]
    assert len(found.refused) == 50 * 40 + 3 - MOST_FEATURES


def test_nobody_is_on_both_sides_and_whoever_judges_came_later() -> None:
    given = gathered(400, moments=3)
    parts = parted(given)
    teachers, judges = ({given.people[index] for index in side} for side in (parts.teach, parts.judge))
    assert not teachers & judges
    assert max(given.moments[index] for index in parts.teach) < min(given.moments[index] for index in parts.judge)
    assert (len(teachers), len(judges)) == (300, 100)
    assert parts.to_learn.followed + parts.to_learn.not_followed == 300


def test_with_a_gap_no_outcome_was_learned_after_the_first_who_judge_came_in() -> None:
    given = gathered(400, moments=3)
    gap = timedelta(days=90)
    parts = parted(given, gap)
    begins = min(given.moments[index] for index in parts.judge)
    assert max(given.moments[index] for index in parts.teach) + gap <= begins == parts.border
    assert (parts.to_learn.followed + parts.to_learn.not_followed, len(parts.judge)) == (211, 300)


def test_where_there_is_too_little_for_a_gap_it_is_learned_without_and_said() -> None:
    short, long = learned(gathered(280)), learned(gathered(1_200))
    assert (short.numbers["gap_days"], long.numbers["gap_days"]) == (0, 90)
    assert ("too short for a gap" in short.row["verdict"], "too short for a gap" in long.row["verdict"]) == (
        True,
        False,
    )


def test_nobody_judges_whom_the_model_that_speaks_has_learned_from() -> None:
    given = gathered(1_200)
    later = at(days(1_000))
    model = read_artefact(learned(given).row["artefact"]).model
    found = learned(given, champion=Champion("of-the-whole", model, later))
    assert found.numbers["border"] == later.isoformat()
    assert found.verdict.challenger.leads == 200
    assert parted(given, not_before=at(0)) == parted(given)


def test_all_moments_of_a_person_are_in_one_fold() -> None:
    people = [number // 3 for number in range(300)]
    fold = folds(np.array([person % 2 for person in people], dtype=np.float64), 1, people)
    assert all(len(set(fold[3 * person : 3 * person + 3])) == 1 for person in range(100))
    assert np.bincount(fold).tolist() == [60] * 5


def test_with_too_little_rules_alone_speak_and_say_what_is_missing() -> None:
    found = learn_of_leads(gathered(100), TASK, None)
    assert isinstance(found, TooLittle)
    followed, not_followed = (found.numbers["to_learn"][name] for name in ("followed", "not_followed"))
    assert followed + not_followed == 75
    assert f"{followed} became opportunities and {not_followed} did not, to learn from, where 50" in found.words
    assert isinstance(learn_of_leads(Examples(), TASK, None), TooLittle)


def test_a_model_that_found_something_is_better_than_the_average() -> None:
    found = learned(gathered(1_200))
    assert found.verdict.better, found.verdict.words
    assert found.verdict.challenger.log_loss < found.verdict.champion.log_loss
    assert found.row["metrics"]["beside"]["leads"] == 300
    assert len(found.row["metrics"]["deciles"]) == 10
    strongest = [one["name"] for one in found.row["features"][:3]]
    assert set(strongest) <= {"channel", "visits", "budget", "decides"}


def test_noise_is_not_better_than_the_average() -> None:
    chance = random.Random(3)
    given = Examples()
    for number in range(800):
        row: dict[str, Cell] = {"noise": chance.gauss(0, 1), "channel": chance.choice("abc")}
        given.add(Example(an_id(number), at(days(number)), row, chance.random() < 0.3))
    given.close()
    found = learned(given)
    assert not found.verdict.better
    assert "the average of earlier leads" in found.verdict.words


def test_the_same_model_again_is_not_better_than_itself() -> None:
    given = gathered(1_000)
    first = learned(given)
    champion = Champion("the-first", read_artefact(first.row["artefact"]).model)
    again = learned(given, champion=champion)
    assert again.row == {**first.row, "verdict": again.row["verdict"], "metrics": again.row["metrics"]}
    assert not again.verdict.better
    assert "better than the-first, which speaks now in 0%" in again.verdict.words


def test_a_planted_leak_is_reported_and_not_learned_from() -> None:
    given = gathered(800, tag=lambda number, followed: "hot" if followed else "cold" if number % 50 else None)
    found = learned(given)
    assert list(found.numbers["suspicious"]) == ["tag"]
    assert "left out as suspicious: tag" in found.row["verdict"]
    assert "tag" not in [one["name"] for one in found.row["features"]]


def test_a_leak_in_what_is_missing_is_found_as_well() -> None:
    given = gathered(800, tag=lambda number, followed: f"note {number % 90}" if followed else None)
    assert list(learned(given).numbers["suspicious"]) == ["tag"]


def test_a_trusted_feature_may_foretell_it_well() -> None:
    given = gathered(800, tag=lambda _, followed: "hot" if followed else "cold")
    trusting = LEARNING.model_copy(update={"trusted": ("tag",)})
    found = learned(given, Task(OPPORTUNITY, EVERY_UNIT, 90, trusting, recipe=QUICK))
    assert found.numbers["suspicious"] == {}
    assert found.row["features"][0]["name"] == "tag"


def test_what_may_not_be_used_is_not() -> None:
    without = LEARNING.model_copy(update={"leave_out": ("channel",)})
    found = learned(gathered(800), Task(OPPORTUNITY, EVERY_UNIT, 90, without, recipe=QUICK))
    assert "channel" not in [one["name"] for one in found.row["features"]]


def test_an_honest_world_is_not_suspicious() -> None:
    rows, labels = world(1_500)
    assert suspicious(sheet(rows), labels) == {}


def test_the_profile_counts_every_example_once_in_each_feature() -> None:
    found = learned(gathered(800))
    for counts in (*found.row["profile"]["features"].values(), found.row["profile"]["probability"]):
        assert sum(counts.values()) == 800


def test_how_far_those_who_judge_are_from_those_who_teach_is_kept() -> None:
    found = learned(gathered(1_200)).row["metrics"]["drift"]
    assert {"probability", "channel"} <= found.keys()
    assert max(found.values()) < 0.1, "the same people all along"
    given = gathered(1_200)
    for index in range(len(given) * 3 // 4, len(given)):
        given.columns["channel"][index] = "referral"
    found = learned(given).row["metrics"]["drift"]
    assert found["channel"] > 0.25
    assert sorted(found.values())[len(found) // 2] < 0.1


def _told(right: list[float], *, shifted: float = 0.0) -> list[float]:
    return [min(max(one + shifted, 0.01), 0.99) for one in right]


@pytest.mark.parametrize(
    ("shifted", "most", "better", "because"),
    [
        (0.0, 0.05, True, "better than the average"),
        (0.15, 0.05, False, "what it foretells is off by"),
        (0.15, 0.25, True, "better than the average"),
    ],
)
def test_a_model_that_is_not_right_does_not_speak(shifted: float, most: float, better: bool, because: str) -> None:
    chance = random.Random(5)
    right = [chance.choice([0.1, 0.3, 0.5, 0.7]) for _ in range(2_000)]
    followed = [chance.random() < one for one in right]
    found = decide(
        _told(right, shifted=shifted),
        [0.4] * 2_000,
        followed,
        range(2_000),
        beside="the average",
        most_calibration_error=most,
    )
    assert found.better is better
    assert because in found.words


def test_many_moments_of_few_people_are_no_proof() -> None:
    """Three people at a hundred moments each say what three people say."""
    people = [number % 3 for number in range(300)]
    followed = [person != 2 for person in people]
    ours = [0.75 if person != 2 else 0.7 for person in people]
    found = decide(ours, [0.66] * 300, followed, people, beside="it", most_calibration_error=0.5)
    alone = decide(ours, [0.66] * 300, followed, range(300), beside="it", most_calibration_error=0.5)
    assert (found.better, alone.better) == (False, True)
    assert found.sure < 0.95 < alone.sure


def test_one_that_is_only_as_good_hardly_ever_takes_the_place_of_what_speaks() -> None:
    """Each is as far from what is right as the other, by chance, as models are that learned from nearly the same."""
    replaced = 0
    for seed in range(40):
        chance = np.random.default_rng(seed)
        right = chance.uniform(0.05, 0.6, 600)
        ours, theirs = (np.clip(right + chance.normal(0, 0.05, 600), 0.01, 0.99).tolist() for _ in range(2))
        followed = (chance.random(600) < right).tolist()
        found = decide(ours, theirs, followed, range(600), beside="it", most_calibration_error=0.5, replaces=True)
        replaced += found.better
    assert replaced <= 1


def test_one_that_is_better_takes_the_place_of_what_speaks_and_by_a_hair_does_not() -> None:
    chance = np.random.default_rng(1)
    right = chance.uniform(0.05, 0.6, 4_000)
    followed = (chance.random(4_000) < right).tolist()

    def found(error: float) -> Verdict:
        theirs = np.clip(right + error, 0.01, 0.99).tolist()
        return decide(
            right.tolist(), theirs, followed, range(4_000), beside="it", most_calibration_error=0.5, replaces=True
        )

    assert found(0.15).better
    by_a_hair = decide(
        [0.9 if was else 0.1 for was in followed],
        [0.8999 if was else 0.1001 for was in followed],
        followed,
        range(4_000),
        beside="it",
        most_calibration_error=0.5,
        replaces=True,
    )
    assert (by_a_hair.sure, by_a_hair.better) == (1.0, False)
    assert "is hardly smaller than" in by_a_hair.words
