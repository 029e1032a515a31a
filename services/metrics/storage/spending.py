"""Spending: kept, listed, and added up over a window as a question cuts it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import Row

from services.metrics.domain.entries import DIMENSIONS
from services.metrics.domain.questions import Question
from services.metrics.domain.spend_kinds import SpendKind
from services.metrics.domain.spending import CUTS, Spend, Spent
from services.metrics.storage.cutting import group_of, grouping, window
from services.metrics.storage.rates import source
from shared.kit.database import Database, Transaction

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


async def forget(tx: Transaction, one: UUID) -> bool:
    """Takes a row back; whether there was one."""
    return bool(await tx.rows("DELETE FROM metrics.spending WHERE spend_id = :id RETURNING 1", id=one))


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


async def spent(database: Database, question: Question, kinds: Sequence[SpendKind]) -> list[Spent]:
    """What was spent in the window until `as_of`, a day's share of each row for each of its days, in total and by group."""
    conditions, values = window(question, "day", "at")
    select, group_by = grouping(question, "day", ("currency",))
    others = ", ".join(f"CAST(NULL AS text) AS {name}" for name in DIMENSIONS if name not in CUTS)
    first, last, inside = "s.first_day", "least(s.after_day - 1, CAST(:until AS date))", "s.first_day <= :until"
    if question.start is not None:
        first, inside = f"greatest({first}, CAST(:start AS date))", f"{inside} AND s.after_day > :start"
    if question.end is not None:
        last, inside = f"least({last}, CAST(:end AS date) - 1)", f"{inside} AND s.first_day < :end"
    daily = f"""(
            SELECT s.business_unit, s.channel, s.source, s.campaign, {others}, s.currency, CAST(each AS date) AS day,
                s.amount / (s.after_day - s.first_day) AS amount
            FROM metrics.spending s,
                generate_series({first}, {last}, interval '1 day') AS each
            WHERE s.kind = ANY(:kinds) AND {inside}
        ) AS own"""
    where = ["day <= :until", *conditions]
    values.update(kinds=[kind.value for kind in kinds], until=question.as_of.date())
    columns = ("business_unit", *DIMENSIONS, "day", "currency", "amount")
    own = await source(database, question, (daily, columns), where, values)
    rows = await database.rows(
        f"SELECT {select}, currency, sum(amount) AS amount FROM {own.table} WHERE {' AND '.join(where)} {group_by}",
        **values,
        **own.values,
    )
    return [Spent(group_of(question, row), row.currency, row.amount) for row in rows]
