"""Targets: everything ever said about them, and what holds of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Row

from services.metrics.domain.targets import Aim, Baseline, Direction, Reading, Target
from shared.kit.database import Database, Transaction

LOCK = "SELECT pg_advisory_xact_lock(hashtext('leadflow-metrics-targets'))"
SAYS = ("value", "reading", "baseline", "baseline_value", "direction", "currency", "note")
"""What may change of a target; the rest says which one it is."""

AIMS_AT = tuple(name for name in SAYS if name != "note")
"""What moves a target: a word beside it does not, nor does taking it back and saying it again."""

LATEST = f"""
    SELECT DISTINCT ON (target_id) t.*, first.value AS first_value, first.set_at AS first_set_at, moves.moved,
        moves.moved_since_start
    FROM metrics.targets t JOIN (SELECT target_id, value, set_at FROM metrics.targets WHERE version = 1) AS first
        USING (target_id)
    CROSS JOIN LATERAL (
        SELECT count(*) AS moved, count(*) FILTER (WHERE now.set_at > now.starts_at) AS moved_since_start
        FROM metrics.targets now JOIN metrics.targets before ON before.target_id = now.target_id AND before.version = now.version - 1
        WHERE now.target_id = t.target_id
            AND ({", ".join(f"now.{name}" for name in AIMS_AT)}) IS DISTINCT FROM ({", ".join(f"before.{name}" for name in AIMS_AT)})
    ) AS moves"""
NEWEST_FIRST = "ORDER BY target_id, version DESC"


async def keep(tx: Transaction, aims: Sequence[tuple[Aim, datetime]], by: str) -> int:
    """Keeps what is said of targets, each with the moment at which its period starts; how many were new or said something
    else. What is said again unchanged is no news."""
    await tx.execute(LOCK)
    rows = {aim.target_id: _row(aim, starts_at) for aim, starts_at in aims}
    changed = await tx.set_wise(
        f"""
        INSERT INTO metrics.targets (target_id, version, business_unit, kpi, cut, first_day, after_day, starts_at,
            {", ".join(SAYS)}, set_by, set_at, withdrawn)
        SELECT r.target_id, coalesce(old.version, 0) + 1, r.business_unit, r.kpi, r.cut, r.first_day, r.after_day,
            r.starts_at, {", ".join(f"r.{name}" for name in SAYS)}, :by, :now, false
        FROM json_to_recordset(CAST(:rows AS json)) AS r(target_id uuid, business_unit text, kpi text, cut jsonb,
            first_day date, after_day date, starts_at timestamptz, value numeric, reading text, baseline text,
            baseline_value numeric, direction text, currency text, note text)
        LEFT JOIN (SELECT DISTINCT ON (target_id) * FROM metrics.targets {NEWEST_FIRST}) AS old USING (target_id)
        WHERE old.target_id IS NULL OR old.withdrawn
            OR ({", ".join(f"old.{name}" for name in SAYS)}) IS DISTINCT FROM ({", ".join(f"r.{name}" for name in SAYS)})
        RETURNING 1""",
        list(rows.values()),
        by=by,
        now=tx.now,
    )
    return len(changed)


async def withdraw(tx: Transaction, target_id: UUID, by: str) -> bool:
    """Says that there is no such target any more; whether there was one."""
    await tx.execute(LOCK)
    names = ["business_unit", "kpi", "cut", "first_day", "after_day", "starts_at", *SAYS]
    return bool(
        await tx.rows(
            f"""
            INSERT INTO metrics.targets (target_id, version, {", ".join(names)}, set_by, set_at, withdrawn)
            SELECT target_id, version + 1, {", ".join(names)}, :by, :now, true
            FROM (SELECT DISTINCT ON (target_id) * FROM metrics.targets WHERE target_id = :id {NEWEST_FIRST}) AS old
            WHERE NOT withdrawn RETURNING 1""",
            id=target_id,
            by=by,
            now=tx.now,
        )
    )


async def found(
    database: Database,
    *,
    target_id: UUID | None = None,
    kpi: str | None = None,
    units: Sequence[str] | None = None,
    start: date | None = None,
    end: date | None = None,
    on: date | None = None,
    beyond: UUID | None = None,
    limit: int | None = None,
) -> list[Target]:
    """Targets that hold, in the order of their ids, all of them where no limit is given: those whose days are within some days, or
    have one of them among them."""
    wanted: dict[str, tuple[str, Any]] = {
        "id": ("target_id = :id", target_id),
        "kpi": ("kpi = :kpi", kpi),
        "units": ("business_unit = ANY(:units)", units),
        "start": ("first_day >= :start", start),
        "end": ("after_day <= :end", end),
        "on": ("first_day <= :on AND after_day > :on", on),
        "beyond": ("target_id > :beyond", beyond),
    }
    given = {name: one for name, one in wanted.items() if one[1] is not None}
    where = f"WHERE {' AND '.join(sql for sql, _ in given.values())}" if given else ""
    rows = await database.rows(
        f"""
        SELECT * FROM ({LATEST} {where} {NEWEST_FIRST}) AS latest
        WHERE NOT withdrawn ORDER BY target_id LIMIT CAST(:limit AS bigint)""",
        limit=limit,
        **{name: value for name, (_, value) in given.items()},
    )
    return [_target(row) for row in rows]


async def history(database: Database, target_id: UUID) -> Sequence[Row[Any]]:
    """Everything ever said about a target, the first first."""
    return await database.rows(
        "SELECT * FROM metrics.targets WHERE target_id = :id ORDER BY version", id=target_id
    )  # fmt: skip


def _row(aim: Aim, starts_at: datetime) -> Mapping[str, Any]:
    return {
        "target_id": aim.target_id,
        "business_unit": aim.business_unit,
        "kpi": aim.kpi,
        "cut": aim.cut,
        "first_day": aim.first_day,
        "after_day": aim.after_day,
        "starts_at": starts_at,
        **{name: getattr(aim, name) for name in SAYS},
        "value": str(aim.value),
        "baseline_value": None if aim.baseline_value is None else str(aim.baseline_value),
    }


def _target(row: Any) -> Target:
    cut = orjson.loads(row.cut) if isinstance(row.cut, str) else dict(row.cut)
    aim = Aim(
        row.business_unit, row.kpi, cut, row.first_day, row.after_day, row.value, Reading(row.reading),
        None if row.baseline is None else Baseline(row.baseline), row.baseline_value, Direction(row.direction),
        row.currency, row.note,
    )  # fmt: skip
    return Target(
        row.target_id, aim, row.set_by, row.set_at, row.moved, row.first_value, row.first_set_at,
        row.moved_since_start,
    )  # fmt: skip
