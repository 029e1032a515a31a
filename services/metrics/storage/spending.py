"""Spending: kept, listed, and added up over a window as a question cuts it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import Row

from services.metrics.domain.entries import DIMENSIONS
from services.metrics.domain.questions import Question
from services.metrics.domain.spend_kinds import SpendKind
from services.metrics.domain.spending import CUTS, Spend, Spent
from services.metrics.storage.cutting import group_of, grouping, window
from services.metrics.storage.grouped import grouped
from services.metrics.storage.rates import source
from shared.kit.database import Database, Transaction, as_array, as_json

SPENDS = UUID("5a0f7c39-58a3-5a0f-9d3a-6c1f1b5b3a02")


def spend_id(spend: Spend) -> UUID:
    """The same thing, place and days have the same id."""
    parts = (*spend[:-2], spend.currency)
    return uuid5(SPENDS, "\x1f".join("" if part is None else str(part) for part in parts))


async def keep(tx: Transaction, spends: Sequence[Spend]) -> int:
    """Keeps what was spent; of the same thing, place and days the last amount holds. How many were new or another amount."""
    rows = {
        spend_id(one): {
            **one._asdict(), "spend_id": spend_id(one), "amount": str(one.amount), "kind": one.kind.value
        }
        for one in spends
    }  # fmt: skip
    changed = await tx.set_wise(
        """
        INSERT INTO metrics.spending AS old (spend_id, business_unit, kind, channel, source, campaign, first_day, after_day,
            amount, currency, recorded_at)
        SELECT r.*, :now FROM json_to_recordset(CAST(:rows AS json)) AS r(spend_id uuid, business_unit text, kind text,
            channel text, source text, campaign text, first_day date, after_day date, amount numeric, currency text)
        ORDER BY spend_id
        ON CONFLICT (spend_id) DO UPDATE SET amount = excluded.amount, recorded_at = excluded.recorded_at
        WHERE old.amount <> excluded.amount RETURNING 1""",
        list(rows.values()),
        now=tx.now,
    )
    return len(changed)


THING = "business_unit, kind, coalesce(channel, ''), coalesce(source, ''), coalesce(campaign, ''), currency"
OVERLAPS_SHOWN = 20


async def overlapping(database: Database, ids: Collection[UUID]) -> tuple[int, Sequence[Row[Any]]]:
    """How many rows of the things that these rows are of have days that one before has too, and the first of them, each with the last
    such day as `twice_until`. All count: only who told it knows whether it is the same money."""
    rows = await database.rows(
        f"""
        SELECT *, least(after_day, already_until) - 1 AS twice_until, count(*) OVER () AS overlapping FROM (
            SELECT *, max(after_day) OVER (
                PARTITION BY {THING} ORDER BY first_day, after_day DESC, spend_id
                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS already_until
            FROM metrics.spending
            WHERE amount <> 0 AND ({THING}) IN (
                SELECT {THING} FROM metrics.spending WHERE spend_id = ANY(CAST(:ids AS uuid[])))
        ) AS each
        WHERE first_day < already_until ORDER BY first_day, spend_id LIMIT {OVERLAPS_SHOWN}""",
        ids=as_array(ids),
    )
    return (rows[0].overlapping if rows else 0), rows


async def forget(tx: Transaction, one: UUID, units: Collection[str] | None = None) -> bool:
    """Takes a row back, where it is of one of these units; whether there was one."""
    return bool(
        await tx.rows(
            """
            DELETE FROM metrics.spending WHERE spend_id = :id
                AND (CAST(:units AS text[]) IS NULL OR business_unit = ANY(CAST(:units AS text[]))) RETURNING 1""",
            id=one,
            units=None if units is None else sorted(units),
        )
    )


async def listing(
    database: Database,
    *,
    business_unit: str | None,
    first: date | None,
    after: date | None,
    beyond: UUID | None,
    limit: int,
) -> Sequence[Row[Any]]:
    """A page of what was spent on some of these days."""
    wanted = [
        ("unit", "business_unit = :unit", business_unit),
        ("first", "after_day > :first", first),
        ("after", "first_day < :after", after),
        ("beyond", "spend_id > :beyond", beyond),
    ]
    given = [(name, sql, value) for name, sql, value in wanted if value is not None]
    where = f"WHERE {' AND '.join(sql for _, sql, _ in given)}" if given else ""
    return await database.rows(
        f"SELECT * FROM metrics.spending {where} ORDER BY spend_id LIMIT :limit",
        limit=limit,
        **{name: value for name, _, value in given},
    )


TODAY = "coalesce(CAST(CAST(:elsewhere AS json) ->> s.business_unit AS date), CAST(:today AS date))"


def _todays(question: Question) -> dict[str, Any]:
    """The day of `as_of`, and of units that have another one by then."""
    days = question.calendars
    today = days.day("", question.as_of)
    each = {unit: days.day(unit, question.as_of) for unit in days.zones}
    return {"today": today, "elsewhere": as_json({unit: day.isoformat() for unit, day in each.items() if day != today})}


async def spent(database: Database, question: Question, kinds: Sequence[SpendKind]) -> list[Spent]:
    """What was spent in the window until `as_of`, a day's share of each row for each of its days that has begun where the unit is, in
    total and by group. With a lag each day counts as the one so many days after it."""
    conditions, values = window(question, "counts_on", "at")
    select, group_by = grouping(question, "counts_on", ("currency",))
    today = f"{TODAY} - CAST(:lag AS integer)"
    others = ", ".join(f"CAST(NULL AS text) AS {name}" for name in DIMENSIONS if name not in CUTS)
    first, last, inside = "s.first_day", f"least(s.after_day - 1, {today})", f"s.first_day <= {today}"
    if question.start is not None:
        start = "CAST(:start AS date) - CAST(:lag AS integer)"
        first, inside = f"greatest({first}, {start})", f"{inside} AND s.after_day > {start}"
    if question.end is not None:
        end = "CAST(:end AS date) - CAST(:lag AS integer)"
        last, inside = f"least({last}, {end} - 1)", f"{inside} AND s.first_day < {end}"
    daily = f"""(
            SELECT s.business_unit, s.channel, s.source, s.campaign, {others}, s.currency, CAST(each AS date) AS day,
                CAST(each AS date) + CAST(:lag AS integer) AS counts_on,
                s.amount / (s.after_day - s.first_day) AS amount
            FROM metrics.spending s,
                generate_series({first}, {last}, interval '1 day') AS each
            WHERE s.kind = ANY(:kinds) AND {inside}
        ) AS own"""
    where = [*conditions, "true"]
    values.update(kinds=[kind.value for kind in kinds], lag=question.lag_days, **_todays(question))
    columns = ("business_unit", *DIMENSIONS, "day", "counts_on", "currency", "amount")
    own = await source(database, question, (daily, columns), where, values)
    rows = await grouped(
        database,
        question,
        f"SELECT {select}, currency, sum(amount) AS amount FROM {own.table} WHERE {' AND '.join(where)} {group_by}",
        **values,
        **own.values,
    )
    return [Spent(group_of(question, row), row.currency, row.amount) for row in rows]
