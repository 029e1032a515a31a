"""Which of a list are wanted, and which of their fields."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Annotated, Any, Literal

from fastapi import Depends, Query

from services.pipeline.api.parts import Label
from shared.contracts.envelope import Moment
from shared.kit.errors import Rejected

Fields = Annotated[
    str | None,
    Query(max_length=2000, description="Only these fields, by comma; ids are always told.", examples=["status,owner"]),
]


def sparse(document: Mapping[str, Any], fields: str | None, known: Collection[str]) -> dict[str, Any]:
    """A document with the fields that are asked for. Raises `Rejected` for one that there is not."""
    if fields is None:
        return dict(document)
    wanted = {name.strip() for name in fields.split(",") if name.strip()}
    if strange := sorted(wanted - set(known)):
        raise Rejected(
            f"fields names what there is not: {', '.join(strange)[:200]}.",
            field="fields",
            fix=f"Name some of: {', '.join(sorted(known))}.",
        )
    return {name: value for name, value in document.items() if name in wanted or name in _IDS}


def asks_for(name: str, fields: str | None) -> bool:
    """Whether a field is asked for by its name: one that costs more than the row of whom it is told."""
    return fields is not None and name in {one.strip() for one in fields.split(",")}


_IDS = ("lead_id", "opportunity_id", "business_unit")


def _leads(
    grade: Label | None = None,
    owner: Label | None = None,
    team: Label | None = None,
    channel: Annotated[Label | None, Query(description="Of the first touch, as the next four.")] = None,
    source: Label | None = None,
    medium: Label | None = None,
    campaign: Label | None = None,
    product: Label | None = None,
    country: Annotated[str | None, Query(pattern="^[A-Z]{2}$", description="Two letters, as in NL.")] = None,
    created_since: Moment | None = None,
    created_before: Moment | None = None,
    updated_since: Moment | None = None,
    updated_before: Moment | None = None,
) -> dict[str, Any]:
    return dict(locals())


def _deals(
    status: Literal["open", "won", "lost"] | None = None,
    pipeline: Label | None = None,
    stage: Label | None = None,
    owner: Label | None = None,
    team: Label | None = None,
    product: Label | None = None,
    currency: Annotated[str | None, Query(pattern="^[A-Z]{3}$")] = None,
    reason: Label | None = None,
    opened_since: Moment | None = None,
    opened_before: Moment | None = None,
    closed_since: Moment | None = None,
    closed_before: Moment | None = None,
    expected_close_since: Moment | None = None,
    expected_close_before: Moment | None = None,
    updated_since: Moment | None = None,
    updated_before: Moment | None = None,
) -> dict[str, Any]:
    return dict(locals())


OnlyLeads = Annotated[dict[str, Any], Depends(_leads)]
OnlyDeals = Annotated[dict[str, Any], Depends(_deals)]
