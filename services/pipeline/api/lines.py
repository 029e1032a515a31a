"""Product lines, as they are sent."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from services.pipeline.api.parts import Amount, Label
from services.pipeline.domain.amounts import Line


def _positive(value: str) -> str:
    if Decimal(value) <= 0:
        raise ValueError("is not more than nothing; leave the line out")
    return value


def _share(value: str) -> str:
    if not 0 <= Decimal(value) <= 1:
        raise ValueError("is no share from 0 to 1; write a tenth as 0.1")
    return value


class ProductLine(BaseModel):
    """So much of a product at a price, less a share of it from 0 to 1."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    product: Label
    quantity: Annotated[Amount, AfterValidator(_positive)] = "1"
    unit_price: Amount
    discount: Annotated[Amount, AfterValidator(_share)] | None = None


Lines = Annotated[tuple[ProductLine, ...], Field(max_length=200)]


def as_lines(lines: Iterable[ProductLine]) -> list[Line]:
    """The lines as they are recorded."""
    return [line.model_dump(exclude_none=True) for line in lines]
