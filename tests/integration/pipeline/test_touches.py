"""First, last and all: how a lead was reached last is read from all its touches, in whatever order they were told."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

import httpx
import orjson
import pytest

from services.pipeline.api import leads
from services.pipeline.storage import touches
from services.pipeline.storage.queries import LEAD_FIELDS
from services.pipeline.storage.touches import NOWHERE, PLACE
from shared.contracts.envelope import Event
from tests.integration.pipeline.conftest import Pipeline
from tests.integration.pipeline.erasing import erase
from tests.integration.pipeline.test_commands import do
from tests.unit.pipeline.builders import a_lead, an_interaction, at


async def last_of(http: httpx.AsyncClient, lead_id: Any) -> Mapping[str, Any]:
    """The last touch as each answer has it: the lead, the list and the export say the same."""
    shown: dict[str, Any] = (await http.get(f"/v1/leads/{lead_id}")).json()
    items = (await http.get("/v1/leads", params={"fields": "last_touch"})).json()["items"]
    (listed,) = [one for one in items if one["lead_id"] == shown["lead_id"]]
    assert listed.keys() == {"lead_id", "business_unit", "last_touch"}
    answer = await http.get("/v1/export", params={"what": "leads"})
    (exported,) = [one for one in map(orjson.loads, answer.content.splitlines()) if one["lead_id"] == shown["lead_id"]]
    assert shown["last_touch"] == listed["last_touch"] == exported["last_touch"]
    told: Mapping[str, Any] = shown["last_touch"]
    return told


async def told_last(http: httpx.AsyncClient, lead_id: Any) -> Mapping[str, Any]:
    """The same, by looking at all that happened."""
    events = (await http.get(f"/v1/leads/{lead_id}/history")).json()["events"]
    told = [
        one
        for one in events
        if one["event"] in ("LeadCreated", "LeadTouched") and (one.get("channel") or one.get("source"))
    ]
    if not told:
        return NOWHERE
    last = max(told, key=lambda one: (one["occurred_at"], one["event_id"]))
    return {"at": last["occurred_at"], **{name: last.get(name) for name in PLACE}}


@pytest.mark.parametrize("seed", range(6))
async def test_the_last_touch_is_the_latest_in_whatever_order_they_are_told(
    pipeline: Pipeline, http: httpx.AsyncClient, seed: int
) -> None:
    pick = random.Random(seed)
    said: list[Event] = [
        a_lead("ann@x.example", channel="web_form", source="google", occurred_at=at(0)),
        *(
            an_interaction("ann@x.example", channel="email", source=f"letter {place}", occurred_at=at(place // 2))
            for place in range(10)
        ),
        a_lead("ann@x.example", channel="chat", campaign="spring", occurred_at=at(pick.choice((2, 4)))),
    ]
    pick.shuffle(said)
    for event in said:
        await pipeline.take(event)
    (lead,) = (await http.get("/v1/leads")).json()["items"]
    last = await last_of(http, lead["lead_id"])
    assert last == await told_last(http, lead["lead_id"])
    assert last["at"] == at(4).isoformat()
    assert lead["first_touch"]["at"] == at(0).isoformat()


async def test_who_are_merged_have_the_last_touch_of_both_and_parted_each_its_own(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    ann = a_lead("ann@x.example", source="google", occurred_at=at(0))
    bob = a_lead("bob@x.example", source="fair", channel="event", occurred_at=at(5))
    await pipeline.take(ann, bob)
    await do(http, f"/v1/leads/{ann.lead_id}:merge", {"other_lead_id": str(bob.lead_id)})
    assert (await last_of(http, ann.lead_id))["source"] == "fair"
    await pipeline.take(an_interaction("bob@x.example", source="letters", occurred_at=at(9)))
    assert (await last_of(http, ann.lead_id))["source"] == "letters"
    await do(http, f"/v1/leads/{bob.lead_id}:unmerge")
    assert (await last_of(http, ann.lead_id))["source"] == "google"
    assert (await last_of(http, bob.lead_id))["source"] == "letters"


async def test_one_that_is_merged_while_a_page_is_read_has_a_last_touch_still(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    ann = a_lead("ann@x.example", source="google", occurred_at=at(0))
    bob = a_lead("bob@x.example", source="fair", channel="event", occurred_at=at(5))
    await pipeline.take(ann, bob)
    await do(http, f"/v1/leads/{ann.lead_id}:merge", {"other_lead_id": str(bob.lead_id)})
    found = await touches.last_touches(pipeline.database, [ann.lead_id, bob.lead_id])
    assert [found[one.lead_id]["at"] for one in (ann, bob)] == [at(5), at(5)]


async def test_of_somebody_erased_it_is_still_known_how_they_were_reached(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    lead = a_lead("ann@x.example", name="Ann", source="google")
    await pipeline.take(lead, an_interaction("ann@x.example", channel="email", source="letters", occurred_at=at(3)))
    before = await last_of(http, lead.lead_id)
    assert (before["channel"], before["source"]) == ("email", "letters")
    await erase(http, email="ann@x.example")
    assert await last_of(http, lead.lead_id) == before


async def test_a_list_reads_touches_only_where_they_are_asked_for(
    pipeline: Pipeline, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, asked = touches.last_touches, list[int]()

    async def counted(source: Any, roots: Collection[UUID]) -> dict[UUID, dict[str, Any]]:
        asked.append(len(roots))
        return await read(source, roots)

    monkeypatch.setattr(leads, "last_touches", counted)
    await pipeline.take(a_lead("ann@x.example"))
    (one,) = (await http.get("/v1/leads")).json()["items"]
    assert one.keys() == LEAD_FIELDS - {"last_touch"}
    (one,) = (await http.get("/v1/leads", params={"fields": "status"})).json()["items"]
    assert one.keys() == {"lead_id", "business_unit", "status"}
    assert asked == []
    (one,) = (await http.get("/v1/leads", params={"fields": "status, last_touch"})).json()["items"]
    assert one["last_touch"]["channel"]
    assert asked == [1]
