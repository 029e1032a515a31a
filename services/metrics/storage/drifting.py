"""What is kept, held against what it should be: sums of entries, open deals and sketches are compared in one way."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any, NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection


class Drift(NamedTuple):
    """A sum that is not what it should be, by the columns of its place. `parts` is what to add to it; `is_kept` says whether there is
    one that counts anything."""

    place: dict[str, Any]
    is_kept: bool
    parts: dict[str, Any]


async def drifting(
    connection: AsyncConnection,
    place: Iterable[str],
    parts: Iterable[str],
    *,
    wanted: str,
    kept: str,
    beside: str = "",
    given: Mapping[str, Any] | None = None,
) -> AsyncIterator[Drift]:
    """What differs between two queries of sums by place, in one statement and so of one moment, one after the other: there may be as
    many as there are sums. `beside` is what both read, as `name AS (…),`; `given` is what they are given."""
    place, parts = tuple(place), tuple(parts)
    key = ", ".join(place)
    lacking = ", ".join(f"coalesce(wanted.{one}, 0) - coalesce(kept.{one}, 0) AS lacks_{one}" for one in parts)
    differs = " OR ".join(f"coalesce(wanted.{one}, 0) <> coalesce(kept.{one}, 0)" for one in parts)
    found = await connection.stream(
        text(
            f"""
            WITH {beside} wanted AS ({wanted}), kept AS ({kept})
            SELECT {key}, coalesce(kept.count, 0) <> 0 AS is_kept, {lacking}
            FROM wanted FULL JOIN kept USING ({key}) WHERE {differs}"""
        ),
        given or {},
    )
    async for row in found:
        yield Drift(
            {name: getattr(row, name) for name in place},
            row.is_kept,
            {name: getattr(row, f"lacks_{name}") for name in parts},
        )
