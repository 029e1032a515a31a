"""Why a number is another one in another window: which rule parts the change, by the form of the KPI."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from math import isclose, prod
from typing import Any, NamedTuple

from services.metrics.domain import decomposing
from services.metrics.domain.answers import TOTAL, Group, Values
from services.metrics.domain.decomposing import NONE, Expected, Part, Quotient, exact
from services.metrics.domain.forms import (
    Cost,
    Count,
    Definition,
    Duration,
    MoneyMean,
    MoneyRatio,
    MoneyTotal,
    PerDay,
    Ratio,
    Reach,
    Share,
    Stay,
    Weighted,
)
from services.metrics.domain.not_parted import of_groups

Answered = Mapping[Group | None, Values]
"""An answer by group, that of everything under `TOTAL`. Without a cut that is all there is."""

COUNTS = "what each group counts for"
SHARES = "mix and rate, each at the mean of what the other was (Bennet 1920)"
SIDES = "what came above the line and below it, each at the mean of what the other was (Bennet 1920)"
TOTALS = "how many, in which groups and what one is worth, each at the mean of what the others were (Bennet 1920)"
DAILY = "how many, and how many days for them, each at the mean of what the other was (Bennet 1920)"
FACTORS = "each factor, the mean over every order in which they move (Shapley value)"
MIXTURE = "the whole with the one's mix and the other's contents (DiNardo, Fortin and Lemieux 1996), both ways round"
EXPECTED = (
    "how much is open and how likely it is, each at the mean of what the other was (Bennet 1920), and what was won"
)

CLOSE = 1e-9
NOT_PARTED = (
    "A group has something above the line and nothing below it, and so its change has no parts: leave group_by out."
)
NO_NUMBER = "There is no number on one of the sides, and so no change."


class Asked(NamedTuple):
    """A window's answer, and what it was when it had as long to go on as the other one, where that is another answer."""

    answer: Answered
    alike: Answered

    @classmethod
    def plain(cls, answer: Answered) -> Asked:
        """A window that had as long as the other."""
        return cls(answer, answer)


class Change(NamedTuple):
    """How far a number moved. `of` says what of it: its value, or its mean where the value is a median. Without `parts` it is not
    known why: `note` says what is in the way."""

    of: str
    currency: str | None
    before: Fraction | None
    after: Fraction | None
    parts: tuple[Part, ...] = ()
    method: str | None = None
    note: str | None = None

    @property
    def amount(self) -> Fraction | None:
        """How far."""
        return None if self.before is None or self.after is None else self.after - self.before


def changes(definition: Definition, before: Asked, after: Asked) -> list[Change]:
    """What moved the number from one window to the other, for each currency there is, or once. Each change's parts add up to it."""
    return [
        _change(definition, currency, _of(before, currency, definition), _of(after, currency, definition))
        for currency in currencies(before, after)
    ]


def of_mixture(value: Callable[[bool, bool], float | None], *, of: str = "value", note: str | None = None) -> Change:
    """What moved a number that is no mean of its groups; see `decomposing.of_mixture` for `value`."""
    first, last = exact(value(False, False)), exact(value(True, True))
    parts = decomposing.of_mixture(value)
    if parts is None:
        return Change(of, None, first, last, note=note or NO_NUMBER)
    return Change(of, None, first, last, tuple(parts), MIXTURE, note)


def of_factors(before: Mapping[str, Fraction], after: Mapping[str, Fraction], currency: str | None) -> Change:
    """What moved a velocity: of the KPIs that it is made of, each by its name. The last divides."""

    def value(factors: Mapping[str, Fraction]) -> Fraction:
        *above, below = factors.values()
        return prod(above, start=Fraction(1)) / below

    parts = decomposing.of_factors(before, after, value)
    return Change("value", currency, value(before), value(after), tuple(parts), FACTORS)


def _change(definition: Definition, currency: str | None, before: Asked, after: Asked) -> Change:
    of = "mean" if isinstance(definition.form, Duration | Reach | Stay) else "value"
    values = [exact_value(definition, one) for one in (before.answer, before.alike, after.alike, after.answer)]
    first, from_alike, to_alike, last = values
    if first is None or last is None or from_alike is None or to_alike is None:
        return Change(of, currency, first, last, note=NO_NUMBER)
    if not adds_up(definition, before.alike) or not adds_up(definition, after.alike):
        return Change(of, currency, first, last, note=of_groups(definition))
    parts, method = parts_between(definition, before.alike, after.alike)
    if parts is None or sum((part.amount for part in parts), NONE) != to_alike - from_alike:
        return Change(of, currency, first, last, note=NOT_PARTED)
    aged = (from_alike - first) + (last - to_alike)
    older = [
        Part("age", None, aged, first if from_alike != first else to_alike, from_alike if from_alike != first else last)
    ]
    return Change(of, currency, first, last, tuple((older if aged else []) + parts), method)


def parts_between(definition: Definition, before: Answered, after: Answered) -> tuple[list[Part] | None, str]:
    """The parts and how they were made."""
    form = definition.form
    old, new = _groups(before), _groups(after)
    if isinstance(form, MoneyTotal):
        return decomposing.of_totals(_totals(old), _totals(new)), TOTALS
    if isinstance(form, Weighted):
        return decomposing.of_expected(_expected(old), _expected(new)), EXPECTED
    if isinstance(form, PerDay):
        days = tuple(exact(one[TOTAL]["denominator"]) or NONE for one in (before, after))
        return decomposing.of_daily(_numbers(old), _numbers(new), (days[0], days[1])), DAILY
    if isinstance(form, Count) or before[TOTAL].get("denominator") is None:
        return decomposing.of_counts(_numbers(old), _numbers(new)), COUNTS
    quotients = _quotients(definition, old), _quotients(definition, new)
    if isinstance(form, Share | MoneyRatio | MoneyMean | Duration | Reach | Stay) or (
        isinstance(form, Ratio) and form.proportion
    ):
        shares = decomposing.of_shares(*quotients)
        if shares is not None:
            return shares, SHARES
    return decomposing.of_quotient(*quotients), SIDES


def exact_value(definition: Definition, answer: Answered) -> Fraction | None:
    """The number of everything as the groups make it, in fractions."""
    form, groups = definition.form, _groups(answer)
    above = sum(_numbers(groups).values(), NONE)
    if isinstance(form, PerDay):
        days = exact(answer[TOTAL].get("denominator"))
        return above / days if days else None
    if isinstance(form, Count | MoneyTotal) or answer[TOTAL].get("denominator") is None:
        return above if answer[TOTAL].get("value") is not None else None
    sides = _quotients(definition, groups).values()
    below = sum((one.below for one in sides), NONE)
    value = sum((one.above for one in sides), NONE) / below if below else None
    shown = answer[TOTAL].get("mean" if isinstance(form, Duration | Reach | Stay) else "value")
    if value is None or shown is None or not isclose(value, shown, rel_tol=1e-6, abs_tol=CLOSE):
        return exact(shown)
    return value


def adds_up(definition: Definition, answer: Answered) -> bool:
    """Whether what is above and below the line of the total is what groups have there; days are those of all."""
    total, groups = answer[TOTAL], _groups(answer)
    of_all = isinstance(definition.form, PerDay) or _is_alike(total, groups)
    sides = ("numerator",) if of_all else ("numerator", "denominator")
    return all(
        isclose(sum(one.get(side) or 0 for one in groups.values()), total.get(side) or 0, rel_tol=CLOSE, abs_tol=1e-6)
        for side in sides
    )


def _is_alike(total: Values, groups: Mapping[Group, Values]) -> bool:
    """Whether what is below the line is the same for all."""
    return all(one.get("denominator") == total.get("denominator") for one in groups.values())


def _groups(answer: Answered) -> dict[Group, Values]:
    """The groups; without a cut everything is the only one."""
    groups = {group: values for group, values in answer.items() if group is not None}
    return groups or {(): answer[TOTAL]}


def _numbers(groups: Mapping[Group, Values]) -> dict[Group, Fraction]:
    return {group: exact(values.get("numerator")) or NONE for group, values in groups.items()}


def _totals(groups: Mapping[Group, Values]) -> dict[Group, Quotient]:
    return {
        group: Quotient(exact(one["numerator"]) or NONE, Fraction(one["n"] - one.get("without_amount", 0)))
        for group, one in groups.items()
    }


def _expected(groups: Mapping[Group, Values]) -> dict[Group, Expected]:
    found = {}
    for group, one in groups.items():
        won, in_full = (exact(one.get(name)) or NONE for name in ("won", "open"))
        found[group] = Expected(Quotient((exact(one["numerator"]) or NONE) - won, in_full), won)
    return found


def _quotients(definition: Definition, groups: Mapping[Group, Values]) -> dict[Group, Quotient]:
    if isinstance(definition.form, Duration | Reach | Stay):
        return {
            group: Quotient((exact(one["mean"]) or NONE) * one["n"], Fraction(one["n"]))
            for group, one in groups.items()
        }
    return {
        group: Quotient(exact(one.get("numerator")) or NONE, exact(one.get("denominator")) or NONE)
        for group, one in groups.items()
    }


def currencies(*sides: Asked) -> list[str | None]:
    """The currencies that are met, in order; None where there is no money at all."""
    totals = [answer[TOTAL] for side in sides for answer in side]
    if not any("currency" in total for total in totals):
        return [None]
    met = {one for total in totals for one in (total.get("by_currency") or {total.get("currency"): total})}
    return sorted(one for one in met if one) or [None]


def _of(side: Asked, currency: str | None, definition: Definition) -> Asked:
    return Asked(*(of_currency(answer, currency, definition) for answer in side))


def of_currency(answer: Answered, currency: str | None, definition: Definition) -> Answered:
    if currency is None:
        return answer
    found: dict[Group | None, Values] = {}
    for group, values in answer.items():
        each = values.get("by_currency") or {values.get("currency"): values}
        if currency in each:
            found[group] = each[currency]
        elif isinstance(definition.form, Cost) and group is not TOTAL and not values.get("by_currency"):
            found[group] = {**values, "numerator": 0, "denominator": values["n"]}
        elif group is TOTAL:
            found[group] = _nothing(definition)
    return found


def _nothing(definition: Definition) -> dict[str, Any]:
    is_sum = isinstance(definition.form, MoneyTotal | Weighted)
    return {"value": 0 if is_sum else None, "numerator": 0, "denominator": None if is_sum else 0, "n": 0}


def largest_first(parts: Iterable[Part]) -> list[Part]:
    """Parts as people read them, those that are nothing left out."""
    return sorted(
        (part for part in parts if part.amount), key=lambda part: (-abs(part.amount), part.cause, repr(part.group))
    )
