"""What the tables of a schema say, searched as a whole."""

from __future__ import annotations

from collections.abc import Iterable

from shared.kit.database import Database
from shared.kit.frames import unpack


async def tables_saying(database: Database, schema: str, words: Iterable[str]) -> dict[str, set[str]]:
    """In which tables of a schema which of these words stand, in any column, in bytes and compressed frames too."""
    found: dict[str, set[str]] = {}
    # A moment may be one that Python has none for.
    tables = await database.rows(
        """SELECT table_name AS name, string_agg(
               quote_ident(column_name) || CASE WHEN data_type LIKE 'timestamp%' THEN '::text' ELSE '' END, ', ') AS columns
           FROM information_schema.columns WHERE table_schema = :schema GROUP BY 1 ORDER BY 1""",
        schema=schema,
    )
    for table in tables:
        for row in await database.rows(f"SELECT {table.columns} FROM {schema}.{table.name}"):
            text = "\n".join(_text(value) for value in row)
            if said := {word for word in words if word.casefold() in text.casefold()}:
                found.setdefault(table.name, set()).update(said)
    return found


def _text(value: object) -> str:
    if not isinstance(value, bytes | memoryview):
        return repr(value)
    raw = bytes(value)
    try:
        whole = [raw, *(one.value for one in unpack(raw))]
    except ValueError:
        whole = [raw]
    return "\n".join(one.decode("utf-8", "replace") for one in whole)
