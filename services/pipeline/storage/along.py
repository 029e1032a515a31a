"""Lists, page by page: each page is walked along indexes, bounded in what it looks at, and told by one statement."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from shared.kit.database import Database

LOOKED_AT = 2_000
"""At how many a page looks where no index knows what is asked for: then it may be short, and the next goes on behind them."""

MOST_STRETCHES = 40
"""So many stretches of an index are merged at most; of more units than that the order of all is walked along."""

Stretch: TypeAlias = tuple[str, dict[str, str]]
"""A stretch of an index that is in the order of the list: the condition that it fits, and its parameters."""

WHOLE: Stretch = ("true", {})
"""Everything, in order."""


@dataclass(slots=True)
class Wanted:
    """What is meant: `conditions` that are looked at, `parameters` of these and of the rest."""

    conditions: list[str]
    parameters: dict[str, Any] = field(default_factory=dict)

    def also(self, condition: str, **parameters: Any) -> None:
        """One condition more."""
        self.conditions.append(condition)
        self.parameters |= parameters


@dataclass(frozen=True, slots=True)
class Walk:
    """What is listed: the rows of `table`, known as `alias`, by `moment`, and of one moment by `ties`, which are its key. `rows`
    reads them. `always` holds for whatever is listed, as the indexes say it."""

    table: str
    alias: str
    moment: str
    ties: tuple[str, ...]
    rows: str
    always: str | None = None

    @property
    def at(self) -> str:
        """The moment as stretches are in order of it."""
        return f"{self.alias}.{self.moment}"

    @property
    def whole_at(self) -> str:
        """The moment as the index of everything has it: so it is walked along where everything is asked for alone, and not where
        the planner would rather have gone through all of it than sorted a stretch."""
        return f"({self.at} AT TIME ZONE 'UTC')"

    def places(self, alias: str) -> str:
        """What tells two of one moment apart, of rows under another name."""
        return ", ".join(f"{alias}.{name}" for name in self.ties)

    def go_on(self, wanted: Wanted, at: Any, *ties: Any) -> None:
        """Only what comes behind a place."""
        names = [f"after_{name}" for name in self.ties]
        behind = ", ".join([":after_at", *(f":{name}" for name in names)])
        wanted.also(
            f"({self.at}, {self.places(self.alias)}) > ({behind})",
            after_at=at,
            **dict(zip(names, ties, strict=True)),
        )

    def bounds(self, wanted: Wanted, order: str) -> list[str]:
        """What bounds the walk, as the index of this order knows it."""
        stem = self.moment.removesuffix("_at")
        found = [one for one in wanted.conditions if one.startswith((f"({self.at},", f"{self.at} "))]
        if order != self.at:
            named = re.compile(rf":(after_at|only_{stem}_\w+)")
            found = [
                named.sub(r"(CAST(\g<0> AS timestamptz) AT TIME ZONE 'UTC')", one).replace(self.at, order)
                for one in found
            ]
        return [*found, *([self.always] if self.always is not None else [])]


def of_each(alias: str, column: str, names: Sequence[str], values: Sequence[str]) -> list[Stretch]:
    """The stretches of these units with each of these values, or all in order where they are too many."""
    if len(names) * len(values) > MOST_STRETCHES:
        return [WHOLE]
    return [
        (
            f"{alias}.business_unit = :name{at} AND {alias}.{column} = :value{at}",
            {f"name{at}": name, f"value{at}": value},
        )
        for at, (name, value) in enumerate((name, value) for name in names for value in values)
    ]


async def looked(
    database: Database, walk: Walk, wanted: Wanted, stretches: Sequence[Stretch], limit: int
) -> tuple[list[Any], tuple[Any, ...] | None]:
    """A page of those among the next of these stretches that are meant, and the place behind which the next page goes on, None where
    there is none. Both are of one moment: told by two statements, whatever is changed between them would be passed over. Merged,
    stretches are read no further than a page needs; each says so for itself, or the planner takes it for one that is read to its end, and
    sorts all that it has."""
    if not stretches:
        return [], None
    parameters = dict(wanted.parameters)
    order = walk.whole_at if WHOLE in stretches else walk.at
    bounds = walk.bounds(wanted, order)
    parts = []
    for condition, named in stretches:
        parameters |= named
        parts.append(
            f"SELECT {order} AS at, {walk.places(walk.alias)}, {walk.at} AS moment FROM {walk.table} {walk.alias} "
            f"WHERE {' AND '.join([condition, *bounds])} ORDER BY {order}, {walk.places(walk.alias)}"
        )
    keys = parts[0]
    if len(parts) > 1:
        each = " UNION ALL ".join(f"({part} LIMIT :looked)" for part in parts)
        keys = f"SELECT * FROM ({each}) k ORDER BY k.at, {walk.places('k')}"
    is_it = " AND ".join(f"{walk.alias}.{name} = k.{name}" for name in walk.ties)
    ends = ", ".join(f"e.{name} AS end_{name}" for name in walk.ties)
    rows = await database.rows(
        f"""
        WITH page AS MATERIALIZED (
            SELECT k.at AS place, one.* FROM ({keys} LIMIT :looked) k CROSS JOIN LATERAL (
                {walk.rows} WHERE {" AND ".join([is_it, *wanted.conditions])} OFFSET 0) one
            ORDER BY k.at, {walk.places("k")} LIMIT :limit
        ), looked AS (
            SELECT k.moment, {walk.places("k")} FROM ({keys} OFFSET :skipped LIMIT 1) k
            WHERE (SELECT count(*) FROM page) < :limit
        )
        SELECT e.moment AS end_at, {ends}, p.*
        FROM (VALUES (1)) one LEFT JOIN page p ON true LEFT JOIN looked e ON true ORDER BY p.place, {walk.places("p")}""",
        looked=LOOKED_AT,
        skipped=LOOKED_AT - 1,
        **parameters,
    )
    found = [row for row in rows if row.place is not None]
    if len(found) == limit:
        last = found[-1]
        return found, (getattr(last, walk.moment), *(getattr(last, name) for name in walk.ties))
    end = rows[0]
    if end.end_at is None:
        return found, None
    return found, (end.end_at, *(getattr(end, f"end_{name}") for name in walk.ties))
