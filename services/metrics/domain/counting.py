"""Which entries a question counts, and where: what PostgreSQL does with a window and filters, for entries that are not kept there."""

from __future__ import annotations

from datetime import datetime

from services.metrics.domain.decomposing import Group
from services.metrics.domain.entries import Entry, Measure
from services.metrics.domain.forms import Due, Form, Incidence, Projected, TimeToEvent, Weighted, Worth
from services.metrics.domain.knowledge import Counts, Place
from services.metrics.domain.questions import UNIT, Question
from services.metrics.domain.rollups import Rules, local_day

LIVES = (Measure.CUSTOMER, Measure.CUSTOMER_GONE, Measure.CUSTOMER_RETURNED)
"""What says how long customers have been customers."""


def measures_of(question: Question) -> tuple[Measure, ...]:
    """Everything that is to be counted."""
    form = question.definition.form
    return (*LIVES, form.money) if isinstance(form, Projected | Worth) else question.definition.measures


def is_dated_ahead(form: Form) -> bool:
    """Whether something counts on a day that no fact is of: when a deal is to close, or an order runs out."""
    return isinstance(form, Weighted | Due)


def is_due_later(question: Question) -> bool:
    """Whether it is known before its day, and counts from that day on."""
    return isinstance(question.definition.form, Due)


def counting(question: Question, rules: Rules) -> Counts:
    """Whether an entry is one of those that a question counts, in which group and currency."""
    measures, form = frozenset(measures_of(question)), question.definition.form
    cohort, snapshot = question.definition.basis == "cohort", question.definition.basis == "snapshot"
    filters = {name: frozenset(allowed) for name, allowed in question.filters.items()}
    by_stage = form.still_open if isinstance(form, Weighted) else None
    decided, is_curve = is_due_later(question), isinstance(form, Incidence | TimeToEvent)

    def counts(entry: Entry, moment: datetime) -> Place | None:
        if entry.measure not in measures or (decided and entry.at > moment):
            return None
        if any(_named(entry, name) not in allowed for name, allowed in filters.items()):
            return None
        at = entry.cohort_at if cohort else entry.expected_close if entry.measure == by_stage else entry.at
        zone = rules(entry.business_unit).zone
        for bound, after in () if snapshot else ((question.start, True), (question.end, False)):
            if bound is None:
                continue
            if at is None:
                return None
            own_place = at if isinstance(bound, datetime) else local_day(at, zone)
            if (own_place >= bound) != after:
                return None
        group: Group = tuple(_named(entry, name) for name in question.group_by)
        stage = (entry.business_unit, entry.pipeline, entry.stage) if entry.measure == by_stage else None
        wait = (entry.cohort_at, entry.duration_seconds, entry.negative) if is_curve else None
        return Place(group, entry.measure, entry.currency or "", stage, wait)

    return counts


def _named(entry: Entry, name: str) -> str | None:
    own: str | None = getattr(entry, name) if name in (UNIT, "stage", "reason") else getattr(entry.dims, name)
    return own
