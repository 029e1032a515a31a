"""To which business unit something belongs, by its id, and how a query is kept to some units."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from services.pipeline.domain.access import Units
from shared.kit.database import Database

_BY_ID = {
    "lead_id": "SELECT business_unit FROM pipeline.leads WHERE lead_id = :id",
    "task_id": "SELECT business_unit FROM pipeline.tasks WHERE task_id = :id",
    "candidate_id": "SELECT business_unit FROM pipeline.merge_candidates WHERE candidate_id = :id",
    "absence_id": "SELECT business_unit FROM pipeline.absences WHERE absence_id = :id",
    "endpoint_id": "SELECT business_unit FROM pipeline.webhook_endpoints WHERE endpoint_id = :id",
    "order_id": "SELECT business_unit FROM pipeline.orders WHERE order_id = :id",
    "opportunity_id": "SELECT business_unit FROM pipeline.opportunities WHERE opportunity_id = :id",
}

_NAMED = ("opportunity_id", "order_id")

KNOWN = frozenset(_BY_ID)
"""The names of ids, as they stand in paths."""


OF_LEAD = """IN (SELECT m.lead_id FROM pipeline.leads m
    WHERE m.lead_id = :lead OR m.root_id = :lead AND m.root_id <> m.lead_id)"""
"""Whether a lead's id is `:lead` or one that is the same person, in a form that its two indexes serve."""


async def units_of(database: Database, name: str, given: str) -> set[str]:
    """The units that have something of this id; of opportunities and orders several may."""
    try:
        value: Any = given if name in _NAMED else UUID(given)
    except ValueError:
        return set()
    return {row.business_unit for row in await database.rows(_BY_ID[name], id=value)}


def of_units(column: str, units: Units) -> tuple[list[str], dict[str, Any]]:
    """The condition that keeps a query to these units, and its parameters: none for all, an equation for one, so that an index
    that begins with the unit gives its order."""
    if units is None:
        return [], {}
    if len(units) == 1:
        return [f"{column} = :unit"], {"unit": next(iter(units))}
    return [f"{column} = ANY(:units)"], {"units": sorted(units)}
