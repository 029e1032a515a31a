"""Everything that units have, streamed: in memory there is a page at a time, however much it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import Any, Literal
from uuid import UUID

from services.pipeline.domain.access import Units
from services.pipeline.domain.export_rows import as_csv, as_ndjson, csv_header
from services.pipeline.storage import exports
from shared.kit.database import Database
from shared.kit.errors import Rejected, Retryable

Format = Literal["csv", "ndjson"]

AT_ONCE = 2
"""So many exports of one process: each holds a connection, and what it sees keeps the database from cleaning up."""

IDLE_SECONDS = 120
STATEMENT_SECONDS = 120


class Exporting:
    """Exports, few at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._room = asyncio.Semaphore(AT_ONCE)

    async def stream(self, what: str, form: Format, units: Units, after: Sequence[str] | None) -> AsyncGenerator[bytes]:
        """The rows after a key, a page at a time, all as they are when the first is read. A CSV begins with its header, except where
        it goes on. Raises `Retryable` while others export."""
        if after is not None:
            after = _key_of(what, after)
        if self._room.locked():
            raise Retryable("Others export now.", retry_after_seconds=30)
        columns = exports.KINDS[what].columns
        key = [name for name, _ in exports.KINDS[what].key]
        async with (
            self._room,
            exports.snapshot(
                self._database, idle_seconds=IDLE_SECONDS, statement_seconds=STATEMENT_SECONDS
            ) as transaction,
        ):
            if form == "csv" and after is None:
                yield csv_header(columns)
            while rows := await exports.page(transaction, what, units, after):
                yield as_csv(rows, columns) if form == "csv" else as_ndjson(rows)
                after = [str(rows[-1][name]) for name in key]
                if len(rows) < exports.PAGE:
                    return


def _integer(text: str) -> int:
    number = int(text)
    if not -(2**31) <= number < 2**31:
        raise ValueError
    return number


_READ: Mapping[str, Callable[[str], Any]] = {"uuid": UUID, "integer": _integer, "text": str}


def _key_of(what: str, after: Sequence[str]) -> list[str]:
    """A key of this kind as the database reads it: it takes fewer spellings than this language. Raises `Rejected` for what is none."""
    key = exports.KINDS[what].key
    try:
        return [str(_READ[kind](value)) for value, (_, kind) in zip(after, key, strict=True)]
    except ValueError:
        raise Rejected(
            f"after is no key of {what}.",
            field="after",
            fix=f"Send {' and '.join(f'after=<{name}>' for name, _ in key)} of the last row that you have, in this order.",
        ) from None
