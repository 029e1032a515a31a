"""What facts count as: typed entries, each true from one moment of event time to another."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID


class Measure(StrEnum):
    """Everything that is counted. A new KPI that needs a new measure adds it here and emits it in one snapshot."""

    LEAD_CREATED = "lead_created"
    LEAD_MARKED = "lead_marked"
    LEAD_QUALIFIED = "lead_qualified"
    LEAD_ARCHIVED = "lead_archived"
    LEAD_CONVERTED = "lead_converted"
    LEAD_CUSTOMER = "lead_customer"
    COHORT_QUALIFIED = "cohort_qualified"
    COHORT_CONVERTED = "cohort_converted"
    COHORT_CUSTOMER = "cohort_customer"
    COHORT_CONTACTED = "cohort_contacted"
    COHORT_REVENUE = "cohort_revenue"
    COHORT_MARGIN = "cohort_margin"
    ARCHIVED_BEFORE_QUALIFIED = "archived_before_qualified"
    ARCHIVED_BEFORE_CONVERTED = "archived_before_converted"
    FAILED_BEFORE_CUSTOMER = "failed_before_customer"
    OPPORTUNITY_OPENED = "opportunity_opened"
    OPPORTUNITY_OPEN = "opportunity_open"
    OPPORTUNITY_WON = "opportunity_won"
    OPPORTUNITY_LOST = "opportunity_lost"
    COHORT_WON = "cohort_won"
    COHORT_LOST = "cohort_lost"
    STAGE_ENTERED = "stage_entered"
    STAGE_ADVANCED = "stage_advanced"
    STAGE_DROPPED = "stage_dropped"
    STAGE_FAILED = "stage_failed"
    STAGE_SPELL = "stage_spell"
    STATUS_SPELL = "status_spell"
    LEAD_OPEN = "lead_open"
    TOUCHED = "touched"
    LEAD_LACKING = "lead_lacking"
    LEAD_REPEATED = "lead_repeated"
    LEAD_LATE = "lead_late"
    CONTACT_ATTEMPTED = "contact_attempted"
    RESPONSE_MET = "response_met"
    RESPONSE_BREACHED = "response_breached"
    CUSTOMER = "customer"
    CUSTOMER_IN = "customer_in"
    CUSTOMER_REPEATED = "customer_repeated"
    CUSTOMER_REVENUE = "customer_revenue"
    CUSTOMER_MARGIN = "customer_margin"
    CUSTOMER_LOST = "customer_lost"
    CUSTOMER_GONE = "customer_gone"
    CUSTOMER_RETURNED = "customer_returned"
    ORDER_PLACED = "order_placed"
    ORDER_REFUNDED = "order_refunded"
    ORDER_DUE = "order_due"
    ORDER_RENEWED = "order_renewed"
    SATISFACTION_ASKED = "satisfaction_asked"
    SATISFACTION_REPLIED = "satisfaction_replied"
    SATISFACTION_TOLD = "satisfaction_told"
    SATISFIED = "satisfied"


BY_COHORT = frozenset(
    {
        Measure.COHORT_QUALIFIED,
        Measure.COHORT_CONVERTED,
        Measure.COHORT_CUSTOMER,
        Measure.COHORT_CONTACTED,
        Measure.COHORT_REVENUE,
        Measure.COHORT_MARGIN,
        Measure.CUSTOMER,
        Measure.CUSTOMER_IN,
        Measure.CUSTOMER_REPEATED,
        Measure.CUSTOMER_REVENUE,
        Measure.CUSTOMER_MARGIN,
        Measure.CUSTOMER_GONE,
        Measure.ARCHIVED_BEFORE_QUALIFIED,
        Measure.ARCHIVED_BEFORE_CONVERTED,
        Measure.FAILED_BEFORE_CUSTOMER,
        Measure.COHORT_WON,
        Measure.COHORT_LOST,
        Measure.STAGE_ADVANCED,
        Measure.STAGE_DROPPED,
        Measure.STAGE_FAILED,
    }
)
"""Measures that belong to the window in which their cohort began, not to the one in which they happened."""

AGED = frozenset(
    {
        Measure.COHORT_CONVERTED,
        Measure.ARCHIVED_BEFORE_CONVERTED,
        Measure.LEAD_CUSTOMER,
        Measure.OPPORTUNITY_WON,
    }
)
"""Measures whose rollups keep how many whole days, rounded up, they took."""


RANKED = frozenset({Measure.LEAD_CREATED, Measure.COHORT_CONVERTED})
"""Measures whose entries keep what the lead was told first."""


class Dims(NamedTuple):
    """By what an entry can be cut, as it held when the fact happened. None is unknown."""

    channel: str | None = None
    source: str | None = None
    campaign: str | None = None
    product: str | None = None
    owner: str | None = None
    team: str | None = None
    grade: str | None = None


class Entry(NamedTuple):
    """One thing counted.

    `at` decides the period it belongs to and `cohort_at` the cohort. It holds for every `as_of` in
    [valid_from, valid_to); `valid_to` None is until further notice. `score` and `probability` are what the lead was told first,
    where it was soon enough. An open deal has when it is expected to close, and the pipeline that its stage is of, where that is
    named. `duration_seconds` is None where nothing was measured or where the clocks disagree (`negative`). `key` is unique
    within the root at any one moment.
    """

    measure: Measure
    key: str
    business_unit: str
    at: datetime
    cohort_at: datetime
    dims: Dims
    stage: str | None
    reason: str | None
    duration_seconds: float | None
    negative: bool
    amount: Decimal | None
    currency: str | None
    root_id: UUID
    valid_from: datetime
    valid_to: datetime | None = None
    score: int | None = None
    probability: float | None = None
    expected_close: datetime | None = None
    pipeline: str | None = None


_HOLDS = Entry._fields.index("valid_from")
_TOLD = Entry._fields.index("score")


def told_first(entry: Entry, score: int, probability: float | None) -> Entry:
    """The entry with what its lead was told first."""
    return Entry._make((*entry[:_TOLD], score, probability, *entry[_TOLD + 2 :]))


DIMENSIONS: tuple[str, ...] = (*Dims._fields, "stage", "reason")
"""Every dimension an entry has beside its business unit."""


def elapsed(start: datetime, end: datetime) -> tuple[float | None, bool]:
    """Seconds from start to end and False; None and True where the end lies before the start."""
    seconds = (end - start).total_seconds()
    return (None, True) if seconds < 0 else (seconds, False)


class Ledger:
    """Turns successive snapshots of what holds into entries with the time for which they held.

    Snapshots come in time order, one `scope` (the lead, or one of its opportunities) at a time.
    """

    def __init__(self) -> None:
        self._held: dict[str, dict[str, Entry]] = {}
        self._closed: list[Entry] = []

    def settle(self, scope: str, now: datetime, snapshot: Iterable[Entry]) -> None:
        """From `now` on exactly `snapshot` holds in this scope."""
        before = self._held.get(scope)
        after = {entry.key: entry for entry in snapshot}
        if before:
            for key, old in before.items():
                new = after.get(key)
                if new is not None and new[:_HOLDS] == old[:_HOLDS] and new[_TOLD:] == old[_TOLD:]:
                    after[key] = old
                elif old.valid_from < now:
                    self._closed.append(old._replace(valid_to=now))
        self._held[scope] = after

    def entries(self) -> tuple[Entry, ...]:
        """Everything that held at some moment."""
        return (*self._closed, *(entry for scope in self._held.values() for entry in scope.values()))
