"""Deals and orders by the names that they have where they come from: which there are, whose they are, and who takes a name first."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from services.pipeline.domain.access import Units
from services.pipeline.storage.places import of_units
from shared.kit.database import Database, Transaction


class Things(NamedTuple):
    """What has a name: its table, the column of its name, and the seed of the lock that holds one."""

    table: str
    column: str
    seed: int


DEALS = Things("pipeline.opportunities", "opportunity_id", 0)
ORDERS = Things("pipeline.orders", "order_id", 3)


async def found(
    source: Database | Transaction, things: Things, name: str, business_unit: str | None, units: Units = None
) -> Sequence[Any]:
    """Those of this name, of one unit or of all, and of these units alone, each with its lead's canonical id."""
    if business_unit is not None:
        units = frozenset({business_unit}) if units is None or business_unit in units else frozenset()
    conditions, parameters = of_units("o.business_unit", units)
    return await source.rows(
        f"""
        SELECT o.*, l.root_id FROM {things.table} o JOIN pipeline.leads l USING (lead_id)
        WHERE {" AND ".join([f"o.{things.column} = :name", *conditions])}""",
        name=name,
        **parameters,
    )


async def owners(
    transaction: Transaction, things: Things, names: Collection[tuple[str, str]]
) -> dict[tuple[str, str], UUID]:
    """Which lead has each that is known of these (unit, name)."""
    rows = await transaction.set_wise(
        f"""
        SELECT o.business_unit, o.{things.column} AS name, o.lead_id
        FROM json_to_recordset(CAST(:rows AS json)) AS r(business_unit text, {things.column} text)
        JOIN {things.table} o USING (business_unit, {things.column})""",
        [{"business_unit": unit, things.column: name} for unit, name in sorted(names)],
    )
    return {(row.business_unit, row.name): row.lead_id for row in rows}


async def hold(transaction: Transaction, things: Things, business_unit: str, name: str) -> None:
    """Holds a name until the end of the transaction, so that two leads cannot take it at once."""
    await transaction.rows(
        "SELECT pg_advisory_xact_lock(hashtextextended(:name, CAST(:seed AS bigint)))",
        name=f"{business_unit}\x1f{name}",
        seed=things.seed,
    )
