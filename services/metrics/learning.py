"""Why a number of one window is another one than when less was known."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from services.metrics.domain import customer_answers
from services.metrics.domain.answers import TOTAL, Cell, Group, Wait, from_cells, from_waits
from services.metrics.domain.counting import LIVES, is_due_later
from services.metrics.domain.customer_answers import Lives
from services.metrics.domain.elapsed import DaysPassed
from services.metrics.domain.entries import Measure
from services.metrics.domain.expecting import Expected, Moments, expected_values
from services.metrics.domain.explaining import Answered, Change
from services.metrics.domain.forms import (
    Cost,
    Due,
    Duration,
    Incidence,
    PerCustomer,
    PerDay,
    Projected,
    Reach,
    Return,
    Satisfaction,
    Stay,
    TimeToEvent,
    Weighted,
    Worth,
)
from services.metrics.domain.knowledge import Kind, Kinds, Learned, Place, Sum, Sums
from services.metrics.domain.learning import learned_changes
from services.metrics.domain.questions import Question
from services.metrics.domain.spending import Spent, from_spent
from services.metrics.domain.statistics import Ages
from services.metrics.storage import answering, chances
from services.metrics.storage.chances import Chances
from services.metrics.storage.explaining import Looking
from services.metrics.storage.spending import spent
from shared.contracts.policy import Policy
from shared.kit.database import Database

TIMED = (PerDay, Due, Cost, Return, Projected, Worth, Incidence, TimeToEvent)
"""Numbers that time moves by itself: more days have passed, more is due, more was spent, those who wait are older."""
MOST_GROUPS = 500
"""Every choice of what was learned is answered and parted for each group, in fractions: some seconds for so many."""
SPENT = Cost | Return | Worth
SPENDING_TODAY = "What was spent is not kept as it was known: it is what is known of it today."


class TooManyGroups(Exception):
    """More groups than are parted while somebody waits."""


@dataclass(frozen=True, slots=True)
class Moment:
    """What holds at a moment beside facts: what was spent, and how likely deals were won."""

    at: datetime
    spent: list[Spent]
    chances: Chances | None


@dataclass(frozen=True, slots=True)
class Learning:
    """Makes a number of one window by what was known at two moments, and with every choice of what was learned between them."""

    database: Database
    policy: Policy

    async def between_moments(
        self, question: Question, first: datetime, last: datetime, reported: float | None
    ) -> tuple[Learned, list[Change]]:
        """What moved it. Raises `TooMuch`, and `TooManyGroups`."""
        form = question.definition.form
        learned, others, waits = await Looking(self.database, self.policy.unit).learned(question, first, last)
        kept = [*others.values(), *(sums for by_taken in learned.sums.values() for sums in by_taken.values())]
        if len({place.group for sums in kept for place in sums}) > MOST_GROUPS:
            raise TooManyGroups
        sides = [await self._moment(question, at) for at in (first, last)]
        met = Kinds(kind for kinds in learned.sums for kind in kinds)
        if isinstance(form, TIMED):
            met |= {Kind.SINCE}
        if sides[0].chances != sides[1].chances:
            met |= {Kind.POLICY}

        def answer(taken: Kinds) -> Answered:
            now = sides[Kind.SINCE in taken]
            counted_at = now.at if is_due_later(question) else last
            sums = learned.at(taken, counted_at, others[counted_at])
            if isinstance(form, Incidence | TimeToEvent):
                return _curve(replace(question, as_of=now.at), form, sums, waits[now.at])
            likely = sides[Kind.POLICY in taken].chances
            return from_sums(replace(question, as_of=now.at), sums, now.spent, likely)

        note = SPENDING_TODAY if isinstance(form, SPENT) else None
        return learned, await asyncio.to_thread(learned_changes, question.definition, answer, met, reported, note)

    async def _moment(self, question: Question, at: datetime) -> Moment:
        form = question.definition.form
        paid = await spent(self.database, replace(question, as_of=at), form.kinds) if isinstance(form, SPENT) else []
        likely = await chances.at(self.database, self.policy, at) if isinstance(form, Weighted) else None
        return Moment(at, paid, likely)


def from_sums(question: Question, sums: Sums, paid: list[Spent], likely: Chances | None) -> Answered:
    """What sums answer to a question, in total and by group; of durations their mean."""
    form = question.definition.form
    if isinstance(form, Weighted) and likely is not None:
        return _expected(question, sums, form, likely)
    cells = _cells(question, sums)
    match form:
        case Cost() | Return():
            return from_spent(form, cells, paid)
        case PerCustomer(money):
            return customer_answers.per_customer(cells, money)
        case Satisfaction():
            return customer_answers.satisfied(cells)
        case Projected(money):
            return customer_answers.projected(question, cells, _lives(question, sums), money)
        case Worth():
            return customer_answers.worth(question, form, cells, _lives(question, sums), paid)
        case Stay(ended):
            question = replace(question, definition=replace(question.definition, form=Duration(ended)))
        case _:
            pass
    return from_cells(question, cells, DaysPassed(question, cells).of if isinstance(form, PerDay) else None)


class Ended(NamedTuple):
    """One of a cohort, as rows of it are: how old it is, and how old it was when it was decided."""

    measure: Measure
    negative: bool
    age: float
    age_now: float
    n: int
    seconds: Decimal


def _curve(question: Question, form: Incidence | TimeToEvent, sums: Sums, others: list[Wait]) -> Answered:
    """The curve of those of whom something was learned, together with everybody else."""
    beyond = answering.beyond_horizon(question)
    rows = [
        Ended(
            place.measure, place.wait[2], min(place.wait[1] or 0.0, beyond),
            min((question.as_of - place.wait[0]).total_seconds(), beyond), one.n, Decimal(one.microseconds) / 1_000_000,
        )
        for place, one in sums.items()
        if place.wait is not None and one.n
    ]  # fmt: skip
    own = answering.wait_of(TOTAL, rows, form, leave_out_negative=isinstance(form, TimeToEvent))
    parts: list[dict[float, int]] = [{}, {}, {}]
    for wait in (own, *others):
        for into, counted in zip(parts, (wait.ages.outcome, wait.ages.competing, wait.ages.waiting), strict=True):
            for age, n in counted.items():
                into[age] = into.get(age, 0) + n
    together = Wait(TOTAL, Ages(*parts), 0, None)
    return from_waits(question, [together], {TOTAL: {"maturity": None}})


def _groups(question: Question, place: Place) -> tuple[Group | None, ...]:
    return (TOTAL, place.group) if question.group_by else (TOTAL,)


def _cells(question: Question, sums: Sums) -> list[Cell]:
    durations = isinstance(question.definition.form, Duration | Reach | Stay)
    by_place: dict[tuple[Group | None, Measure, str], Sum] = {}
    for place, one in sums.items():
        for group in _groups(question, place):
            by_place.setdefault((group, place.measure, "" if durations else place.currency), Sum()).add(one)
    return [
        Cell(
            group, measure, currency, one.n, one.amount, negative=one.negative, durations=one.durations,
            microseconds=one.microseconds,
            mean_seconds=one.microseconds / 1_000_000 / one.durations if one.durations else None,
        )
        for (group, measure, currency), one in by_place.items()
        if one.n
    ]  # fmt: skip


def _lives(question: Question, sums: Sums) -> Mapping[Group | None, Lives]:
    """How long customers have been customers by the moment that is asked about."""
    found: dict[Group | None, Lives] = {}
    until = question.as_of.timestamp()
    for place, one in sums.items():
        if place.measure not in LIVES:
            continue
        seconds = one.n * until - one.at / 1_000_000
        is_gone, is_new = place.measure is Measure.CUSTOMER_GONE, place.measure is Measure.CUSTOMER
        for group in _groups(question, place):
            known = found.get(group, Lives())
            found[group] = Lives(
                known.n + (one.n if is_new else 0),
                known.lost + (one.n if is_gone else 0),
                known.seconds + (-seconds if is_gone else seconds),
            )
    return found


def _expected(question: Question, sums: Sums, form: Weighted, likely: Chances) -> Answered:
    """What was won, and what is open at the chance of its stage."""
    found: dict[tuple[Group | None, str], Expected] = {}
    without: dict[Group | None, int] = {}
    for place, one in sums.items():
        for group in _groups(question, place):
            if not place.currency:
                without[group] = without.get(group, 0) + one.n
                continue
            own = found.setdefault((group, place.currency), Expected())
            if place.measure == form.won:
                own.won += float(one.amount)
                own.won_n += one.n
            else:
                own.in_full += float(one.amount)
                own.open_n += one.n
                mean = float(one.amount) * likely.of(place.stage)
                own.moments = own.moments.plus(Moments(mean))
    return expected_values(found, without, {})
