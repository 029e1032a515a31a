"""Names that a command gives belong to whoever is first: held until the command has ended, so that two leads cannot take one at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from services.pipeline.domain.facts import Draft
from services.pipeline.domain.refusals import taken
from services.pipeline.storage import by_name
from shared.contracts.lifecycle_events import OpportunityOpened, OrderPlaced
from shared.kit.database import Transaction
from shared.kit.errors import Rejected


async def hold_names(transaction: Transaction, business_unit: str, drafts: Iterable[Draft]) -> str | None:
    """Holds the name of a deal that is opened or of an order that is placed, and answers with that of a deal. Raises `Refused` where another lead of the unit has it."""
    for draft in drafts:
        if draft.kind is OrderPlaced:
            order_id: str = draft.data["order_id"]
            await by_name.hold(transaction, by_name.ORDERS, business_unit, order_id)
            if await by_name.found(transaction, by_name.ORDERS, order_id, business_unit):
                raise taken("order", may_be_left_out=True)
        if draft.kind is OpportunityOpened:
            name: str = draft.data["opportunity_id"]
            await by_name.hold(transaction, by_name.DEALS, business_unit, name)
            if await by_name.found(transaction, by_name.DEALS, name, business_unit):
                raise taken("opportunity", may_be_left_out=True)
            return name
    return None


def ambiguous(what: str, found: Iterable[Any]) -> Rejected:
    """Several units have one of this name."""
    return Rejected(
        f"Several business units have an {what} of this id.",
        status=409,
        code=f"ambiguous-{what}",
        field="business_unit",
        fix="Add ?business_unit=.",
        extra={"business_units": sorted(row.business_unit for row in found)},
    )
