"""What a known sender sent and could not be taken is kept, hidden, counted, mended and released."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import orjson
import psycopg
import pytest

from services.capture.domain.naming import ItemNames
from services.capture.quarantine import MAX_PAYLOAD_BYTES
from tests.integration.capture.quarantine_door import BROKEN, JSON, OPERATOR, Door
from tests.support.patience import eventually
from tests.unit.capture.fakes import NOW, PLAIN_KEY, READ_KEY, FakeLog, lead, problem

# ---- what is kept


async def test_what_is_refused_is_kept_with_its_faults_and_without_its_values_in_sight(door: Door) -> None:
    entry_id = await door.refused(BROKEN, {"Idempotency-Key": "ada's key"})
    (entry,) = (await door.ask())["items"]
    assert entry["id"] == entry_id
    assert (entry["sender"], entry["kind"], entry["reason"], entry["status"]) == ("dev", "lead", "invalid", "open")
    assert (entry["business_unit"], entry["channel"], entry["times"]) == ("default", "web_form", 1)
    assert [fault["field"] for fault in entry["faults"]] == ["name"]
    assert datetime.fromisoformat(entry["received_at"]) == NOW
    shown = await door.ask(f"/{entry_id}")
    assert shown["payload"] == {"name": ["text of 8"], "email": "text of 15", "channel": "text of 8"}
    assert shown["key"] == "text of 9"
    assert not any("Lovelace" in answer or "ada@" in answer or "ada's" in answer for answer in door.answers)
    text = (await door.client.get("/metrics")).text
    assert 'leadflow_capture_quarantined_total{kind="lead",reason="invalid"} 1.0' in text


async def test_revealing_is_put_on_record(door: Door) -> None:
    entry_id = await door.refused(BROKEN)
    shown = await door.ask(f"/{entry_id}", reveal=True)
    assert shown["payload"] == BROKEN
    assert [(one["actor"], one["action"]) for one in shown["actions"]] == [("ada", "revealed")]
    assert (await door.ask(f"/{entry_id}"))["payload"]["email"] == "text of 15"


async def test_each_refused_item_of_a_batch_is_an_entry_and_its_answer_names_it(door: Door) -> None:
    lines = [b'{"record_id": "a", "name": "Ada"}', b'{"name": ["x"]}', b'{"name": "Lovelace', b"7"]
    lines.append(b'{"record_id": "a", "name": "Eve"}')
    answer = await door.client.post(
        "/v1/leads:batch",
        content=b"\n".join(lines),
        headers={"Content-Type": "application/x-ndjson", "Idempotency-Key": "b"},
    )
    items = answer.json()["items"]
    assert [item["status"] for item in items] == [202, 422, 400, 422, 409]
    ids = [item["problem"]["quarantine_id"] for item in items[1:]]
    await door.written(*ids)
    kept = {one["id"]: one for one in (await door.ask())["items"]}
    assert [kept[one]["reason"] for one in ids] == ["invalid", "unreadable", "invalid", "conflict"]
    assert [fault["field"] for fault in kept[ids[3]]["faults"]] == ["name"]
    shown = [(await door.ask(f"/{one}", reveal=True)) for one in ids]
    assert [one["payload"] for one in shown] == [
        {"name": ["x"]},
        lines[2].decode(),
        7,
        {"record_id": "a", "name": "Eve"},
    ]
    names = ItemNames("b")
    named = [names.name(one) for one in ({"record_id": "a", "name": "Ada"}, {"name": ["x"]}, lines[2], 7)]
    assert [one["key"] for one in shown] == [*named[1:], "b:4"]


@pytest.mark.parametrize("path", ["/v1/leads", "/v1/leads:batch", "/v1/interactions"])
async def test_what_cannot_be_read_is_kept_as_it_was_sent(door: Door, path: str) -> None:
    body = b'[{"name": "Lovelace"\xff'
    entry_id = await door.refused(body, status=400, path=path)
    assert (await door.ask(f"/{entry_id}"))["payload"] == f"{len(body)} bytes that are no JSON"
    assert (await door.ask(f"/{entry_id}", reveal=True))["payload"] == '[{"name": "Lovelace"\\xff'


async def test_what_is_from_nobody_known_or_nothing_at_all_is_not_kept(door: Door) -> None:
    answers = [
        await door.client.post("/v1/leads", json=BROKEN, headers={"Authorization": "Bearer nobody"}),
        await door.client.post("/v1/leads", json=BROKEN, headers={"Authorization": f"Bearer {READ_KEY}"}),
        await door.client.post(
            "/v1/leads", json={"historical": True}, headers={"Authorization": f"Bearer {PLAIN_KEY}"}
        ),
        await door.client.post("/v1/leads", content=b"  ", headers=JSON),
        await door.client.post("/v1/leads", content=b"{" * 300_000, headers=JSON),
        await door.client.post("/v1/leads", content=b"<a/>", headers={"Content-Type": "text/xml"}),
        await door.client.post("/v1/leads:batch", content=b"[]", headers=JSON),
    ]
    assert [answer.status_code for answer in answers] == [401, 403, 403, 400, 413, 415, 422]
    assert not any("quarantine_id" in answer.json() for answer in answers)
    text = (await door.client.get("/metrics")).text
    assert "leadflow_capture_quarantined_total{" not in text


async def test_the_same_sent_again_is_one_entry_and_counted(door: Door) -> None:
    key = {"Idempotency-Key": "k"}
    ids = {await door.refused(BROKEN, key) for _ in range(2)}
    door.clock.advance(timedelta(minutes=1))
    answers = [await door.client.post("/v1/leads", json=BROKEN, headers=key) for _ in range(3)]
    assert {answer.json()["quarantine_id"] for answer in answers} == ids

    async def counted() -> bool:
        (entry,) = (await door.ask())["items"]
        return bool(entry["times"] == 5)

    await eventually(counted)
    assert await door.refused({**BROKEN, "name": [1]}, key) not in ids
    assert [(one["entries"], one["times"]) for one in (await door.ask("/counts"))["items"]] == [(2, 6)]


async def test_of_a_payload_that_is_too_large_the_beginning_is_kept_and_it_cannot_be_released(door: Door) -> None:
    big = [{"name": ["x"], "message": "y" * MAX_PAYLOAD_BYTES}]
    answer = await door.client.post("/v1/leads:batch", json=big)
    entry_id = answer.json()["items"][0]["problem"]["quarantine_id"]
    await door.written(entry_id)
    shown = await door.ask(f"/{entry_id}")
    assert not shown["whole"]
    assert shown["size_bytes"] > MAX_PAYLOAD_BYTES
    ((kept,),) = door.rows("SELECT octet_length(payload) FROM capture.quarantine")
    assert kept == MAX_PAYLOAD_BYTES
    assert (await door.do(entry_id, "release", status=409))["type"] == "urn:leadflow:problem:not-whole"
    assert (await door.do(entry_id, "fix", {"patch": {"name": "x"}}, status=409))["fix"]
    assert (await door.do(entry_id, "fix", {"payload": {"name": "x"}}))["ready"]
    assert (await door.do(entry_id, "release"))["event_id"] == str(door.log.events()[0].event_id)


# ---- what operators do


async def test_a_mended_payload_is_released_as_its_sender_had_sent_it_then(door: Door, log: FakeLog) -> None:
    entry_id = await door.refused(b'{"name": "\\ud800 Lovelace"}')
    assert (await door.ask(f"/{entry_id}"))["payload"] == {"name": "text of 10"}
    other = await door.refused({**BROKEN, "occurred_at": "yesterday"}, {"Idempotency-Key": "k"})
    door.clock.advance(timedelta(days=3))
    mended = await door.do(other, "fix", {"patch": {"name": "Ada Lovelace"}})
    assert (mended["ready"], [fault["field"] for fault in mended["faults"]]) == (False, ["occurred_at"])
    refused = await door.do(other, "release", status=422)
    assert [fault["field"] for fault in refused["errors"]] == ["occurred_at"]
    assert not log.records
    assert (await door.do(other, "fix", {"patch": {"occurred_at": None}}))["ready"]
    noted = (await door.ask(f"/{other}"))["actions"]
    assert [(one["action"], one["note"]) for one in noted] == [("mended", "name"), ("mended", "occurred_at")]
    released = [await door.do(other, "release") for _ in range(2)]
    assert [one["status"] for one in released] == ["released", "released"]
    (event,) = log.events()
    assert released[0]["event_id"] == released[1]["event_id"] == str(event.event_id)
    expected = lead({**BROKEN, "name": "Ada Lovelace"}, key="k", sender="dev")
    assert (event.event_id, event.lead_id, event.personal) == (expected.event_id, expected.lead_id, expected.personal)
    assert (event.occurred_at, event.recorded_at, event.sender) == (NOW, NOW, "dev")
    # The sender, who mended it too, sends it under its key: still the same event.
    again = await door.client.post(
        "/v1/leads", json={**BROKEN, "name": "Ada Lovelace"}, headers={"Idempotency-Key": "k"}
    )
    assert again.json()["event_id"] == str(event.event_id)
    shown = await door.ask(f"/{other}")
    assert (shown["payload"], shown["mended"], shown["key"]) == (None, None, None)
    # Who did what stays on record; what was noted of it goes with the payload.
    assert [one["action"] for one in shown["actions"]] == ["mended", "mended", "released"]
    assert [one["note"] for one in shown["actions"]] == [None] * 3
    assert [one["id"] for one in (await door.ask())["items"]] == [entry_id]


async def test_without_a_key_of_its_own_an_entry_is_released_as_one_lead_too(door: Door, log: FakeLog) -> None:
    entry_id = await door.refused({"name": ["x"]})
    await door.do(entry_id, "fix", {"patch": {"name": "x"}})
    first = await door.do(entry_id, "release")
    with psycopg.connect(door.url) as connection:  # as if the process had ended before it was settled
        connection.execute("UPDATE capture.quarantine SET status = 'open', payload = %s", [orjson.dumps({"name": "x"})])
    second = await door.do(entry_id, "release")
    assert first["event_id"] == second["event_id"]
    assert len({event.event_id for event in log.events()}) == 1


async def test_while_the_log_is_away_a_release_leaves_the_entry_open(door: Door, log: FakeLog) -> None:
    entry_id = await door.refused(BROKEN)
    await door.do(entry_id, "fix", {"patch": {"name": "Ada"}})
    log.away = True
    await door.do(entry_id, "release", status=503)
    assert (await door.ask(f"/{entry_id}"))["status"] == "open"
    log.away = False
    assert (await door.do(entry_id, "release"))["status"] == "released"


async def test_a_contradiction_can_be_released_under_an_id_of_its_own_only(door: Door, log: FakeLog) -> None:
    await door.client.post("/v1/leads", json={"record_id": "a", "name": "Ada"})
    entry_id = await door.refused({"record_id": "a", "name": "Eve"}, status=409)
    assert (await door.do(entry_id, "release", status=409))["differs"] == ["name"]
    await door.do(entry_id, "fix", {"patch": {"record_id": "a2"}})
    await door.do(entry_id, "release")
    assert [event.personal.name for event in log.events() if event.personal] == ["Ada", "Eve"]


async def test_a_senders_rights_are_those_it_had(door: Door, log: FakeLog) -> None:
    plain = {"Authorization": f"Bearer {PLAIN_KEY}"}
    entry_id = await door.refused({**BROKEN, "historical": True}, plain)
    mended = await door.do(entry_id, "fix", {"patch": {"name": "Ada"}})
    assert [fault["field"] for fault in mended["faults"]] == ["historical"]
    await door.do(entry_id, "release", status=403)
    assert not log.records


async def test_a_dropped_entry_stays_on_record_and_is_not_to_be_released(door: Door) -> None:
    entry_id = await door.refused(BROKEN)
    assert (await door.do(entry_id, "drop", {"note": "a test"}))["status"] == "dropped"
    for command, body in (("release", None), ("fix", {"patch": {"name": "x"}}), ("drop", None)):
        assert (await door.do(entry_id, command, body, status=409))["type"] == "urn:leadflow:problem:settled"
    shown = await door.ask(f"/{entry_id}")
    assert [(one["actor"], one["action"], one["note"]) for one in shown["actions"]] == [("ada", "dropped", "a test")]
    assert (await door.ask())["items"] == []
    assert [one["id"] for one in (await door.ask(status="dropped"))["items"]] == [entry_id]


async def test_entries_are_listed_page_by_page_and_by_what_is_asked_for(door: Door) -> None:
    ids = []
    for number in range(5):
        ids.append(await door.refused(BROKEN, path="/v1/leads" if number % 2 else "/v1/interactions"))
        door.clock.advance(timedelta(seconds=1))
    seen, cursor = [], None
    while True:
        page = await door.ask(limit=2, **({"cursor": cursor} if cursor else {}))
        seen += [one["id"] for one in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == ids
    assert [one["id"] for one in (await door.ask(kind="lead"))["items"]] == ids[1::2]
    assert (await door.ask(sender="nobody"))["items"] == []
    strange = await door.client.get("/v1/quarantine", headers=OPERATOR, params={"cursor": "bm9uZSBvZiBvdXJz"})
    assert problem(strange, 422, "invalid")["field"] == "cursor"


async def test_operators_are_asked_for_the_token_and_are_told_what_is_not_there(door: Door) -> None:
    nobody = UUID(int=7)
    for method, path in (("GET", ""), ("GET", "/counts"), ("GET", f"/{nobody}"), ("POST", f"/{nobody}:release")):
        answer = await door.client.request(method, f"/v1/quarantine{path}")  # with a sender's key
        problem(answer, 401, "unauthorized")
    for command, body in (("release", None), ("drop", None), ("fix", {"patch": {}})):
        assert (await door.do(str(nobody), command, body, status=404))["fix"]
    await door.do(str(nobody), "fix", {}, status=422)
    await door.do(str(nobody), "fix", {"patch": {}, "payload": {}}, status=422)
