"""Opportunities, page by page, first opened first: each page along an index, and bounded in what it looks at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, get_args
from uuid import UUID

from services.pipeline.domain.access import Units
from services.pipeline.domain.deal_state import DealStatus
from services.pipeline.storage.along import WHOLE, Stretch, Walk, Wanted, looked, of_each
from services.pipeline.storage.narrowing import DEALS, narrowed
from services.pipeline.storage.places import of_units
from services.pipeline.storage.queries import OF_GROUP, units_with_leads
from shared.kit.database import Database

STATUSES: Sequence[str] = get_args(DealStatus)

WALK = Walk(
    table="pipeline.opportunities",
    alias="o",
    moment="opened_at",
    ties=("opportunity_id", "business_unit"),
    rows="SELECT o.*, l.root_id FROM pipeline.opportunities o JOIN pipeline.leads l USING (lead_id)",
)


class DealPlace(NamedTuple):
    """Where a listing goes on: after this opportunity."""

    opened_at: datetime
    opportunity_id: str
    business_unit: str


async def listed(
    database: Database,
    *,
    units: Units,
    lead_id: UUID | None,
    only: Mapping[str, Any],
    after: DealPlace | None,
    limit: int,
) -> tuple[list[Any], DealPlace | None]:
    """A page of deals, each with its lead's canonical id, and where the next goes on, None where there is none."""
    kept, of = of_units("o.business_unit", units)
    narrow = narrowed(only, DEALS)
    wanted = Wanted(["true", *kept, *narrow.conditions], {"limit": limit, **of, **narrow.parameters})
    if after is not None:
        WALK.go_on(wanted, *after)
    if lead_id is None:
        rows, end = await looked(database, WALK, wanted, await _stretches(database, units, only), limit)
        return rows, DealPlace(*end) if end is not None else None
    wanted.also(OF_GROUP, id=lead_id)
    rows = await database.rows(
        f"""
        {WALK.rows} WHERE {" AND ".join(wanted.conditions)}
        ORDER BY {WALK.at}, {WALK.places("o")} LIMIT :limit""",
        **wanted.parameters,
    )
    last = rows[-1] if len(rows) == limit else None
    return rows, DealPlace(last.opened_at, last.opportunity_id, last.business_unit) if last is not None else None


async def _stretches(database: Database, units: Units, only: Mapping[str, Any]) -> list[Stretch]:
    """Stretches of indexes, each in the order of the list, that have all deals that are meant."""
    status = only.get("status")
    statuses = STATUSES if status is None else [status]
    for name in ("owner", "stage"):
        if only.get(name) is not None:
            return [
                (f"o.{name} = :only_{name} AND o.status = :value{at}", {f"value{at}": one})
                for at, one in enumerate(statuses)
            ]
    if units is None and status is None:
        return [WHOLE]
    return of_each("o", "status", sorted(await units_with_leads(database) if units is None else units), statuses)
