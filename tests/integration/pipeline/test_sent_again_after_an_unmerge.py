"""A command that is sent again under its key is answered, whoever's the deal or the order is by then."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from services.pipeline.storage import by_name
from tests.integration.pipeline.conftest import Pipeline
from tests.integration.pipeline.test_commands import do
from tests.unit.pipeline.builders import a_lead, a_score, at

PHONE = "+31206391274"


async def two_who_became_one(pipeline: Pipeline, http: httpx.AsyncClient) -> tuple[str, str]:
    """The canonical lead, and another that has the deal and the order; they are one person from now on."""
    root = a_lead("ann@x.example", occurred_at=at(5))
    other = a_lead(phone=PHONE, occurred_at=at(6), channel="phone")
    await pipeline.take(root, other, a_score(other.lead_id, 70, occurred_at=at(7)))
    path = f"/v1/leads/{other.lead_id}"
    await do(http, f"{path}/opportunities", {"opportunity_id": "d1"}, status=201)
    await do(http, f"{path}/orders", {"order_id": "o1", "amount": "5"}, status=201)
    await pipeline.take(a_lead("ann@x.example", phone=PHONE, occurred_at=at(8)))
    return str(root.lead_id), str(other.lead_id)


@pytest.mark.parametrize(
    ("path", "said"),
    [("/v1/opportunities/d1:change-amount", {"amount": "7"}), ("/v1/orders/o1:refund", {"amount": "1"})],
    ids=["a deal", "an order"],
)
async def test_it_is_answered_with_what_was_parted_from_the_lead_it_was_done_on(
    pipeline: Pipeline, http: httpx.AsyncClient, path: str, said: dict[str, Any]
) -> None:
    _, other = await two_who_became_one(pipeline, http)
    first = await do(http, path, said, Idempotency_Key="k")
    await do(http, f"/v1/leads/{other}:unmerge")
    again = await http.post(path, json=said, headers={"Idempotency-Key": "k"})
    assert again.status_code == 200, again.text
    assert [again.json()[name] for name in ("status", "amount")] == [first[name] for name in ("status", "amount")]
    whose = await http.get(path.rpartition(":")[0])
    assert whose.json()["lead_id"] == other
    assert again.headers["ETag"].strip('"') in whose.headers["ETag"]


async def test_an_order_whose_lead_is_merged_while_it_is_looked_up_is_paid_back(
    pipeline: Pipeline, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, other = await two_who_became_one(pipeline, http)
    named, looks = by_name.found, []

    async def a_moment_late(*asked: Any, **more: Any) -> Any:
        rows = await named(*asked, **more)
        looks.append(rows)
        if len(looks) > 1:
            return rows
        return [type("Row", (), {**row._mapping, "root_id": row.lead_id}) for row in rows]

    monkeypatch.setattr(by_name, "found", a_moment_late)
    shown = await do(http, "/v1/orders/o1:refund", {"amount": "1"})
    assert (shown["order_id"], len(looks)) == ("o1", 3)
    assert (await http.get("/v1/orders/o1")).json()["lead_id"] == root != other
