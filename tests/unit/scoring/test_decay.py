"""Points fade by whole days, the same on every machine, and what is told changes on a day that is known before."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.scoring.domain import Rulebook
from services.scoring.domain.decay import WHOLE, Fade, rounded
from shared.contracts.policy import Scoring
from tests.unit.scoring.builders import a_touch, a_visit, at, days


@pytest.mark.parametrize(
    ("half_life", "age", "left"),
    [
        (1, 0, 1_000_000),
        (1, 1, 500_000),
        (1, 20, 0),
        (7, 7, 500_000),
        (7, 1, 905_723),
        (7, 70, 976),
        (30, 10, 793_700),
        (90, 45, 707_106),
        (3650, 3649, 500_094),
    ],
)
def test_half_is_left_after_a_half_life_in_whole_millionths(half_life: int, age: int, left: int) -> None:
    assert Fade(half_life, None).left(age) == left


@pytest.mark.parametrize("half_life", [1, 2, 7, 30, 365])
def test_nothing_ever_grows_by_waiting(half_life: int) -> None:
    left = [Fade(half_life, 400).left(age) for age in range(500)]
    assert left == sorted(left, reverse=True)
    assert left[399] >= 0 == left[400]


@pytest.mark.parametrize("points", [1, 3, 20, -7, 60])
@pytest.mark.parametrize("half_life", [1, 9, 90])
def test_it_is_known_when_points_are_gone(points: int, half_life: int) -> None:
    fade = Fade(half_life, None)
    gone = fade.gone_after(points)
    assert gone is not None
    assert rounded(points * fade.left(gone)) == 0


@pytest.mark.parametrize(
    ("millionths", "points"), [(WHOLE // 2, 1), (WHOLE // 2 - 1, 0), (-WHOLE // 2, -1), (3 * WHOLE // 2, 2), (0, 0)]
)
def test_a_half_point_counts_as_one(millionths: int, points: int) -> None:
    assert rounded(millionths) == points


def engagement(rule: dict[str, Any], on_days: list[float], after_days: float, **scoring: Any) -> int:
    rules = {"engagement": [{"rule": "it", "kind": "call", **rule}], **scoring}
    calls = [a_visit(number, days(day), kind="call") for number, day in enumerate(on_days)]
    return Rulebook(Scoring.model_validate(rules)).score(calls, at(days(after_days))).engagement


CALLS_FADE = {"decay": {"Call": {"half_life_days": 10}, "any": {"half_life_days": 1}}}


@pytest.mark.parametrize(
    ("rule", "on_days", "after_days", "scoring", "points"),
    [
        ({"points": 20}, [0], 10, CALLS_FADE, 10),
        ({"points": 20}, [0], 20, CALLS_FADE, 5),
        ({"points": 20}, [0], 1, {"decay": {"any": {"half_life_days": 1}}}, 10),
        ({"points": 20}, [0], 999, {"decay": {"meeting": {"half_life_days": 1}}}, 20),
        ({"points": 20, "half_life_days": 20}, [0], 20, CALLS_FADE, 10),
        ({"points": 20, "at_most": 2}, [0, 10, 20], 20, CALLS_FADE, 30),
        ({"points": 20, "at_most": 3}, [0, 10, 20], 20, CALLS_FADE, 35),
        ({"points": 20, "expires_days": 7}, [0], 6, {}, 20),
        ({"points": 20, "expires_days": 7}, [0], 7, {}, 0),
        ({"points": 20}, [0], 5, {"decay": {"call": {"expires_days": 5}}}, 0),
        ({"points": -20}, [0], 10, CALLS_FADE, -20),
        ({"points": -20, "half_life_days": 10}, [0], 10, {}, -10),
        ({"points": 20, "times": 2}, [0, 10], 20, CALLS_FADE, 10),
    ],
)
def test_points_fade_as_the_kind_or_the_rule_says(
    rule: dict[str, Any], on_days: list[float], after_days: float, scoring: dict[str, Any], points: int
) -> None:
    assert engagement(rule, on_days, after_days, **scoring) == points


def test_a_day_is_a_day_of_the_calendar_in_utc() -> None:
    late = a_visit("late", days(0.49), kind="call")
    rulebook = Rulebook(
        Scoring.model_validate({"engagement": [{"rule": "it", "kind": "call", "points": 20, "half_life_days": 1}]})
    )
    midnight = datetime(2026, 3, 3, tzinfo=UTC)
    assert rulebook.score([late], midnight - timedelta(microseconds=1)).engagement == 20
    assert rulebook.score([late], midnight).engagement == 10


def test_the_day_is_known_on_which_the_grade_will_change() -> None:
    scoring = Scoring.model_validate(
        {
            "engagement": [{"rule": "it", "kind": "call", "points": 30, "half_life_days": 10}],
            "grades": [{"grade": "A", "at_least": 15}, {"grade": "B", "at_least": 0}],
            "ratings": {"engagement": [99, 98, 97]},
        }
    )
    rulebook = Rulebook(scoring)
    ledger = [a_touch(), a_visit("call", kind="call")]
    now = rulebook.judge(ledger)
    assert now.changes_at == datetime(2026, 3, 13, tzinfo=UTC)
    before, then = (rulebook.judge(ledger, now.changes_at + timedelta(days=later)) for later in (-1, 0))
    assert (before.score.grade, then.score.grade, then.score.score) == ("A", "B", 14)
    assert then.changes_at is None


def test_the_score_is_told_again_when_time_moved_it_by_so_many_points() -> None:
    scoring = {
        "engagement": [{"rule": "it", "kind": "call", "points": 40, "half_life_days": 10}],
        "grades": [{"grade": "A", "at_least": 0}],
        "ratings": {"engagement": [99, 98, 97]},
    }
    ledger = [a_touch(), a_visit("call", kind="call")]
    assert Rulebook(Scoring.model_validate(scoring)).judge(ledger).changes_at is None
    changes_at = Rulebook(Scoring.model_validate({**scoring, "retell_points": 20})).judge(ledger).changes_at
    assert changes_at == datetime(2026, 3, 12, tzinfo=UTC)


def test_silence_and_fading_penalties_change_what_is_told_too() -> None:
    known = {"rule": "known", "field": "email", "present": True, "points": 30}
    quiet = {"rule": "gone quiet", "silent_days": 45, "points": -15}
    rulebook = Rulebook(Scoring.model_validate({"fit": [known], "engagement": [quiet]}))
    assert rulebook.judge([a_touch(email=True)]).changes_at == datetime(2026, 4, 16, tzinfo=UTC)
    left = {"rule": "left", "kind": "unsubscribe", "points": -20, "half_life_days": 10}
    rulebook = Rulebook(Scoring.model_validate({"fit": [known], "engagement": [left]}))
    ledger = [a_touch(email=True), a_visit("left", kind="unsubscribe")]
    changes_at = rulebook.judge(ledger).changes_at
    assert changes_at == datetime(2026, 3, 12, tzinfo=UTC)
    assert (rulebook.score(ledger).score, rulebook.score(ledger, changes_at).score) == (10, 20)
