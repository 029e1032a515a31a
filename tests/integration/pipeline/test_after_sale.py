"""Orders, refunds, leaving and answers, over HTTP and as history, on real PostgreSQL."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from shared.contracts.lifecycle_events import OrderPlaced
from shared.contracts.policy import Policy
from tests.integration.pipeline.conftest import Pipeline
from tests.integration.pipeline.erasing import erase
from tests.integration.pipeline.test_commands import a_qualified_lead, do
from tests.integration.pipeline.test_routing import with_sections
from tests.unit.pipeline.builders import a_lead, at

LINES = [{"product": "roof", "quantity": "2", "unit_price": "50", "discount": "0.1"}]


@pytest.fixture
def rules() -> Policy:
    return with_sections(churn_reasons=["price", "other"], refund_reasons=["broken", "other"])


async def look(http: httpx.AsyncClient, path: str) -> Any:
    answer = await http.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_customer_from_the_first_order_to_leaving(pipeline: Pipeline, http: httpx.AsyncClient) -> None:
    path = f"/v1/leads/{await a_qualified_lead(pipeline)}"
    await do(http, f"{path}/opportunities", {"opportunity_id": "d"}, status=201)
    await do(http, "/v1/opportunities/d:win", {"amount": "90"})
    first = {
        "order_id": "shop/1",
        "opportunity_id": "d",
        "lines": LINES,
        "cost": "30",
        "runs_until": "2027-01-01T00:00:00Z",
    }
    for status in (201, 200):
        order = await do(http, f"{path}/orders", first, status=status)
        assert (order["amount"], order["currency"], order["status"]) == ("90", "EUR", "placed")
    contradicting = await do(http, f"{path}/orders", {**first, "cost": "31"}, status=409)
    assert contradicting["type"].endswith("conflicting-order")
    await do(http, f"{path}/orders", {"order_id": "shop/2", "amount": "95", "renews": "shop/1"}, status=201)
    part = await do(http, "/v1/orders/shop/2:refund", {"amount": "5", "reason": "other", "note": "Ann was angry"})
    assert (part["refunded"], part["status"]) == ("5", "placed")
    await do(http, f"{path}:ask-satisfaction")
    await do(http, f"{path}:record-satisfaction", {"value": 4, "comment": "Ann likes it"})
    await do(http, f"{path}:record-satisfaction", {"value": 9, "scale": "nps"})
    assert (await do(http, f"{path}:churn", {"reason": "bored"}, status=422))["field"] == "reason"
    await do(http, f"{path}:churn", {"reason": "other", "note": "Ann moved"})
    shown = await look(http, f"{path}/customer")
    assert (shown["revenue"], shown["has_left"], shown["left_because"]) == ({"EUR": "180"}, True, "other")
    assert [(one["order_id"], one["renews"]) for one in shown["orders"]] == [("shop/1", None), ("shop/2", "shop/1")]
    assert [(one["scale"], one["value"], one["comment"]) for one in shown["satisfaction"]] == [
        ("csat", None, None),
        ("csat", 4, "Ann likes it"),
        ("nps", 9, None),
    ]
    assert (await do(http, "/v1/orders/shop/1:cancel"))["status"] == "cancelled"
    assert (await look(http, "/v1/orders/shop/1"))["cancelled_at"] is not None
    assert (await look(http, f"{path}/customer"))["revenue"] == {"EUR": "90"}
    row = await pipeline.one("SELECT * FROM pipeline.orders WHERE order_id = 'shop/2'")
    assert (row.status, row.amount, row.refunded, row.renews) == ("placed", "95", "5", "shop/1")


async def test_an_order_makes_a_customer_and_taking_it_back_unmakes_one(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    lead_id = await a_qualified_lead(pipeline)
    order = await do(http, f"/v1/leads/{lead_id}/orders", {"amount": "10"}, status=201)
    assert (await pipeline.lead(lead_id)).status == "customer"
    await do(http, f"/v1/orders/{order['order_id']}:cancel", Idempotency_Key="once")
    await do(http, f"/v1/orders/{order['order_id']}:cancel", Idempotency_Key="once")
    assert (await pipeline.lead(lead_id)).status == "qualified"


async def test_an_order_is_one_leads_whoever_is_first(pipeline: Pipeline, http: httpx.AsyncClient) -> None:
    leads = [await a_qualified_lead(pipeline, f"{name}@x.example") for name in ("ann", "bob")]
    answers = await asyncio.gather(
        *(http.post(f"/v1/leads/{one}/orders", json={"order_id": "o", "amount": "1"}) for one in leads)
    )
    assert sorted(one.status_code for one in answers) == [201, 409]
    placed = [one for one in await pipeline.published() if isinstance(one, OrderPlaced)]
    assert len(placed) == 1


ROWS: list[dict[str, Any]] = [
    {"event": "order_cancelled", "occurred_at": "2026-01-09", "order_id": "o2"},
    {"event": "churned", "occurred_at": "2026-02-01", "reason": "price"},
    {"event": "order_refunded", "occurred_at": "2026-01-08", "order_id": "o1", "amount": "40"},
    {"event": "satisfaction_asked", "occurred_at": "2026-01-10"},
    {"event": "satisfaction", "occurred_at": "2026-01-11", "value": "8", "kind": "nps"},
    {"event": "order_placed", "occurred_at": "2026-01-07", "order_id": "o2", "amount": "7"},
    {
        "event": "order_placed",
        "occurred_at": "2026-01-05",
        "order_id": "o1",
        "lines": LINES,
        "runs_until": "2026-12-31",
    },
    {"event": "close_date_changed", "occurred_at": "2026-01-04", "expected_close": "2026-01-06"},
]


@pytest.mark.parametrize("order", [ROWS, ROWS[::-1]])
async def test_history_tells_the_same_in_whichever_order_and_once(
    pipeline: Pipeline, http: httpx.AsyncClient, order: list[dict[str, Any]]
) -> None:
    rows = [{"external_id": "c1", **row} for row in order]
    for batch in (rows[:4], rows[4:], rows):
        taken = await http.post("/v1/history:batch", json={"sender": "crm", "rows": batch})
        assert taken.json()["rejected"] == 0, taken.text
    assert taken.json()["duplicates"] == len(rows)
    (row,) = await pipeline.database.rows("SELECT lead_id FROM pipeline.leads")
    shown = await look(http, f"/v1/leads/{row.lead_id}/customer")
    assert (shown["revenue"], shown["has_left"], shown["left_because"]) == ({"EUR": "50"}, True, "price")
    assert [(one["order_id"], one["status"], one["refunded"]) for one in shown["orders"]] == [
        ("o1", "placed", "40"),
        ("o2", "cancelled", "0"),
    ]
    again = {
        "external_id": "c1",
        "event": "order_placed",
        "occurred_at": "2026-01-06",
        "order_id": "o1",
        "record_id": "r",
    }
    same = await http.post("/v1/history:batch", json={"sender": "shop", "rows": [{**again, "amount": "1"}]})
    assert same.status_code == 422  # another sender's customer has it
    other = await http.post("/v1/history:batch", json={"sender": "crm", "rows": [{**again, "amount": "1"}]})
    assert "other facts" in other.text
    same = await http.post("/v1/history:batch", json={"sender": "crm", "rows": [{**again, "amount": "90"}]})
    assert (same.json()["accepted"], same.json()["duplicates"]) == (0, 1)


async def test_an_order_goes_with_the_id_it_was_placed_for(pipeline: Pipeline, http: httpx.AsyncClient) -> None:
    first, second = a_lead("ann@x.example"), a_lead(phone="+31612345678", occurred_at=at(1))
    await pipeline.take(first, second)
    await do(http, f"/v1/leads/{second.lead_id}/orders", {"order_id": "o", "amount": "1"}, status=201)
    await pipeline.take(a_lead("ann@x.example", "+31612345678", occurred_at=at(2)))
    assert (await pipeline.lead(first.lead_id)).status == "customer"
    await do(http, "/v1/orders/o:refund", {"amount": "0.5"})
    await do(http, f"/v1/leads/{second.lead_id}:unmerge")
    assert (await pipeline.lead(first.lead_id)).status == "new"
    shown = await look(http, f"/v1/leads/{second.lead_id}/customer")
    assert (shown["orders"][0]["refunded"], (await pipeline.lead(second.lead_id)).status) == ("0.5", "customer")


async def test_what_is_said_of_deals_orders_and_leaving_goes_when_the_person_is_erased(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    lead_id = await a_qualified_lead(pipeline)
    path = f"/v1/leads/{lead_id}"
    await do(http, f"{path}/opportunities", {"opportunity_id": "d"}, status=201)
    await do(http, "/v1/opportunities/d:lose", {"reason": "other", "note": "Zoethout has no money"})
    await do(http, f"{path}/orders", {"order_id": "o", "amount": "10"}, status=201)
    await do(http, "/v1/orders/o:refund", {"amount": "1", "reason": "other", "note": "Zoethout broke it"})
    await do(http, f"{path}:record-satisfaction", {"value": 1, "comment": "Zoethout hates it"})
    await do(http, f"{path}:churn", {"reason": "other", "note": "Zoethout left"})
    assert "Zoethout" not in "".join(one.model_dump_json() for one in await pipeline.published())
    assert (await http.get("/v1/opportunities/d")).text.count("Zoethout") == 1
    assert (await http.get(f"{path}/history")).text.count("Zoethout") == 4
    await erase(http, lead_id=str(lead_id))
    for where in (f"{path}/history", f"{path}/customer", "/v1/opportunities/d"):
        assert "Zoethout" not in (await http.get(where)).text
    assert (await look(http, f"{path}/customer"))["revenue"] == {"EUR": "9"}


async def test_a_key_goes_with_one_order_and_is_known_again_after_a_merge(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    first, second = a_lead("ann@x.example"), a_lead(phone="+31612345678", occurred_at=at(1))
    await pipeline.take(first, second)
    for name in ("o", "p"):
        await do(http, f"/v1/leads/{second.lead_id}/orders", {"order_id": name, "amount": "9"}, status=201)
    for _ in range(2):
        paid = await do(http, "/v1/orders/o:refund", {"amount": "4"}, Idempotency_Key="k")
        assert paid["refunded"] == "4"
    other = await do(http, "/v1/orders/p:refund", {"amount": "4"}, status=409, Idempotency_Key="k")
    assert other["type"].endswith("idempotency-key-reused")
    await pipeline.take(a_lead("ann@x.example", "+31612345678", occurred_at=at(2)))
    again = await do(http, "/v1/orders/o:refund", {"amount": "4"}, Idempotency_Key="k")
    assert (again["refunded"], (await look(http, "/v1/orders/p"))["refunded"]) == ("4", "0")


async def test_an_order_without_an_id_is_the_same_one_under_its_key(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    path = f"/v1/leads/{await a_qualified_lead(pipeline)}/orders"
    first = await do(http, path, {"amount": "10"}, status=201, Idempotency_Key="k")
    await do(http, path, {"amount": "20"}, status=201)
    assert await do(http, path, {"amount": "10"}, Idempotency_Key="k") == first
    assert (await do(http, path, {"amount": "10"}, status=201))["order_id"] != first["order_id"]


async def test_a_moment_is_the_same_with_any_offset(pipeline: Pipeline, http: httpx.AsyncClient) -> None:
    path = f"/v1/leads/{await a_qualified_lead(pipeline)}/orders"
    order = {"order_id": "o", "amount": "10"}
    await do(http, path, {**order, "runs_until": "2027-01-01T01:00:00+01:00"}, status=201)
    await do(http, path, {**order, "runs_until": "2027-01-01T00:00:00Z"})
    await do(http, path, {**order, "runs_until": "2027-01-01T01:00:00Z"}, status=409)


async def told(http: httpx.AsyncClient, *rows: dict[str, Any]) -> list[str | None]:
    """History of a CRM, all of it on one day, and what was wrong with each row."""
    sent = [{"occurred_at": "2026-01-05", **row} for row in rows]
    answer = (await http.post("/v1/history:batch", json={"sender": "crm", "rows": sent})).json()
    wrong = {one["index"]: one["problem"]["type"].rpartition(":")[2] for one in answer["items"]}
    return [wrong.get(place) for place in range(len(rows))]


async def test_an_imported_order_stands_with_its_deal_which_is_the_customers_own(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    order = {"event": "order_placed", "amount": "5", "opportunity_id": "d"}
    opened = {"external_id": "a", "event": "opportunity_opened", "opportunity_id": "d"}
    assert await told(http, {**order, "external_id": "a", "order_id": "1"}) == ["unknown-opportunity-id"]
    assert await told(http, {**order, "external_id": "a", "order_id": "1"}, opened) == [None, None]
    assert await told(http, {**order, "external_id": "b", "order_id": "2"}) == ["opportunity-exists"]
    deal = await pipeline.one("SELECT lead_id FROM pipeline.opportunities")
    assert (await told(http, {"external_id": "b", "event": "lead_created"})) == [None]
    other = await pipeline.one("SELECT lead_id FROM pipeline.leads WHERE lead_id <> :id", id=deal.lead_id)
    await do(http, f"/v1/leads/{deal.lead_id}:merge", {"other_lead_id": str(other.lead_id)})
    assert await told(http, {**order, "external_id": "b", "order_id": "3"}) == [None]
    for row in await pipeline.database.rows("SELECT lead_id FROM pipeline.orders"):
        assert row.lead_id == deal.lead_id
