"""A listing is the leads oldest first, whatever it is kept to, page by page."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from services.pipeline.storage import along, lead_list
from tests.integration.pipeline.conftest import Pipeline
from tests.integration.pipeline.meanwhile import Meanwhile
from tests.unit.pipeline.builders import a_lead, a_score, at

FILTERS: list[dict[str, Any]] = [
    {},
    {"business_unit": "north"},
    {"status": "qualified"},
    {"status": "customer"},
    {"business_unit": "south", "status": "new"},
    {"mark": "any"},
    {"mark": "spam", "business_unit": "north"},
    {"mark": "none"},
    {"mark": "none", "business_unit": "south"},
    {"mark": "test", "status": "new"},
    {"owner": "ann"},
    {"owner": "ann", "business_unit": "default", "status": "qualified"},
    {"owner": "nobody"},
    {"campaign": "spring"},
    {"campaign": "spring", "channel": "web_form", "mark": "none"},
    {"channel": "web_form"},
    {"channel": "web_form", "business_unit": "north"},
    {"grade": "B", "status": "qualified"},
    {"source": "nowhere"},
]


async def listed(http: httpx.AsyncClient, **filters: Any) -> list[dict[str, Any]]:
    """All pages, at most two leads each."""
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        answer = (await http.get("/v1/leads", params={**filters, **cursor, "limit": 2})).json()
        found += answer["items"]
        if answer["next_cursor"] is None:
            return found
        cursor = {"cursor": answer["next_cursor"]}


@pytest.mark.parametrize("looked_at", [3, 1000])
@pytest.mark.parametrize("filters", FILTERS, ids=str)
async def test_pages_together_are_all_leads_that_are_meant_oldest_first(
    pipeline: Pipeline,
    http: httpx.AsyncClient,
    filters: dict[str, Any],
    looked_at: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(along, "LOOKED_AT", looked_at)
    monkeypatch.setattr(lead_list, "MOST_READ", 20_000 if looked_at > 3 else 4)
    units, marks = ("north", "south", "default"), (None, None, None, "spam", "test")
    leads = [
        a_lead(
            f"{n}@x.example",
            occurred_at=at((n * 7) % 23),
            business_unit=units[n % 3],
            mark=marks[n % 5],
            channel=("web_form", "event")[n % 2],
            campaign=("spring", None, "autumn")[n % 3],
        )
        for n in range(23)
    ]
    scores = [a_score(one.lead_id, 70) for one in leads[::2] if one.mark is None and one.business_unit == "default"]
    await pipeline.take(*leads, *scores)
    for one in leads[::4]:
        if one.mark is None:
            await http.post(f"/v1/leads/{one.lead_id}:assign", json={"owner": "ann"})
    await pipeline.take(a_lead("0@x.example", phone="+31612345679", business_unit="north", occurred_at=at(30)))
    rows = [
        row._mapping for row in await pipeline.database.rows("SELECT * FROM pipeline.leads WHERE lead_id = root_id")
    ]
    meant = [
        row
        for row in rows
        if all(
            {"any": row["mark"] is not None, "none": row["mark"] is None}.get(value, row["mark"] == value)
            if name == "mark"
            else row[name] == value
            for name, value in filters.items()
        )
    ]
    expected = [str(row["lead_id"]) for row in sorted(meant, key=lambda row: (row["created_at"], row["lead_id"]))]
    assert [one["lead_id"] for one in await listed(http, **filters)] == expected


@pytest.mark.parametrize("filters", [{}, {"status": "new"}, {"mark": "any"}], ids=str)
async def test_of_many_units_no_more_is_read_than_a_page_looks_at(
    pipeline: Pipeline, filters: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lead_list, "MOST_READ", 10)
    await pipeline.take(*(a_lead(f"{n}@x.example", business_unit=f"unit {n}", mark="spam") for n in range(6)))
    asked = Meanwhile(pipeline.database)
    await lead_list.listed(asked, units=None, **{"status": None, **filters}, after=None, limit=2)  # type: ignore[arg-type]
    assert any(lead_list.WALK.whole_at in one for one in asked.asked)


async def test_nobody_is_passed_over_while_others_leave_the_list(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(along, "LOOKED_AT", 3)
    pipeline.rows_are_told = False
    leads = [
        a_lead(f"{n}@x.example", occurred_at=at(n), channel="event" if n % 5 == 4 else "web_form") for n in range(20)
    ]
    await pipeline.take(*leads)
    leaving = [one.lead_id for one in leads if one.channel == "web_form"]

    async def two_leave() -> None:
        async with pipeline.database.transaction() as tx:
            await tx.execute(
                "UPDATE pipeline.leads SET status = 'working' WHERE lead_id = ANY(CAST(:ids AS uuid[]))",
                {"ids": [leaving.pop(0) for _ in range(min(2, len(leaving)))]},
            )

    found: list[dict[str, Any]] = []
    after: lead_list.Page | None = None
    for _ in range(20):
        items, after = await lead_list.listed(
            Meanwhile(pipeline.database, two_leave),  # type: ignore[arg-type]
            units=None,
            status="new",
            only={"channel": "event"},
            after=after,
            limit=2,
        )
        found += items
        if after is None:
            break
    assert [one["lead_id"] for one in found] == [one.lead_id for one in leads if one.channel == "event"]
