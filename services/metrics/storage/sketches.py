"""How things are spread, kept in two tables: what batches changed, as they left it, and what that has been merged into. Both
together are the truth at any moment; merging only makes it shorter."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from services.metrics.domain.entries import BY_COHORT, DIMENSIONS, RANKED, Measure
from services.metrics.domain.rollups import DAY_SECONDS
from services.metrics.domain.sketches import (
    AMOUNT,
    AMOUNT_BOUNDS,
    BLOCK_EPOCH,
    BLOCK_SHIFT,
    DURATION,
    DURATION_BOUNDS,
    LEVEL_STRIDE,
    LEVELS,
    MICROS_OF_PROBABILITY,
    PERMILLE,
    PROBABILITY,
    SCORE,
    SKETCHED,
    TIMED,
    VALUED,
    Spot,
    Weight,
)
from services.metrics.storage.drifting import Drift, drifting
from shared.kit.database import Transaction

LOCK = "hashtext('leadflow-metrics-sketches')"
MERGED_AT_ONCE = 20_000

CHANGE_COLUMNS = (
    "measure", "day", "business_unit", *DIMENSIONS, "currency", "duration_bucket", "amount_bucket", "score", "permille",
    "age_days", "count", "total", "squares",
)  # fmt: skip
PLACE = ("measure", "kind", "dimension", "block", "business_unit", "value", "currency", "bucket", "age_days")
PARTS = ("count", "total", "squares")

SCALES = f"""(VALUES
    ('{DURATION}', duration_bucket, '', -1, 0, 0), ('{AMOUNT}', amount_bucket, currency, -1, 0, 0),
    ('{SCORE}', score, '', age_days, 0, 0), ('{PROBABILITY}', permille, '', age_days, total, squares)
) AS scale (kind, bucket, in_currency, in_age, in_total, in_squares)"""
_CUTS = ", ".join(["('', '')", *(f"('{name}', {name})" for name in DIMENSIONS)])
CUTS = f"(VALUES {_CUTS}) AS cut (dimension, value)"
_BLOCKS = ", ".join(
    f"({level * LEVEL_STRIDE} + ((day - DATE '{BLOCK_EPOCH}') >> {BLOCK_SHIFT * level}))" for level in range(LEVELS)
)
BLOCKS = f"(VALUES {_BLOCKS}) AS among (block)"


def day_sql(block: str) -> str:
    """The day a block begins with."""
    return f"(DATE '{BLOCK_EPOCH}' + (({block} % {LEVEL_STRIDE}) << ({BLOCK_SHIFT} * ({block} / {LEVEL_STRIDE}))))"


def spread_sql(source: str) -> str:
    """Every cell that changes make, from a table or CTE of them: by scale, by dimension and by block."""
    return f"""
        SELECT measure, kind, dimension, block, business_unit, value, in_currency AS currency, bucket, in_age AS age_days,
            CAST(sum(count) AS bigint) AS count, CAST(sum(in_total) AS bigint) AS total, CAST(sum(in_squares) AS bigint) AS squares
        FROM (
            SELECT measure, kind, dimension, day, business_unit, value, in_currency, bucket, in_age,
                sum(count) AS count, sum(in_total) AS in_total, sum(in_squares) AS in_squares
            FROM {source} CROSS JOIN LATERAL {SCALES} CROSS JOIN LATERAL {CUTS}
            WHERE bucket IS NOT NULL AND (dimension = '' OR value <> '')
            GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9
        ) AS by_day CROSS JOIN LATERAL {BLOCKS}
        GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9
        HAVING sum(count) <> 0 OR sum(in_total) <> 0 OR sum(in_squares) <> 0"""


def _adding(source: str) -> str:
    """Adds cells in their order: what is read together lies together then, thirty times fewer pages for the same cells."""
    places, parts = ", ".join(PLACE), ", ".join(PARTS)
    return f"""
        INSERT INTO metrics.sketches AS old ({places}, {parts}) SELECT {places}, {parts} FROM ({source}) AS more
        ORDER BY {places} ON CONFLICT ({places}) DO UPDATE SET {", ".join(f"{one} = old.{one} + excluded.{one}" for one in PARTS)}"""


async def add_changes(tx: Transaction, changes: Mapping[Spot, Weight]) -> None:
    """Leaves what a batch changed to be merged: rows without a key, so that nobody waits for anybody."""
    rows = [
        (
            spot.measure, spot.day, spot.business_unit, *spot.dims, spot.currency, spot.duration_bucket, spot.amount_bucket,
            spot.score, spot.permille, spot.age_days, weight.n, weight.probability, weight.squares,
        )
        for spot, weight in changes.items()
    ]  # fmt: skip
    await tx.copy("metrics.sketch_changes", CHANGE_COLUMNS, rows)


async def waiting(tx: Transaction, most: int) -> int:
    """How many changes wait to be merged, as far as somebody counts."""
    (row,) = await tx.rows(
        "SELECT count(*) AS n FROM (SELECT 1 FROM metrics.sketch_changes LIMIT :most) AS found", most=most
    )
    return int(row.n)


async def merge(tx: Transaction) -> int:
    """Merges what waits, so many at once; how many those were. Of several processes one does so at a time."""
    (row,) = await tx.rows(f"SELECT pg_try_advisory_xact_lock({LOCK}) AS ours")
    if not row.ours:
        return 0
    await tx.execute("SET LOCAL work_mem = '64MB'")
    (row,) = await tx.rows(
        f"""
        WITH taken AS (
            DELETE FROM metrics.sketch_changes
            WHERE ctid = ANY(ARRAY(SELECT ctid FROM metrics.sketch_changes LIMIT {MERGED_AT_ONCE})) RETURNING *
        ), merged AS ({_adding(spread_sql("taken"))})
        SELECT count(*) AS n FROM taken"""
    )
    return int(row.n)


async def drifts(connection: AsyncConnection, measure: str) -> AsyncIterator[Drift]:
    """The cells of a measure that differ from what its entries say, each with what it lacks."""
    if measure not in SKETCHED:
        return
    place = ", ".join(PLACE)
    changes = "SELECT * FROM metrics.sketch_changes WHERE measure = :measure"
    kept = f"""
        SELECT {place}, {", ".join(f"sum({one}) AS {one}" for one in PARTS)}
        FROM (
            SELECT {place}, {", ".join(PARTS)} FROM metrics.sketches WHERE measure = :measure
            UNION ALL {spread_sql("changes")}
        ) AS together GROUP BY {place}"""
    async for one in drifting(
        connection,
        PLACE,
        PARTS,
        wanted=spread_sql("entries"),
        kept=kept,
        beside=f"entries AS ({_entries_sql(measure)}), changes AS ({changes}),",
        given=parameters_of(measure),
    ):
        yield one


def parameters_of(measure: str) -> dict[str, Any]:
    """What the statements over the entries of a measure are given: its name and the scales."""
    found: dict[str, Any] = {"measure": measure}
    if measure in TIMED:
        found["durations"] = list(DURATION_BOUNDS)
    if measure in VALUED:
        found["amounts"] = list(AMOUNT_BOUNDS)
    return found


def fill_sql(measure: str) -> str:
    """All cells of a measure from its entries, where there are none yet."""
    return _adding(f"WITH entries AS ({_entries_sql(measure)}) {spread_sql('entries')}")


def turned_sql(measure: str, held: str, sign: int) -> str:
    """Some entries of a measure as changes, counted so often."""
    return _entries_sql(measure, held, sign, place=f"'{Measure(measure)}'")


def _entries_sql(measure: str, held: str = "valid_to IS NULL", sign: int = 1, *, place: str = ":measure") -> str:
    """The entries of a measure as changes, so that both are spread by the same statement."""
    microseconds = "CAST(round(duration_seconds * 1000000) AS bigint)"
    duration = f"width_bucket({microseconds} - 1, CAST(:durations AS bigint[]))" if measure in TIMED else "NULL"
    amount = (
        "CAST(sign(amount) AS integer) * width_bucket(abs(amount), CAST(:amounts AS numeric[]))"
        if measure in VALUED
        else "NULL"
    )
    ranked = measure in RANKED
    age = f"CAST(coalesce(ceil(duration_seconds / {DAY_SECONDS}), -1) AS integer)"
    billionths = f"CAST(round(probability * {{}}{MICROS_OF_PROBABILITY}) AS bigint)"
    told = f"CASE WHEN score IS NULL THEN 0 ELSE coalesce({{}}, 0) END * {sign}" if ranked else "0"
    return f"""
        SELECT measure, {"cohort_day" if measure in BY_COHORT else "day"} AS day, business_unit, {", ".join(DIMENSIONS)},
            {"CASE WHEN amount IS NULL THEN '' ELSE coalesce(currency, '') END" if measure in VALUED else "''"} AS currency,
            CAST({duration} AS integer) AS duration_bucket, CAST({amount} AS integer) AS amount_bucket,
            CAST({"score" if ranked else "NULL"} AS integer) AS score,
            CAST({f"CASE WHEN score IS NOT NULL THEN round(CAST(probability * {PERMILLE} AS numeric)) END" if ranked else "NULL"} AS integer) AS permille,
            {age if ranked and measure in BY_COHORT else "-1"} AS age_days, CAST({sign} AS bigint) AS count,
            CAST({told.format(billionths.format(""))} AS bigint) AS total,
            CAST({told.format(billionths.format("probability * "))} AS bigint) AS squares
        FROM metrics.entries WHERE measure = {place} AND {held}"""


async def add(tx: Transaction, found: Sequence[Drift]) -> None:
    """Adds to cells what they lack. Nobody merges meanwhile."""
    if not found:
        return
    await tx.execute(f"SELECT pg_advisory_xact_lock({LOCK})")
    kinds = ("text", "text", "text", "integer", "text", "text", "text", "integer", "integer")
    columns = [f"{name} {kind}" for name, kind in zip(PLACE, kinds, strict=True)] + [f"{one} bigint" for one in PARTS]
    await tx.set_wise(
        _adding(f"SELECT * FROM json_to_recordset(CAST(:rows AS json)) AS r({', '.join(columns)})"),
        [{**one.place, **{name: int(part) for name, part in one.parts.items()}} for one in found],
    )
