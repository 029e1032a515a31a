"""Import of history over HTTP, on real PostgreSQL."""

from __future__ import annotations

import random
from typing import Any

import httpx
import pytest

from shared.contracts.identity import external_identity, identity
from shared.contracts.lifecycle_events import LeadCreated, LeadTouched
from tests.integration.pipeline.conftest import Pipeline
from tests.unit.pipeline.builders import SECRET, a_score, an_interaction, at


async def send(http: httpx.AsyncClient, *rows: Any, sender: str = "import") -> Any:
    """A batch of history and its answer."""
    answer = await http.post("/v1/history:batch", json={"sender": sender, "rows": list(rows)})
    assert answer.status_code in (200, 207, 422), answer.text
    return answer.json()


def row(event: str, day: str, lead: str = "c1", **values: Any) -> dict[str, Any]:
    return {"external_id": lead, "event": event, "occurred_at": day, **values}


BANK = (
    row("opportunity_opened", "2011-10-01T00:38:44.546+02:00", stage="1 Submitted", amount=20000),
    row("stage_changed", "2011-10-01T00:38:44.880+02:00", stage="2 Partly submitted"),
    row("stage_changed", "2011-10-01T00:39:37.906+02:00", stage="3 Pre-accepted"),
    row("stage_changed", "2011-10-01T11:45:09.243+02:00", stage="5 Finalized"),
    row("won", "2011-10-13T10:37:29.226+02:00"),
)


@pytest.mark.parametrize("order", [1, -1])
async def test_a_bank_application_is_the_same_in_file_order_and_reversed(
    pipeline: Pipeline, http: httpx.AsyncClient, order: int
) -> None:
    for one in BANK[::order]:
        assert (await send(http, one))["accepted"] == 1
    assert await send(http, *BANK) == {"accepted": 0, "duplicates": 5, "rejected": 0, "items": []}
    lead = (await http.get("/v1/leads")).json()["items"][0]
    assert (lead["status"], lead["created_at"]) == ("customer", "2011-09-30T22:38:44.546000+00:00")
    deal = (await http.get("/v1/opportunities/c1")).json()
    assert (deal["status"], deal["stage"], deal["amount"], deal["currency"]) == ("won", "5 Finalized", "20000", "EUR")
    assert deal["closed_at"] == "2011-10-13T08:37:29.226000+00:00"
    assert all(event.historical for event in await pipeline.published())


async def test_any_order_and_any_split_give_the_same_leads(pipeline: Pipeline, http: httpx.AsyncClient) -> None:
    chance = random.Random(3)
    rows = []
    for number in range(20):
        lead = f"l{number}"
        rows += [
            row("lead_created", f"2026-01-{1 + number % 9:02}", lead, channel="event", source=f"s{number}"),
            row("assigned", f"2026-01-{11 + number % 9:02}", lead, owner="kim"),
            row("assigned", f"2026-01-{12 + number % 9:02}", lead, owner="lee"),
            row("archived", "2026-01-25", lead, reason="silence"),
            row("reopened", "2026-01-26", lead),
            row("opportunity_opened", "2026-01-27", lead, opportunity_id=f"d{number}", stage="x", amount="10.50"),
            row("lost", "2026-01-28", lead, opportunity_id=f"d{number}", reason="whim"),
        ]
    chance.shuffle(rows)
    while rows:
        size = chance.randint(1, 60)
        await send(http, *rows[:size])
        rows = rows[size:]
    for one in (await http.get("/v1/leads", params={"limit": 500})).json()["items"]:
        assert (one["status"], one["owner"], one["archived_at"]) == ("converted", "lee", None)
        assert one["created_at"] < "2026-01-10"
        assert one["first_touch"]["channel"] == "event"
    lost = await pipeline.one(
        "SELECT count(*) AS n FROM pipeline.opportunities WHERE status = 'lost' AND reason = 'whim'"
    )
    assert lost.n == 20


async def test_an_explicit_creation_beats_an_implied_one(pipeline: Pipeline, http: httpx.AsyncClient) -> None:
    await send(http, row("interaction", "2026-01-01", kind="call"))
    assert (await http.get("/v1/leads")).json()["items"][0]["created_at"] == "2025-12-31T23:00:00+00:00"
    await send(http, row("lead_created", "2026-01-05"))
    implied, touched, created = await pipeline.published()
    assert isinstance(implied, LeadCreated)
    assert (implied.implied, type(touched), type(created)) == (True, LeadTouched, LeadTouched)
    assert (await http.get("/v1/leads")).json()["items"][0]["created_at"] == "2026-01-04T23:00:00+00:00"


async def test_won_without_opened_opens_it_and_keeps_the_amount_it_had(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    await send(http, row("won", "2026-01-02", amount="1e3", currency="usd"))
    deal = (await http.get("/v1/opportunities/c1")).json()
    assert (deal["status"], deal["opened_at"], deal["amount"], deal["currency"]) == (
        "won", "2026-01-01T23:00:00+00:00", "1000", "USD",
    )  # fmt: skip


async def test_wrong_rows_are_named_and_their_neighbours_go_on(pipeline: Pipeline, http: httpx.AsyncClient) -> None:
    answer = await send(
        http,
        row("qualified", "2026-01-01"),
        row("promoted", "2026-01-01"),
        row("won", "yesterday"),
        row("won", "2026-01-01", amount="ten"),
        {"event": "won", "occurred_at": "2026-01-01"},
        row("assigned", "2026-01-01"),
        row("qualified", "2999-01-01"),
        "no row",
        row("satisfaction", "2026-01-01", value="4"),
    )
    assert (answer["accepted"], answer["rejected"]) == (2, 7)
    faults = {item["index"]: item["problem"]["field"] for item in answer["items"]}
    assert faults == {
        1: "event",
        2: "occurred_at",
        3: "amount",
        4: "external_id",
        5: "owner",
        6: "occurred_at",
        7: "row",
    }
    assert all(item["problem"]["fix"] for item in answer["items"])


async def test_a_record_id_makes_a_row_itself_and_other_facts_under_it_are_refused(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    first = row("interaction", "2026-01-01", record_id="r1", kind="call")
    assert (await send(http, first, first))["duplicates"] == 1
    changed = await send(http, {**first, "kind": "mail"})
    assert changed["items"][0]["problem"]["field"] == "record_id"
    assert (await send(http, first, sender="other"))["accepted"] == 1


async def test_another_leads_deal_is_not_taken_over(pipeline: Pipeline, http: httpx.AsyncClient) -> None:
    await send(http, row("opportunity_opened", "2026-01-01", "a", opportunity_id="d"))
    for rows in ([row("won", "2026-01-02", "b", opportunity_id="d")],):
        assert (await send(http, *rows))["items"][0]["problem"]["field"] == "opportunity_id"
    both = [row("opportunity_opened", "2026-01-01", name, opportunity_id="e") for name in "ab"]
    assert (await send(http, *both))["rejected"] == 1


async def test_history_decides_nothing_by_itself_and_takes_up_what_waited(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    who = identity(SECRET, "default", "external", external_identity("import", "c1"))
    waits = an_interaction(identities=(who,), lead_id=None, occurred_at=at(1))
    await pipeline.take(waits)
    await send(http, row("lead_created", "2026-01-01"), row("interaction", "2026-01-02"))
    assert (await http.get("/v1/stats")).json()["waiting"] == 0
    lead = (await http.get("/v1/leads", params={"external_id": "c1"})).json()["items"][0]
    assert lead["status"] == "new"
    history = (await http.get(f"/v1/leads/{lead['lead_id']}/history")).json()["events"]
    assert [event["causation_id"] for event in history] == [None, None, str(waits.event_id)]
    await pipeline.take(a_score(lead["lead_id"], 90, historical=True))
    assert (await http.get("/v1/leads")).json()["items"][0]["status"] == "new"
