"""What others write while somebody reads."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from shared.kit.database import Database


async def nothing() -> None:
    """Nothing is written meanwhile."""


class Meanwhile:
    """A database in which something is written after each question."""

    def __init__(self, database: Database, write: Callable[[], Awaitable[Any]] = nothing) -> None:
        self._database = database
        self._write = write
        self.asked: list[str] = []

    async def rows(self, sql: str, **parameters: Any) -> Any:
        self.asked.append(sql)
        found = await self._database.rows(sql, **parameters)
        await self._write()
        return found
