"""Opportunities, page by page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from services.pipeline.domain.access import Units
from services.pipeline.storage.narrowing import DEALS, narrowed
from services.pipeline.storage.places import of_units
from services.pipeline.storage.queries import OF_GROUP
from shared.kit.database import Database


class DealPlace(NamedTuple):
    """Where a listing goes on: after this opportunity. It opened when it opened, so whatever is written meanwhile, a page has
    none twice and leaves none out."""

    opened_at: datetime
    business_unit: str
    opportunity_id: str


async def listed(
    database: Database,
    *,
    units: Units,
    lead_id: UUID | None,
    only: Mapping[str, Any],
    after: DealPlace | None,
    limit: int,
) -> Sequence[Any]:
    """A page of deals, first opened first, each with its lead's canonical id."""
    kept, parameters = of_units("o.business_unit", units)
    narrow = narrowed(only, DEALS)
    conditions = ["true", *kept, *narrow.conditions]
    if lead_id is not None:
        conditions.append(OF_GROUP)
        parameters["id"] = lead_id
    if after is not None:
        conditions.append("(o.opened_at, o.business_unit, o.opportunity_id) > (:after_at, :after_unit, :after_id)")
        parameters |= {
            "after_at": after.opened_at,
            "after_unit": after.business_unit,
            "after_id": after.opportunity_id,
        }
    return await database.rows(
        f"""
        SELECT o.*, l.root_id FROM pipeline.opportunities o JOIN pipeline.leads l USING (lead_id)
        WHERE {" AND ".join(conditions)} ORDER BY o.opened_at, o.business_unit, o.opportunity_id LIMIT :limit""",
        **parameters,
        **narrow.parameters,
        limit=limit,
    )
