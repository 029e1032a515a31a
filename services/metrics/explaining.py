"""Why a number is another one: in another window, or for the same window when less was known."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

from services.metrics.domain import mixing
from services.metrics.domain.answers import TOTAL, Cell, Values, from_cells, in_one
from services.metrics.domain.decomposing import NONE
from services.metrics.domain.definitions import BY_ID
from services.metrics.domain.entries import Measure
from services.metrics.domain.explaining import (
    NO_NUMBER,
    Answered,
    Asked,
    Change,
    changes,
    exact,
    learned_changes,
    of_factors,
    of_mixture,
)
from services.metrics.domain.forms import (
    Count,
    Duration,
    Incidence,
    MoneyMean,
    MoneyRatio,
    MoneyTotal,
    PerDay,
    Ratio,
    Reach,
    Share,
    Stay,
    TimeToEvent,
    Velocity,
)
from services.metrics.domain.knowledge import Kind, Kinds, Learned, Sum, Sums
from services.metrics.domain.questions import Question
from services.metrics.domain.rollups import DAY_SECONDS
from services.metrics.storage import answering, numbers
from services.metrics.storage.explaining import MOST_DURATIONS, Looking, cohorts, durations
from shared.contracts.policy import Policy
from shared.kit.database import Database

FACTORS = ("opportunities_opened", "win_rate_count", "average_deal_value", "sales_cycle_from_opportunity")
"""What a velocity is the product of, the last one dividing."""
BY_KNOWLEDGE = (
    Count, PerDay, Ratio, Share, MoneyRatio, MoneyTotal, MoneyMean, Duration, Stay, Reach, Velocity,
)  # fmt: skip
"""Numbers that are made of nothing but sums of what the facts count for."""


NO_SUM = "This number is more than a sum of what the facts count for: ask for the share or the count behind it."


@dataclass(frozen=True, slots=True)
class Explaining:
    """Asks both sides and parts what is between them."""

    database: Database
    policy: Policy

    async def between_windows(self, before: Question, after: Question) -> tuple[Asked, Asked, list[Change]]:
        """What moved a number from one window to another. A younger cohort is compared with what an older one was at its age."""
        asked_before = await self._asked(before, like=after)
        asked_after = await self._asked(after, like=before)
        form = after.definition.form
        if isinstance(form, Velocity):
            return asked_before, asked_after, await self._factors(before, after)
        if isinstance(form, Incidence | TimeToEvent):
            return asked_before, asked_after, [await self._curves(before, after, form)]
        found = changes(after.definition, asked_before, asked_after)
        if isinstance(form, Duration | Reach | Stay):
            found.insert(0, await self._medians(before, after, form))
        return asked_before, asked_after, found

    async def _asked(self, question: Question, *, like: Question) -> Asked:
        answer = await self._answer(question)
        younger = _younger(question, like)
        if younger is None:
            return Asked.plain(answer)
        return Asked(answer, await self._answer(replace(question, as_of=question.as_of - younger)))

    async def _answer(self, question: Question) -> Answered:
        progress = await answering.progress(self.database)
        found = await numbers.values_of(self.database, self.policy, progress, question)
        return {group: in_one(values, question.currency) for group, values in found.items()}

    async def _medians(self, before: Question, after: Question, form: Duration | Reach | Stay) -> Change:
        measure = form.measure if isinstance(form, Duration) else form.ended if isinstance(form, Stay) else form.reached
        sides = [await durations(self.database, question, measure) for question in (before, after)]
        old, new = sides
        if old is None or new is None:
            note = f"More than {MOST_DURATIONS:,} were measured: only the mean is parted."
            return Change("median", None, None, None, note=note)

        def value(mix: bool, within: bool) -> float | None:
            return mixing.median(new if mix else old, new if within else old)

        return await asyncio.to_thread(of_mixture, value, of="median")

    async def _curves(self, before: Question, after: Question, form: Incidence | TimeToEvent) -> Change:
        old, new = await cohorts(self.database, before, form), await cohorts(self.database, after, form)
        horizon = float(after.horizon_days * DAY_SECONDS)
        number = mixing.incidence if isinstance(form, Incidence) else mixing.median_time

        def value(mix: bool, within: bool) -> float | None:
            return number(mixing.ages(new if mix else old, new if within else old), horizon)

        return await asyncio.to_thread(of_mixture, value, of="value" if isinstance(form, Incidence) else "median")

    async def _factors(self, before: Question, after: Question) -> list[Change]:
        sides: list[Mapping[str, Values]] = []
        for question in (before, after):
            alone = replace(question, group_by=())
            sides.append(
                {
                    name: (await self._answer(replace(alone, definition=BY_ID[name])))[TOTAL]
                    for name in FACTORS
                }
            )  # fmt: skip
        met = {one for side in sides for one in _each(side["average_deal_value"])}
        found = []
        for currency in sorted(met):
            old, new = (_factors_of(side, currency) for side in sides)
            if old is None or new is None:
                found.append(Change("value", currency, None, None, note=NO_NUMBER))
            else:
                found.append(of_factors(old, new, currency))
        return found or [Change("value", None, None, None, note=NO_NUMBER)]

    async def between_moments(
        self, question: Question, first: datetime, last: datetime, zone: ZoneInfo, reported: float | None
    ) -> tuple[Learned | None, list[Change]]:
        """What moved the number of one window between what was known at two moments. Raises `TooMuch`."""
        form = question.definition.form
        if (
            question.currency is not None
            or question.shares_out
            or not isinstance(form, BY_KNOWLEDGE)
            or (isinstance(form, PerDay) and question.start is None)
        ):
            return None, [Change("value", None, None, None, note=NO_SUM)]
        learned, others = await Looking(self.database, self.policy.unit).learned(question, first, last)
        met = Kinds(kind for kinds in learned.sums for kind in kinds)

        def answer(taken: Kinds) -> Answered:
            asked = replace(question, as_of=last if Kind.SINCE in taken else first, group_by=())
            return from_sums(asked, learned.at(taken, others), zone)

        return learned, learned_changes(question.definition, answer, met, reported)


def from_sums(question: Question, sums: Sums, zone: ZoneInfo) -> Answered:
    """What sums answer to a question without cuts; of durations their mean."""
    durations = isinstance(question.definition.form, Duration | Reach | Stay)
    by_place: dict[tuple[Measure, str], Sum] = {}
    for (measure, currency), one in sums.items():
        by_place.setdefault((measure, "" if durations else currency), Sum()).add(one)
    cells = [
        Cell(
            TOTAL, measure, currency, one.n, one.amount, negative=one.negative, durations=one.durations,
            microseconds=one.microseconds,
            mean_seconds=one.microseconds / 1_000_000 / one.durations if one.durations else None,
        )
        for (measure, currency), one in by_place.items()
        if one.n
    ]  # fmt: skip
    form = question.definition.form
    if isinstance(form, Stay):
        question = replace(question, definition=replace(question.definition, form=Duration(form.ended)))
    days = answering.elapsed_days(question, cells, zone) if isinstance(form, PerDay) else None
    return from_cells(question, cells, days)


def _younger(question: Question, like: Question) -> timedelta | None:
    """How much less time the other window has had, where that makes a difference: to a cohort, and to a window that is over when
    the other one is not."""
    end, other = question.end, like.end
    if end is None or other is None or isinstance(end, datetime) != isinstance(other, datetime):
        return None
    later = other - end
    if later <= timedelta(0) or question.definition.basis == "snapshot":
        return None
    over = (
        other if isinstance(other, datetime) else datetime(other.year, other.month, other.day, tzinfo=like.as_of.tzinfo)
    )
    return later if question.definition.basis == "cohort" or over > like.as_of else None


def _each(values: Values) -> list[str]:
    return list(values.get("by_currency") or ([values["currency"]] if values.get("currency") else []))


def _factors_of(side: Mapping[str, Values], currency: str) -> dict[str, Fraction] | None:
    """The factors of a velocity in a currency: what one deal is worth in it is of all deals with an amount."""
    opened, rate, worth, cycle = (side[name] for name in FACTORS)
    own = (worth.get("by_currency") or {worth.get("currency"): worth}).get(currency)
    valued = sum(one["n"] for one in worth["by_currency"].values()) if worth.get("by_currency") else worth["n"]
    valued -= 0 if worth.get("by_currency") else worth.get("without_amount", 0)
    days = (exact(cycle["mean"]) or NONE) / DAY_SECONDS
    if own is None or not rate["denominator"] or not valued or not days:
        return None
    return {
        FACTORS[0]: Fraction(opened["n"]),
        FACTORS[1]: Fraction(rate["numerator"], rate["denominator"]),
        FACTORS[2]: (exact(own["numerator"]) or NONE) / valued,
        FACTORS[3]: days,
    }
