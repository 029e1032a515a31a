"""Exchange rates: kept, listed, and put beside amounts where an answer is wanted in one currency."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

from sqlalchemy import Row

from services.metrics.domain.questions import Question
from services.metrics.domain.rates import Rate, Rates
from services.metrics.storage.folding import ENTRY_COLUMNS
from shared.kit.database import Database, Reader, Transaction

ENTRIES = ("metrics.entries AS own", tuple(ENTRY_COLUMNS))
"""What has amounts of days, and which columns are read of it."""


class Source(NamedTuple):
    """From what an answer is read, as SQL with its parameters."""

    table: str
    values: dict[str, Any]


async def keep(tx: Transaction, rates: Sequence[Rate]) -> int:
    """Keeps rates; of the same pair and day the last one holds. How many were new or other ones."""
    rows = {one[:3]: {**one._asdict(), "rate": str(one.rate)} for one in rates}
    changed = await tx.set_wise(
        """
        INSERT INTO metrics.rates AS old (currency, into_currency, day, rate, recorded_at)
        SELECT r.*, :now FROM json_to_recordset(CAST(:rows AS json)) AS r(currency text, "into" text, day date, rate numeric)
        ORDER BY 1, 2, 3
        ON CONFLICT (currency, into_currency, day) DO UPDATE SET rate = excluded.rate, recorded_at = excluded.recorded_at
        WHERE old.rate <> excluded.rate RETURNING 1""",
        list(rows.values()),
        now=tx.now,
    )
    return len(changed)


async def forget(tx: Transaction, currency: str, into: str, day: date) -> bool:
    """Takes a rate back; whether there was one."""
    return bool(
        await tx.rows(
            "DELETE FROM metrics.rates WHERE currency = :currency AND into_currency = :into AND day = :day RETURNING 1",
            currency=currency,
            into=into,
            day=day,
        )
    )


async def listing(
    database: Database, *, currency: str | None, into: str | None, beyond: tuple[str, str, date] | None, limit: int
) -> Sequence[Row[Any]]:
    """A page of rates, in the order of their pair and day."""
    wanted: list[tuple[str, dict[str, Any]]] = []
    if currency is not None:
        wanted.append(("currency = :currency", {"currency": currency}))
    if into is not None:
        wanted.append(("into_currency = :into", {"into": into}))
    if beyond is not None:
        place = dict(zip(("after_currency", "after_into", "after_day"), beyond, strict=True))
        wanted.append(("(currency, into_currency, day) > (:after_currency, :after_into, :after_day)", place))
    where = f"WHERE {' AND '.join(sql for sql, _ in wanted)}" if wanted else ""
    given = {name: value for _, values in wanted for name, value in values.items()}
    return await database.rows(
        f"SELECT * FROM metrics.rates {where} ORDER BY currency, into_currency, day LIMIT :limit", limit=limit, **given
    )


async def known(database: Reader) -> Rates:
    """All that there are."""
    rows = await database.rows("SELECT currency, into_currency, day, rate FROM metrics.rates")
    return Rates(Rate(*tuple(row)) for row in rows)


async def source(
    database: Reader,
    question: Question,
    read: tuple[str, Sequence[str]],
    where: Sequence[str],
    values: Mapping[str, Any],
) -> Source:
    """What is read (it is called `own`) as it is; where the answer is wanted in one currency, with amounts in that one: at the
    rate of their own day, or of the day of `as_of`. What has no rate stays in its own currency."""
    table, columns = read
    if question.currency is None:
        return Source(table, {})
    pairs = await database.rows(
        f"SELECT DISTINCT currency, day FROM {table} WHERE {' AND '.join(['currency IS NOT NULL', *where])}", **values
    )
    rates = await known(database)
    today = question.today
    rated: list[tuple[str, date, str]] = []
    for pair in pairs:
        currency, day = pair.currency, pair.day
        rate = rates.at(currency, question.currency, today if question.restated else day) if currency else None
        if rate is not None:
            rated.append((currency, day, str(rate)))
    others = ", ".join(f"own.{name}" for name in columns if name not in ("amount", "currency"))
    return Source(
        f"""(
        SELECT {others}, own.amount * coalesce(rated.rate, 1) AS amount,
            CASE WHEN rated.rate IS NULL THEN own.currency ELSE :in_currency END AS currency
        FROM {table} LEFT JOIN unnest(
            CAST(:rated_currencies AS text[]), CAST(:rated_days AS date[]), CAST(:rated_rates AS numeric[])
        ) AS rated (currency, day, rate) ON rated.currency = own.currency AND rated.day = own.day
        ) AS in_one""",
        {
            "in_currency": question.currency,
            "rated_currencies": [one[0] for one in rated],
            "rated_days": [one[1] for one in rated],
            "rated_rates": [one[2] for one in rated],
        },
    )
