"""Measures say the same as the library that the field uses, and are fair to ties."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scoring.domain.model.measures import auc, by_decile, quality, stability

TOLD = st.lists(st.tuples(st.sampled_from([0.0, 0.05, 0.1, 0.35, 0.5, 0.8, 1.0]), st.booleans()), min_size=1)


@given(TOLD)
def test_quality_is_what_scikit_learn_says(told: list[tuple[float, bool]]) -> None:
    from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

    probabilities, was = (list(values) for values in zip(*told, strict=True))
    found = quality(probabilities, was)
    assert found is not None
    assert found.brier == pytest.approx(brier_score_loss(was, probabilities))
    held = [min(max(one, 1e-6), 1 - 1e-6) for one in probabilities]
    assert found.log_loss == pytest.approx(log_loss(was, held, labels=[False, True]))
    if 0 < sum(was) < len(was):
        assert found.auc == pytest.approx(roc_auc_score(was, probabilities))
    else:
        assert found.auc is None


def test_there_is_nothing_to_say_of_nobody() -> None:
    assert quality([], []) is None


@given(TOLD, st.randoms(use_true_random=False))
def test_deciles_hold_everybody_and_do_not_depend_on_the_order(told: list[tuple[float, bool]], chance: object) -> None:
    probabilities, was = zip(*told, strict=True)
    parts = by_decile(probabilities, was)
    assert sum(part.leads for part in parts) == len(told)
    assert sum(part.leads * part.observed for part in parts) == pytest.approx(sum(was))
    expected = [part.expected for part in parts]
    assert expected == pytest.approx(sorted(expected, reverse=True), abs=1e-12), "best first, but for the last bit"
    mixed = list(told)
    chance.shuffle(mixed)  # type: ignore[attr-defined]
    again = by_decile(*zip(*mixed, strict=True))
    assert [part.observed for part in again] == pytest.approx([part.observed for part in parts])


def test_calibration_error_is_the_distance_between_told_and_happened() -> None:
    found = quality([0.25] * 4 + [0.75] * 4, [True, False, False, False, True, True, True, True])
    assert found is not None
    assert found.ece == pytest.approx(0.125)
    assert found.lift == pytest.approx(1 / 0.625)


@pytest.mark.parametrize(
    ("scores", "was", "expected"),
    [([1, 2, 3], [False, False, True], 1.0), ([3, 2, 1], [False, False, True], 0.0), ([1, 1], [False, True], 0.5)],
)
def test_auc_counts_who_stands_above_whom(scores: list[float], was: list[bool], expected: float) -> None:
    assert auc(scores, was) == expected


def test_stability_is_zero_for_the_same_and_grows_with_the_distance() -> None:
    assert stability({"a": 10, "b": 30}, {"a": 100, "b": 300}) == pytest.approx(0)
    assert stability({"a": 50, "b": 50}, {"a": 40, "b": 60}) == pytest.approx(0.1 * math.log(1.5))
    assert stability({"a": 90, "b": 10}, {"a": 10, "b": 90}) > 0.25
    assert stability({"a": 10}, {"b": 10}) > 1
    assert stability({}, {"b": 10}) == 0.0
