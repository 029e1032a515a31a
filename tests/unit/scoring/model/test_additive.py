"""An additive model is a sum of tables, exactly."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scoring.domain.model import UNITS_PER_LOG_ODD, AdditiveModel, Cell, Pair, Table
from services.scoring.domain.model.additive import probability

CHANNEL = Table("channel", (8_000, -3_000, 100, -500), levels={"referral": 0, "web form": 1})
EMPLOYEES = Table("employees", (-2_000, 0, 4_001, -7), edges=(10.0, 200.0))
MODEL = AdditiveModel(
    base=-12_000,
    tables=(CHANNEL, EMPLOYEES),
    pairs=(Pair(0, 1, ((1, 2, 3, 4), (5, 6, 7, 8), (9, 10, 11, 12), (13, 14, 15, 16))),),
    placeholders=frozenset({"select"}),
)

VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.sampled_from(["Referral", "250"])
)


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("referral", 0),
        ("  REFERRAL ", 0),
        ("Ｗeb Form", 1),
        ("carrier pigeon", 2),
        (7, 2),
        ("", 3),
        ("Select", 3),
        (None, 3),
        (math.nan, 3),
    ],
)
def test_a_level_falls_into_its_cell_a_rare_one_into_that_of_the_rest(value: Cell, cell: int) -> None:
    assert CHANNEL.cell(value, MODEL.placeholders) == cell


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (-5, 0),
        (9.99, 0),
        (10, 1),
        ("199", 1),
        ("۲۵۰", 2),
        (200.0, 2),
        (10**400, 3),
        ("many", 3),
        ("", 3),
        (math.inf, 3),
        (None, 3),
        (True, 3),
    ],
)
def test_a_number_falls_between_its_edges_and_what_is_none_is_unknown(value: Cell, cell: int) -> None:
    assert EMPLOYEES.cell(value, MODEL.placeholders) == cell


def test_what_two_features_say_together_is_shared_out_between_them() -> None:
    verdict = MODEL.judge({"channel": "referral", "employees": 500})
    assert verdict.cells == (0, 2)
    assert verdict.units == (8_000 + 1, 4_001 + 2)
    assert verdict.total == -12_000 + 8_000 + 4_001 + 3
    assert verdict.probability == round(1 / (1 + math.exp(-verdict.total / UNITS_PER_LOG_ODD)), 6)


@given(st.fixed_dictionaries({}, optional={"channel": VALUES, "employees": VALUES, "unheard of": VALUES}))
def test_contributions_always_sum_and_a_probability_is_one(lead: dict[str, Cell]) -> None:
    verdict = MODEL.judge(lead)
    assert MODEL.base + sum(verdict.units) == verdict.total
    assert 0 <= verdict.probability <= 1
    assert verdict == MODEL.judge(dict(reversed(lead.items())))


@given(st.integers(), st.integers())
def test_more_log_odds_never_mean_less_probability(one: int, other: int) -> None:
    low, high = sorted((one, other))
    assert probability(low) <= probability(high)
