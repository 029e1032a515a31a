"""Schema `scoring`: the ledger of touches, who each is counted for, the leads, and how the handlers read and write them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Double,
    Index,
    Integer,
    MetaData,
    Row,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from services.scoring.domain import Assessment, Lead, Place, Score, Touch, reason
from shared.contracts.scoring_events import Contribution, Reason
from shared.kit.database import Transaction, as_array
from shared.kit.errors import Retryable


class ScoringTable(SQLModel, registry=registry(metadata=MetaData(schema="scoring"))):
    """A table of this service."""


class TouchRow(ScoringTable, table=True):
    """One touch, for ever as it was written. `kind` is null where the lead was captured. It counts for `lead_id`, the id
    it was recorded under, or for `attached_to` alone where that is known."""

    __tablename__ = "touches"
    __table_args__ = (
        Index("touches_event_id", "event_id"),
        Index("touches_attached_to", "attached_to", postgresql_where=text("attached_to IS NOT NULL")),
    )

    lead_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    event_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    occurred_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    channel: str = Field(sa_column=Column(Text, nullable=False))
    kind: str | None = Field(sa_column=Column(Text))
    email: bool = Field(sa_column=Column(Boolean, nullable=False))
    phone: bool = Field(sa_column=Column(Boolean, nullable=False))
    company: bool = Field(sa_column=Column(Boolean, nullable=False))
    job_title: str | None = Field(sa_column=Column(Text))
    country: str | None = Field(sa_column=Column(Text))
    language: str | None = Field(sa_column=Column(Text))
    source: str | None = Field(sa_column=Column(Text))
    product: str | None = Field(sa_column=Column(Text))
    campaign: str | None = Field(sa_column=Column(Text))
    consents: dict[str, bool] | None = Field(sa_column=Column(JSONB))
    attributes: dict[str, Any] | None = Field(sa_column=Column(JSONB))
    attached_to: UUID | None = Field(sa_column=Column(Uuid))
    value: str | None = Field(sa_column=Column(Text))
    direction: str | None = Field(sa_column=Column(Text))
    outcome: str | None = Field(sa_column=Column(Text))
    duration_seconds: float | None = Field(sa_column=Column(Double))
    retracts: UUID | None = Field(sa_column=Column(Uuid))


class AttachmentRow(ScoringTable, table=True):
    """The touch at (`lead_id`, `event_id`) counts for `attached_to`, be it in the ledger already or still to come."""

    __tablename__ = "attachments"

    lead_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    event_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    attached_to: UUID = Field(sa_column=Column(Uuid, nullable=False))


class LeadRow(ScoringTable, table=True):
    """One lead id: the group it belongs to and the last score published under it."""

    __tablename__ = "leads"
    __table_args__ = (
        Index("leads_merged", "root_id", postgresql_where=text("root_id <> lead_id")),
        Index("leads_due", "due_at", postgresql_where=text("due_at IS NOT NULL")),
    )

    lead_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    business_unit: str = Field(sa_column=Column(Text, nullable=False))
    root_id: UUID = Field(sa_column=Column(Uuid, nullable=False))
    known: bool = Field(sa_column=Column(Boolean, nullable=False))
    merged_into: UUID | None = Field(sa_column=Column(Uuid))
    merge_version: int = Field(sa_column=Column(BigInteger, nullable=False))
    merge_occurred_at: datetime | None = Field(sa_column=Column(DateTime(timezone=True)))
    score: int | None = Field(sa_column=Column(Integer))
    grade: str | None = Field(sa_column=Column(Text))
    fit: int | None = Field(sa_column=Column(Integer))
    engagement: int | None = Field(sa_column=Column(Integer))
    reasons: list[dict[str, Any]] | None = Field(sa_column=Column(JSONB))
    policy_version: str | None = Field(sa_column=Column(Text))
    probability: float | None = Field(sa_column=Column(Double))
    contributions: list[dict[str, Any]] | None = Field(sa_column=Column(JSONB))
    model_version: str | None = Field(sa_column=Column(Text))
    scored_occurred_at: datetime | None = Field(sa_column=Column(DateTime(timezone=True)))
    scored_at: datetime | None = Field(sa_column=Column(DateTime(timezone=True)))
    rating: str | None = Field(sa_column=Column(Text))
    temperature: str | None = Field(sa_column=Column(Text))
    historical: bool | None = Field(sa_column=Column(Boolean))
    due_at: datetime | None = Field(sa_column=Column(DateTime(timezone=True)))


class GroupChanged(Retryable):
    """Another transaction changed a group between our look and our lock. Trying again sees it."""


TOUCH_COLUMNS = (
    "occurred_at", "channel", "kind", "email", "phone", "company", "job_title", "country", "language", "source", "product",
    "campaign", "consents", "attributes", "value", "direction", "outcome", "duration_seconds",
    "retracts",
)  # fmt: skip

LEAD_FIELDS = (
    "root_id uuid, known boolean, merged_into uuid, merge_version bigint, merge_occurred_at timestamptz, score integer, "
    "grade text, fit integer, engagement integer, reasons jsonb, policy_version text, probability double precision, contributions jsonb, model_version text, "
    "scored_occurred_at timestamptz, scored_at timestamptz, rating text, temperature text, historical boolean, due_at timestamptz"
)
LEAD_COLUMNS = [part.split()[0] for part in LEAD_FIELDS.split(", ")]

MEMBERS = """
    WITH roots AS (SELECT DISTINCT root_id FROM scoring.leads WHERE lead_id = ANY(CAST(:ids AS uuid[])))
    SELECT root_id AS lead_id FROM roots
    UNION ALL
    SELECT member.lead_id FROM scoring.leads member
    WHERE member.root_id = ANY(ARRAY(SELECT root_id FROM roots)) AND member.root_id <> member.lead_id"""

LOCK_LEADS = f"""
    SELECT lead_id, business_unit, {", ".join(LEAD_COLUMNS)} FROM scoring.leads
    WHERE lead_id = ANY(CAST(:ids AS uuid[])) ORDER BY lead_id FOR UPDATE"""

STRANGERS = """
    SELECT lead_id FROM scoring.leads
    WHERE root_id = ANY(CAST(:roots AS uuid[])) AND root_id <> lead_id
        AND NOT lead_id = ANY(CAST(:held AS uuid[])) LIMIT 1"""

KNOWN_TOUCHES = """
    SELECT lead_id, event_id, touch.lead_id IS NOT NULL AS kept, known.attached_to
    FROM unnest(CAST(:leads AS uuid[]), CAST(:events AS uuid[])) AS new (lead_id, event_id)
    LEFT JOIN scoring.touches touch USING (lead_id, event_id)
    LEFT JOIN scoring.attachments known USING (lead_id, event_id)"""

LEDGERS = f"""
    SELECT lead_id AS counts_for, lead_id, event_id, {", ".join(TOUCH_COLUMNS)} FROM scoring.touches
    WHERE lead_id = ANY(CAST(:ids AS uuid[])) AND attached_to IS NULL
    UNION ALL
    SELECT attached_to, lead_id, event_id, {", ".join(TOUCH_COLUMNS)} FROM scoring.touches
    WHERE attached_to = ANY(CAST(:ids AS uuid[]))"""


async def locked_groups(tx: Transaction, lead_ids: Collection[UUID]) -> dict[UUID, Lead]:
    """The leads that exist of those named, with everybody in their groups, locked in the order of their ids. Raises
    `GroupChanged` where a group was joined or parted while its locks were waited for."""
    if not lead_ids:
        return {}
    members = await tx.rows(MEMBERS, ids=as_array(lead_ids))
    if not members:
        return {}
    found = await tx.rows(LOCK_LEADS, ids=as_array({row.lead_id for row in members}))
    leads = {row.lead_id: _lead(row) for row in found}
    roots = {lead.root_id for lead in leads.values()}
    strangers = await tx.rows(STRANGERS, roots=as_array(roots), held=as_array(leads))
    if strangers or not roots <= leads.keys():
        raise GroupChanged("A group changed while its locks were waited for.", retry_after_seconds=0.05)
    return leads


async def add_attachments(tx: Transaction, attachments: Mapping[Place, UUID]) -> set[Place]:
    """Writes for which other lead touches count and answers what of it was not known. A touch that is not in the ledger
    yet finds it there."""
    added = await tx.set_wise(
        """
        WITH added AS (
            INSERT INTO scoring.attachments (lead_id, event_id, attached_to)
            SELECT lead_id, event_id, attached_to
            FROM json_to_recordset(CAST(:rows AS json)) AS new (lead_id uuid, event_id uuid, attached_to uuid)
            ORDER BY lead_id, event_id
            ON CONFLICT DO NOTHING RETURNING lead_id, event_id, attached_to
        ), attached AS (
            UPDATE scoring.touches SET attached_to = added.attached_to FROM added
            WHERE touches.lead_id = added.lead_id AND touches.event_id = added.event_id
        )
        SELECT lead_id, event_id FROM added
        """,
        [
            {"lead_id": lead_id, "event_id": event_id, "attached_to": owner}
            for (lead_id, event_id), owner in attachments.items()
        ],
    )
    return {(row.lead_id, row.event_id) for row in added}


async def add_touches(
    tx: Transaction, touches: Mapping[Place, Touch], doubtful: Collection[Place]
) -> dict[Place, UUID]:
    """Writes touches and answers which of them the ledger did not have, each with the lead it counts for. Only of the
    `doubtful` ones something can be known already: the others are of leads nobody has met."""
    owners = {place: place[0] for place in touches}
    if doubtful:
        leads, events = (as_array(ids) for ids in zip(*doubtful, strict=True))
        for row in await tx.rows(KNOWN_TOUCHES, leads=leads, events=events):
            if row.kept:
                del owners[row.lead_id, row.event_id]
            elif row.attached_to is not None:
                owners[row.lead_id, row.event_id] = row.attached_to
    await tx.copy(
        "scoring.touches",
        ("lead_id", "event_id", *TOUCH_COLUMNS, "attached_to"),
        [_touch_row(touches[place], owners[place]) for place in sorted(owners, key=_by_number)],
    )
    return owners


def _by_number(place: Place) -> tuple[int, int]:
    """One order for everybody: two processes that make the same rows wait for each other instead of deadlocking."""
    return place[0].int, place[1].int


async def ledgers(tx: Transaction, leads: Collection[UUID]) -> dict[UUID, list[Touch]]:
    """All touches that count for the leads named, by lead."""
    if not leads:
        return {}
    found: dict[UUID, list[Touch]] = {}
    for row in await tx.rows(LEDGERS, ids=as_array(leads)):
        found.setdefault(row.counts_for, []).append(Touch(*tuple(row)[1:]))
    return found


async def save_leads(tx: Transaction, leads: Sequence[Lead]) -> None:
    """Writes new and changed leads."""
    unmet = sorted((lead for lead in leads if not lead.stored), key=lambda lead: lead.lead_id.int)
    new = [_row(lead) for lead in unmet]
    await tx.copy("scoring.leads", ("lead_id", "business_unit", *LEAD_COLUMNS), new)
    await tx.set_wise(
        f"""
        UPDATE scoring.leads SET {", ".join(f"{name} = changed.{name}" for name in LEAD_COLUMNS)}
        FROM json_to_recordset(CAST(:rows AS json)) AS changed (lead_id uuid, {LEAD_FIELDS})
        WHERE leads.lead_id = changed.lead_id
        """,
        [_changes(lead) for lead in leads if lead.stored and lead.changed],
    )


def _lead(row: Row[Any]) -> Lead:
    score = None
    if row.score is not None:
        reasons = tuple(reason(one["rule"], one["points"], one["group"]) for one in row.reasons)
        score = Score(row.score, row.grade, row.fit, row.engagement, reasons, row.rating, row.temperature)
    return Lead(
        lead_id=row.lead_id,
        business_unit=row.business_unit,
        root_id=row.root_id,
        known=row.known,
        merged_into=row.merged_into,
        merge_version=row.merge_version,
        merge_occurred_at=row.merge_occurred_at,
        score=score,
        assessment=_assessment(row),
        policy_version=row.policy_version,
        scored_occurred_at=row.scored_occurred_at,
        scored_at=row.scored_at,
        historical=bool(row.historical),
        due_at=row.due_at,
        stored=True,
    )


def _assessment(row: Row[Any]) -> Assessment | None:
    if row.probability is None:
        return None
    contributions = tuple(Contribution(**one) for one in row.contributions or ())
    return Assessment(row.probability, contributions, row.model_version)


def _row(lead: Lead) -> tuple[Any, ...]:
    score = lead.score
    verdict: tuple[Any, ...] = (None,) * 5
    called: tuple[Any, ...] = (None,) * 2
    if score is not None:
        verdict = score.score, score.grade, score.fit, score.engagement, _reasons(score.reasons)
        called = score.rating, score.temperature
    return (
        lead.lead_id, lead.business_unit, lead.root_id, lead.known, lead.merged_into, lead.merge_version,
        lead.merge_occurred_at, *verdict, lead.policy_version, *_assessed(lead.assessment), lead.scored_occurred_at, lead.scored_at,
        *called, lead.historical, lead.due_at,
    )  # fmt: skip


def _changes(lead: Lead) -> dict[str, Any]:
    changes = dict(zip(("lead_id", "business_unit", *LEAD_COLUMNS), _row(lead), strict=True))
    for document in ("reasons", "contributions"):
        if changes[document] is not None:
            changes[document] = orjson.Fragment(changes[document])
    return changes


def _assessed(assessment: Assessment | None) -> tuple[Any, ...]:
    if assessment is None:
        return None, None, None
    contributions = orjson.dumps([one.model_dump() for one in assessment.contributions]).decode()
    return assessment.probability, contributions, assessment.model_version


def _reasons(reasons: Iterable[Reason]) -> str:
    return orjson.dumps([{"rule": one.rule, "points": one.points, "group": one.group} for one in reasons]).decode()


def _touch_row(touch: Touch, owner: UUID) -> tuple[Any, ...]:
    return (
        touch.lead_id, touch.event_id, touch.occurred_at, touch.channel, touch.kind, touch.email, touch.phone,
        touch.company, touch.job_title, touch.country, touch.language, touch.source, touch.product, touch.campaign,
        _json(touch.consents), _json(touch.attributes), touch.value, touch.direction,
        touch.outcome, touch.duration_seconds, touch.retracts, None if owner == touch.lead_id else owner,
    )  # fmt: skip


def _json(document: Mapping[str, Any] | None) -> str | None:
    return None if document is None else orjson.dumps(document).decode()
