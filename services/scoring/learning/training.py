"""From rows with outcomes to a model: cells, pairs, how many rounds, tables, calibration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from services.scoring.domain.model import UNITS_PER_LOG_ODD, AdditiveModel, Pair, Table
from services.scoring.learning.binning import FOLDS, Codes, Grid, Labels, grid, learning_codes
from services.scoring.learning.boosting import (
    Floats,
    Recipe,
    Tables,
    all_pairs,
    averaged,
    boosted,
    one_thread,
    placed,
    strongest,
    tables,
)
from services.scoring.learning.sheet import Sheet

EVERY_ROUNDS = 10

LEAST_FOR_PAIRS = 100
"""Pairs are tried from so many rows of either outcome on, and ten times as many in all."""


@dataclass(frozen=True, slots=True)
class Trained:
    """A model, and what it said of each row when it had not learned from that row."""

    model: AdditiveModel
    unseen: Floats
    rounds: int
    pairs: int


def train(
    given: Sheet,
    labels: Sequence[bool],
    recipe: Recipe | None = None,
    seed: int = 0,
    groups: Sequence[int] | None = None,
) -> Trained:
    """Learns from rows and whether the outcome followed. Rows of one group are about the same lead: what is tried on some
    of them has learned from none of them. The same rows, recipe and seed give the same model."""
    with one_thread():
        return _train(given, labels, recipe or Recipe(), seed, groups)


def _train(given: Sheet, labels: Sequence[bool], recipe: Recipe, seed: int, groups: Sequence[int] | None) -> Trained:
    outcome = np.array(labels, dtype=np.float64)
    fold = folds(outcome, seed, groups)
    grids, codes = cells(given, outcome, fold, groups)
    unseen, rounds, loss = _tried(codes, outcome, fold, grids, recipe, (), seed)
    pairs: list[tuple[int, int]] = []
    if recipe.pairs and min(len(outcome) // 10, int(outcome.sum()), int((1 - outcome).sum())) >= LEAST_FOR_PAIRS:
        alone = tables(boosted(codes, outcome, grids, recipe, rounds=rounds, pairs=(), seed=seed), grids, ())
        candidates = all_pairs(pure(alone, codes), codes, recipe.paired_features)
        with_pairs, rounds_with_pairs, loss_with_pairs = _tried(codes, outcome, fold, grids, recipe, candidates, seed)
        if loss_with_pairs < loss:
            unseen, rounds, pairs = with_pairs, rounds_with_pairs, candidates
    learned = averaged(
        [
            tables(boosted(codes, outcome, grids, recipe, rounds=rounds, pairs=pairs, seed=seed + turn), grids, pairs)
            for turn in range(recipe.models)
        ]
    )
    slope, shift = calibration(unseen, outcome)
    kept = strongest(pure(learned, codes), codes, recipe.pairs)
    model = as_model(kept, grids, given, slope, shift)
    return Trained(model, 1 / (1 + np.exp(-(slope * unseen + shift))), rounds, len(kept.double))


def cells(given: Sheet, outcome: Labels, fold: Codes, groups: Sequence[int] | None = None) -> tuple[list[Grid], Codes]:
    """The columns as cells to learn from. Unordered ones come first: scikit-learn moves them there by itself, and then
    reads which features may act together by the places they had before."""
    cut = [(grid(column, outcome, groups), column) for column in given.columns]
    cut.sort(key=lambda one: one[0].ordered)
    codes = [learning_codes(column, outcome, made, fold) for made, column in cut]
    return [made for made, _ in cut], np.column_stack(codes)


def _tried(
    codes: Codes,
    outcome: Labels,
    fold: Codes,
    grids: Sequence[Grid],
    recipe: Recipe,
    pairs: Sequence[tuple[int, int]],
    seed: int,
) -> tuple[Floats, int, float]:
    """What learners said of the rows they had not learned from, after as many rounds as served best."""
    stages = range(EVERY_ROUNDS - 1, recipe.most_rounds, EVERY_ROUNDS)
    said = np.empty((len(stages), len(outcome)))
    for number in range(FOLDS):
        inside = fold == number
        learner = boosted(
            codes[~inside], outcome[~inside], grids, recipe, rounds=recipe.most_rounds, pairs=pairs, seed=seed
        )
        for stage, log_odds in enumerate(learner.staged_decision_function(placed(codes[inside], grids))):
            if stage in stages:
                said[stages.index(stage), inside] = log_odds
    losses = np.logaddexp(0.0, np.where(outcome > 0, -said, said)).mean(axis=1)
    best = int(losses.argmin())
    return said[best], stages[best] + 1, float(losses[best])


def folds(outcome: Labels, seed: int, groups: Sequence[int] | None = None, parts: int = FOLDS) -> Codes:
    """Which fold each row is in: each fold with its share of either outcome, and all rows of a group in one."""
    if groups is not None:
        own, of_row = np.unique(np.array(groups), return_inverse=True)
        reached = np.zeros(len(own))
        np.maximum.at(reached, of_row, outcome)
        return folds(reached, seed, parts=parts)[of_row]
    fold = np.empty(len(outcome), dtype=np.int64)
    chance = np.random.default_rng(seed)
    for value in (0.0, 1.0):
        rows = np.flatnonzero(outcome == value)
        fold[chance.permutation(rows)] = np.arange(len(rows)) % parts
    return fold


def calibration(log_odds: Floats, outcome: Labels) -> tuple[float, float]:
    """The straight line on the log-odds that fits what happened best (Platt's), by Newton's steps, a little shrunk
    towards leaving them as they are."""
    slope, shift = 1.0, 0.0
    for _ in range(50):
        expected = 1 / (1 + np.exp(-(slope * log_odds + shift)))
        left, weight = outcome - expected, expected * (1 - expected)
        gradient = np.array([(left * log_odds).sum() - (slope - 1.0), left.sum()])
        hessian = np.array(
            [
                [(weight * log_odds * log_odds).sum() + 1.0, (weight * log_odds).sum()],
                [(weight * log_odds).sum(), weight.sum() + 1e-9],
            ]
        )
        step = np.linalg.solve(hessian, gradient)
        slope, shift = slope + float(step[0]), shift + float(step[1])
        if np.abs(step).max() < 1e-10:
            break
    return slope, shift


def pure(learned: Tables, codes: Codes) -> Tables:
    """The same sums, with each table's average over the rows at zero and everything that one feature says alone in its
    own table, so that a contribution reads as "more or less than the average lead"."""
    single = [table.copy() for table in learned.single]
    base = learned.base
    double = []
    for first, second, table in learned.double:
        rest = table.copy()
        count = np.zeros_like(rest)
        np.add.at(count, (codes[:, first], codes[:, second]), 1.0)
        rows, columns = count.sum(axis=1), count.sum(axis=0)
        for _ in range(100):
            by_row = np.divide((count * rest).sum(axis=1), rows, out=np.zeros_like(rows), where=rows > 0)
            rest -= by_row[:, None]
            single[first] += by_row
            by_column = np.divide((count * rest).sum(axis=0), columns, out=np.zeros_like(columns), where=columns > 0)
            rest -= by_column[None, :]
            single[second] += by_column
            if max(np.abs(by_row).max(), np.abs(by_column).max()) < 1e-7:
                break
        double.append((first, second, rest))
    for index, table in enumerate(single):
        average = float(table[codes[:, index]].mean())
        table -= average
        base += average
    return Tables(base, tuple(single), tuple(double))


def as_model(learned: Tables, grids: Sequence[Grid], given: Sheet, slope: float, shift: float) -> AdditiveModel:
    """The tables in whole units, calibrated. Features that say nothing are left out."""

    def units(values: Floats) -> list[int]:
        return [round(float(value) * slope * UNITS_PER_LOG_ODD) for value in values]

    doubles = [(first, second, [units(row) for row in table]) for first, second, table in learned.double]
    doubles = [one for one in doubles if any(any(row) for row in one[2])]
    singles = [units(table) for table in learned.single]
    used = {index for first, second, _ in doubles for index in (first, second)}
    kept = [index for index, one in enumerate(singles) if any(one) or index in used]
    place = {index: new for new, index in enumerate(kept)}
    return AdditiveModel(
        base=round((learned.base * slope + shift) * UNITS_PER_LOG_ODD),
        tables=tuple(
            Table(grids[index].name, tuple(singles[index]), grids[index].edges, grids[index].levels) for index in kept
        ),
        pairs=tuple(
            Pair(place[first], place[second], tuple(tuple(row) for row in rows)) for first, second, rows in doubles
        ),
        placeholders=given.placeholders,
    )
