"""Findings over time: what goes on is one, what comes back is another, and what people say of them holds until its time is over."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from services.metrics.storage import noticed as storage
from tests.integration.metrics.harness import Metrics
from tests.unit.metrics.stories import Told, day

START = datetime(2026, 7, 20, 6, tzinfo=UTC)
AIM = {"kpi": "leads_created", "from": "2026-07-01", "to": "2026-09-01", "value": "1000"}


async def behind(metrics: Metrics) -> str:
    """A target far off its pace, found for the first time; the finding's id."""
    metrics.clock.advance(START - metrics.clock.now())
    await metrics.fold(Told().tell("a", "LeadCreated", 181, channel="phone").facts)
    await want(metrics)
    assert await metrics.noticing.once()
    (one,) = await noticed(metrics)
    assert (one["state"], one["severity"], one["finding"]["kind"]) == ("open", "serious", "pace")
    assert one["finding"]["after"]["n"] == 1
    return str(one["id"])


async def want(metrics: Metrics) -> str:
    put = await metrics.client.put("/v1/targets", params={"by": "kim"}, json=AIM)
    assert put.status_code < 300, put.text
    return str(put.json()["target_id"])


async def give_up(metrics: Metrics) -> None:
    gone = await metrics.client.delete(f"/v1/targets/{await want(metrics)}", params={"by": "kim"})
    assert gone.status_code == 204, gone.text


async def noticed(metrics: Metrics, **asked: Any) -> list[dict[str, Any]]:
    answer = await metrics.client.get("/v1/findings/noticed", params=asked)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


async def say(metrics: Metrics, noticed_id: str, what: str, status: int = 200, **said: Any) -> Any:
    answer = await metrics.client.post(
        f"/v1/findings/noticed/{noticed_id}:{what}", json={"why": "known", **said}, headers={"Leadflow-Actor": "kim"}
    )
    assert answer.status_code == status, answer.text
    return answer.json()


async def open_now(metrics: Metrics) -> float:
    (line,) = [
        one
        for one in (await metrics.scrape()).splitlines()
        if one.startswith('leadflow_findings_open{kind="pace",severity="serious"}')
    ]
    return float(line.rsplit(" ", 1)[1])


async def next_day(metrics: Metrics) -> None:
    metrics.clock.advance(timedelta(days=1))
    assert await metrics.noticing.once()


async def test_a_finding_that_goes_on_is_one_and_one_that_comes_back_is_another(metrics: Metrics) -> None:
    first = await behind(metrics)
    await say(metrics, first, "acknowledge")
    await next_day(metrics)
    (same,) = await noticed(metrics)
    assert (same["id"], same["state"], same["by"], same["since"]) == (
        first,
        "acknowledged",
        "kim",
        "2026-07-20T00:00:00+00:00",
    )
    assert same["seen"] == "2026-07-21T00:00:00+00:00"
    assert await open_now(metrics) == 0
    await give_up(metrics)
    await next_day(metrics)
    assert await noticed(metrics) == []
    (ended,) = await noticed(metrics, state="ended")
    assert (ended["id"], ended["ended"]) == (first, "2026-07-22T00:00:00+00:00")
    await want(metrics)
    await next_day(metrics)
    (back,) = await noticed(metrics)
    assert back["id"] != first
    assert (back["state"], back["why"], await open_now(metrics)) == ("open", None, 1)
    (then,) = await noticed(metrics, as_of="2026-07-20T12:00:00Z")
    assert (then["id"], then["state"]) == (first, "acknowledged")
    refused = await metrics.client.get("/v1/findings/noticed", params={"as_of": "2026-09-01T00:00:00Z"})
    assert (refused.status_code, refused.json()["field"]) == (422, "as_of"), "what is still to come is not told"


async def test_targets_of_one_number_that_begin_on_the_same_day_are_noticed_apart(metrics: Metrics) -> None:
    """The month's and the quarter's."""
    month = await behind(metrics)
    quarter = {**AIM, "to": "2026-10-01", "value": "2000"}
    put = await metrics.client.put("/v1/targets", params={"by": "kim"}, json=quarter)
    assert put.status_code < 300, put.text
    await say(metrics, month, "acknowledge")
    await next_day(metrics)
    stands = {one["finding"]["after"]["to"]: one["state"] for one in await noticed(metrics)}
    assert stands == {"2026-09-01": "acknowledged", "2026-10-01": "open"}
    await next_day(metrics)
    assert len(await noticed(metrics)) == 2


async def test_two_of_one_place_do_not_keep_the_others_from_being_noticed(metrics: Metrics) -> None:
    places = [uuid4(), uuid4()]
    found = [
        storage.Found(place, "pace", said, "default", {"said": said})
        for place, said in zip((places[0], *places), ("serious", "notice", "good"), strict=True)
    ]
    assert await metrics.database.run(lambda tx: storage.note(tx, START, found, 3))
    kept = await storage.known(metrics.database, START)
    assert {one.place_id: one.severity for one in kept} == dict(zip(places, ("serious", "good"), strict=True))


async def test_of_any_number_of_findings_all_are_counted(metrics: Metrics) -> None:
    found = [storage.Found(uuid4(), "pace", "serious", "default", {}) for _ in range(1_200)]
    assert await metrics.database.run(lambda tx: storage.note(tx, START, found, 1_200))
    assert await open_now(metrics) == 1_200


async def test_what_only_a_newer_version_looks_for_is_counted_and_in_no_report(metrics: Metrics) -> None:
    """As replicas of both run side by side."""
    known = await behind(metrics)
    told = (await noticed(metrics))[0]["finding"]
    newer = [
        storage.Found(uuid4(), "tomorrow", "notice", "default", told),
        storage.Found(uuid4(), "pace", "grave", "default", told),
        storage.Found(uuid4(), "pace", "good", "default", {**told, "kpi": "not_known_yet"}),
    ]
    (own,) = await storage.known(metrics.database, metrics.clock.now())
    kept = storage.Found(own.place_id, own.kind, own.severity, own.business_unit, own.content)
    assert await metrics.database.run(lambda tx: storage.note(tx, START.replace(hour=0), [kept, *newer], 4))
    assert len(await noticed(metrics)) == 4
    assert 'leadflow_findings_open{kind="tomorrow",severity="notice"} 1.0' in await metrics.scrape()
    assert await open_now(metrics) == 1
    answer = await metrics.client.get("/v1/reports/monthly/told", params={"format": "json", "to": "2026-07-20"})
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["noticed"]["lines"]) == 1
    assert known == str(own.noticed_id)


async def test_what_is_said_holds_until_its_time_is_over_and_stays_on_record(metrics: Metrics) -> None:
    one = await behind(metrics)
    until = (metrics.clock.now() + timedelta(days=2)).isoformat()
    assert (await say(metrics, one, "dismiss", until=until))["state"] == "dismissed"
    assert await open_now(metrics) == 0
    assert [found["id"] for found in await noticed(metrics, state="dismissed")] == [one]
    metrics.clock.advance(timedelta(days=2))
    assert await metrics.noticing.once()
    assert [found["state"] for found in await noticed(metrics)] == ["open"]
    assert (await say(metrics, one, "acknowledge"))["state"] == "acknowledged"
    reopened = await say(metrics, one, "reopen", why="not yet")
    assert (reopened["state"], reopened["why"]) == ("open", "not yet")
    assert [word["said"] for word in reopened["words"]] == ["dismissed", "acknowledged", "open"]
    assert await open_now(metrics) == 1
    looked = await metrics.client.get("/v1/findings", params={"kind": "pace"})
    (shown,) = looked.json()["findings"]
    assert (shown["severity"], shown["noticed"]["id"]) == ("serious", one)
    await say(metrics, one, "dismiss", 422, until="2026-01-01T00:00:00Z")
    await say(metrics, one, "dismiss", 422, why="")
    await say(metrics, "00000000-0000-0000-0000-000000000000", "dismiss", 404)
    assert (await metrics.client.get("/v1/findings/noticed?after=x")).status_code == 422


async def test_of_several_replicas_one_looks_and_again_after_a_while(metrics: Metrics) -> None:
    one = await behind(metrics)
    assert not await metrics.noticing.once()
    metrics.clock.advance(timedelta(hours=7))
    assert await metrics.noticing.once()
    as_of = START.replace(hour=0)
    assert await metrics.database.run(lambda tx: storage.note(tx, as_of, [], 1))
    assert await noticed(metrics) == []
    metrics.clock.advance(timedelta(hours=7))
    assert await metrics.noticing.once()
    assert [found["id"] for found in await noticed(metrics)] == [one], "found again of the same day, it had not ended"
    earlier = as_of - timedelta(days=1)
    assert not await metrics.database.run(lambda tx: storage.note(tx, earlier, [], 1))
    assert len(await noticed(metrics)) == 1


async def test_a_look_that_failed_is_taken_up_when_its_lease_is_over(metrics: Metrics) -> None:
    await behind(metrics)
    tomorrow = START.replace(hour=0) + timedelta(days=1)
    metrics.clock.advance(timedelta(days=1))
    every = timedelta(hours=6)
    assert await metrics.database.run(lambda tx: storage.take_turn(tx, tomorrow, every))
    assert not await metrics.noticing.once()
    metrics.clock.advance(storage.LEASE)
    assert await metrics.noticing.once()


async def test_pages_and_units(metrics: Metrics) -> None:
    metrics.clock.advance(START - metrics.clock.now())
    await metrics.fold(Told().tell("a", "LeadCreated", day_number(), channel="phone").facts)
    for unit in ("default", "tehran"):
        put = await metrics.client.put("/v1/targets", params={"by": "kim"}, json={**AIM, "business_unit": unit})
        assert put.status_code < 300, put.text
    assert await metrics.noticing.once()
    page = (await metrics.client.get("/v1/findings/noticed", params={"limit": 1})).json()
    rest = (await metrics.client.get("/v1/findings/noticed", params={"after": page["next"]})).json()
    assert len({one["id"] for one in (*page["items"], *rest["items"])}) == 2
    (only,) = await noticed(metrics, business_unit="tehran")
    assert only["finding"]["business_unit"] == "tehran"


def day_number() -> int:
    return (datetime(2026, 7, 2, tzinfo=UTC) - day(0)).days


@pytest.mark.parametrize(
    ("language", "title", "stands"),
    [("en", "What changed", "known"), ("fa", "چه تغییر کرده است", "بررسی شده"), ("he", "מה השתנה", "ידוע")],
)
async def test_reports_say_what_changed_and_leave_out_what_was_dismissed(
    metrics: Metrics, language: str, title: str, stands: str
) -> None:
    one = await behind(metrics)
    await say(metrics, one, "acknowledge")
    asked = {"lang": language, "from": "2026-07-01", "to": "2026-07-20"}
    page = (await metrics.client.get("/v1/reports/monthly/told", params={**asked, "format": "html"})).text
    assert f">{title}<" in page
    document = (await metrics.client.get("/v1/reports/monthly/told", params={**asked, "format": "json"})).json()
    (line,) = document["noticed"]["lines"]
    by = "kim" if language == "en" else "\u2068kim\u2069"
    assert (line["cells"][-1]["texts"], line["cells"][-1]["note"]) == ([stands], by)
    answer = await metrics.client.get(document["noticed"]["href"].removeprefix("http://metrics"))
    assert [found["id"] for found in answer.json()["items"]] == [one]
    await say(metrics, one, "dismiss")
    again = (await metrics.client.get("/v1/reports/monthly/told", params={**asked, "format": "json"})).json()
    assert again["noticed"] is None


async def test_reports_tell_an_amount_with_its_currency(metrics: Metrics) -> None:
    metrics.clock.advance(START - metrics.clock.now())
    told = Told().tell("a", "OpportunityWon", 185, opportunity_id="a", amount="100", currency="EUR")
    await metrics.fold(told.facts)
    aim = {**AIM, "kpi": "sales_volume", "value": "9000", "currency": "EUR"}
    assert (await metrics.client.put("/v1/targets", params={"by": "kim"}, json=aim)).status_code == 200
    assert await metrics.noticing.once()
    (found,) = await noticed(metrics)
    assert found["finding"]["currency"] == "EUR"
    asked = {"format": "json", "from": "2026-07-01", "to": "2026-07-20"}
    document = (await metrics.client.get("/v1/reports/monthly/told", params=asked)).json()
    (line,) = document["noticed"]["lines"]
    assert [cell["texts"] for cell in line["cells"][1:3]] == [["2,758 EUR"], ["100 EUR"]]
