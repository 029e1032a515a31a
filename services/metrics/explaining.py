"""Why a number is another one in another window."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from fractions import Fraction

from services.metrics.domain import mixing
from services.metrics.domain.aiming import of_target
from services.metrics.domain.answers import TOTAL, Values, in_one
from services.metrics.domain.decomposing import NONE, Group, exact
from services.metrics.domain.definitions import BY_ID
from services.metrics.domain.explaining import NO_NUMBER, Answered, Asked, Change, changes, of_factors, of_mixture
from services.metrics.domain.forms import (
    Accuracy,
    Duration,
    Incidence,
    Ranking,
    Reach,
    Stay,
    TimeToEvent,
    Velocity,
    Weighted,
)
from services.metrics.domain.questions import Question
from services.metrics.domain.rankings import RankedCell
from services.metrics.domain.rollups import DAY_SECONDS
from services.metrics.domain.targets import TargetForm
from services.metrics.storage import answering, numbers
from services.metrics.storage.attaining import Attaining
from services.metrics.storage.explaining import MOST_DURATIONS, cohorts, durations
from services.metrics.storage.ranking import ranked
from shared.contracts.policy import Policy
from shared.contracts.ranking import Ended, auc
from shared.kit.database import Database

FACTORS = ("opportunities_opened", "win_rate_count", "average_deal_value", "sales_cycle_from_opportunity")
"""What a velocity is the product of, the last one dividing."""
OTHER_RULES = (
    "Not all of these forecasts were made by the same rules: versions and alike_from of the number say which were."
)


@dataclass(frozen=True, slots=True)
class Explaining:
    """Asks of both windows and parts what is between them."""

    database: Database
    policy: Policy

    async def between_windows(self, before: Question, after: Question) -> tuple[Asked, Asked, list[Change]]:
        """What moved a number from one window to another. A younger cohort is compared with what an older one was at its age."""
        asked_before = await self.asked(before, like=after)
        asked_after = await self.asked(after, like=before)
        form = after.definition.form
        if isinstance(form, TargetForm):
            sides = asked_before.answer[TOTAL], asked_after.answer[TOTAL]
            return asked_before, asked_after, [of_target(form, *sides)]
        if isinstance(form, Ranking):
            return asked_before, asked_after, [await self._ranking(before, after, form)]
        if isinstance(form, Velocity):
            return asked_before, asked_after, await self._factors(before, after)
        if isinstance(form, Incidence | TimeToEvent):
            return asked_before, asked_after, [await self._curves(before, after, form)]
        found = changes(after.definition, asked_before, asked_after)
        if isinstance(form, Accuracy):
            made_by = {one["version"] for side in (asked_before, asked_after) for one in side.answer[TOTAL]["versions"]}
            found = [one._replace(note=OTHER_RULES) for one in found] if len(made_by) > 1 and found[0].parts else found
        if isinstance(form, Duration | Reach | Stay):
            found.insert(0, await self._medians(before, after, form))
        return asked_before, asked_after, found

    async def asked(self, question: Question, *, like: Question) -> Asked:
        """A window's answer, and what it was when it had as long to go on as another one."""
        answer = await self._answer(question)
        younger = self.younger(question, like=like)
        return Asked.plain(answer) if younger is None else Asked(answer, await self._answer(younger))

    def younger(self, question: Question, *, like: Question) -> Question | None:
        """The same when it had as long to go on as another one; None where that makes no difference."""
        if isinstance(question.definition.form, TargetForm | Weighted | Accuracy):
            return None
        less = _younger(question, like)
        return None if less is None else replace(question, as_of=question.as_of - less)

    async def _answer(self, question: Question) -> Answered:
        progress = await answering.progress(self.database)
        if question.of is not None:
            return await Attaining(self.database, self.policy, progress).values_of(question)
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

    async def _ranking(self, before: Question, after: Question, form: Ranking) -> Change:
        sides = [_tallies(question, await ranked(self.database, question, form)) for question in (before, after)]

        def value(mix: bool, within: bool) -> float | None:
            return auc(mixing.told(sides[mix], sides[within]))

        return await asyncio.to_thread(of_mixture, value)

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


def _tallies(question: Question, cells: Sequence[RankedCell]) -> dict[Group, dict[float, Ended]]:
    """How those of each group ended who were told a score."""
    found: dict[Group, dict[float, Ended]] = {}
    for cell in cells:
        if not cell.leads or (cell.group is TOTAL) == bool(question.group_by):
            continue
        own = found.setdefault(cell.group or (), {})
        known = own.get(cell.score, Ended(0, 0))
        own[cell.score] = Ended(known.leads + cell.leads, known.followed + cell.followed)
    return found


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
