"""Indexes of tables that may be large: made and dropped while everybody goes on reading and writing."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager

from alembic import op
from sqlalchemy import text

NEXT = "_next"
"""What an index is called until it is whole and those that it replaces are gone."""


def build(schema: str, indexes: Mapping[str, str], *, instead_of: Collection[str] = ()) -> None:
    """Makes indexes, each given as `table (columns) …`, and drops those that they replace, which may have their names.

    Whatever the revision said before is committed by it. Broken off anywhere, it can be run again: what is whole by then stays,
    what was begun is begun anew.
    """
    with _beside_everybody():
        for name, place in indexes.items():
            _whole(schema, f"{name}{NEXT}", f"INDEX CONCURRENTLY {name}{NEXT} ON {schema}.{place}")
        for name in dict.fromkeys((*instead_of, *indexes)):
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {schema}.{name}")
        for name in indexes:
            op.execute(f"ALTER INDEX {schema}.{name}{NEXT} RENAME TO {name}")


def drop(schema: str, *names: str) -> None:
    """Drops indexes that there may be."""
    with _beside_everybody():
        for name in names:
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {schema}.{name}")


def rekey(schema: str, table: str, columns: str) -> None:
    """Gives a table another primary key, of columns that have been one in another order. Only taking it over needs the table
    for itself, and that is done at once."""
    key = f"{table}_pkey"
    with _beside_everybody():
        _whole(schema, f"{key}{NEXT}", f"UNIQUE INDEX CONCURRENTLY {key}{NEXT} ON {schema}.{table} ({columns})")
    op.execute(
        f"""
        ALTER TABLE {schema}.{table} DROP CONSTRAINT {key}, ADD CONSTRAINT {key} PRIMARY KEY USING INDEX {key}{NEXT}"""
    )


@contextmanager
def _beside_everybody() -> Iterator[None]:
    """Outside of any transaction, since it waits for those that have begun before. Nobody waits for it meanwhile, so it may
    wait for as long as they take."""
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = 0")
        yield
        op.execute("SET lock_timeout = '10s'")


def _whole(schema: str, name: str, said: str) -> None:
    """Makes an index, unless that was done; one that was broken off stands there and is never used."""
    valid = op.get_bind().execute(
        text("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:name)"), {"name": f"{schema}.{name}"}
    ).scalar()  # fmt: skip
    if valid is False:
        op.execute(f"DROP INDEX CONCURRENTLY {schema}.{name}")
    if not valid:
        op.execute(f"CREATE {said}")
