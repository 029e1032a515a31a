"""The learner on real leads, in small: one part of each set is judged by what the others teach. `make evaluate` is the full
answer."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from services.scoring.domain.model import as_level
from services.scoring.learning.boosting import Recipe, one_thread
from services.scoring.learning.evaluation import Options, evaluate
from tests.evaluation.sets import DATA, FORGED, SETS, SHOPPERS, XEDUCATION, RealSet

IN_SMALL = Recipe(rate=0.15, most_rounds=150, models=1, pairs=16, paired_features=8)
EVERY = 4
"""One row of so many is judged."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    with one_thread():
        yield


@pytest.mark.parametrize(
    ("real", "auc", "ahead", "ece"),
    [(XEDUCATION, 0.865, 0.02, 0.04), (SHOPPERS, 0.77, 0.03, 0.03)],
    ids=lambda one: one.name if isinstance(one, RealSet) else str(one),
)
def test_the_learner_is_good_right_and_far_ahead_of_naive_bayes(
    real: RealSet, auc: float, ahead: float, ece: float
) -> None:
    if real.missing:
        pytest.skip(real.missing)
    rows = real.rows()
    taught = [row for number, row in enumerate(rows) if number % EVERY]
    options = real.options()
    small = Options(leave_out=options.leave_out, placeholders=options.placeholders, recipe=IN_SMALL)
    found = evaluate(taught, real.columns().outcome, small, test=rows[::EVERY])
    model, bayes = found.model[0], found.naive_bayes[0]
    assert model.auc is not None
    assert bayes.auc is not None
    assert model.auc >= auc
    assert model.auc - bayes.auc >= ahead
    assert model.ece <= ece
    assert found.suspicious == {}


@pytest.mark.parametrize("real", SETS, ids=lambda one: one.name)
def test_no_column_that_is_filled_in_later_is_looked_at(real: RealSet) -> None:
    if real.missing:
        pytest.skip(real.missing)
    columns = real.columns()
    there = real.rows()[0].keys()
    assert set(columns.leave_out) <= there
    assert columns.outcome in there


def test_the_deals_of_a_made_up_company_are_what_its_makers_say() -> None:
    """So many won of so many is what was counted outside of here: the rows are read whole."""
    if FORGED.missing:
        pytest.skip(FORGED.missing)
    truth = json.loads((DATA / "synthetic_leadforge" / "ground_truth.json").read_text())
    rows = FORGED.rows()
    won = sum(as_level(row["converted_within_90_days"]) == "true" for row in rows)
    assert {"leads": len(rows), "converted": won}.items() <= truth["dev_seed42"]["leads"].items()
