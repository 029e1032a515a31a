"""Which findings there were from when to when, and what people said of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import BigInteger, Column, Identity, Index, Integer, SmallInteger, Text, Uuid
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from services.metrics.domain.noticing import State, Word, noticed_id, state
from services.metrics.storage.tables import MOMENT, MetricsTable
from shared.kit.database import Database, Transaction

LEASE = timedelta(minutes=15)

WITH_LAST_WORD = """
    LEFT JOIN LATERAL (
        SELECT * FROM metrics.noticed_words AS w WHERE w.noticed_id = n.noticed_id AND w.at <= :as_of
        ORDER BY w.number DESC LIMIT 1) AS w ON true"""


def _given(kind: Any, *, key: bool = False) -> Any:
    return Field(sa_column=Column(kind, primary_key=key, nullable=False))


class NoticedRow(MetricsTable, table=True):
    """A finding from the first look that found it to the last, with what it said then. `content` has the numbers behind it."""

    __tablename__ = "noticed"
    __table_args__ = (
        Index("noticed_open", "place_id", unique=True, postgresql_where=sql("ended IS NULL")),
        Index("noticed_since", "since", "noticed_id"),
    )
    noticed_id: UUID = _given(Uuid(), key=True)
    place_id: UUID = _given(Uuid())
    kind: str = _given(Text())
    severity: str = _given(Text())
    business_unit: str = _given(Text())
    since: datetime = _given(MOMENT)
    seen: datetime = _given(MOMENT)
    ended: datetime | None = Field(sa_column=Column(MOMENT, nullable=True))
    content: dict[str, Any] = _given(JSONB())


class NoticedWordRow(MetricsTable, table=True):
    """What somebody said of it. The last word holds, and all are kept."""

    __tablename__ = "noticed_words"
    __table_args__ = (Index("noticed_words_of", "noticed_id", "number"),)
    number: int = Field(sa_column=Column(BigInteger(), Identity(always=True), primary_key=True))
    noticed_id: UUID = _given(Uuid())
    said: str = _given(Text())
    said_by: str = _given(Text())
    why: str = _given(Text())
    at: datetime = _given(MOMENT)
    until: datetime | None = Field(sa_column=Column(MOMENT, nullable=True))


class NoticedLookRow(MetricsTable, table=True):
    """One row: the last look, as of when and how much it tested, and until when somebody is at the next one."""

    __tablename__ = "noticed_look"
    id: int = Field(sa_column=Column(SmallInteger(), primary_key=True, autoincrement=False))
    as_of: datetime | None = Field(sa_column=Column(MOMENT, nullable=True))
    looked_at: datetime | None = Field(sa_column=Column(MOMENT, nullable=True))
    tests: int = _given(Integer())
    leased_until: datetime = _given(MOMENT)


class Found(NamedTuple):
    """A finding as it is kept."""

    place_id: UUID
    kind: str
    severity: str
    business_unit: str
    content: Mapping[str, Any]


class Noticed(NamedTuple):
    """A finding that is kept, with the last word of it and where it stands."""

    noticed_id: UUID
    place_id: UUID
    kind: str
    severity: str
    business_unit: str
    since: datetime
    seen: datetime
    ended: datetime | None
    content: dict[str, Any]
    word: Word | None
    state: State


async def take_turn(tx: Transaction, as_of: datetime, every: timedelta) -> bool:
    """Whether it is this process's turn to look as of a moment: nobody is at it, and it was not looked then or not for a while."""
    rows = await tx.rows(
        """
        UPDATE metrics.noticed_look SET leased_until = :until
        WHERE leased_until <= :now AND (as_of IS NULL OR as_of < :as_of OR (as_of = :as_of AND looked_at <= :before))
        RETURNING id""",
        now=tx.now, until=tx.now + LEASE, as_of=as_of, before=tx.now - every,
    )  # fmt: skip
    return bool(rows)


async def note(tx: Transaction, as_of: datetime, found: Sequence[Found], tests: int) -> bool:
    """Keeps what a look found: what was found by the look before goes on, what is new begins, what is not found any more has ended. A
    look as of an earlier moment than the last one says nothing. What ended at the same moment, and is found after all, had not. Of several
    in one place the first is kept, so that all others are noticed whatever is wrong with one."""
    rows = await tx.rows(
        """
        UPDATE metrics.noticed_look SET as_of = :as_of, looked_at = :now, tests = :tests, leased_until = :now
        WHERE as_of IS NULL OR as_of <= :as_of RETURNING id""",
        as_of=as_of, now=tx.now, tests=tests,
    )  # fmt: skip
    if not rows:
        return False
    by_place = {one.place_id: one for one in reversed(found)}
    told = [{**one._asdict(), "noticed_id": noticed_id(place, as_of)} for place, one in by_place.items()]
    columns = "noticed_id uuid, place_id uuid, kind text, severity text, business_unit text, content jsonb"
    await tx.execute(
        """
        UPDATE metrics.noticed SET ended = :as_of
        WHERE ended IS NULL AND place_id <> ALL(CAST(:places AS uuid[]))""",
        {"as_of": as_of, "places": list(by_place)},
    )
    await tx.set_wise(
        f"""
        UPDATE metrics.noticed AS n SET seen = :as_of, ended = NULL, severity = r.severity, content = r.content
        FROM json_to_recordset(CAST(:rows AS json)) AS r({columns})
        WHERE n.place_id = r.place_id AND (n.ended IS NULL OR n.ended = :as_of)""",
        told,
        as_of=as_of,
    )
    await tx.set_wise(
        f"""
        INSERT INTO metrics.noticed (noticed_id, place_id, kind, severity, business_unit, since, seen, content)
        SELECT noticed_id, place_id, kind, severity, business_unit, :as_of, :as_of, content
        FROM json_to_recordset(CAST(:rows AS json)) AS r({columns})
        WHERE NOT EXISTS (SELECT FROM metrics.noticed AS n WHERE n.place_id = r.place_id AND n.ended IS NULL)""",
        told,
        as_of=as_of,
    )
    return True


async def say(tx: Transaction, noticed: UUID, word: Word) -> bool:
    """Puts on record what somebody says; False where there is no such finding."""
    rows = await tx.rows(
        """
        INSERT INTO metrics.noticed_words (noticed_id, said, said_by, why, at, until)
        SELECT noticed_id, :said, :by, :why, :at, CAST(:until AS timestamptz)
        FROM metrics.noticed WHERE noticed_id = :noticed RETURNING 1""",
        noticed=noticed, said=word.said.value, by=word.by, why=word.why, at=word.at, until=word.until,
    )  # fmt: skip
    return bool(rows)


async def open_now(database: Database, as_of: datetime) -> dict[tuple[str, str], int]:
    """How many go on at a moment and are for somebody to look at, by kind and severity."""
    rows = await database.rows(
        f"""
        SELECT n.kind, n.severity, count(*) AS n FROM metrics.noticed AS n {WITH_LAST_WORD}
        WHERE n.since <= :as_of AND (n.ended IS NULL OR n.ended > :as_of)
            AND (w.said IS NULL OR w.said = '{State.OPEN}' OR w.until <= :as_of)
        GROUP BY n.kind, n.severity""",
        as_of=as_of,
    )
    return {(row.kind, row.severity): row.n for row in rows}


async def known(
    database: Database,
    as_of: datetime,
    *,
    units: Sequence[str] = (),
    ended: bool = False,
    one: UUID | None = None,
    places: Sequence[UUID] | None = None,
    before: tuple[datetime, UUID] | None = None,
    limit: int = 1_000,
) -> list[Noticed]:
    """Findings that there were at a moment, the latest first, each with its last word by then; those that had ended too, where asked
    for. Of some units that is also what is of all of them."""
    where = ["n.since <= :as_of"]
    values: dict[str, Any] = {"as_of": as_of, "limit": limit}
    if not ended:
        where.append("(n.ended IS NULL OR n.ended > :as_of)")
    if units:
        where.append("n.business_unit = ANY(CAST(:units AS text[]))")
        values["units"] = list(units)
    if one is not None:
        where.append("n.noticed_id = :one")
        values["one"] = one
    if places is not None:
        where.append("n.place_id = ANY(CAST(:places AS uuid[]))")
        values["places"] = list(places)
    if before is not None:
        where.append("(n.since, n.noticed_id) < (:since, :before)")
        values |= {"since": before[0], "before": before[1]}
    rows = await database.rows(
        f"""
        SELECT n.*, w.said, w.said_by, w.why, w.at, w.until FROM metrics.noticed AS n
        {WITH_LAST_WORD}
        WHERE {" AND ".join(where)} ORDER BY n.since DESC, n.noticed_id DESC LIMIT :limit""",
        **values,
    )
    return [_noticed(row, as_of) for row in rows]


async def words(database: Database, noticed: UUID) -> list[Word]:
    """Everything that was said of one, in order."""
    rows = await database.rows(
        "SELECT said, said_by, why, at, until FROM metrics.noticed_words WHERE noticed_id = :id ORDER BY number",
        id=noticed,
    )
    return [Word(State(row.said), row.said_by, row.why, row.at, row.until) for row in rows]


class Look(NamedTuple):
    """The last look at everything."""

    as_of: datetime | None
    looked_at: datetime | None
    tests: int


async def last_look(database: Database) -> Look:
    """As of when it was looked last, when that was, and how much was tested."""
    rows = await database.rows("SELECT as_of, looked_at, tests FROM metrics.noticed_look")
    return Look(rows[0].as_of, rows[0].looked_at, rows[0].tests) if rows else Look(None, None, 0)


def _noticed(row: Any, as_of: datetime) -> Noticed:
    word = None if row.said is None else Word(State(row.said), row.said_by, row.why, row.at, row.until)
    return Noticed(
        row.noticed_id, row.place_id, row.kind, row.severity, row.business_unit, row.since, row.seen, row.ended,
        row.content, word, state(row.ended, word, as_of),
    )  # fmt: skip
