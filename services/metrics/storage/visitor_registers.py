"""How many different visitors there were, from registers that are kept by day, by eight days and by sixty-four. A batch says only which
days it changed; these are made again from their visits, beside it. Whoever asks reads the visits of days that are to be made."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from services.metrics.domain.answers import TOTAL, Group
from services.metrics.domain.distinct import PRECISION, TAIL, how_many_each, packed, unpacked
from services.metrics.domain.entries import DIMENSIONS
from services.metrics.domain.questions import Question
from services.metrics.domain.sketches import BLOCK_EPOCH, BLOCK_SHIFT, LEVEL_STRIDE, LEVELS, blocks_of
from services.metrics.storage.cutting import cut_sql, window
from services.metrics.storage.sketches import day_sql
from services.metrics.storage.spreads import bounds_of
from shared.kit.database import Database, Reader, Transaction

KEPT_BY = ("", "channel", "source", "campaign")
LOCK = "hashtext('leadflow-metrics-visitors')"
FEW = 20_000
"""So many visits are looked through, and their visitors counted exactly."""
MOST_DAYS_READ = 5
"""Of so many days visits are read beside registers; of more, all are."""
MOST_ROWS = 50_000
"""So many registers are fetched for an answer. Of more, as of every day by a hundred sources, visits are counted by PostgreSQL."""
DAYS_AT_ONCE = 8
A_DAY = timedelta(days=1)

_BITS = "CAST('x' || left(CAST(visitor_id AS text), 8) || substr(CAST(visitor_id AS text), 10, 4) AS bit(48))"
_RANK = f"position(B'1' IN substring({_BITS} FROM {PRECISION + 1}))"
CODE = f"(CAST(substring({_BITS} FOR {PRECISION}) AS integer) << 6 | coalesce(nullif({_RANK}, 0), {TAIL + 1}))"
CODES = f"string_agg(substring(int4send({CODE}) FROM 2), CAST('' AS bytea))"
"""A code for each id, three bytes: where it falls (the upper bits), and how rare it is (the lower six), by how many zeros its tail
begins with, and one."""


class Kept(NamedTuple):
    """Registers of a day or a block of days in one place, with how many visits they are of and when the last of them was."""

    dimension: str
    block: int
    business_unit: str
    value: str
    visits: int
    last_at: datetime
    registers: bytes


async def changed(tx: Transaction, days: Iterable[date]) -> None:
    """Says of which days the visits are others now: rows without a key, so that nobody waits for anybody."""
    await tx.copy("metrics.visitor_changes", ("day",), [(day,) for day in sorted(set(days))])


async def all_changed(tx: Transaction) -> None:
    """Has the registers of all days made again, whoever changed their visits without saying so."""
    await tx.execute(
        f"""
        INSERT INTO metrics.visitor_changes (day)
        SELECT day FROM metrics.visitors UNION
        SELECT {day_sql("block")} FROM metrics.visitor_registers WHERE block < {LEVEL_STRIDE}"""
    )


DRIFTS = f"""
    WITH seen AS (SELECT day, business_unit, count(*) AS visits FROM metrics.visitors GROUP BY day, business_unit),
    kept AS (
        SELECT {day_sql("block")} AS day, business_unit, visits FROM metrics.visitor_registers
        WHERE dimension = '' AND block < {LEVEL_STRIDE}
    )
    SELECT day, business_unit, coalesce(seen.visits, 0) AS seen, kept.visits AS kept
    FROM seen FULL JOIN kept USING (day, business_unit)
    WHERE seen.visits IS DISTINCT FROM kept.visits AND day NOT IN (SELECT day FROM metrics.visitor_changes)
    ORDER BY day, business_unit"""
"""The days whose registers are of more or fewer visits than there were, and are not to be made again."""


async def make(tx: Transaction) -> int:
    """Makes the registers of some of the days that were changed, and of the blocks these are in; how many days that was."""
    (row,) = await tx.rows(f"SELECT pg_try_advisory_xact_lock({LOCK}) AS ours")
    if not row.ours:
        return 0
    rows = await tx.rows(
        f"""
        WITH taken AS (
            DELETE FROM metrics.visitor_changes
            WHERE day IN (SELECT DISTINCT day FROM metrics.visitor_changes ORDER BY day LIMIT {DAYS_AT_ONCE}) RETURNING day
        ) SELECT DISTINCT day FROM taken"""
    )
    days = [row.day for row in rows]
    if not days:
        return 0
    of_days = await tx.rows(
        f"""
        SELECT dimension, day, business_unit, value, count(*) AS visits, max(at) AS last_at, {CODES} AS codes
        FROM metrics.visitors CROSS JOIN LATERAL (VALUES
            {", ".join(f"('{name}', {f'coalesce({name}, {chr(39) * 2})' if name else chr(39) * 2})" for name in KEPT_BY)}
        ) AS cut (dimension, value)
        WHERE day = ANY(:days) GROUP BY dimension, day, business_unit, value""",
        days=days,
    )
    made = [
        Kept(one.dimension, (one.day - BLOCK_EPOCH).days, one.business_unit, one.value, one.visits, one.last_at,
            packed(unpacked([one.codes])))
        for one in of_days
    ]  # fmt: skip
    below = {(day - BLOCK_EPOCH).days for day in days}
    await _replace(tx, below, made)
    for level in range(1, LEVELS):
        places = {one >> BLOCK_SHIFT for one in below}
        inside = [
            (level - 1) * LEVEL_STRIDE + (place << BLOCK_SHIFT) + number
            for place in places
            for number in range(1 << BLOCK_SHIFT)
        ]
        parts = await tx.rows(
            "SELECT * FROM metrics.visitor_registers WHERE dimension = ANY(:names) AND block = ANY(:blocks)",
            names=list(KEPT_BY),
            blocks=inside,
        )
        await _replace(tx, {level * LEVEL_STRIDE + place for place in places}, _together(parts, level))
        below = places
    return len(days)


def _together(parts: Sequence[Any], level: int) -> list[Kept]:
    of: dict[tuple[str, int, str, str], list[Any]] = defaultdict(list)
    for one in parts:
        block = level * LEVEL_STRIDE + ((one.block % LEVEL_STRIDE) >> BLOCK_SHIFT)
        of[one.dimension, block, one.business_unit, one.value].append(one)
    return [
        Kept(*place, sum(one.visits for one in those), max(one.last_at for one in those),
            packed(unpacked(one.registers for one in those)))
        for place, those in of.items()
    ]  # fmt: skip


async def _replace(tx: Transaction, blocks: Iterable[int], made: Sequence[Kept]) -> None:
    await tx.execute(
        "DELETE FROM metrics.visitor_registers WHERE dimension = ANY(:names) AND block = ANY(:blocks)",
        {"names": list(KEPT_BY), "blocks": sorted(blocks)},
    )
    await tx.set_wise(
        f"""
        INSERT INTO metrics.visitor_registers ({", ".join(Kept._fields)})
        SELECT dimension, block, business_unit, value, visits, last_at, decode(registers, 'hex')
        FROM json_to_recordset(CAST(:rows AS json)) AS r(dimension text, block integer, business_unit text, value text,
            visits bigint, last_at timestamptz, registers text)""",
        [{**one._asdict(), "registers": one.registers.hex()} for one in made],
    )


async def from_registers(database: Database, question: Question) -> dict[Group | None, int] | None:
    """How many different ones there were by `as_of`, in total and by group; None where visits have to tell, of which there are few,
    which several cuts part, or of which there are too many groups."""
    used = {name for name in (*question.group_by, *question.filters) if name in DIMENSIONS}
    if len(used) > 1:
        return None
    dimension = question.dimension or ""
    async with database.snapshot() as one_moment:
        span = await _span(one_moment, question)
        if span is None:
            return None
        first, after = span
        apart = await _to_be_read(one_moment, question, first, after)
        if len(apart) > MOST_DAYS_READ or await _visits(one_moment, first, after) <= FEW:
            return None
        edges = [edge for day in apart for edge in (day, day + A_DAY)]
        kept = blocks_of(first, after, [*bounds_of(question, first, after), *edges])
        blocks = [block for block in kept if block >= LEVEL_STRIDE or BLOCK_EPOCH + block * A_DAY not in apart]
        conditions, values = window(question, "day", "at")
        cuts = "".join(f"{cut_sql(question, name, 'day')} AS g{i}, " for i, name in enumerate(question.group_by))
        place = f"{dimension}, " if dimension else ""
        rows = await one_moment.rows(
            f"""
            SELECT {cuts} registers FROM (
                SELECT business_unit, {f"nullif(value, '') AS {dimension}, " if dimension else ""} {day_sql("block")} AS day, registers
                FROM metrics.visitor_registers WHERE dimension = :dimension AND block = ANY(:blocks)
                UNION ALL
                SELECT business_unit, {place} day, {CODES}
                FROM metrics.visitors WHERE day = ANY(:apart) AND at <= :as_of GROUP BY business_unit, {place} day
            ) AS seen {f"WHERE {' AND '.join(conditions)}" if conditions else ""} LIMIT {MOST_ROWS + 1}""",
            dimension=dimension,
            blocks=blocks,
            apart=sorted(apart),
            as_of=question.as_of,
            **values,
        )
    if len(rows) > MOST_ROWS:
        return None
    of: dict[Group | None, list[bytes]] = defaultdict(list)
    for row in rows:
        of[tuple(row)[:-1]].append(row.registers)
    total, found = await asyncio.to_thread(how_many_each, of)
    return {TOTAL: total, **(found if question.group_by else {})}


async def _span(database: Reader, question: Question) -> tuple[date, date] | None:
    """From which day to before which anybody was there of those asked about."""
    (row,) = await database.rows("SELECT min(day) AS first, max(day) AS last FROM metrics.visitors")
    if row.first is None:
        return None
    start, end = question.start, question.end
    if isinstance(start, datetime) or isinstance(end, datetime):
        return None
    first = max(row.first, start or row.first)
    after = min(row.last + A_DAY, end or row.last + A_DAY, question.as_of.date() + 2 * A_DAY)
    return (first, after) if first < after else None


async def _to_be_read(database: Reader, question: Question, first: date, after: date) -> set[date]:
    """Days whose registers are to be made again, and those that `as_of` parts."""
    rows = await database.rows(
        f"""
        SELECT day FROM metrics.visitor_changes WHERE day >= :first AND day < :after
        UNION
        SELECT {day_sql("block")} FROM metrics.visitor_registers
        WHERE dimension = '' AND block BETWEEN :first_block AND :last_block AND last_at > :as_of""",
        first=first,
        after=after,
        first_block=(max(first, question.as_of.date() - A_DAY) - BLOCK_EPOCH).days,
        last_block=(after - A_DAY - BLOCK_EPOCH).days,
        as_of=question.as_of,
    )
    return {row.day for row in rows}


async def _visits(database: Reader, first: date, after: date) -> int:
    (row,) = await database.rows(
        "SELECT coalesce(sum(visits), 0) AS n FROM metrics.visitor_registers WHERE dimension = '' AND block = ANY(:blocks)",
        blocks=blocks_of(first, after, ()),
    )
    return int(row.n)
