"""Leads, page by page, oldest first: each page along an index, and bounded in what it looks at."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, get_args
from uuid import UUID

from services.pipeline.domain.access import Units
from services.pipeline.domain.state import RANK
from services.pipeline.storage.along import WHOLE, Stretch, Walk, Wanted, looked, of_each
from services.pipeline.storage.narrowing import LEADS, narrowed
from services.pipeline.storage.places import of_units
from services.pipeline.storage.queries import shown, units_with_leads
from shared.contracts.marks import Mark
from shared.kit.database import Database

MOST_READ = 20_000
"""So many leads are read at most where each stretch of an index gives a page: of more the order of all leads is walked along."""

STATUSES: Sequence[str] = [*RANK, "archived"]
MARKS: Sequence[str] = get_args(Mark)

ROOTS = "l.merged_into IS NULL"
"""A lead that stands for itself and for all that were merged into it, in words of which the planner knows how many they fit: it takes
`lead_id = root_id` for rare, and then sorts a million where an index has the order."""

WALK = Walk(
    table="pipeline.leads",
    alias="l",
    moment="created_at",
    ties=("lead_id",),
    rows="SELECT l.* FROM pipeline.leads l",
    always=ROOTS,
)


@dataclass(frozen=True, slots=True)
class Page:
    """Where a listing goes on: after this creation time and id."""

    created_at: datetime
    lead_id: UUID


async def listed(
    database: Database,
    *,
    units: Units,
    status: str | None,
    mark: str | None = None,
    contradicted: bool = False,
    tokens: Collection[tuple[str, str, list[str]]] = (),
    only: Mapping[str, Any] = MappingProxyType({}),
    after: Page | None,
    limit: int,
) -> tuple[list[dict[str, Any]], Page | None]:
    """A page of leads and where the next goes on, None where there is none; `mark` is one, `any` or `none`; `tokens` are (unit,
    kind, tokens) of identities: a lead must have one of each. Contradicted are those of which one record came twice under one id,
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
        WALK.go_on(wanted, after.created_at, after.lead_id)
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
    page = await shown(database, rows)
    return page, Page(rows[-1].created_at, rows[-1].lead_id) if len(rows) == limit else None


async def _looked(
    database: Database, wanted: Wanted, stretches: Sequence[Stretch], limit: int
) -> tuple[list[dict[str, Any]], Page | None]:
    rows, end = await looked(database, WALK, wanted, stretches, limit)
    return await shown(database, rows), Page(*end) if end is not None else None


def _few(wanted: Wanted, contradicted: bool, tokens: Collection[tuple[str, str, list[str]]]) -> str:
    """Where only a few can be meant."""
    if contradicted:
        wanted.also("l.lead_id IN (SELECT root_id FROM pipeline.leads WHERE conflicts > 0)")
    for place, (unit, kind, some) in enumerate(tokens):
        wanted.also(
            f"""l.lead_id IN (SELECT owner.root_id FROM pipeline.identities i JOIN pipeline.leads owner USING (lead_id)
                WHERE i.business_unit = :unit{place} AND i.kind = :kind{place} AND i.token = ANY(:tokens{place}))""",
            **{f"unit{place}": unit, f"kind{place}": kind, f"tokens{place}": some},
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
) -> list[Stretch]:
    """Stretches of indexes, each in the order of the list, that have all who are meant."""
    if only.get("owner") is not None:
        statuses = values if column == "status" else STATUSES
        return [
            (f"l.owner = :only_owner AND l.status = :value{at}", {f"value{at}": one}) for at, one in enumerate(statuses)
        ]
    if only.get("campaign") is not None:
        return [("l.campaign = :only_campaign", {})]
    if units is None and column == "status" and len(values) > 1:
        return [WHOLE]
    return of_each("l", column, sorted(await units_with_leads(database) if units is None else units), values)
