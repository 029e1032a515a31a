"""Answers that need to know how things are spread, from sketches and sums: quantiles, curves and rankings over any number of
leads. Where there are few, or the books do not agree, there is no answer here, and entries give the exact one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from services.metrics.domain.answers import TOTAL, Cell, Group, Values, Wait, from_cells, from_waits
from services.metrics.domain.buckets import Buckets
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
from services.metrics.domain.rankings import Told, from_entries, from_ranked
from services.metrics.domain.sketches import (
    AMOUNT,
    AMOUNTS,
    DURATION,
    MICROS_OF_PROBABILITY,
    PROBABILITY,
    SCORE,
    SECONDS,
    TIMED,
    VALUED,
    first_day_of,
    quantiles,
)
from services.metrics.domain.statistics import Ages
from services.metrics.storage.around import FEW as FEW_AROUND
from services.metrics.storage.ranking import ranked
from services.metrics.storage.spreads import A_DAY, Spreads, by_day, spread
from shared.kit.database import Reader

FEW = 10_000
"""Up to so many are counted one by one, exactly."""

OLD, AROUND, YOUNG = range(3)
WHEN = "CAST(day >= :first AS integer) + CAST(day > :last AS integer)"
"""Whether a day is before those around the horizon, one of them, or after them."""

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
        found = await spread(database, question, (DURATION,), (measure,))
        if _count(found) == sum(cell.durations for cell in whole):
            return from_cells(question, [*others, *_timed(cells, measure, found)])
    alone = replace(question, definition=replace(question.definition, form=Duration(measure)))
    return from_cells(question, [*others, *await exact(database, alone)])


def _timed(cells: Iterable[Cell], measure: Measure, found: Spreads) -> list[Cell]:
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
            quantiles_seconds=quantiles(_told(found, group, SECONDS, measure)),
        )
        for group, cell in together.items()
    ]  # fmt: skip


async def _medians(database: Reader, question: Question, cells: list[Cell]) -> dict[Group | None, Values] | None:
    (measure,) = question.definition.measures
    if sum(cell.n for cell in cells if cell.group is TOTAL) <= FEW:
        return None
    found = await spread(database, question, (AMOUNT,), (measure,), "currency")
    if _count(found) != sum(cell.n for cell in cells if cell.group is TOTAL and cell.currency):
        return None
    told = []
    for cell in cells:
        counts = _told(found, cell.group, AMOUNTS, measure, cell.currency)
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
    found = await spread(database, question, (DURATION,), outcomes)
    if _count(found) != sum(
        timed.sum() for (measure,), (_, (_, timed, *_)) in days[TOTAL].items() if measure in outcomes
    ):
        return None
    share = Share(form.began, form.reached, (form.reached, form.competing))
    mature = replace(question, definition=replace(question.definition, form=share))
    maturity = from_cells(mature, await rolled(database, mature))
    age_on = _Ages(question.as_of, zone)
    return from_waits(
        question, [_wait(group, of_group, found, form, age_on) for group, of_group in days.items()], maturity
    )


class _Ages(dict[int, float]):
    """How old those are at a moment who came on a day, as if at noon."""

    def __init__(self, as_of: datetime, zone: ZoneInfo) -> None:
        super().__init__()
        self._as_of, self._zone = as_of, zone

    def __missing__(self, day: int) -> float:
        noon = datetime.combine(first_day_of(day), NOON, tzinfo=self._zone)
        self[day] = max((self._as_of - noon.astimezone(UTC)).total_seconds(), 0.0)
        return self[day]


def _wait(
    group: Group | None, days: Mapping[tuple[Any, ...], Buckets], found: Spreads, form: Incidence | TimeToEvent,
    age_on: Mapping[int, float],
) -> Wait:  # fmt: skip
    """One cohort as ages. Those that wait are taken as having come at noon of their day; an outcome dated before the beginning
    counts at age 0, and not at all where durations are asked for."""
    waiting: dict[float, int] = defaultdict(int)
    sums = {measure.value: [0, 0, 0, 0] for measure in (form.reached, form.competing)}
    for (measure,), (of_days, numbers) in days.items():
        sign = 1 if measure == form.began else -1
        for day, n in zip(of_days.tolist(), numbers[0].tolist(), strict=True):
            waiting[age_on[day]] += sign * n
        sums[measure] = [int(one.sum()) for one in numbers]
    outcomes, competing = (_told(found, group, SECONDS, measure) for measure in (form.reached, form.competing))
    n, timed, seconds, rest = sums[form.reached]
    negative, competed = n - timed, sums[form.competing][0] - sums[form.competing][1]
    if isinstance(form, Incidence) and negative:
        outcomes[0.0] = outcomes.get(0.0, 0) + negative
    if competed:
        competing[0.0] = competing.get(0.0, 0) + competed
    left = {age: n for age, n in waiting.items() if n}
    mean = (seconds * 1_000_000 + rest) / timed / 1_000_000 if timed else None
    return Wait(group, Ages(outcomes, competing, left), negative, mean)


async def _ranking(
    database: Reader, question: Question, form: Ranking, rolled: Cells
) -> dict[Group | None, Values] | None:
    """Whole days that are older than the horizon, or younger, from sketches; the days around it from entries where these are few. Of
    more, none is old enough before the day is over: the answer says how many it is of, and they are whole leads."""
    if await _how_many(database, question, form.began, rolled) <= FEW:
        return None
    first, last = around = question.local_days(question.cutoff)
    found = await spread(
        database, question, (SCORE, PROBABILITY), (form.began, form.reached), "kind", "age_days <= :horizon", WHEN,
        bounds=(first, last + A_DAY), values={"horizon": question.horizon_days, "first": first, "last": last},
    )  # fmt: skip
    leads = sum(
        cells.n
        for (measure, kind, _, when), cells in found[TOTAL].items()
        if (measure, kind, when) == (form.began, SCORE, AROUND)
    )
    are_many = leads > FEW_AROUND
    told = from_entries([] if are_many else await ranked(database, question, form, days=around))
    for group, of_group in found.items():
        for (measure, kind, within, when), cells in of_group.items():
            own = told.setdefault(group, Told()).of(kind)
            if when == OLD and measure == form.began:
                own.add(cells.at, leads=cells.counts, **_probabilities(cells))
            elif when == OLD and within:
                own.add(cells.at, followed=cells.counts, of_followed=_probabilities(cells)["probabilities"])
            elif measure == form.began and (when == YOUNG or (when == AROUND and are_many)):
                own.add(cells.at, young=cells.counts)
    return from_ranked(question, told)


async def _how_many(database: Reader, question: Question, began: Measure, rolled: Cells) -> int:
    """How many the cohorts have, cut or not; cut by too many groups they are refused as sums, of which there is one for each."""
    counted = replace(question, definition=replace(question.definition, form=Count(began)))
    return sum(cell.n for cell in await rolled(database, counted) if cell.group is TOTAL)


def _probabilities(cells: Buckets) -> dict[str, NDArray[np.float64]]:
    _, totals, squares = cells.numbers
    return {"probabilities": totals / MICROS_OF_PROBABILITY, "squares": squares / MICROS_OF_PROBABILITY}


def _count(found: Spreads) -> int:
    return sum(buckets.n for buckets in found[TOTAL].values())


def _told(found: Spreads, group: Group | None, scale: NDArray[np.float64], *of: str) -> dict[float, int]:
    """How many a group has of what stands for each bucket."""
    buckets = found.get(group, {}).get(of)
    return {} if buckets is None else buckets.told(scale)
