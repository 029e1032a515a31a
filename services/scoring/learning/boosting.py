"""Learning the tables: boosted trees, each of which may look at one feature or at one of the pairs chosen, so that what
they say together is a sum of tables. Only what scikit-learn publishes is used: the tables are read off its predictions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.scoring.learning.binning import Codes, Grid, Labels

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to learn. The number of rounds is found by trying on rows that were not learned from."""

    rate: float = 0.1
    most_rounds: int = 400
    leaves: int = 4
    least_in_leaf: int = 20
    shrinkage: float = 20.0
    features_share: float = 0.4
    pairs: int = 48
    paired_features: int = 30
    models: int = 4


@dataclass(frozen=True, slots=True)
class Tables:
    """What was learned, in log-odds: a base, a table for each feature, one for each pair."""

    base: float
    single: tuple[Floats, ...]
    double: tuple[tuple[int, int, Floats], ...]

    def log_odds(self, codes: Codes) -> Floats:
        """The sum of the tables for rows of cells."""
        total = np.full(len(codes), self.base)
        for index, table in enumerate(self.single):
            total += table[codes[:, index]]
        for first, second, table in self.double:
            total += table[codes[:, first], codes[:, second]]
        return total


@contextmanager
def one_thread() -> Iterator[None]:
    """Learning takes one thread: those that wait for each other on a busy machine took a hundred times as long, and the
    services go first."""
    import sklearn.ensemble  # noqa: F401  (only a library that is loaded can be held back)
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        yield


def boosted(
    codes: Codes,
    labels: Labels,
    grids: Sequence[Grid],
    recipe: Recipe,
    *,
    rounds: int,
    pairs: Sequence[tuple[int, int]],
    seed: int,
) -> Any:
    """One learner, fitted. Unordered grids have to come first."""
    if any(one.ordered and not following.ordered for one, following in pairwise(grids)):
        raise ValueError("unordered grids come first")
    from sklearn.ensemble import HistGradientBoostingClassifier

    alone = [{index} for index in range(len(grids))]
    learner = HistGradientBoostingClassifier(
        learning_rate=recipe.rate,
        max_iter=rounds,
        max_leaf_nodes=recipe.leaves,
        min_samples_leaf=recipe.least_in_leaf,
        l2_regularization=recipe.shrinkage,
        max_features=recipe.features_share,
        max_bins=255,
        early_stopping=False,
        categorical_features=[not grid.ordered for grid in grids],
        interaction_cst=[*alone, *({first, second} for first, second in pairs)],
        random_state=seed,
    )
    return learner.fit(placed(codes, grids), labels)


def placed(codes: Codes, grids: Sequence[Grid]) -> Floats:
    """Rows of cells as the learner sees them."""
    return np.column_stack([grid.places[codes[:, index]] for index, grid in enumerate(grids)])


def tables(learner: Any, grids: Sequence[Grid], pairs: Sequence[tuple[int, int]]) -> Tables:
    """The tables inside a fitted learner: what it predicts when one feature, or one pair, leaves the first cell."""
    start = np.zeros((1, len(grids)), dtype=np.int64)

    def predicted(rows: Codes) -> Floats:
        found: Floats = learner.decision_function(placed(rows, grids))
        return found

    base = float(predicted(start)[0])
    single = []
    for index, grid in enumerate(grids):
        rows = np.repeat(start, grid.cells, axis=0)
        rows[:, index] = np.arange(grid.cells)
        single.append(predicted(rows) - base)
    double = []
    for first, second in pairs:
        shape = grids[first].cells, grids[second].cells
        rows = np.repeat(start, shape[0] * shape[1], axis=0)
        rows[:, first], rows[:, second] = (index.ravel() for index in np.indices(shape))
        together = predicted(rows).reshape(shape)
        double.append((first, second, together - single[first][:, None] - single[second][None, :] - base))
    return Tables(base, tuple(single), tuple(double))


def averaged(many: Sequence[Tables]) -> Tables:
    """Several tables of the same cells as one."""
    share = 1.0 / len(many)
    single = tuple(
        sum((one.single[index] for one in many), np.zeros(1)) * share for index in range(len(many[0].single))
    )
    double = tuple(
        (first, second, sum((one.double[index][2] for one in many), np.zeros(1)) * share)
        for index, (first, second, _) in enumerate(many[0].double)
    )
    return Tables(sum(one.base for one in many) * share, single, double)


def all_pairs(single: Tables, codes: Codes, most_features: int) -> list[tuple[int, int]]:
    """The pairs of the features that say most alone."""
    says = [(-float((table[codes[:, index]] ** 2).mean()), index) for index, table in enumerate(single.single)]
    return sorted(combinations(sorted(index for _, index in sorted(says)[:most_features]), 2))


def strongest(learned: Tables, codes: Codes, most: int) -> Tables:
    """The tables without the pairs that say least, over these rows."""
    says = [
        (-float((table[codes[:, first], codes[:, second]] ** 2).mean()), first, second)
        for first, second, table in learned.double
    ]
    kept = {(first, second) for _, first, second in sorted(says)[:most]}
    return Tables(learned.base, learned.single, tuple(one for one in learned.double if one[:2] in kept))
