"""Exchange rates: HTTP in, HTTP out."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Query, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.metrics.access import guard
from services.metrics.domain.rates import Rate
from services.metrics.row_files import Rows, Taken, rows_of
from services.metrics.row_files import take as read_and_keep
from services.metrics.storage import rates as storage
from shared.contracts.envelope import EARLIEST, LATEST, Currency
from shared.contracts.policy import Policy
from shared.kit.database import Database
from shared.kit.errors import Rejected

AT_ONCE = 5_000
Day = Annotated[date, Field(ge=EARLIEST.date(), lt=LATEST.date())]

SYNONYMS = {"date": "day", "from": "currency", "to": "into", "quote": "into", "value": "rate"}
FIXES = {
    "currency": "Write its three letters, such as USD.",
    "into": "Write the three letters of another currency, such as EUR.",
    "day": "Write it as 2026-03-01, from 1970 on.",
    "rate": "Write how much of `into` one `currency` is, above 0 and with a point, such as 0.92.",
}


class RateSaid(BaseModel):
    """From a day on one `currency` is so much of `into`, the currency of the policy's defaults where it is left out."""

    model_config = ConfigDict(extra="forbid")

    currency: Currency
    into: Currency | None = None
    day: Day
    rate: Annotated[Decimal, Field(gt=0, max_digits=30, decimal_places=15)]

    @model_validator(mode="after")
    def _of_two(self) -> RateSaid:
        if self.into == self.currency:
            raise ValueError("a currency has no rate into itself")
        return self


class RatesSaid(BaseModel):
    """Rates; the same pair and day again is another rate of it."""

    model_config = ConfigDict(extra="forbid")

    rows: Annotated[list[RateSaid], Field(min_length=1, max_length=AT_ONCE)]


class RatesKept(BaseModel):
    """How many rates came, and how many of them were new or other ones."""

    rows: int
    changed: int


def router(database: Database, policy: Policy) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/v1/rates", tags=["rates"], dependencies=[Depends(guard)])
    own = policy.defaults.currency

    @routes.post("", summary="Say what currencies were worth")
    async def tell(told: RatesSaid) -> RatesKept:
        """All rates or none. A rate holds from its day on until there is another."""
        rates = [_rate(one, own) for one in told.rows]
        if any(one.currency == one.into for one in rates):
            raise Rejected(
                "A currency has no rate into itself.", status=422, code="invalid-rate", field="into", fix=FIXES["into"]
            )
        return RatesKept(rows=len(rates), changed=await database.run(lambda tx: storage.keep(tx, rates)))

    @routes.post("/import", summary="Rates from a CSV file")
    async def take(content: Annotated[bytes, Body(media_type="text/csv")]) -> Taken:
        """Rows that make sense are taken, the others are named with their line. The same file again changes nothing."""
        return await read_and_keep(content, partial(_read, own=own), database, storage.keep)

    @routes.get("", summary="What currencies were worth, page by page")
    async def listing(
        currency: Annotated[str | None, Query()] = None,
        into: Annotated[str | None, Query()] = None,
        beyond: Annotated[str | None, Query(description="The `next` of the page before.")] = None,
        limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    ) -> dict[str, Any]:
        rows = await storage.listing(database, currency=currency, into=into, beyond=_place(beyond), limit=limit)
        last = rows[-1] if len(rows) == limit else None
        return {
            "items": [
                {"currency": row.currency, "into": row.into_currency, "day": row.day, "rate": f"{row.rate:f}"}
                for row in rows
            ],
            "next": None if last is None else f"{last.currency}~{last.into_currency}~{last.day}",
        }

    @routes.delete("/{currency}/{into}/{day}", status_code=204, summary="Take a rate back")
    async def forget(currency: str, into: str, day: date) -> Response:
        if not await database.run(lambda tx: storage.forget(tx, currency, into, day)):
            raise Rejected(
                "There is no such rate.", status=404, code="unknown-rate", field="day", fix="GET /v1/rates lists them."
            )
        return Response(status_code=204)

    return routes


def _read(content: bytes, *, own: str) -> tuple[Rows[RateSaid], list[Rate]]:
    """A file's rows, of which those are refused that say another rate of a pair and day than one above, and what they say."""
    found = rows_of(content, RateSaid, synonyms=SYNONYMS, fixes=FIXES)
    rates: dict[tuple[str, str, date], Rate] = {}
    for line, said in found.taken:
        rate = _rate(said, own)
        known = rates.setdefault(rate[:3], rate)
        if rate.into == rate.currency:
            found.refuse(line, "into", "A currency has no rate into itself.", FIXES["into"])
        elif known.rate != rate.rate:
            found.refuse(line, "rate", "The file has another rate of this pair and day above.", "Leave one of them.")
    refused = {one.line for one in found.rejected}
    found.taken = [(line, said) for line, said in found.taken if line not in refused]
    return found, [rate for rate in rates.values() if rate.into != rate.currency]


def _rate(said: RateSaid, own: str) -> Rate:
    into = said.into or own
    return Rate(said.currency, into, said.day, said.rate)


def _place(text: str | None) -> tuple[str, str, date] | None:
    if text is None:
        return None
    try:
        currency, into, day = text.split("~")
        return currency, into, date.fromisoformat(day)
    except ValueError:
        raise Rejected(
            "It is no place to go on from.",
            code="invalid-parameter",
            field="beyond",
            fix="Send the `next` of the page before.",
        ) from None
