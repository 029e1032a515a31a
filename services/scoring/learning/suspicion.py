"""Features that foretell the outcome so well alone that they were probably filled in after it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from services.scoring.domain.model.measures import auc
from services.scoring.learning.binning import FOLDS, HISTORY_WEIGHT, grid, learning_codes
from services.scoring.learning.sheet import Sheet
from services.scoring.learning.training import folds

SUSPICIOUS_AUC = 0.95


def suspicious(
    given: Sheet, labels: Sequence[bool], groups: Sequence[int] | None = None, at_least: float = SUSPICIOUS_AUC
) -> dict[str, float]:
    """The features that alone tell the outcomes apart so well, with how well: each row by how often the outcome followed
    its value in rows of other leads."""
    outcome = np.array(labels, dtype=np.float64)
    fold = folds(outcome, 0, groups)
    found = {}
    for column in given.columns:
        cut = grid(column, outcome, groups)
        codes = learning_codes(column, outcome, cut, fold)
        said = np.empty(len(outcome))
        for number in range(FOLDS):
            own = fold == number
            seen = np.bincount(codes[~own], minlength=cut.cells)
            won = np.bincount(codes[~own], weights=outcome[~own], minlength=cut.cells)
            average = outcome[~own].mean() if (~own).any() else 0.0
            said[own] = ((won + HISTORY_WEIGHT * average) / (seen + HISTORY_WEIGHT))[codes[own]]
        alone = auc(said.tolist(), list(labels))
        if alone is not None and alone >= at_least:
            found[column.name] = alone
    return found
