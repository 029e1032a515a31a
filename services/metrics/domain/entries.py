"""What facts count as: typed entries, each true from one moment of event time to another."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from functools import partial
from itertools import chain
from typing import Any, NamedTuple
from uuid import UUID


class Measure(StrEnum):
    """Everything that is counted. A new KPI that needs a new measure adds it here and emits it in one snapshot."""

    LEAD_CREATED = "lead_created"
    LEAD_MARKED = "lead_marked"
    LEAD_QUALIFIED = "lead_qualified"
    LEAD_ARCHIVED = "lead_archived"
    LEAD_TURNED_DOWN = "lead_turned_down"
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
    LEAD_UNTOLD = "lead_untold"
    LEAD_WITHOUT_EMAIL = "lead_without_email"
    LEAD_WITHOUT_PHONE = "lead_without_phone"
    LEAD_WITHOUT_SOURCE = "lead_without_source"
    LEAD_UNREACHABLE = "lead_unreachable"
    LEAD_REPEATED = "lead_repeated"
    LEAD_LATE = "lead_late"
    ACTIVITY = "contact_attempted"  # stored as it was called when attempts were all that counted
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

    @property
    def told(self) -> str:
        """What it is called to whoever asks, which may be another name than the one that it is stored by."""
        return self.name.lower()


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

KEPT_WHEN = frozenset({Measure.CUSTOMER, Measure.CUSTOMER_GONE})
"""Measures that take no time, and whose rollups keep in its place how long after the beginning (in UTC) of the rollup's day they
were: what all of them add up to tells for how long, by any moment."""


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


entry_of: Callable[[tuple[Any, ...]], Entry] = partial(tuple.__new__, Entry)
"""An entry from all its fields in order, in less than half of the time, where very many are made."""

_HOLDS = Entry._fields.index("valid_from")
_TOLD = Entry._fields.index("score")


def told_first(entry: Entry, score: int, probability: float | None) -> Entry:
    """The entry with what its lead was told first."""
    return entry_of((*entry[:_TOLD], score, probability, *entry[_TOLD + 2 :]))


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
        self._held: dict[str, list[Entry]] = {}
        self._closed: list[Entry] = []

    def settle(self, scope: str, now: datetime, snapshot: Iterable[Entry]) -> None:
        """From `now` on exactly `snapshot` holds in this scope."""
        after = list(snapshot)
        before = self._held.get(scope)
        if before:
            held = {entry.key: entry for entry in before}
            for place, new in enumerate(after):
                old = held.get(new.key)
                if old is not None and new[:_HOLDS] == old[:_HOLDS] and new[_TOLD:] == old[_TOLD:]:
                    after[place] = held.pop(new.key)
            self._closed += [old._replace(valid_to=now) for old in held.values() if old.valid_from < now]
        self._held[scope] = after

    def entries(self) -> list[Entry]:
        """Everything that held at some moment."""
        return [*self._closed, *chain.from_iterable(self._held.values())]
