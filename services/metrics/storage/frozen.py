"""What is frozen: written once, read, and forgotten when its time is over."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid5

from sqlalchemy import Row

from services.metrics.domain.freezing import FORECAST
from shared.kit.database import Database, Transaction, as_json

FROZEN = UUID("0f9b7c42-4f0e-5c53-8d63-0f6a3c1fb0f7")
COLUMNS = "frozen_id, business_unit, name, due_at, status, scheduled, taken_at, taken_by, folded_to, policy_version, keep_until"
EVERYBODY = ""
"""Stands for all units."""


class Place(NamedTuple):
    """Where one of them is in the listing. Many have the same moment."""

    at: datetime
    unit: str
    name: str


class Frozen(NamedTuple):
    """One name of one unit at one moment, with what was known, or that it was missed where there is no content."""

    business_unit: str
    name: str
    due_at: datetime
    scheduled: bool
    taken_by: str
    folded_to: datetime | None
    policy_version: str
    keep_until: datetime
    content: Any

    @property
    def frozen_id(self) -> UUID:
        """The same moment has the same id."""
        return uuid5(FROZEN, "\x1f".join((self.business_unit, self.name, self.due_at.isoformat())))


async def keep(tx: Transaction, those: Sequence[Frozen]) -> list[UUID]:
    """Keeps what nobody has kept yet of the same moments; which of them that was."""
    rows = await tx.set_wise(
        f"""
        INSERT INTO metrics.frozen ({COLUMNS}, content)
        SELECT frozen_id, business_unit, name, due_at, CASE WHEN content IS NULL THEN 'missed' ELSE 'taken' END, scheduled,
            :now, taken_by, folded_to, policy_version, keep_until, CAST(content AS jsonb)
        FROM json_to_recordset(CAST(:rows AS json)) AS r(frozen_id uuid, business_unit text, name text, due_at timestamptz,
            scheduled boolean, taken_by text, folded_to timestamptz, policy_version text, keep_until timestamptz, content text)
        ORDER BY frozen_id ON CONFLICT DO NOTHING RETURNING frozen_id""",
        [
            {
                **one._asdict(),
                "frozen_id": one.frozen_id,
                "content": None if one.content is None else as_json(one.content),
            }
            for one in those
        ],
        now=tx.now,
    )
    return [row.frozen_id for row in rows]


async def last_noted(database: Database) -> dict[tuple[str, str], datetime]:
    """The last scheduled moment of each unit and name, taken or missed."""
    rows = await database.rows(
        "SELECT business_unit, name, max(due_at) AS due_at FROM metrics.frozen WHERE scheduled GROUP BY 1, 2"
    )
    return {(row.business_unit, row.name): row.due_at for row in rows}


async def missed(database: Database, since: datetime) -> int:
    """How many were missed of those that were due since then."""
    (row,) = await database.rows(
        "SELECT count(*) AS n FROM metrics.frozen WHERE status = 'missed' AND due_at > :since", since=since
    )
    return int(row.n)


async def forget(tx: Transaction) -> int:
    """Forgets what need not be kept any longer; how much that was."""
    return len(await tx.rows("DELETE FROM metrics.frozen WHERE keep_until <= now() RETURNING 1"))


async def listing(
    database: Database,
    *,
    unit: str | None,
    name: str | None,
    start: datetime | None,
    end: datetime | None,
    after: Place | None,
    limit: int,
) -> Sequence[Row[Any]]:
    """A page of what is frozen, the newest first, without its content; those after a place, where one is given."""
    wanted = [
        ("unit", "business_unit = :unit", unit),
        ("name", "name = :name", name),
        ("start", "due_at >= :start", start),
        ("end", "due_at < :end", end),
    ]
    given = [(key, sql, value) for key, sql, value in wanted if value is not None]
    conditions = [sql for _, sql, _ in given]
    if after is not None:
        conditions.append(
            "(due_at < :after_at OR (due_at = :after_at AND (business_unit, name) > (:after_unit, :after_name)))"
        )
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    return await database.rows(
        f"SELECT {COLUMNS} FROM metrics.frozen {where} ORDER BY due_at DESC, business_unit, name LIMIT :limit",
        limit=limit,
        **{key: value for key, _, value in given},
        **({f"after_{key}": value for key, value in after._asdict().items()} if after is not None else {}),
    )


async def one(database: Database, frozen_id: UUID) -> Row[Any] | None:
    """One with its content."""
    rows = await database.rows("SELECT * FROM metrics.frozen WHERE frozen_id = :id", id=frozen_id)
    return rows[0] if rows else None


class Wanted(NamedTuple):
    """Which forecasts are wanted: of a unit or of everybody, of what kind of periods, in total and by what, of periods from one
    day to another, and by which moment they were frozen."""

    unit: str
    period: str
    by: str | None
    first: date
    after: date
    until: datetime


async def forecasts(
    database: Database, wanted: Wanted, methods: Sequence[str], leads: Sequence[int], near: timedelta
) -> Sequence[Row[Any]]:
    """What was forecast of each period at each moment that lies shortly before one of the lead times, by time: values alone, of
    which years are few. A day more each way, since a day begins at another moment elsewhere."""
    values = ", ".join(f"'{method}', {{0}} -> '{method}' -> 'value'" for method in methods)
    return await database.rows(
        f"""
        SELECT DISTINCT ON (due_at, span ->> 'period') due_at, one ->> 'currency' AS currency, one -> 'rates' IS NOT NULL AS in_one,
            CAST(one ->> 'version' AS integer) AS version,
            span ->> 'period' AS period, CAST(span ->> 'from' AS date) AS first, CAST(span ->> 'to' AS date) AS after,
            jsonb_build_object({values.format("(span -> 'total')")}) AS total,
            CASE WHEN CAST(:by AS text) IS NOT NULL THEN (
                SELECT jsonb_agg(jsonb_build_array(own -> 'key' -> CAST(:by AS text), jsonb_build_object({values.format("own")})))
                FROM jsonb_array_elements(span -> 'groups') AS groups (own)
            ) END AS groups
        FROM metrics.frozen, jsonb_array_elements(content -> 'forecasts') WITH ORDINALITY AS told (one, place),
            jsonb_array_elements(one -> 'periods') AS spans (span)
        WHERE business_unit = :unit AND name = :name AND status = 'taken' AND due_at >= :since AND due_at <= :until
            AND one ->> 'period' = :period AND (CAST(:by AS text) IS NULL OR one ->> 'by' = :by)
            AND CAST(span ->> 'from' AS date) >= :first AND CAST(span ->> 'to' AS date) <= :after
            AND EXISTS (
                SELECT FROM unnest(CAST(:leads AS integer[])) AS lead
                WHERE CAST(span ->> 'from' AS date) - lead - CAST(due_at AT TIME ZONE 'UTC' AS date) BETWEEN -1 AND :near + 1
            )
        ORDER BY due_at, span ->> 'period', place""",
        name=FORECAST,
        leads=list(leads),
        near=near.days,
        since=wanted.first - timedelta(days=max(leads) + near.days + 1),
        **wanted._asdict(),
    )
