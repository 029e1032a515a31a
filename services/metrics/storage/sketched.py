"""Answers that need to know how things are spread, from sketches and sums: quantiles, curves and rankings over any number of
leads. Where there are few, or the books do not agree, there is no answer here, and entries give the exact one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from services.metrics.domain.answers import TOTAL, Cell, Group, Values, Wait, from_cells, from_waits
from services.metrics.domain.entries import Measure
from services.metrics.domain.forms import (
    Count,
    Duration,
    Form,
    Incidence,
    MoneyMean,
    Ranking,
    Reach,
    Share,
    TimeToEvent,
    Velocity,
)
from services.metrics.domain.questions import Question
from services.metrics.domain.rankings import RankedCell, from_ranked
from services.metrics.domain.sketches import (
    AMOUNT,
    DURATION,
    MICROS_OF_PROBABILITY,
    PROBABILITY,
    SCORE,
    TIMED,
    VALUED,
    amount_of,
    quantiles,
    seconds_of,
)
from services.metrics.domain.statistics import Ages
from services.metrics.storage.ranking import ranked
from services.metrics.storage.spreads import A_DAY, Groups, by_day, spread
from shared.kit.database import Reader

FEW = 10_000
"""Up to so many are counted one by one, exactly."""

NOON = time(12)

Cells = Callable[[Reader, Question], Awaitable[list[Cell]]]


def is_sketched(form: Form) -> bool:
    """Whether sketches are kept of all that a form has to know of how things are spread."""
    match form:
        case Duration(measure) | Reach(_, measure):
            return measure in TIMED
        case MoneyMean(measure):
            return measure in VALUED
        case Incidence(_, reached, competing) | TimeToEvent(_, reached, competing):
            return {reached, competing} <= TIMED
        case Velocity() | Ranking():
            return True
        case _:
            return False


async def from_sketches(
    database: Reader, question: Question, zone: ZoneInfo, *, rolled: Cells, exact: Cells
) -> dict[Group | None, Values] | None:
    """The values of every group and of the total; None where entries have to tell. `rolled` and `exact` add up the measures of
    a question, from sums or from entries."""
    form = question.definition.form
    if isinstance(form, Incidence | TimeToEvent):
        return await _curves(database, question, form, zone, rolled)
    if isinstance(form, Ranking):
        return await _ranking(database, question, form, rolled)
    cells = await rolled(database, question)
    if isinstance(form, Velocity):
        return from_cells(question, [replace(cell, mean_seconds=cell.mean_of_sums) for cell in cells])
    if isinstance(form, MoneyMean):
        return await _medians(database, question, cells)
    assert isinstance(form, Duration | Reach)
    measure = form.reached if isinstance(form, Reach) else form.measure
    others = [cell for cell in cells if cell.measure != measure]
    whole = [cell for cell in cells if cell.group is TOTAL and cell.measure == measure]
    if sum(cell.n for cell in whole) > FEW:
        found = await spread(database, question, DURATION, (measure,))
        if _count(found) == sum(cell.durations for cell in whole):
            return from_cells(question, [*others, *_timed(cells, measure, found)])
    alone = replace(question, definition=replace(question.definition, form=Duration(measure)))
    return from_cells(question, [*others, *await exact(database, alone)])


def _timed(cells: Iterable[Cell], measure: Measure, found: Groups) -> list[Cell]:
    """One cell for each group, whatever the currencies, with its quantiles."""
    together: dict[Group | None, Cell] = {}
    for cell in cells:
        if cell.measure == measure:
            known = together.get(cell.group, Cell(cell.group, measure))
            together[cell.group] = replace(
                known, n=known.n + cell.n, durations=known.durations + cell.durations,
                microseconds=known.microseconds + cell.microseconds,
            )  # fmt: skip
    return [
        replace(
            cell, negative=cell.n - cell.durations, mean_seconds=cell.mean_of_sums,
            quantiles_seconds=quantiles({seconds_of(bucket): n for (bucket,), (n, *_) in _of(found, group, measure)}),
        )
        for group, cell in together.items()
    ]  # fmt: skip


async def _medians(database: Reader, question: Question, cells: list[Cell]) -> dict[Group | None, Values] | None:
    (measure,) = question.definition.measures
    if sum(cell.n for cell in cells if cell.group is TOTAL) <= FEW:
        return None
    found = await spread(database, question, AMOUNT, (measure,), "currency")
    if _count(found) != sum(cell.n for cell in cells if cell.group is TOTAL and cell.currency):
        return None
    told = []
    for cell in cells:
        counts = {
            amount_of(bucket): n
            for (currency, bucket), (n, *_) in _of(found, cell.group, measure)
            if currency == cell.currency
        }
        middle = quantiles(counts, (0.5,)) if cell.currency else None
        told.append(replace(cell, median_amount=None if middle is None else Decimal(repr(middle[0]))))
    return from_cells(question, told)


async def _curves(
    database: Reader, question: Question, form: Incidence | TimeToEvent, zone: ZoneInfo, rolled: Cells
) -> dict[Group | None, Values] | None:
    if await _how_many(database, question, form.began, rolled) <= FEW:
        return None
    days = await by_day(database, question)
    outcomes = (form.reached, form.competing)
    found = await spread(database, question, DURATION, outcomes)
    if _count(found) != sum(timed for key, (_, timed, _) in days[TOTAL].items() if key[0] in outcomes):
        return None
    share = Share(form.began, form.reached, (form.reached, form.competing))
    mature = replace(question, definition=replace(question.definition, form=share))
    maturity = from_cells(mature, await rolled(database, mature))
    return from_waits(
        question, [_wait(question, group, of_group, found, form, zone) for group, of_group in days.items()], maturity
    )


def _wait(
    question: Question, group: Group | None, days: Mapping[Any, Sequence[Any]], found: Groups,
    form: Incidence | TimeToEvent, zone: ZoneInfo,
) -> Wait:  # fmt: skip
    """One cohort as ages. Those that wait are taken as having come at noon of their day; an outcome dated before the beginning
    counts at age 0, and not at all where durations are asked for."""
    waiting: dict[float, int] = defaultdict(int)
    sums = {measure: [0, 0, 0] for measure in (form.reached, form.competing)}
    for (measure, day), numbers in days.items():
        noon = datetime.combine(day, NOON, tzinfo=zone)
        age = max((question.as_of - noon.astimezone(UTC)).total_seconds(), 0.0)
        waiting[age] += numbers[0] if measure == form.began else -numbers[0]
        if measure in sums:
            sums[measure] = [one + more for one, more in zip(sums[measure], numbers, strict=True)]
    ages = {
        measure: {seconds_of(bucket): n for (bucket,), (n, *_) in _of(found, group, measure)}
        for measure in (form.reached, form.competing)
    }
    n, timed, microseconds = sums[form.reached]
    negative, competed = n - timed, sums[form.competing][0] - sums[form.competing][1]
    if isinstance(form, Incidence) and negative:
        ages[form.reached][0.0] = ages[form.reached].get(0.0, 0) + negative
    if competed:
        ages[form.competing][0.0] = ages[form.competing].get(0.0, 0) + competed
    left = {age: n for age, n in waiting.items() if n}
    mean = microseconds / timed / 1_000_000 if timed else None
    return Wait(group, Ages(ages[form.reached], ages[form.competing], left), negative, mean)


async def _ranking(
    database: Reader, question: Question, form: Ranking, rolled: Cells
) -> dict[Group | None, Values] | None:
    """Whole days that are older than the horizon, or younger, from sketches; the days around it from entries."""
    if await _how_many(database, question, form.began, rolled) <= FEW:
        return None
    edge = question.cutoff.date()
    around = (edge - A_DAY, edge + A_DAY)
    cells: dict[tuple[Any, ...], dict[str, Any]] = defaultdict(dict)
    for kind in (SCORE, PROBABILITY):
        found = await spread(
            database, question, kind, (form.began, form.reached), "age_days <= :horizon", "day < :first_around",
            without=around, values={"horizon": question.horizon_days, "first_around": around[0]},
        )  # fmt: skip
        for group, told in found.items():
            for (measure, within, old, bucket), (n, total, squares) in told.items():
                cell = cells[group, kind, bucket]
                if measure == form.began and not old:
                    cell["young"] = cell.get("young", 0) + n
                elif measure == form.began:
                    cell["leads"] = cell.get("leads", 0) + n
                    cell["probabilities"] = cell.get("probabilities", 0.0) + total / MICROS_OF_PROBABILITY
                    cell["squares"] = cell.get("squares", 0.0) + squares / MICROS_OF_PROBABILITY
                elif within and old:
                    cell["followed"] = cell.get("followed", 0) + n
                    cell["of_followed"] = cell.get("of_followed", 0.0) + total / MICROS_OF_PROBABILITY
    from_whole_days = [
        RankedCell(group, bucket if kind == SCORE else None, bucket if kind == PROBABILITY else None, **numbers)
        for (group, kind, bucket), numbers in cells.items()
        if numbers
    ]
    return from_ranked(question, [*from_whole_days, *await ranked(database, question, form, days=around)])


async def _how_many(database: Reader, question: Question, began: Measure, rolled: Cells) -> int:
    """How many the cohorts have, cut or not."""
    counted = replace(question, group_by=(), definition=replace(question.definition, form=Count(began)))
    return sum(cell.n for cell in await rolled(database, counted))


def _count(found: Groups) -> int:
    return sum(numbers[0] for numbers in found[TOTAL].values())


def _of(found: Groups, group: Group | None, measure: Measure) -> list[tuple[tuple[Any, ...], list[Any]]]:
    """One measure's numbers in a group, by what they are told apart by beside it."""
    return [(key[1:], numbers) for key, numbers in found.get(group, {}).items() if key[0] == measure and numbers[0]]
