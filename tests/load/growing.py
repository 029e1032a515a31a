"""Tables made large set-wise: what a service wrote of a few people, many times over, under other ids."""

from __future__ import annotations

from collections.abc import Mapping

import psycopg


def run(connection: psycopg.Connection, statement: str) -> None:
    """One statement that is made of no input."""
    connection.execute(statement.encode())


def without_indexes(connection: psycopg.Connection, schema: str, table: str) -> list[str]:
    """Drops a table's keys and indexes; the statements that bring them back."""
    again = []
    place = f"{schema}.{table}"
    for name, definition in connection.execute(
        "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = CAST(%s AS regclass) "
        "AND contype = 'p'",
        [place],
    ).fetchall():
        run(connection, f"ALTER TABLE {place} DROP CONSTRAINT {name}")
        again.append(f"ALTER TABLE {place} ADD CONSTRAINT {name} {definition}")
    for name, definition in connection.execute(
        "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = %s AND tablename = %s", [schema, table]
    ).fetchall():
        run(connection, f"DROP INDEX {schema}.{name}")
        again.append(definition)
    return again


def columns(connection: psycopg.Connection, schema: str, table: str) -> Mapping[str, str]:
    """A table's columns that can be written, with their types, in order."""
    found = connection.execute(
        "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = %s AND table_name = %s "
        "AND is_identity = 'NO' ORDER BY ordinal_position",
        [schema, table],
    )
    return {str(name): str(kind) for name, kind in found}
