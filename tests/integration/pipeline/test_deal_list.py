"""A listing of opportunities is the deals that are meant, first opened first, page by page, whatever is written meanwhile."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import httpx
import pytest

from services.pipeline.domain.access import Units
from services.pipeline.storage import along, deal_list
from tests.integration.pipeline.conftest import Pipeline
from tests.integration.pipeline.meanwhile import Meanwhile
from tests.unit.pipeline.builders import a_lead, at

UNITS = ("north", "south", "west")
OWNERS = ("ann", "bob", None)
STAGES = ("proposal", "contract")

FILTERS: list[dict[str, Any]] = [
    {},
    {"business_unit": "north"},
    {"status": "open"},
    {"status": "lost", "reason": "price"},
    {"business_unit": "south", "status": "won"},
    {"business_unit": "nowhere"},
    {"stage": "proposal"},
    {"stage": "contract", "status": "open", "business_unit": "west"},
    {"owner": "ann"},
    {"owner": "bob", "status": "lost", "stage": "proposal"},
    {"owner": "nobody"},
    {"product": "roof"},
    {"product": "wall", "business_unit": "north"},
    {"opened_since": at(12)},
    {"opened_since": at(5), "opened_before": at(15), "business_unit": "north"},
    {"owner": "ann", "opened_before": at(9)},
    {"closed_since": at(10)},
]

PUT = """
    INSERT INTO pipeline.opportunities (business_unit, opportunity_id, lead_id, pipeline, stage, status, product, owner, reason,
        opened_at, closed_at, updated_at)
    VALUES (:business_unit, :opportunity_id, :lead_id, 'default', :stage, :status, :product, :owner, :reason,
        :opened_at, :closed_at, :opened_at)
    ON CONFLICT (business_unit, opportunity_id) DO UPDATE SET stage = excluded.stage, status = excluded.status,
        product = excluded.product, owner = excluded.owner, reason = excluded.reason, closed_at = excluded.closed_at"""

Deal = Mapping[str, Any]


class Deals:
    """Deals that are written as it comes, of leads of several units."""

    def __init__(self, pipeline: Pipeline, pick: random.Random) -> None:
        pipeline.rows_are_told = False
        self._pipeline = pipeline
        self._pick = pick
        self._leads: dict[str, UUID] = {}

    async def open(self, count: int) -> None:
        """Some are there."""
        leads = [a_lead(f"{unit}@x.example", business_unit=unit) for unit in UNITS]
        await self._pipeline.take(*leads)
        self._leads = {one.business_unit: one.lead_id for one in leads}
        for place in range(count):
            await self.put(f"d{place}", self._pick.choice(UNITS))

    async def put(self, name: str, unit: str) -> None:
        """One is opened, or becomes another; it opened when it opened."""
        pick = self._pick
        status = pick.choice(("open", "won", "lost"))
        values = {
            "business_unit": unit, "opportunity_id": name, "lead_id": self._leads[unit], "stage": pick.choice(STAGES),
            "status": status, "product": pick.choice(("roof", "wall")), "owner": pick.choice(OWNERS),
            "reason": pick.choice(("price", "whim")) if status == "lost" else None, "opened_at": at(pick.randrange(20)),
            "closed_at": None if status == "open" else at(pick.randrange(20)),
        }  # fmt: skip
        async with self._pipeline.database.transaction() as tx:
            await tx.execute(PUT, values)

    async def all(self) -> list[Deal]:
        """All of them, in order."""
        rows = await self._pipeline.database.rows("SELECT * FROM pipeline.opportunities")
        return sorted((dict(row._mapping) for row in rows), key=place_of)

    async def meant(self, filters: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Those that fit, by looking at each."""
        return [name_of(one) for one in await self.all() if fits(one, filters)]


def place_of(deal: Deal) -> tuple[Any, ...]:
    return deal["opened_at"], deal["opportunity_id"], deal["business_unit"]


def name_of(deal: Deal) -> tuple[str, str]:
    return deal["business_unit"], deal["opportunity_id"]


def fits(deal: Deal, filters: Mapping[str, Any]) -> bool:
    for name, value in filters.items():
        column, _, bound = name.rpartition("_")
        if bound in ("since", "before"):
            moment = deal[f"{column}_at"]
            if moment is None or (moment >= value) is not (bound == "since"):
                return False
        elif deal[name] != value:
            return False
    return True


@pytest.fixture
def deals(pipeline: Pipeline, request: pytest.FixtureRequest) -> Deals:
    return Deals(pipeline, random.Random(request.node.name))


@pytest.fixture(params=[3, 1000])
def few(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page looks at few, or at more than there are; and stretches are merged, or too many for that."""
    monkeypatch.setattr(along, "LOOKED_AT", request.param)
    monkeypatch.setattr(along, "MOST_STRETCHES", 5 if request.param == 3 else 40)


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("filters", FILTERS, ids=str)
async def test_pages_together_are_all_deals_that_are_meant_first_opened_first(
    deals: Deals, http: httpx.AsyncClient, filters: dict[str, Any]
) -> None:
    await deals.open(40)
    asked = {name: one.isoformat() if isinstance(one, datetime) else one for name, one in filters.items()}
    found: list[tuple[str, str]] = []
    cursor: dict[str, str] = {}
    while True:
        answer = await http.get("/v1/opportunities", params={**asked, **cursor, "limit": 3})
        assert answer.status_code == 200, answer.text
        found += [name_of(one) for one in answer.json()["items"]]
        if answer.json()["next_cursor"] is None:
            break
        cursor = {"cursor": answer.json()["next_cursor"]}
    assert found == await deals.meant(filters)


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("filters", FILTERS, ids=str)
async def test_what_is_meant_all_the_time_is_shown_once_and_nothing_twice_whatever_is_written_between_pages(
    pipeline: Pipeline, deals: Deals, filters: dict[str, Any]
) -> None:
    await deals.open(40)
    always = ever = set(await deals.meant(filters))
    written = iter(range(10_000))

    async def others_write() -> None:
        nonlocal always, ever
        for deal in random.Random(next(written)).sample(await deals.all(), 2):
            await deals.put(deal["opportunity_id"], deal["business_unit"])
        await deals.put(f"n{next(written)}", "south")
        meant = set(await deals.meant(filters))
        always, ever = always & meant, ever | meant

    found: list[Deal] = []
    async for page in pages(pipeline, filters, others_write):
        found += page
    names = [name_of(one) for one in found]
    assert len(names) == len(set(names))
    assert always <= set(names) <= ever
    assert found == sorted(found, key=place_of)


async def pages(
    pipeline: Pipeline, filters: Mapping[str, Any], write: Callable[[], Awaitable[None]]
) -> AsyncIterator[list[Deal]]:
    """Each page, with something written after each question."""
    unit = filters.get("business_unit")
    units: Units = None if unit is None else frozenset({unit})
    after: deal_list.DealPlace | None = None
    for _ in range(1000):
        only = {name: value for name, value in filters.items() if name != "business_unit"}
        rows, after = await deal_list.listed(
            Meanwhile(pipeline.database, write),  # type: ignore[arg-type]
            units=units,
            lead_id=None,
            only=only,
            after=after,
            limit=2,
        )
        yield [dict(row._mapping) for row in rows]
        if after is None:
            return
    raise AssertionError("the list has no end")
