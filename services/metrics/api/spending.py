"""What was spent: HTTP in, HTTP out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from decimal import Decimal
from functools import partial
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body, Depends, Query, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from services.metrics.access import Access, Reaching, guard
from services.metrics.domain.spend_kinds import SpendKind
from services.metrics.domain.spending import Spend
from services.metrics.row_files import Rows, Taken, rows_of
from services.metrics.row_files import take as read_and_keep
from services.metrics.storage import spending as storage
from shared.contracts.amounts import settled
from shared.contracts.envelope import EARLIEST, LATEST, Currency, Name
from shared.contracts.policy import Policy
from shared.kit.database import Database, Transaction
from shared.kit.errors import Rejected

AT_ONCE = 5_000
NO_UNIT = "The policy has no business unit {!r}."
Day = Annotated[date, Field(ge=EARLIEST.date(), lt=LATEST.date())]


SYNONYMS = {
    **dict.fromkeys(("day", "date", "from"), "first_day"),
    **dict.fromkeys(("to", "until"), "last_day"),
    **dict.fromkeys(("spend", "spent", "cost"), "amount"),
    "unit": "business_unit",
    "type": "kind",
}
FIXES = {
    "kind": f"Write one of {', '.join(SpendKind)}, or nothing for advertising.",
    "first_day": "Write it as 2026-03-01, or have leadflow import spend read it by its --date-format.",
    "last_day": "Write it as 2026-03-31, not before the first day, or nothing for one day.",
    "amount": "Write how much, not below 0, with a point and without signs, such as 1234.50 (or see --decimal).",
    "currency": "Write its three letters, such as EUR, or nothing for the unit's own.",
    "row": "Let it end on the day it begins or later.",
}


class Spending(BaseModel):
    """Money for the days from `first_day` to `last_day`, both included, the same for each. Without a currency it is the
    unit's own."""

    model_config = ConfigDict(extra="forbid")

    business_unit: Name = "default"
    kind: SpendKind = SpendKind.ADVERTISING
    channel: Name | None = None
    source: Name | None = None
    campaign: Name | None = None
    first_day: Day
    last_day: Day | None = Field(None, description="The first one where there is none.")
    amount: Annotated[Decimal, Field(ge=0, max_digits=20, decimal_places=6), AfterValidator(settled)]
    currency: Currency | None = None

    @field_validator("kind", mode="before")
    @classmethod
    def _in_any_case(cls, kind: Any) -> Any:
        return kind.strip().lower() if isinstance(kind, str) and not isinstance(kind, SpendKind) else kind

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Spending:
        if self.last_day is not None and self.last_day < self.first_day:
            raise ValueError("last_day is before first_day")
        return self


class Told(BaseModel):
    """Rows of spending; the same thing, place and days again is another amount of it."""

    model_config = ConfigDict(extra="forbid")

    rows: Annotated[list[Spending], Field(min_length=1, max_length=AT_ONCE)]


class Overlap(BaseModel):
    """A row that has days, from the first to the last one, for which another row of the same thing says what was spent, too."""

    spend_id: UUID
    business_unit: str
    kind: str
    channel: str | None
    source: str | None
    campaign: str | None
    currency: str
    first_day: date
    last_day: date


class Overlapping(BaseModel):
    """How many rows of what was told have days in common with one before, and the first of them. All of them count: a month and
    each of its days are twice the money, two bills for the same days are not."""

    overlapping: int = 0
    overlaps: list[Overlap] = []


class Kept(Overlapping):
    """How many rows came, and how many of them were new or another amount."""

    rows: int
    changed: int


class SpendTaken(Taken, Overlapping):
    """What came of a file."""


def router(database: Database, policy: Policy) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/v1/spending", tags=["spending"], dependencies=[Depends(guard)])

    @routes.post("", summary="Say what was spent")
    async def tell(told: Told, access: Reaching) -> Kept:
        """All rows or none. Sending the same again changes nothing."""
        access.check({one.business_unit for one in told.rows})
        if unknown := next((one.business_unit for one in told.rows if not policy.has(one.business_unit)), None):
            raise Rejected(NO_UNIT.format(unknown), code="invalid-parameter", field="business_unit", fix=_units(policy))
        rows = [_spend(one, policy) for one in told.rows]
        changed = await database.run(lambda tx: storage.keep(tx, rows))
        return Kept(rows=len(rows), changed=changed, **await _overlapping(database, map(storage.spend_id, rows)))

    @routes.post("/import", summary="What was spent, from a CSV file")
    async def take(content: Annotated[bytes, Body(media_type="text/csv")], access: Reaching) -> SpendTaken:
        """Rows that make sense are taken, the others are named with their line. The same file again changes nothing."""
        told: set[UUID] = set()

        async def keep(tx: Transaction, rows: Sequence[Spend]) -> int:
            told.update(map(storage.spend_id, rows))
            return await storage.keep(tx, rows)

        taken = await read_and_keep(content, partial(_read, policy=policy, access=access), database, keep)
        return SpendTaken(**taken.model_dump(), **await _overlapping(database, told))

    @routes.get("", summary="What was spent, page by page")
    async def listing(
        business_unit: Annotated[str | None, Query()] = None,
        first: Annotated[date | None, Query(alias="from", description="Days from this one on.")] = None,
        after: Annotated[date | None, Query(alias="to", description="Days before this one.")] = None,
        beyond: Annotated[UUID | None, Query(description="The `next` of the page before.")] = None,
        limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    ) -> dict[str, Any]:
        rows = await storage.listing(
            database, business_unit=business_unit, first=first, after=after, beyond=beyond, limit=limit
        )
        return {
            "items": [_shown(row) for row in rows],
            "next": rows[-1].spend_id if len(rows) == limit else None,
        }

    @routes.delete("/{spend_id}", status_code=204, summary="Take a row back")
    async def forget(spend_id: UUID, access: Reaching) -> Response:
        if not await database.run(lambda tx: storage.forget(tx, spend_id, access.units)):
            raise Rejected(
                "There is no row of this id.", status=404, code="unknown-spending", fix="GET /v1/spending lists them."
            )
        return Response(status_code=204)

    return routes


def _read(content: bytes, *, policy: Policy, access: Access) -> tuple[Rows[Spending], list[Spend]]:
    """A file's rows, of which those are refused that are of no unit of the policy, or of the same thing, place and days as one above;
    and what they say."""
    found = rows_of(content, Spending, synonyms=SYNONYMS, fixes=FIXES)
    lines: dict[UUID, int] = {}
    taken: list[tuple[int, Spending]] = []
    spends: list[Spend] = []
    for line, said in found.taken:
        if not policy.has(said.business_unit):
            found.refuse(line, "business_unit", NO_UNIT.format(said.business_unit), _units(policy))
            continue
        spend = _spend(said, policy)
        above = lines.setdefault(storage.spend_id(spend), line)
        if above == line:
            taken.append((line, said))
            spends.append(spend)
        else:
            found.refuse(
                line, "row", f"It is of the same thing, place and days as line {above}, which counts.",
                "Add the two up in one row (leadflow import spend --add-up), or tell them apart by their campaign.",
            )  # fmt: skip
    found.taken = taken
    access.check({one.business_unit for one in spends})
    return found, spends


async def _overlapping(database: Database, told: Iterable[UUID]) -> dict[str, Any]:
    number, rows = await storage.overlapping(database, set(told))
    shown = [{**row._mapping, "last_day": row.twice_until} for row in rows]
    return {"overlapping": number, "overlaps": [Overlap.model_validate(one) for one in shown]}


def _units(policy: Policy) -> str:
    return f"Use {', '.join(sorted({'default', *policy.business_units}))}, or name it in the policy."


def _spend(one: Spending, policy: Policy) -> Spend:
    after = (one.last_day or one.first_day) + timedelta(days=1)
    return Spend(
        one.business_unit, one.kind, one.channel, one.source, one.campaign, one.first_day, after, one.amount,
        one.currency or policy.unit(one.business_unit).currency,
    )  # fmt: skip


def _shown(row: Any) -> dict[str, Any]:
    names = ("spend_id", "business_unit", "kind", "channel", "source", "campaign", "first_day")
    return {
        **{name: getattr(row, name) for name in names},
        "last_day": row.after_day - timedelta(days=1),
        "amount": str(row.amount),
        "currency": row.currency,
    }
