"""Schema `scoring`: the ledger of touches, who each is counted for, the leads, and how the handlers read and write them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Index,
    Integer,
    MetaData,
    Row,
    Text,
    Uuid,
    bindparam,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from services.scoring.domain import Lead, Place, Score, Touch, reason
from shared.kit.database import Transaction
from shared.kit.errors import Retryable

IDS = ARRAY(Uuid(as_uuid=True))


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


class AttachmentRow(ScoringTable, table=True):
    """The touch at (`lead_id`, `event_id`) counts for `attached_to`, be it in the ledger already or still to come."""

    __tablename__ = "attachments"

    lead_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    event_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    attached_to: UUID = Field(sa_column=Column(Uuid, nullable=False))


class LeadRow(ScoringTable, table=True):
    """One lead id: the group it belongs to and the last score published under it."""

    __tablename__ = "leads"
    __table_args__ = (Index("leads_merged", "root_id", postgresql_where=text("root_id <> lead_id")),)

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
    scored_occurred_at: datetime | None = Field(sa_column=Column(DateTime(timezone=True)))
    scored_at: datetime | None = Field(sa_column=Column(DateTime(timezone=True)))


class GroupChanged(Retryable):
    """Another transaction changed a group between our look and our lock. Trying again sees it."""


TOUCH_FIELDS = (
    "occurred_at timestamptz, channel text, kind text, email boolean, phone boolean, company boolean, job_title text, "
    "country text, language text, source text, product text, campaign text, consents jsonb, attributes jsonb"
)
TOUCH_COLUMNS = ", ".join(part.split()[0] for part in TOUCH_FIELDS.split(", "))

LEAD_FIELDS = (
    "root_id uuid, known boolean, merged_into uuid, merge_version bigint, merge_occurred_at timestamptz, score integer, "
    "grade text, fit integer, engagement integer, reasons jsonb, policy_version text, scored_occurred_at timestamptz, "
    "scored_at timestamptz"
)
LEAD_COLUMNS = [part.split()[0] for part in LEAD_FIELDS.split(", ")]

LOCK_GROUPS = text(
    f"""
    SELECT lead_id, business_unit, {", ".join(LEAD_COLUMNS)} FROM scoring.leads
    WHERE lead_id IN (
        SELECT unnest(:ids)
        UNION
        SELECT unnest(array[touched.root_id, member.lead_id]) FROM scoring.leads touched
        LEFT JOIN scoring.leads member ON member.root_id = touched.root_id AND member.root_id <> member.lead_id
        WHERE touched.lead_id = ANY(:ids))
    ORDER BY lead_id FOR UPDATE
    """
).bindparams(bindparam("ids", type_=IDS))

STRANGERS = text(
    """
    SELECT lead_id FROM scoring.leads
    WHERE root_id = ANY(:roots) AND root_id <> lead_id AND NOT lead_id = ANY(:held) LIMIT 1
    """
).bindparams(bindparam("roots", type_=IDS), bindparam("held", type_=IDS))

LEDGERS = text(
    f"""
    SELECT lead_id AS counts_for, lead_id, event_id, {TOUCH_COLUMNS} FROM scoring.touches
    WHERE lead_id = ANY(:ids) AND attached_to IS NULL
    UNION ALL
    SELECT attached_to, lead_id, event_id, {TOUCH_COLUMNS} FROM scoring.touches WHERE attached_to = ANY(:ids)
    """
).bindparams(bindparam("ids", type_=IDS))


async def locked_groups(tx: Transaction, lead_ids: Collection[UUID]) -> dict[UUID, Lead]:
    """The leads that exist of those named, with everybody in their groups, locked in the order of their ids. Raises
    `GroupChanged` where a group was joined or parted while its locks were waited for."""
    if not lead_ids:
        return {}
    found = (await tx.connection.execute(LOCK_GROUPS, {"ids": list(lead_ids)})).all()
    leads = {row.lead_id: _lead(row) for row in found}
    if leads:
        roots = {lead.root_id for lead in leads.values()}
        strangers = (await tx.connection.execute(STRANGERS, {"roots": list(roots), "held": list(leads)})).all()
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


async def add_touches(tx: Transaction, touches: Iterable[Touch]) -> dict[Place, UUID]:
    """Writes touches and answers which of them the ledger did not have, each with the lead it counts for."""
    rows = [
        {
            "lead_id": one.lead_id,
            "event_id": one.event_id,
            "occurred_at": one.occurred_at,
            "channel": one.channel,
            "kind": one.kind,
            "email": one.email,
            "phone": one.phone,
            "company": one.company,
            "job_title": one.job_title,
            "country": one.country,
            "language": one.language,
            "source": one.source,
            "product": one.product,
            "campaign": one.campaign,
            "consents": one.consents,
            "attributes": one.attributes,
        }
        for one in touches
    ]
    added = await tx.set_wise(
        f"""
        INSERT INTO scoring.touches (lead_id, event_id, {TOUCH_COLUMNS}, attached_to)
        SELECT lead_id, event_id, {TOUCH_COLUMNS}, (
            SELECT attached_to FROM scoring.attachments known
            WHERE known.lead_id = new.lead_id AND known.event_id = new.event_id)
        FROM json_to_recordset(CAST(:rows AS json)) AS new (lead_id uuid, event_id uuid, {TOUCH_FIELDS})
        ORDER BY lead_id, event_id
        ON CONFLICT DO NOTHING RETURNING lead_id, event_id, attached_to
        """,
        rows,
    )
    return {(row.lead_id, row.event_id): row.attached_to or row.lead_id for row in added}


async def ledgers(tx: Transaction, leads: Collection[UUID]) -> dict[UUID, list[Touch]]:
    """All touches that count for the leads named, by lead."""
    if not leads:
        return {}
    found: dict[UUID, list[Touch]] = {}
    for row in await tx.connection.execute(LEDGERS, {"ids": list(leads)}):
        found.setdefault(row.counts_for, []).append(Touch(*row[1:]))
    return found


async def save_leads(tx: Transaction, leads: Sequence[Lead]) -> None:
    """Writes new and changed leads. Raises `GroupChanged` where somebody else just made one of the new ones."""
    made = await tx.set_wise(
        f"""
        INSERT INTO scoring.leads (lead_id, business_unit, {", ".join(LEAD_COLUMNS)})
        SELECT lead_id, business_unit, {", ".join(LEAD_COLUMNS)}
        FROM json_to_recordset(CAST(:rows AS json)) AS new (lead_id uuid, business_unit text, {LEAD_FIELDS})
        ORDER BY lead_id
        ON CONFLICT DO NOTHING RETURNING 1
        """,
        new := [_row(lead, tx.now) for lead in leads if not lead.stored],
    )
    if len(made) != len(new):
        raise GroupChanged("A lead was made by somebody else meanwhile; nothing was done.", retry_after_seconds=0.05)
    await tx.set_wise(
        f"""
        UPDATE scoring.leads SET {", ".join(f"{name} = changed.{name}" for name in LEAD_COLUMNS)}
        FROM json_to_recordset(CAST(:rows AS json)) AS changed (lead_id uuid, {LEAD_FIELDS})
        WHERE leads.lead_id = changed.lead_id
        """,
        [_row(lead, tx.now) for lead in leads if lead.stored and lead.changed],
    )


def _lead(row: Row[Any]) -> Lead:
    score = None
    if row.score is not None:
        reasons = tuple(reason(one["rule"], one["points"], one["group"]) for one in row.reasons)
        score = Score(row.score, row.grade, row.fit, row.engagement, reasons)
    return Lead(
        lead_id=row.lead_id,
        business_unit=row.business_unit,
        root_id=row.root_id,
        known=row.known,
        merged_into=row.merged_into,
        merge_version=row.merge_version,
        merge_occurred_at=row.merge_occurred_at,
        score=score,
        policy_version=row.policy_version,
        scored_occurred_at=row.scored_occurred_at,
        scored_at=row.scored_at,
        stored=True,
    )


def _row(lead: Lead, now: datetime) -> dict[str, Any]:
    score = lead.score
    return {
        "lead_id": lead.lead_id,
        "business_unit": lead.business_unit,
        "root_id": lead.root_id,
        "known": lead.known,
        "merged_into": lead.merged_into,
        "merge_version": lead.merge_version,
        "merge_occurred_at": lead.merge_occurred_at,
        "score": score and score.score,
        "grade": score and score.grade,
        "fit": score and score.fit,
        "engagement": score and score.engagement,
        "reasons": score and [{"rule": one.rule, "points": one.points, "group": one.group} for one in score.reasons],
        "policy_version": lead.policy_version,
        "scored_occurred_at": lead.scored_occurred_at,
        "scored_at": lead.scored_at,
    }
