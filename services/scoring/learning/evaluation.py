"""How well the learner does on a file of leads whose outcome is known, always on rows it has not learned from, beside
naive Bayes on the same rows."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from services.scoring.domain.model import AdditiveModel, as_level
from services.scoring.domain.model.measures import Quality, quality
from services.scoring.learning.boosting import Recipe
from services.scoring.learning.naive_bayes import NaiveBayes
from services.scoring.learning.sheet import PLACEHOLDERS, Row, Sheet, sheet
from services.scoring.learning.suspicion import suspicious
from services.scoring.learning.times import moments
from services.scoring.learning.training import folds, train

YES = frozenset({"1", "true", "yes", "y", "t", "won", "converted"})
NO = frozenset({"0", "false", "no", "n", "f", "lost", ""})

EARLIER_SHARE = 0.7
"""In time order the earlier rows are learned from, and the rest judged."""


class NoOutcomes(ValueError):
    """The outcome column cannot be learned from. The message says why."""


@dataclass(frozen=True, slots=True)
class Options:
    """What a person may choose about an evaluation."""

    leave_out: Collection[str] = ()
    keep: Collection[str] = ()
    time: str | None = None
    placeholders: Collection[str] = PLACEHOLDERS
    folds: int = 5
    seeds: int = 5
    recipe: Recipe | None = None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Each method's quality, one entry a seed. `how` says in words which rows were judged; `suspicious` are the features
    that foretell the outcome so well alone that they were probably filled in after it."""

    how: str
    rows: int
    positives: int
    features: tuple[str, ...]
    left_out: Mapping[str, str]
    model: tuple[Quality, ...]
    naive_bayes: tuple[Quality, ...]
    suspicious: Mapping[str, float]

    def mean(self, method: str, measure: str) -> float | None:
        """A measure's mean over the seeds."""
        found = [getattr(one, measure) for one in getattr(self, method)]
        return fmean(found) if found and all(value is not None for value in found) else None


def outcomes(rows: Sequence[Row], column: str) -> list[bool]:
    """Whether the outcome followed, by row. Raises `NoOutcomes` where the column does not say so."""
    if not rows or not any(column in row for row in rows):
        raise NoOutcomes(f"There is no column {column!r}; name the one that says whether the outcome followed.")
    levels = [as_level(row.get(column)) or "" for row in rows]
    strange = sorted(set(levels) - YES - NO)
    if strange:
        raise NoOutcomes(
            f"Column {column!r} holds {strange[0]!r}; write 1, true or yes where the outcome followed, else 0, false or no."
        )
    found = [level in YES for level in levels]
    if len(set(found)) < 2:
        raise NoOutcomes(f"Column {column!r} is the same in every row; there is nothing to tell apart.")
    return found


def learn(rows: Sequence[Row], outcome: str, options: Options | None = None, seed: int = 0) -> AdditiveModel:
    """A model from rows whose outcome is known. `model.judge(row).probability` is what it says of another row."""
    options = options or Options()
    return train(_sheet(rows, outcome, options), outcomes(rows, outcome), options.recipe, seed).model


def told_of(
    rows: Sequence[Row], others: Sequence[Row], outcome: str, options: Options | None = None, seed: int = 0
) -> list[float]:
    """What a model that learned from some rows says of others, whose outcome need not be known."""
    model = learn(rows, outcome, options, seed)
    return [model.judge(row).probability for row in others]


def evaluate(
    rows: Sequence[Row],
    outcome: str,
    options: Options | None = None,
    *,
    test: Sequence[Row] | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Evaluation:
    """How well the learner does. With `test`, it learns from all rows and is judged on those; with a time column, it
    learns from the earlier rows and is judged on the later; otherwise every row is judged once a seed by a model that has
    not seen it."""
    options = options or Options()
    labels = outcomes(rows, outcome)
    if test is not None:
        how = f"learned from {len(rows)} rows, judged on {len(test)} of another file"
        rows, labels = [*rows, *test], [*labels, *outcomes(test, outcome)]
        parts = [[_split(range(len(rows) - len(test)), range(len(rows) - len(test), len(rows)))]]
    elif options.time is not None:
        parts, how = _in_time(rows, options.time)
    else:
        parts = [list(_shuffled(labels, options.folds, seed)) for seed in range(options.seeds)]
        how = (
            f"{options.folds} folds, {options.seeds} seeds: each row judged once a seed by a model that has not seen it"
        )
    given = _sheet(rows, outcome, options)
    models, bayes = [], []
    for seed, splits in enumerate(parts):
        told, told_by_bayes, was = [], [], []
        for number, (learned_from, judged) in enumerate(splits, start=1):
            progress(f"seed {seed + 1} of {len(parts)}, part {number} of {len(splits)}")
            own = _sheet([rows[index] for index in learned_from], outcome, options)
            own_labels = [labels[index] for index in learned_from]
            model = train(own, own_labels, options.recipe, seed).model
            beside = NaiveBayes(own, own_labels)
            told += [model.judge(rows[index]).probability for index in judged]
            told_by_bayes += [beside.probability(rows[index]) for index in judged]
            was += [labels[index] for index in judged]
        models.append(quality(told, was))
        bayes.append(quality(told_by_bayes, was))
    return Evaluation(
        how=how,
        rows=len(rows),
        positives=sum(labels),
        features=tuple(column.name for column in given.columns),
        left_out=given.left_out,
        model=tuple(one for one in models if one is not None),
        naive_bayes=tuple(one for one in bayes if one is not None),
        suspicious=suspicious(given, labels),
    )


Split = tuple[list[int], list[int]]
"""Rows to learn from, rows to judge."""


def _sheet(rows: Sequence[Row], outcome: str, options: Options) -> Sheet:
    left_out = {outcome, *options.leave_out, *([options.time] if options.time else ())}
    return sheet(rows, leave_out=left_out, placeholders=options.placeholders, keep=options.keep)


def _split(learned_from: Collection[int], judged: Collection[int]) -> Split:
    return list(learned_from), list(judged)


def _shuffled(labels: Sequence[bool], parts: int, seed: int) -> Iterator[Split]:
    fold = folds(np.array(labels, dtype=np.float64), seed, parts=parts)
    for number in range(parts):
        yield np.flatnonzero(fold != number).tolist(), np.flatnonzero(fold == number).tolist()


def _in_time(rows: Sequence[Row], column: str) -> tuple[list[list[Split]], str]:
    """Cut between two moments, so that no moment is on both sides."""
    when = moments([row.get(column) for row in rows], column)
    ordered = sorted(when)
    border = ordered[int(len(ordered) * EARLIER_SHARE)]
    earlier = [index for index, moment in enumerate(when) if moment < border]
    if not earlier:
        border = min(moment for moment in when if moment > border)
        earlier = [index for index, moment in enumerate(when) if moment < border]
    later = [index for index, moment in enumerate(when) if moment >= border]
    return [
        [(earlier, later)]
    ], f"learned from the {len(earlier)} earlier rows by {column}, judged on the {len(later)} later"
