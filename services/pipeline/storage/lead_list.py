"""Leads, page by page, oldest first: each page along an index, and bounded in what it looks at."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any, get_args
from uuid import UUID

from services.pipeline.domain.access import Units
from services.pipeline.domain.state import RANK
from services.pipeline.storage.narrowing import LEADS, narrowed
from services.pipeline.storage.places import of_units
from services.pipeline.storage.queries import shown, units_with_leads
from shared.contracts.marks import Mark
from shared.kit.database import Database

LOOKED_AT = 2_000
"""At how many leads a page looks where no index knows what is asked for: then it may be short, and the next goes on behind them."""

MOST_STRETCHES = 40
"""So many stretches of an index are merged at most; of more units than that the order of all leads is walked along."""

MOST_READ = 20_000
"""So many leads are read at most where each stretch of an index gives a page: of more the order of all leads is walked along."""

IN_ORDER = "(l.created_at AT TIME ZONE 'UTC')"
"""The order of everybody, said as its index has it: no other list is to be walked along that one."""

WHOLE: tuple[str, dict[str, str]] = ("true", {})
"""Everybody, in order."""

_MOMENT = re.compile(r":(after_at|only_created_\w+)")

STATUSES: Sequence[str] = [*RANK, "archived"]
MARKS: Sequence[str] = get_args(Mark)

ROOTS = "l.merged_into IS NULL"
"""A lead that stands for itself and for all that were merged into it, in words of which the planner knows how many they fit: it takes
`lead_id = root_id` for rare, and then sorts a million where an index has the order."""


@dataclass(frozen=True, slots=True)
class Page:
    """Where a listing goes on: after this creation time and id."""

    created_at: datetime
    lead_id: UUID


@dataclass(slots=True)
class Wanted:
    """Which leads are meant: `conditions` that are looked at, `parameters` of these and of the rest."""

    conditions: list[str]
    parameters: dict[str, Any] = field(default_factory=dict)

    def also(self, condition: str, **parameters: Any) -> None:
        """One condition more."""
        self.conditions.append(condition)
        self.parameters |= parameters


async def listed(
    database: Database,
    *,
    units: Units,
    status: str | None,
    mark: str | None = None,
    contradicted: bool = False,
    tokens: Collection[tuple[str, str, str]] = (),
    only: Mapping[str, Any] = MappingProxyType({}),
    after: Page | None,
    limit: int,
) -> tuple[list[dict[str, Any]], Page | None]:
    """A page of leads and where the next goes on, None where there is none; `mark` is one, `any` or `none`; `tokens` are (unit,
    kind, token) of identities of which a lead must have each. Contradicted are those of which one record came twice under one id,
    with another content."""
    kept, of = of_units("l.business_unit", units)
    narrow = narrowed(only, LEADS)
    wanted = Wanted([ROOTS, *kept, *narrow.conditions], {"limit": limit, **of, **narrow.parameters})
    if status is not None:
        wanted.also("l.status = :status", status=status)
    if mark in ("any", "none"):
        wanted.also("l.mark IS NOT NULL" if mark == "any" else "l.mark IS NULL")
    elif mark is not None:
        wanted.also("l.mark = :mark", mark=mark)
    if after is not None:
        wanted.also(
            "(l.created_at, l.lead_id) > (:after_at, :after_id)", after_at=after.created_at, after_id=after.lead_id
        )
    column, values = ("status", STATUSES if status is None else [status])
    if mark not in (None, "none"):
        column, values = ("mark", MARKS if mark == "any" else [mark])
    is_indexed = mark != "none" and (column == "status" or status is None)
    if tokens or contradicted:
        rows = await database.rows(_few(wanted, contradicted, tokens), **wanted.parameters)
    elif is_indexed and all(name.startswith("created_") or value is None for name, value in only.items()):
        among = sorted(await units_with_leads(database) if units is None else units)
        if len(among) * len(values) * limit > MOST_READ:
            return await _looked(database, wanted, [WHOLE], limit)
        rows = await database.rows(_along(wanted, column), among=among, values=list(values), **wanted.parameters)
    else:
        return await _looked(database, wanted, await _stretches(database, units, only, column, values), limit)
    return [shown(row) for row in rows], _place(rows[-1]) if len(rows) == limit else None


def _place(row: Any) -> Page:
    return Page(row.created_at, row.lead_id)


def _few(wanted: Wanted, contradicted: bool, tokens: Collection[tuple[str, str, str]]) -> str:
    """Where only a few can be meant."""
    if contradicted:
        wanted.also("l.lead_id IN (SELECT root_id FROM pipeline.leads WHERE conflicts > 0)")
    for place, (unit, kind, token) in enumerate(tokens):
        wanted.also(
            f"""l.lead_id IN (SELECT owner.root_id FROM pipeline.identities i JOIN pipeline.leads owner USING (lead_id)
                WHERE i.business_unit = :unit{place} AND i.kind = :kind{place} AND i.token = :token{place})""",
            **{f"unit{place}": unit, f"kind{place}": kind, f"token{place}": token},
        )
    return f"""
        SELECT l.* FROM pipeline.leads l WHERE {" AND ".join(wanted.conditions)}
        ORDER BY l.created_at, l.lead_id LIMIT :limit"""


def _along(wanted: Wanted, column: str) -> str:
    """A page put together of as many first leads of each unit and status, or mark: each of these is a stretch of an index in the
    order that is wanted, so that a page costs the same however many leads there are and however few of them are meant."""
    return f"""
        SELECT l.* FROM unnest(CAST(:among AS text[])) AS u(name)
        CROSS JOIN unnest(CAST(:values AS text[])) AS v(value) CROSS JOIN LATERAL (
            SELECT l.* FROM pipeline.leads l
            WHERE l.business_unit = u.name AND l.{column} = v.value AND {" AND ".join(wanted.conditions)}
            ORDER BY l.created_at, l.lead_id LIMIT :limit) l
        ORDER BY l.created_at, l.lead_id LIMIT :limit"""


async def _stretches(
    database: Database, units: Units, only: Mapping[str, Any], column: str, values: Sequence[str]
) -> list[tuple[str, dict[str, str]]]:
    """Stretches of indexes, each in the order of the list, that have all who are meant; each a condition with its parameters.
    Merged they are read no further than a page needs."""
    if only.get("owner") is not None:
        return [
            (f"l.owner = :only_owner AND l.status = :value{at}", {f"value{at}": one}) for at, one in enumerate(STATUSES)
        ]
    if only.get("campaign") is not None:
        return [("l.campaign = :only_campaign", {})]
    is_some = units is not None or column == "mark" or len(values) == 1
    names = sorted(await units_with_leads(database) if units is None else units) if is_some else []
    if not is_some or len(names) * len(values) > MOST_STRETCHES:
        return [WHOLE]
    return [
        (f"l.business_unit = :name{at} AND l.{column} = :value{at}", {f"name{at}": name, f"value{at}": value})
        for at, (name, value) in enumerate((name, value) for name in names for value in values)
    ]


def _bound(condition: str, order: str) -> str:
    """A bound of the list as the index of this order knows it."""
    if order == "l.created_at" or condition == ROOTS:
        return condition
    return _MOMENT.sub(r"(CAST(\g<0> AS timestamptz) AT TIME ZONE 'UTC')", condition).replace("l.created_at", order)


async def _looked(
    database: Database, wanted: Wanted, stretches: Sequence[tuple[str, dict[str, str]]], limit: int
) -> tuple[list[dict[str, Any]], Page | None]:
    """A page of those among the next leads of these stretches who are meant. It and where it ends are of one moment: told by two
    statements, whoever is changed between them would be passed over."""
    if not stretches:
        return [], None
    parameters = dict(wanted.parameters)
    parts = []
    order = IN_ORDER if WHOLE in stretches else "l.created_at"
    bounds = [
        _bound(one, order) for one in wanted.conditions if one.startswith((ROOTS, "(l.created_at", "l.created_at"))
    ]
    for condition, named in stretches:
        parameters |= named
        where = " AND ".join([condition, *bounds])
        of = f"SELECT {order} AS at, l.lead_id, l.created_at FROM pipeline.leads l WHERE {where} ORDER BY {order}, l.lead_id"
        parts.append(of)
    keys = parts[0] if len(parts) == 1 else f"SELECT * FROM (({') UNION ALL ('.join(parts)})) k ORDER BY at, lead_id"
    rows = await database.rows(
        f"""
        WITH page AS MATERIALIZED (
            SELECT k.at AS place, l.* FROM ({keys} LIMIT :looked) k CROSS JOIN LATERAL (
                SELECT l.* FROM pipeline.leads l WHERE l.lead_id = k.lead_id AND {" AND ".join(wanted.conditions)}
                OFFSET 0) l
            ORDER BY k.at, k.lead_id LIMIT :limit
        ), looked AS (
            SELECT k.created_at, k.lead_id FROM ({keys} OFFSET :skipped LIMIT 1) k
            WHERE (SELECT count(*) FROM page) < :limit
        )
        SELECT e.created_at AS end_at, e.lead_id AS end_id, p.*
        FROM (VALUES (1)) one LEFT JOIN page p ON true LEFT JOIN looked e ON true ORDER BY p.place, p.lead_id""",
        looked=LOOKED_AT,
        skipped=LOOKED_AT - 1,
        **parameters,
    )
    found = [row for row in rows if row.lead_id is not None]
    if len(found) == limit:
        return [shown(row) for row in found], _place(found[-1])
    end = rows[0]
    return [shown(row) for row in found], Page(end.end_at, end.end_id) if end.end_id is not None else None
