"""The tables of schema `metrics`."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Double,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel


class MetricsTable(SQLModel, registry=registry(metadata=MetaData(schema="metrics"))):
    """What the tables of this service share: their schema."""


def _key(kind: Any) -> Any:
    return Field(sa_column=Column(kind, primary_key=True, nullable=False))


def _given(kind: Any) -> Any:
    return Field(sa_column=Column(kind, nullable=False))


def _optional(kind: Any) -> Any:
    return Field(default=None, sa_column=Column(kind, nullable=True))


MOMENT = DateTime(timezone=True)


class FactRow(MetricsTable, table=True):
    """One lifecycle event, for ever. `data` is what is particular to its kind."""

    __tablename__ = "facts"
    __table_args__ = (
        Index("facts_causation", "causation_id", postgresql_where="event IN ('LeadCreated', 'LeadTouched')"),
        Index(
            "facts_recorded",
            "recorded_at",
            postgresql_using="brin",
            postgresql_with={"pages_per_range": 32, "autosummarize": "on"},
        ),
    )
    lead_id: UUID = _key(Uuid())
    event_id: UUID = _key(Uuid())
    version: int = _given(Integer())
    event: str = _given(Text())
    occurred_at: datetime = _given(MOMENT)
    recorded_at: datetime = _given(MOMENT)
    causation_id: UUID | None = _optional(Uuid())
    business_unit: str = _given(Text())
    data: dict[str, Any] = _given(JSONB())


class LeadRow(MetricsTable, table=True):
    """Who a lead is: the last word on its merge, and the root that leads to. The root's row is the group's lock."""

    __tablename__ = "leads"
    __table_args__ = (Index("leads_root", "root_id", postgresql_where="root_id <> lead_id"),)
    lead_id: UUID = _key(Uuid())
    root_id: UUID = _given(Uuid())
    parent_id: UUID | None = _optional(Uuid())
    link_version: int = _given(Integer())


class EntryRow(MetricsTable, table=True):
    """One thing counted, for every `as_of` from `valid_from` until before `valid_to`. Days are the unit's own."""

    __tablename__ = "entries"
    __table_args__ = (
        Index("entries_period", "measure", "day"),
        Index("entries_cohort", "measure", "cohort_day"),
        Index("entries_expected", "expected_day", postgresql_where="expected_day IS NOT NULL"),
        Index(
            "entries_open_deals",
            "expected_day",
            postgresql_where="measure = 'opportunity_open' AND valid_to IS NULL",
        ),
        Index(
            "entries_second_touch",
            "root_id",
            "at",
            postgresql_where="measure = 'touched' AND key = 'touched:000001' AND valid_to IS NULL",
        ),
        Index(
            "entries_turned",
            text("(valid_from AT TIME ZONE 'UTC')"),
            text("(valid_to AT TIME ZONE 'UTC')"),
            postgresql_using="brin",
            postgresql_with={"pages_per_range": 32, "autosummarize": "on"},
        ),
    )
    root_id: UUID = _key(Uuid())
    key: str = _key(Text())
    valid_from: datetime = _key(MOMENT)
    valid_to: datetime | None = _optional(MOMENT)
    measure: str = _given(Text())
    business_unit: str = _given(Text())
    at: datetime = _given(MOMENT)
    day: date = _given(Date())
    cohort_at: datetime = _given(MOMENT)
    cohort_day: date = _given(Date())
    channel: str | None = _optional(Text())
    source: str | None = _optional(Text())
    campaign: str | None = _optional(Text())
    product: str | None = _optional(Text())
    owner: str | None = _optional(Text())
    team: str | None = _optional(Text())
    grade: str | None = _optional(Text())
    stage: str | None = _optional(Text())
    reason: str | None = _optional(Text())
    duration_seconds: float | None = _optional(Double())
    negative: bool = _given(Boolean())
    amount: Decimal | None = _optional(Numeric())
    currency: str | None = _optional(Text())
    score: int | None = _optional(Integer())
    probability: float | None = _optional(Double())
    expected_close: datetime | None = _optional(MOMENT)
    expected_day: date | None = _optional(Date())
    pipeline: str | None = _optional(Text())


class RollupRow(MetricsTable, table=True):
    """Entries that hold now, added up. Empty `dimension`: everything. `age_days` -1 and empty `currency`: none."""

    __tablename__ = "rollups"
    measure: str = _key(Text())
    dimension: str = _key(Text())
    day: date = _key(Date())
    business_unit: str = _key(Text())
    value: str = _key(Text())
    age_days: int = _key(Integer())
    currency: str = _key(Text())
    count: int = _given(BigInteger())
    durations: int = _given(BigInteger())
    duration_microseconds: int = _given(BigInteger())
    duration_carried: int = _given(BigInteger())
    amount: Decimal = _given(Numeric())


class OpenDealsRow(MetricsTable, table=True):
    """Open deals added up by when they are expected to close (the year 1: nobody said), with the powers of their amounts. Empty
    `dimension`: everything; empty `pipeline`, `stage` or `currency`: none."""

    __tablename__ = "open_deals"
    dimension: str = _key(Text())
    expected_day: date = _key(Date())
    business_unit: str = _key(Text())
    value: str = _key(Text())
    pipeline: str = _key(Text())
    stage: str = _key(Text())
    currency: str = _key(Text())
    count: int = _given(BigInteger())
    total: Decimal = _given(Numeric())
    squares: Decimal = _given(Numeric())
    cubes: Decimal = _given(Numeric())
    below: Decimal = _given(Numeric())
    above: Decimal = _given(Numeric())


class SketchRow(MetricsTable, table=True):
    """How many of a measure fell into a bucket of one of its scales, in a block of days. Probabilities are added up in
    billionths, and their squares."""

    __tablename__ = "sketches"
    measure: str = _key(Text())
    kind: str = _key(Text())
    dimension: str = _key(Text())
    block: int = _key(Integer())
    business_unit: str = _key(Text())
    value: str = _key(Text())
    currency: str = _key(Text())
    bucket: int = _key(Integer())
    age_days: int = _key(Integer())
    count: int = _given(BigInteger())
    total: int = _given(BigInteger())
    squares: int = _given(BigInteger())


class SketchChangeRow(MetricsTable, table=True):
    """What a batch changed of that, until it is merged into it."""

    __tablename__ = "sketch_changes"
    change_id: int = Field(sa_column=Column(BigInteger(), Identity(always=True), primary_key=True))
    measure: str = _given(Text())
    day: date = _given(Date())
    business_unit: str = _given(Text())
    channel: str | None = _optional(Text())
    source: str | None = _optional(Text())
    campaign: str | None = _optional(Text())
    product: str | None = _optional(Text())
    owner: str | None = _optional(Text())
    team: str | None = _optional(Text())
    grade: str | None = _optional(Text())
    stage: str | None = _optional(Text())
    reason: str | None = _optional(Text())
    currency: str = _given(Text())
    duration_bucket: int | None = _optional(Integer())
    amount_bucket: int | None = _optional(Integer())
    score: int | None = _optional(Integer())
    permille: int | None = _optional(Integer())
    age_days: int = _given(Integer())
    count: int = _given(BigInteger())
    total: int = _given(BigInteger())
    squares: int = _given(BigInteger())


class ChanceRow(MetricsTable, table=True):
    """How likely a deal in a stage is won, as a policy has had it since a moment; of units that the policy does not name under
    an empty one."""

    __tablename__ = "stage_chances"
    since: datetime = _key(MOMENT)
    business_unit: str = _key(Text())
    pipeline: str = _key(Text())
    stage: str = _key(Text())
    policy_version: str = _given(Text())
    chance: float = _given(Double())


class ProgressRow(MetricsTable, table=True):
    """How far each partition of the log is folded: its newest fact by both clocks, when that was folded, and how many there are."""

    __tablename__ = "progress"
    partition: int = _key(Integer())
    facts: int = _given(BigInteger())
    recorded_at: datetime = _given(MOMENT)
    occurred_at: datetime = _given(MOMENT)
    folded_at: datetime = _given(MOMENT)


class RebuildRow(MetricsTable, table=True):
    """Everybody counted again: whom that has come to (`people` of `leads`), then which sums, and what was wrong."""

    __tablename__ = "rebuilds"
    id: UUID = _key(Uuid())
    requested_at: datetime = _given(MOMENT)
    finished_at: datetime | None = _optional(MOMENT)
    after_lead: UUID | None = _optional(Uuid())
    after_measure: str | None = _optional(Text())
    people: int = _given(BigInteger())
    leads: int = _given(BigInteger())
    entries_changed: int = _given(BigInteger())
    sums_changed: int = _given(BigInteger())


class AuditRow(MetricsTable, table=True):
    """How an audit ended: one row for each thing it checked."""

    __tablename__ = "audits"
    audit_id: UUID = _key(Uuid())
    check: str = _key(Text())
    began_at: datetime | None = _optional(MOMENT)
    finished_at: datetime = _given(MOMENT)
    checked: int = _given(BigInteger())
    different: int = _given(BigInteger())


class VisitorRow(MetricsTable, table=True):
    """That a visitor was there on a day of their unit, by one way; no lead's."""

    __tablename__ = "visitors"
    __table_args__ = (Index("visitors_day", "day"), Index("visitors_visitor", "visitor_id"))
    event_id: UUID = _key(Uuid())
    visitor_id: UUID = _given(Uuid())
    business_unit: str = _given(Text())
    day: date = _given(Date())
    at: datetime = _given(MOMENT)
    recorded_at: datetime = _given(MOMENT)
    channel: str | None = _optional(Text())
    source: str | None = _optional(Text())
    campaign: str | None = _optional(Text())


class ForgottenVisitorRow(MetricsTable, table=True):
    """That what was told of a visitor up to a moment is nobody's, and of how many visits that was. It does not say whose."""

    __tablename__ = "forgotten_visitors"
    event_id: UUID = _key(Uuid())
    until: datetime = _given(MOMENT)
    forgotten: int = _given(Integer())


class VisitorRegisterRow(MetricsTable, table=True):
    """How many different visitors of a day or a block of days there were in one place, as registers that add up."""

    __tablename__ = "visitor_registers"
    dimension: str = _key(Text())
    block: int = _key(Integer())
    business_unit: str = _key(Text())
    value: str = _key(Text())
    visits: int = _given(BigInteger())
    last_at: datetime = _given(MOMENT)
    registers: bytes = _given(LargeBinary())


class VisitorChangeRow(MetricsTable, table=True):
    """A day whose registers are to be made again."""

    __tablename__ = "visitor_changes"
    change_id: int = Field(sa_column=Column(BigInteger(), Identity(always=True), primary_key=True))
    day: date = _given(Date())


class SpendRow(MetricsTable, table=True):
    """Money spent on one thing in one place over some days. Its id is made of all of that but the amount."""

    __tablename__ = "spending"
    __table_args__ = (Index("spending_days", "after_day", "first_day"),)
    spend_id: UUID = _key(Uuid())
    business_unit: str = _given(Text())
    kind: str = _given(Text())
    channel: str | None = _optional(Text())
    source: str | None = _optional(Text())
    campaign: str | None = _optional(Text())
    first_day: date = _given(Date())
    after_day: date = _given(Date())
    amount: Decimal = _given(Numeric())
    currency: str = _given(Text())
    recorded_at: datetime = _given(MOMENT)


class RateRow(MetricsTable, table=True):
    """From a day on until there is another, one `currency` is so much of the other one."""

    __tablename__ = "rates"
    currency: str = _key(Text())
    into_currency: str = _key(Text())
    day: date = _key(Date())
    rate: Decimal = _given(Numeric())
    recorded_at: datetime = _given(MOMENT)


class TargetRow(MetricsTable, table=True):
    """What was ever said about a target: the highest version holds, and one that is `withdrawn` is no target any more."""

    __tablename__ = "targets"
    __table_args__ = (Index("targets_days", "after_day", "first_day"),)
    target_id: UUID = _key(Uuid())
    version: int = _key(Integer())
    business_unit: str | None = _optional(Text())
    kpi: str = _given(Text())
    cut: dict[str, Any] = _given(JSONB())
    first_day: date = _given(Date())
    after_day: date = _given(Date())
    starts_at: datetime = _given(MOMENT)
    value: Decimal = _given(Numeric())
    reading: str = _given(Text())
    baseline: str | None = _optional(Text())
    baseline_value: Decimal | None = _optional(Numeric())
    direction: str = _given(Text())
    currency: str | None = _optional(Text())
    note: str | None = _optional(Text())
    set_by: str = _given(Text())
    set_at: datetime = _given(MOMENT)
    withdrawn: bool = _given(Boolean())


class FrozenRow(MetricsTable, table=True):
    """What was known of some numbers at a moment, or that it was missed; nothing of it is ever changed."""

    __tablename__ = "frozen"
    __table_args__ = (Index("frozen_once", "business_unit", "name", "due_at", unique=True),)
    frozen_id: UUID = _key(Uuid())
    business_unit: str = _given(Text())
    name: str = _given(Text())
    due_at: datetime = _given(MOMENT)
    status: str = _given(Text())
    scheduled: bool = _given(Boolean())
    taken_at: datetime = _given(MOMENT)
    taken_by: str = _given(Text())
    folded_to: datetime | None = _optional(MOMENT)
    policy_version: str = _given(Text())
    keep_until: datetime = _given(MOMENT)
    content: dict[str, Any] | None = _optional(JSONB())
