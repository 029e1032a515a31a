"""From sums to answers: values with their numerator, denominator, n, interval and maturity."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from math import fsum
from typing import Any

from services.metrics.domain.entries import Measure
from services.metrics.domain.forms import (
    Count,
    Due,
    Duration,
    Incidence,
    MoneyMean,
    MoneyRatio,
    MoneyTotal,
    PerDay,
    Ratio,
    Reach,
    Share,
    Velocity,
)
from services.metrics.domain.questions import Question
from services.metrics.domain.rollups import DAY_SECONDS
from services.metrics.domain.statistics import QUANTILES, SMALL_SAMPLE, Ages, cumulative_incidence, wilson

Group = tuple[str | None, ...]
TOTAL: None = None
"""The group of everything, whose values are those of the window as a whole."""


@dataclass(frozen=True, slots=True)
class Cell:
    """What one measure adds up to in one group and one currency. `mature` counts those whose cohort is older than the
    horizon; `durations` is how many were measured, `microseconds` how long they took together (of what is `KEPT_WHEN`, when they were: since
    1970), quantiles are of them, `median_amount` of the amounts."""

    group: Group | None
    measure: Measure
    currency: str = ""
    n: int = 0
    amount: Decimal = Decimal(0)
    mature: float = 0
    negative: int = 0
    durations: int = 0
    microseconds: int = 0
    mean_seconds: float | None = None
    quantiles_seconds: tuple[float, ...] | None = None
    median_amount: Decimal | None = None
    first_at: datetime | None = None

    @property
    def mean_of_sums(self) -> float | None:
        """Seconds on average, of whole microseconds: the same in whatever order they were added up."""
        return self.microseconds / self.durations / 1_000_000 if self.durations else None


@dataclass(frozen=True, slots=True)
class Wait:
    """A cohort in one group as ages, ready for the incidence curve. `negative` counts outcomes dated before the
    beginning; `mean_seconds` is over all that had the outcome so far."""

    group: Group | None
    ages: Ages
    negative: int
    mean_seconds: float | None


Values = dict[str, Any]


def answer_groups(question: Question, values: Mapping[Group | None, Values]) -> tuple[Values, list[Values]]:
    """The total and the groups in the order of their keys, unknown ones last."""
    groups = [
        {"key": dict(zip(question.group_by, group, strict=True)), **found}
        for group, found in sorted(
            ((group, found) for group, found in values.items() if group is not None),
            key=lambda item: [(part is None, part or "") for part in item[0]],
        )
    ]
    return values[TOTAL], groups


def from_cells(
    question: Question, cells: Iterable[Cell], days_of: Callable[[Group | None], float | None] | None = None
) -> dict[Group | None, Values]:
    """The values of every group, of a number per day for so many days as each has. A total is always there, with nothing counted if
    there is nothing."""
    by_group: dict[Group | None, list[Cell]] = defaultdict(list)
    by_group[TOTAL] = []
    for cell in cells:
        by_group[cell.group].append(cell)
    return {
        group: _values(question, found, None if days_of is None else days_of(group))
        for group, found in by_group.items()
    }


def _values(question: Question, cells: list[Cell], days: float | None) -> Values:
    count: dict[Measure, float] = defaultdict(int)
    mature: dict[Measure, float] = defaultdict(int)
    for cell in cells:
        count[cell.measure] += cell.n
        mature[cell.measure] += cell.mature
    match question.definition.form:
        case Count(measure, timed):
            found = plain(count[measure], count[measure], None, count[measure])
            return {**found, **_time_taken(cells)} if timed else found
        case PerDay(measure):
            number = count[measure]
            return plain(number / days if days else None, number, days, number)
        case Ratio(numerator, denominator, proportion):
            below = sum(count[measure] for measure in denominator)
            return ratio(count[numerator], below, interval=proportion)
        case Share(began, reached, decided):
            n = count[began]
            settled = mature[began] + sum(count[one] - mature[one] for one in decided)
            found = ratio(count[reached], n, interval=True)
            return {**found, "maturity": settled / n if n else None, "horizon_days": question.horizon_days}
        case Due(due, kept):
            return ratio(count[kept], count[due], interval=True)
        case MoneyRatio(numerator, denominator):
            return _money_ratio(cells, numerator, denominator)
        case MoneyTotal(measure):
            return _money(cells, measure, mean=False)
        case MoneyMean(measure):
            return _money(cells, measure, mean=True)
        case Duration(_):
            return _duration(cells)
        case Reach(began, reached):
            contacted = count[reached]
            return {
                **_duration([cell for cell in cells if cell.measure == reached]),
                "numerator": contacted,
                "denominator": count[began],
                "never_contacted": count[began] - contacted,
            }
        case Velocity(opened, won, lost):
            return _velocity(cells, count[opened], won, lost)
        case other:
            raise TypeError(f"{type(other).__name__} is not made from cells alone")


def plain(value: float | None, numerator: float, denominator: float | None, n: float) -> Values:
    """What every answer has."""
    return {"value": value, "numerator": numerator, "denominator": denominator, "n": n}


def _time_taken(cells: Iterable[Cell]) -> Values:
    """How long all together took, and of how many that is known."""
    known = list(cells)
    seconds = sum(cell.microseconds for cell in known) / 1_000_000
    return {"total_seconds": seconds, "timed": sum(cell.durations for cell in known)}


def ratio(numerator: float, denominator: float, *, interval: bool) -> Values:
    """One count divided by another, with an interval where it is a proportion of few."""
    found = plain(numerator / denominator if denominator else None, numerator, denominator, denominator)
    if interval and denominator < SMALL_SAMPLE:
        found["interval"] = _shown(wilson(numerator, denominator))
    return found


def _shown(bounds: tuple[float, float] | None) -> Values | None:
    return None if bounds is None else {"low": bounds[0], "high": bounds[1], "level": 0.95, "method": "wilson"}


def _of_decided(share: float | None, n: int, maturity: float | None) -> Values | None:
    """The interval of a curve, as wide as for those alone who are decided or older than the horizon: who came yesterday makes
    nothing surer."""
    decided = (maturity or 0.0) * n
    return None if share is None else _shown(wilson(share * decided, decided) or (0.0, 1.0))


def _per_currency(cells: Iterable[Cell]) -> dict[str, list[Cell]]:
    found: dict[str, list[Cell]] = defaultdict(list)
    for cell in cells:
        if cell.currency:
            found[cell.currency].append(cell)
    return found


def one_or_each(each: Mapping[str, Values], n: float, without_amount: float, empty: Values) -> Values:
    """One currency's values themselves; none of several, since they are never added, but each by its currency."""
    if len(each) == 1:
        currency, values = next(iter(each.items()))
        found = {**values, "n": n, "currency": currency}
    elif each:
        found = {**dict.fromkeys(empty), "n": n, "currency": None, "by_currency": dict(sorted(each.items()))}
    else:
        found = {**empty, "n": n, "currency": None}
    return {**found, "without_amount": without_amount} if without_amount else found


OF_ALL = ("n", "currency", "without_amount", "maturity", "horizon_days")
"""What is said of everybody whatever the currencies."""


def in_one(values: Values, currency: str | None) -> Values:
    """An answer that is wanted in one currency: where something had no rate into it, none, but each currency's own, and which
    those are."""
    if currency is None or "currency" not in values:
        return values
    others = sorted({*values.get("by_currency", ()), values["currency"]} - {currency, None})
    if not others:
        return values
    found = {**values, "without_rate": others}
    if values["currency"] is not None:
        own = {name: each for name, each in values.items() if name not in OF_ALL}
        found.update(
            {**dict.fromkeys(own), "currency": None, "by_currency": {values["currency"]: {**own, "n": values["n"]}}}
        )
    return found


def _money(cells: list[Cell], measure: Measure, *, mean: bool) -> Values:
    own = [cell for cell in cells if cell.measure == measure]
    each: dict[str, Values] = {}
    for currency, found in _per_currency(own).items():
        total, n = sum((cell.amount for cell in found), Decimal(0)), sum(cell.n for cell in found)
        if mean:
            median = found[0].median_amount
            each[currency] = {
                **plain(float(total) / n, float(total), n, n),
                "median": None if median is None else float(median),
            }
        else:
            each[currency] = plain(float(total), float(total), None, n)
    empty = {**plain(None, 0, 0, 0), "median": None} if mean else plain(0, 0, None, 0)
    without = sum(cell.n for cell in own if not cell.currency)
    return one_or_each(each, sum(cell.n for cell in own), without, empty)


def _money_ratio(cells: list[Cell], numerator: Measure, denominator: tuple[Measure, ...]) -> Values:
    own = [cell for cell in cells if cell.measure in denominator]
    each: dict[str, Values] = {}
    for currency, found in _per_currency(own).items():
        below = sum((cell.amount for cell in found), Decimal(0))
        above = sum((cell.amount for cell in found if cell.measure == numerator), Decimal(0))
        n = sum(cell.n for cell in found)
        each[currency] = plain(float(above / below) if below else None, float(above), float(below), n)
    without = sum(cell.n for cell in own if not cell.currency)
    return one_or_each(each, sum(cell.n for cell in own), without, plain(None, 0, 0, 0))


def _velocity(cells: list[Cell], opened: float, won: Measure, lost: Measure) -> Values:
    """Each currency's part, since they are never added: what one deal is worth in it is of all deals with an amount."""
    wins = [cell for cell in cells if cell.measure == won]
    decided = sum(cell.n for cell in cells if cell.measure in (won, lost))
    durations = sum(cell.durations for cell in wins)
    seconds = fsum((cell.mean_seconds or 0.0) * cell.durations for cell in wins)  # the same in any order
    days = seconds / durations / DAY_SECONDS if durations else None
    n, valued = sum(cell.n for cell in wins), sum(cell.n for cell in wins if cell.currency)
    each: dict[str, Values] = {}
    for currency, found in _per_currency(wins).items():
        money = opened * n / decided * float(sum((cell.amount for cell in found), Decimal(0))) / valued
        each[currency] = plain(money / days if days else None, money, days, n)
    return one_or_each(each, n, n - valued, plain(None, 0, days, 0))


def _duration(cells: list[Cell]) -> Values:
    if not cells:
        return {**plain(None, 0, 0, 0), "mean": None, "quantiles": quantiles(None), "negative": 0}
    (cell,) = cells
    return {
        "value": cell.quantiles_seconds[0] if cell.quantiles_seconds else None,
        "numerator": cell.mean_seconds * cell.durations if cell.mean_seconds is not None else 0,
        "denominator": cell.durations,
        "n": cell.durations,
        "mean": cell.mean_seconds,
        "quantiles": quantiles(cell.quantiles_seconds),
        "negative": cell.negative,
    }


def quantiles(values: Iterable[float | None] | None) -> Values:
    """Quantiles by their names."""
    found = list(values) if values is not None else [None] * len(QUANTILES)
    return {f"p{round(share * 100)}": value for share, value in zip(QUANTILES, found, strict=True)}


def from_waits(
    question: Question, waits: Iterable[Wait], maturity: Mapping[Group | None, Values]
) -> dict[Group | None, Values]:
    """The values of a curve for every group; maturity as the cohort's share has it."""
    horizon = question.horizon_days * DAY_SECONDS
    found: dict[Group | None, Values] = {}
    nobody = Wait(TOTAL, Ages({}, {}, {}), 0, None)
    for wait in {TOTAL: nobody, **{wait.group: wait for wait in waits}}.values():
        curve = cumulative_incidence(wait.ages)
        reached = sum(n for age, n in wait.ages.outcome.items() if age <= horizon)
        share = curve.at(horizon) if wait.ages.n else None
        beside = {"horizon_days": question.horizon_days, "maturity": maturity[wait.group]["maturity"]}
        if isinstance(question.definition.form, Incidence):
            values = {**plain(share, reached, wait.ages.n, wait.ages.n), **beside}
            if wait.ages.n < SMALL_SAMPLE:
                values["interval"] = _of_decided(share, wait.ages.n, beside["maturity"])
        else:
            times = [curve.time_at(quantile, horizon) for quantile in QUANTILES]
            values = {
                **plain(times[0], reached, wait.ages.n, reached),
                "mean": wait.mean_seconds,
                "mean_is_of": "converted so far",
                "quantiles": quantiles(times),
                "negative": wait.negative,
                **beside,
            }
        found[wait.group] = values
    return found
