"""Import of history over HTTP, on real PostgreSQL."""

from __future__ import annotations

import random
from typing import Any

import httpx
import pytest

from shared.contracts.identity import external_identity, identity
from shared.contracts.lifecycle_events import LeadCreated, LeadTouched, OpportunityOpened, OpportunityWon, OrderPlaced
from tests.integration.pipeline.conftest import Pipeline
from tests.integration.pipeline.erasing import erase, says_nothing
from tests.unit.pipeline.builders import SECRET, a_score, an_interaction, at


async def send(http: httpx.AsyncClient, *rows: Any, sender: str = "import") -> Any:
    """A batch of history and its answer."""
    answer = await http.post("/v1/history:batch", json={"sender": sender, "rows": list(rows)})
    assert answer.status_code in (200, 207, 422), answer.text
    return answer.json()


async def the_deal(http: httpx.AsyncClient) -> Any:
    """The only one there is."""
    (deal,) = (await http.get("/v1/opportunities")).json()["items"]
    return (await http.get(f"/v1/opportunities/{deal['opportunity_id']}")).json()


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
    deal = await the_deal(http)
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


async def test_who_wanted_no_more_in_the_history_permits_no_e_mail(pipeline: Pipeline, http: httpx.AsyncClient) -> None:
    left = row("interaction", "2026-01-01", kind="Unsubscribe")
    await send(http, left)
    assert (await send(http, left))["duplicates"] == 1
    (lead,) = (await http.get("/v1/leads")).json()["items"]
    (told,) = (await http.get(f"/v1/leads/{lead['lead_id']}/consents")).json()["history"]
    assert (told["purpose"], told["granted"], told["at"]) == ("email", False, "2025-12-31T23:00:00+00:00")


async def test_a_kind_of_ours_has_its_one_name_however_history_spells_it_and_one_of_theirs_stays_as_it_is(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    kinds = ("Page View", "E-Mail Bounce", "EMAIL-BOUNCE", "Booth Visit")
    await send(http, *(row("interaction", f"2026-01-0{day}", kind=kind) for day, kind in enumerate(kinds, 1)))
    touches = [one for one in await pipeline.published() if isinstance(one, LeadTouched)]
    assert [one.kind for one in touches] == ["page_view", "E-Mail Bounce", "email_bounce", "Booth Visit"]


async def test_won_without_opened_opens_it_and_keeps_the_amount_it_had(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    await send(http, row("won", "2026-01-02", amount="1e3", currency="usd"))
    deal = await the_deal(http)
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


async def test_a_deal_that_nobody_named_is_not_called_by_what_its_lead_is_known_by(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    """The lead's id in a spreadsheet is often an address, and what happened is kept for ever."""
    mail = "ann@x.example"
    await send(http, row("opportunity_opened", "2026-01-02", mail), row("won", "2026-01-03", mail, amount=10))
    assert (await the_deal(http))["status"] == "won"
    told = await pipeline.published()
    await erase(http, external_id=mail)
    await says_nothing(pipeline)
    assert [type(event) for event in told] == [LeadCreated, OpportunityOpened, OpportunityWon]
    assert not any(mail.encode() in event.to_json() for event in told)


@pytest.mark.parametrize("at_once", [True, False], ids=["in one call", "in two calls"])
async def test_a_deal_that_is_called_by_the_leads_id_is_meant_where_none_is_named(
    pipeline: Pipeline, http: httpx.AsyncClient, at_once: bool
) -> None:
    opened = row("opportunity_opened", "2026-01-02", opportunity_id="c1")
    won = row("won", "2026-01-01", amount=10)
    for rows in [(won, opened)] if at_once else [(opened,), (won,)]:
        assert (await send(http, *rows))["rejected"] == 0
    assert (await the_deal(http))["opportunity_id"] == "c1"
    other = await send(http, row("won", "2026-01-01", amount=10), sender="other")
    assert other["accepted"] == 1, "of another system this is another lead, with a deal of its own"
    assert len((await http.get("/v1/opportunities")).json()["items"]) == 2


@pytest.mark.parametrize("named_first", [True, False])
async def test_rows_that_leave_out_the_name_and_rows_that_give_the_leads_id_are_of_one_deal_in_any_order(
    pipeline: Pipeline, http: httpx.AsyncClient, named_first: bool
) -> None:
    named = row("opportunity_opened", "2026-01-01", opportunity_id="c1")
    unnamed = row("won", "2026-01-02", amount=10)
    for one in (named, unnamed) if named_first else (unnamed, named):
        assert (await send(http, one))["rejected"] == 0
    assert (await the_deal(http))["status"] == "won"
    assert len((await http.get("/v1/opportunities")).json()["items"]) == 1


@pytest.mark.parametrize("at_once", [True, False], ids=["in one call", "in two calls"])
async def test_an_order_that_gives_its_deal_the_leads_id_is_of_the_deal_that_nobody_named(
    pipeline: Pipeline, http: httpx.AsyncClient, at_once: bool
) -> None:
    won = row("won", "2026-01-02", amount=10)
    order = row("order_placed", "2026-01-03", opportunity_id="c1", order_id="o1", amount=10)
    for rows in [(won, order)] if at_once else [(won,), (order,)]:
        assert (await send(http, *rows))["rejected"] == 0
    placed = [one for one in await pipeline.published() if isinstance(one, OrderPlaced)]
    assert [one.opportunity_id for one in placed] == [(await the_deal(http))["opportunity_id"]]
    unknown = row("order_placed", "2026-01-03", "c2", opportunity_id="c2", order_id="o2", amount=10)
    touched = row("interaction", "2026-01-01", "c2", kind="call")
    assert (await send(http, touched, unknown))["items"][0]["problem"]["field"] == "opportunity_id"


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
