"""The tables of work: who holds which open lead, how many each has, whose turn it is, and who is away."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Column, DateTime, Index, Integer, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from services.pipeline.storage.tables import PipelineTable


class WorklistEntry(PipelineTable, table=True):
    """An open lead and who has it; `owner` is null for a qualified one that waits for somebody. Kept in the transaction that
    changes the lead, beside it, so that the index of leads is not written with every score."""

    __tablename__ = "worklist"
    __table_args__ = (
        Index("worklist_by_owner", "owner", "score"),
        Index("worklist_waiting", "business_unit", "since", postgresql_where=text("owner IS NULL")),
    )

    lead_id: UUID = Field(primary_key=True)
    business_unit: str = Field(sa_type=Text)
    owner: str | None = Field(default=None, sa_type=Text)
    score: int | None = Field(default=None, sa_type=Integer)
    since: datetime = Field(sa_type=DateTime(timezone=True))


class OwnerLoad(PipelineTable, table=True):
    """How many open leads an owner has."""

    __tablename__ = "owner_loads"

    business_unit: str = Field(sa_type=Text, primary_key=True)
    owner: str = Field(sa_type=Text, primary_key=True)
    leads: int = Field(sa_type=Integer)


class TeamTrack(PipelineTable, table=True):
    """How far each member of a team has come in being given leads."""

    __tablename__ = "team_tracks"

    business_unit: str = Field(sa_type=Text, primary_key=True)
    team: str = Field(sa_type=Text, primary_key=True)
    last: int = Field(sa_column=Column(BigInteger, nullable=False))
    places: dict[str, int] = Field(sa_column=Column(JSONB, nullable=False))


class OwnerAbsence(PipelineTable, table=True):
    """Somebody is away."""

    __tablename__ = "absences"
    __table_args__ = (Index("absences_by_owner", "business_unit", "owner", "ends_at"),)

    absence_id: UUID = Field(primary_key=True)
    business_unit: str = Field(sa_type=Text)
    owner: str = Field(sa_type=Text)
    starts_at: datetime = Field(sa_type=DateTime(timezone=True))
    ends_at: datetime = Field(sa_type=DateTime(timezone=True))
    recorded_at: datetime = Field(sa_type=DateTime(timezone=True))


class TaskRow(PipelineTable, table=True):
    """Something that is or was due for a lead, as its facts leave it. `fires_at` is when a timer has to look at it; none does at
    one that is closed or was missed already, or whose message is under way. `lead_id` is the story that its facts are in."""

    __tablename__ = "tasks"
    __table_args__ = (
        Index("tasks_fire", "fires_at", postgresql_where=text("fires_at IS NOT NULL")),
        Index("tasks_of_lead", "lead_id", "status"),
        Index("tasks_of_owner", "owner", "status", "due_at", "task_id", "kind"),
        Index("tasks_of_unit", "business_unit", "status", "kind", "due_at", "task_id"),
    )

    task_id: UUID = Field(primary_key=True)
    lead_id: UUID
    business_unit: str = Field(sa_type=Text)
    kind: str = Field(sa_type=Text)
    name: str = Field(sa_type=Text)
    owner: str | None = Field(default=None, sa_type=Text)
    channel: str | None = Field(default=None, sa_type=Text)
    cadence: str | None = Field(default=None, sa_type=Text)
    step: int | None = Field(default=None, sa_type=Integer)
    opportunity_id: str | None = Field(default=None, sa_type=Text)
    order_id: str | None = Field(default=None, sa_type=Text)
    status: str = Field(sa_type=Text)
    starts_at: datetime = Field(sa_type=DateTime(timezone=True))
    due_at: datetime = Field(sa_type=DateTime(timezone=True))
    fires_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    missed_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    closed_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    outcome: str | None = Field(default=None, sa_type=Text)
    send: str | None = Field(default=None, sa_type=Text)
    updated_at: datetime = Field(sa_type=DateTime(timezone=True))


class MessageRow(PipelineTable, table=True):
    """A message of a step that sends: decided on, and then sent, failed or withdrawn. What it says is made when it is sent."""

    __tablename__ = "messages"
    __table_args__ = (Index("messages_due", "next_at", postgresql_where=text("status = 'waiting'")),)

    message_id: UUID = Field(primary_key=True)
    lead_id: UUID
    task_id: UUID
    business_unit: str = Field(sa_type=Text)
    template: str = Field(sa_type=Text)
    status: str = Field(sa_type=Text)
    attempts: int = Field(sa_type=Integer)
    created_at: datetime = Field(sa_type=DateTime(timezone=True))
    next_at: datetime = Field(sa_type=DateTime(timezone=True))
    settled_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    last_error: str | None = Field(default=None, sa_type=Text)
