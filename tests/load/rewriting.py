"""The limit of every service that keeps rows: the very same rows written again into empty tables of the same shape, by
COPY and by one set-wise upsert for each batch, with nothing read, decided or decoded."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import psycopg

T = TypeVar("T")

NOT_KEPT = ("consumer_offsets", "outbox", "dead_letters", "alembic_version")


@dataclass(frozen=True, slots=True)
class Rewritten:
    """How many rows there were, and the processor seconds of this process and the database together for each way."""

    rows: int
    copied_seconds: float
    upserted_seconds: float


def rewrite(url: str, schema: str, batches: int, postgres_seconds: Callable[[], float]) -> Rewritten:
    """Writes all rows of a schema's tables again, each table in so many portions, a transaction each."""
    with psycopg.connect(url, autocommit=True) as connection:
        named = [name for name in _tables(connection, schema) if name not in NOT_KEPT]
        tables = [name for name in named if _run(connection, f"SELECT 1 FROM {schema}.{name} LIMIT 1")]
        rows = 0
        spent = {}
        for way in (_copied, _upserted):
            total = 0.0
            rows = 0
            for table in tables:
                connection.execute("DROP SCHEMA IF EXISTS bench CASCADE")
                connection.execute("CREATE SCHEMA bench")
                _run(connection, f"CREATE TABLE bench.{table} (LIKE {schema}.{table} INCLUDING ALL)")
                count, write = way(connection, schema, table, batches)
                rows += count
                before = postgres_seconds() + time.process_time()
                write()
                total += postgres_seconds() + time.process_time() - before
            spent[way.__name__] = total
        connection.execute("DROP SCHEMA bench CASCADE")
    return Rewritten(rows, spent["_copied"], spent["_upserted"])


Way = tuple[int, Callable[[], None]]


def _copied(connection: psycopg.Connection, schema: str, table: str, batches: int) -> Way:
    with connection.cursor() as cursor, cursor.copy(f"COPY {schema}.{table} TO STDOUT".encode()) as copy:
        lines = [bytes(line) for line in copy]
    portions = [b"".join(portion) for portion in _portions(lines, batches)]

    def write() -> None:
        for portion in portions:
            with connection.cursor() as cursor, cursor.copy(f"COPY bench.{table} FROM STDIN".encode()) as copy:
                copy.write(portion)

    return len(lines), write


def _upserted(connection: psycopg.Connection, schema: str, table: str, batches: int) -> Way:
    rows = [row[0] for row in _run(connection, f"SELECT CAST(row_to_json(t) AS text) FROM {schema}.{table} AS t")]
    key = _key(connection, schema, table)
    columns = _columns(connection, schema, table)
    others = [column for column in columns if column not in key]
    change = f"UPDATE SET {', '.join(f'{c} = excluded.{c}' for c in others)}" if others else "NOTHING"
    met = f" ON CONFLICT ({', '.join(key)}) DO {change}" if key else ""
    read = f"SELECT * FROM json_populate_recordset(CAST(NULL AS bench.{table}), CAST(%s AS json))"
    statement = f"INSERT INTO bench.{table} OVERRIDING SYSTEM VALUE {read}{met}"
    portions = ["[" + ",".join(portion) + "]" for portion in _portions(rows, batches)]

    def write() -> None:
        for portion in portions:
            connection.execute(statement.encode(), [portion])

    return len(rows), write


def _portions(rows: Sequence[T], batches: int) -> list[Sequence[T]]:
    size = max(1, -(-len(rows) // max(batches, 1)))
    return [rows[at : at + size] for at in range(0, len(rows), size)]


def _tables(connection: psycopg.Connection, schema: str) -> list[str]:
    found = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s ORDER BY 1", [schema])
    return [row[0] for row in found]


def _columns(connection: psycopg.Connection, schema: str, table: str) -> list[str]:
    found = connection.execute(
        "SELECT column_name FROM information_schema.columns WHERE table_schema = %s AND table_name = %s "
        "ORDER BY ordinal_position",
        [schema, table],
    )
    return [f'"{row[0]}"' for row in found]


def _key(connection: psycopg.Connection, schema: str, table: str) -> list[str]:
    found = connection.execute(
        "SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey) "
        "WHERE i.indrelid = CAST(%s AS regclass) AND i.indisprimary",
        [f"{schema}.{table}"],
    )
    return [f'"{row[0]}"' for row in found]


def _run(connection: psycopg.Connection, statement: str) -> list[tuple[str, ...]]:
    done = connection.execute(statement.encode())
    return list(done.fetchall()) if done.description else []
