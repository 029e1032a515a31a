"""From examples to a model and a verdict on it. Pure, but for the time it takes: the same examples give the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from services.scoring.domain.model import (
    EVERY_UNIT,
    FORMAT_VERSION,
    UNITS_PER_LOG_ODD,
    AdditiveModel,
    Artefact,
    checksum,
    write_artefact,
)
from services.scoring.domain.model.measures import range_of
from services.scoring.domain.model.watching import drift_between
from services.scoring.learning.boosting import Recipe
from services.scoring.learning.contest import Verdict, decide
from services.scoring.learning.gathering import Examples
from services.scoring.learning.sheet import sheet_of
from services.scoring.learning.suspicion import suspicious
from services.scoring.learning.training import train
from shared.contracts.policy.learning import Learning

TEACHING_SHARE = 0.75
"""So many of the people teach, by when they were first known; the later ones judge."""

LEAST_KNOWN = 20
"""A feature that is known of fewer examples says nothing that will hold."""

NO_GAP = "; the data is too short for a gap: it was taught outcomes of the days in which those who judge came in, too"


@dataclass(frozen=True, slots=True)
class Counts:
    """People of whom the outcome followed, and of whom it did not."""

    followed: int
    not_followed: int


@dataclass(frozen=True, slots=True)
class Parted:
    """Which examples teach and which judge: no person is on both sides, and each that judges was first known later."""

    teach: list[int]
    judge: list[int]
    to_learn: Counts
    to_judge: Counts
    border: datetime | None


@dataclass(frozen=True, slots=True)
class TooLittle:
    """Rules alone speak, and why."""

    words: str
    numbers: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Learned:
    """A model as the registry keeps it, and whether it may speak."""

    row: Mapping[str, Any]
    verdict: Verdict
    numbers: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Task:
    """What to learn: which outcome, of which unit (`EVERY_UNIT` for all), within how many days, by which rules."""

    outcome: str
    business_unit: str
    horizon_days: int
    learning: Learning
    seed: int = 0
    recipe: Recipe = field(default_factory=Recipe)


@dataclass(frozen=True, slots=True)
class Champion:
    """What speaks now. It learned from people who were first known before `learned_until`."""

    version: str
    model: AdditiveModel
    learned_until: datetime | None = None


def parted(given: Examples, gap: timedelta = timedelta(0), not_before: datetime | None = None) -> Parted:
    """In time order: whoever was first known before the border teaches, who came later judges. With a gap only moments
    teach whose outcome was known that long before. The border is not before that of what speaks now, whose teachers
    would judge otherwise."""
    first: dict[int, datetime] = {}
    for person, moment in zip(given.people, given.moments, strict=True):
        first[person] = min(moment, first.get(person, moment))
    ordered = sorted(first.values())
    border = ordered[int(len(ordered) * TEACHING_SHARE)] if ordered else None
    if border is not None and not_before is not None:
        border = max(border, not_before)
    teach: list[int] = []
    judge: list[int] = []
    for index, (person, moment) in enumerate(zip(given.people, given.moments, strict=True)):
        if border is not None and first[person] >= border:
            judge.append(index)
        elif border is None or (moment < border and moment + gap <= border):
            teach.append(index)
    return Parted(teach, judge, _counts(given, teach), _counts(given, judge), border)


def learn_of_leads(given: Examples, task: Task, champion: Champion | None) -> Learned | TooLittle:
    """A model learned from the earlier people and judged on the later, beside what speaks now."""
    parts, gap_days = _parted(given, task, champion)
    numbers: dict[str, Any] = {
        "to_learn": {"followed": parts.to_learn.followed, "not_followed": parts.to_learn.not_followed},
        "to_judge": {"followed": parts.to_judge.followed, "not_followed": parts.to_judge.not_followed},
        "needed": {"to_learn": task.learning.least_to_learn, "to_judge": task.learning.least_to_judge},
        "gap_days": gap_days,
        "border": None if parts.border is None else parts.border.isoformat(),
    }
    if _too_few(parts.to_learn, task.learning.least_to_learn) or _too_few(parts.to_judge, task.learning.least_to_judge):
        return TooLittle(_too_little_words(parts, task), numbers)
    placeholders, leave_out = task.learning.missing, set(task.learning.leave_out)
    labels = [given.followed[index] for index in parts.teach]
    people = [given.people[index] for index in parts.teach]
    seldom = {name for name, cells in given.some(parts.teach) if sum(cell is not None for cell in cells) < LEAST_KNOWN}
    before = sheet_of(
        given.some(parts.teach), len(parts.teach), leave_out=leave_out | seldom, placeholders=placeholders
    )
    suspects = {
        name: found for name, found in suspicious(before, labels, people).items() if name not in task.learning.trusted
    }
    own = replace(before, columns=tuple(column for column in before.columns if column.name not in suspects))
    model = train(own, labels, task.recipe, task.seed, people).model
    judged = [given.row(index) for index in parts.judge]
    verdict = decide(
        [model.judge(row).probability for row in judged],
        [champion.model.judge(row).probability for row in judged]
        if champion
        else [sum(labels) / len(labels)] * len(judged),
        [given.followed[index] for index in parts.judge],
        [given.people[index] for index in parts.judge],
        beside=f"{champion.version}, which speaks now" if champion else "the average of earlier leads",
        most_calibration_error=task.learning.most_calibration_error,
        seed=task.seed,
        replaces=champion is not None,
    )
    numbers |= {"suspicious": {name: round(found, 4) for name, found in suspects.items()}}
    row = _row(given, task, model, verdict, numbers, sorted(suspects))
    row["metrics"]["drift"] = _drift(given, parts, model)
    return Learned(row, verdict, numbers)


def _parted(given: Examples, task: Task, champion: Champion | None) -> tuple[Parted, int]:
    """With a gap of the horizon between those who teach and those who judge, or, where so too few would teach, with none."""
    not_before = champion.learned_until if champion else None
    parts = parted(given, timedelta(days=task.horizon_days), not_before)
    if not _too_few(parts.to_learn, task.learning.least_to_learn):
        return parts, task.horizon_days
    return parted(given, not_before=not_before), 0


def _row(
    given: Examples,
    task: Task,
    model: AdditiveModel,
    verdict: Verdict,
    numbers: Mapping[str, Any],
    suspects: Sequence[str],
) -> dict[str, Any]:
    text = write_artefact(Artefact(model, task.outcome, task.horizon_days))
    profile, strengths = _profile(given, model, range(len(given)))
    data_to = max(given.moments)
    unit = "".join(one if one.isalnum() else "-" for one in task.business_unit.casefold()) or "all"
    mark = checksum(f"{task.business_unit}\n{text}")[:10]
    doubt = "" if numbers["gap_days"] else NO_GAP
    doubt += f"; left out as suspicious: {', '.join(suspects)}" if suspects else ""
    return {
        "version": f"{task.outcome}-{unit}-{data_to:%Y%m%d}-{mark}",
        "outcome": task.outcome,
        "business_unit": task.business_unit,
        "verdict": verdict.words + doubt,
        "artefact": text,
        "checksum": checksum(text),
        "format_version": FORMAT_VERSION,
        "horizon_days": task.horizon_days,
        "data_from": min(given.moments),
        "data_to": data_to,
        "examples": len(given),
        "positives": sum(given.followed),
        "features": [
            {"name": table.name, "kind": "number" if table.levels is None else "category", "strength": strength}
            for table, strength in sorted(zip(model.tables, strengths, strict=True), key=lambda one: -one[1])
        ],
        "metrics": {**verdict.document(), "counts": dict(numbers)},
        "profile": profile,
    }


def _drift(given: Examples, parts: Parted, model: AdditiveModel) -> dict[str, float]:
    """How far those who judge are from those who teach, as watching says it of those who come later still."""
    (before, _), (later, _) = (_profile(given, model, indexes) for indexes in (parts.teach, parts.judge))
    return {name: round(found, 4) for name, found in drift_between(model, before, later).items()}


def _profile(given: Examples, model: AdditiveModel, indexes: Sequence[int]) -> tuple[dict[str, Any], list[float]]:
    """What some leads looked like: how many fell into each cell of each feature, and into each tenth of the probabilities;
    and how much each feature has to say on average, in log-odds."""
    cells: list[Counter[int]] = [Counter() for _ in model.tables]
    told: Counter[int] = Counter()
    says = [0] * len(model.tables)
    for index in indexes:
        verdict = model.judge(given.row(index))
        told[range_of(verdict.probability)] += 1
        for place, (cell, units) in enumerate(zip(verdict.cells, verdict.units, strict=True)):
            cells[place][cell] += 1
            says[place] += abs(units)
    features = {
        table.name: {str(cell): count for cell, count in sorted(counts.items())}
        for table, counts in zip(model.tables, cells, strict=True)
    }
    strengths = [round(sum_of / len(indexes) / UNITS_PER_LOG_ODD, 4) for sum_of in says]
    ranges = {str(part): count for part, count in sorted(told.items())}
    return {
        "features": features,
        "probability": ranges,
        "people": len({given.people[index] for index in indexes}),
    }, strengths


def _counts(given: Examples, indexes: Sequence[int]) -> Counts:
    people = {given.people[index] for index in indexes}
    won = len({given.people[index] for index in indexes if given.followed[index]})
    return Counts(won, len(people) - won)


def _too_few(counts: Counts, least: int) -> bool:
    return min(counts.followed, counts.not_followed) < least


def _too_little_words(parts: Parted, task: Task) -> str:
    learning = task.learning
    whose = f"of {task.business_unit}" if task.business_unit != EVERY_UNIT else "of all units"
    return (
        f"rules alone speak: of leads {whose} whose {task.horizon_days} days are over, {parts.to_learn.followed} became "
        f"{_became(task.outcome)} and {parts.to_learn.not_followed} did not, to learn from, where {learning.least_to_learn} "
        f"each are needed; and {parts.to_judge.followed} and {parts.to_judge.not_followed} later ones, to judge on, where "
        f"{learning.least_to_judge} each are needed"
    )


def _became(outcome: str) -> str:
    return "opportunities" if outcome == "opportunity" else "customers"
