"""A delivery that its adapter cannot read is kept whole, and becomes leads once it is mended or the adapter has learned."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from pydantic import SecretStr

from services.capture.app import create_app
from tests.faults.harness.postgres import FaultyPostgres
from tests.integration.capture.quarantine_door import OPERATOR, Door
from tests.support.clock import FakeClock
from tests.support.patience import eventually
from tests.unit.capture.channels import signing
from tests.unit.capture.channels.test_meta import NOTICE
from tests.unit.capture.fakes import NOW, PLAIN_KEY, FakeLog, a_client, problem, the_settings

SECRET = "the-secret-of-every-sender"
KEY = {"X-API-Key": PLAIN_KEY}
SIGNED: dict[str, signing.Sign] = {
    "meta_lead_ads": signing.meta,
    "linkedin": signing.linkedin,
    "typeform": signing.typeform,
    "calendly": signing.calendly,
    "standard_webhooks": signing.standard_webhooks,
}
STOP_ON_ERRORS = ("meta_lead_ads", "linkedin", "typeform", "calendly")
BROKEN = [b'{"email": "ada@example.com", "na', b"[1, 2]", b'"Ada Lovelace"', b"\xff\xfe", b"[" * 2_000]


def channels_app(url: str, log: FakeLog, folder: Path, clock: FakeClock, **settings: Any) -> Any:
    endpoints: dict[str, dict[str, Any]] = {
        name: {"adapter": name, "channel": "social", "secret": "SENDER"} for name in (*SIGNED, "google_ads")
    }
    endpoints["meta_lead_ads"]["verify_token"] = "SENDER"
    endpoints |= {
        name: {"adapter": name, "channel": "partner"} for name in ("json", "call", "chat", "check_in", "email")
    }
    endpoints["form"] = {"adapter": "form", "channel": "web_form", "allowed_origins": ["*"]}
    policy = folder / "policy.yaml"
    policy.write_text(yaml.safe_dump({"version": "t", "defaults": {"country": "NL", "endpoints": endpoints}}))
    given = the_settings(database_url=SecretStr(url), channel_secrets=f"SENDER={SECRET}", **settings)
    return create_app(given.model_copy(update={"policy_file": policy}), log=log, clock=clock)


@pytest.fixture
async def door(migrated_database: Callable[..., str], log: FakeLog, tmp_path: Path) -> AsyncIterator[Door]:
    url, clock = migrated_database("capture"), FakeClock(NOW)
    app = channels_app(url, log, tmp_path, clock)
    async with app.router.lifespan_context(app), a_client(app, key=None) as client:
        yield Door(url, client, log, clock)


async def deliver(client: httpx.AsyncClient, name: str, body: bytes, headers: Mapping[str, str]) -> httpx.Response:
    """One delivery, JSON unless its headers say otherwise."""
    return await client.post(
        f"/v1/channels/default/{name}", content=body, headers={"Content-Type": "application/json", **headers}
    )


@pytest.mark.parametrize("name", SIGNED)
async def test_what_a_sender_signed_and_cannot_be_read_is_kept_whole_once_however_often_it_comes(
    door: Door, name: str
) -> None:
    for body in BROKEN * 2:
        answer = await deliver(door.client, name, body, SIGNED[name](body, SECRET))
        if name in STOP_ON_ERRORS:
            assert (answer.status_code, answer.json()["accepted"]) == (200, 0), answer.text
            (item,) = answer.json()["items"]
            found = item["problem"]
        else:
            found = answer.json()
        assert found["status"] == 422
        await door.written(found["quarantine_id"])
        assert (await deliver(door.client, name, body + b" ", SIGNED[name](body, SECRET))).status_code == 401

    async def counted() -> list[Any]:
        found: list[Any] = (await door.ask())["items"]
        assert {one["times"] for one in found} == {2}
        return found

    kept = await eventually(counted)
    assert {(one["sender"], one["kind"], one["channel"]) for one in kept} == {(name, "delivery", "social")}
    assert sorted(one["reason"] for one in kept) == ["invalid"] * 2 + ["unreadable"] * 3
    for one in kept:
        shown = await door.ask(f"/{one['id']}")
        assert "Ada" not in json.dumps(shown)
        assert (await door.ask(f"/{one['id']}", reveal=True))["payload"] is not None
    assert not door.log.records

    async def on_the_books() -> bool:
        sql = "SELECT sum(items) FROM capture.door_counts WHERE sender = %s AND outcome = %s"
        return all(door.rows(sql, name, outcome) == [(len(BROKEN) * 2,)] for outcome in ("quarantined", "rejected"))

    await eventually(on_the_books)


@pytest.mark.parametrize(
    ("name", "body", "content_type"),
    [
        ("json", b'{"name": "Ada"', "application/json"),
        ("json", b"7", "application/json"),
        ("call", b"{", "application/json"),
        ("chat", b"[]", "application/json"),
        ("check_in", b"name\n\xff", "text/csv"),
        ("email", b"\n\nno headers", "message/rfc822"),
        ("json", b"name=Ada", "application/x-www-form-urlencoded"),
    ],
)
async def test_what_comes_with_a_key_is_kept_too(door: Door, name: str, body: bytes, content_type: str) -> None:
    answer = await deliver(door.client, name, body, {**KEY, "Content-Type": content_type})
    assert answer.status_code == (415 if b"name=" in body else 422), answer.text
    await door.written(answer.json()["quarantine_id"])
    assert (await deliver(door.client, name, body, {"Content-Type": content_type})).status_code == 401


async def test_a_strangers_form_that_cannot_be_read_is_not_kept(door: Door) -> None:
    answer = await deliver(door.client, "form", b"{", {"Origin": "https://a.example"})
    assert "quarantine_id" not in problem(answer, 400, "not-json")


async def test_the_key_that_proves_google_is_not_kept(door: Door) -> None:
    body = json.dumps({"google_key": SECRET, "lead_id": "1", "user_column_data": "Ada"}).encode()
    answer = await deliver(door.client, "google_ads", body, {})
    entry_id = problem(answer, 422, "invalid-fields")["quarantine_id"]
    await door.written(entry_id)
    assert (await door.ask(f"/{entry_id}", reveal=True))["payload"] == {"lead_id": "1", "user_column_data": "Ada"}
    assert door.rows("SELECT count(*) FROM capture.quarantine WHERE payload LIKE %s", f"%{SECRET}%".encode()) == [(0,)]


@pytest.mark.parametrize("broken", ['"x": NaN', '"x": 1e999', '"x": "\\ud800"', '"x": 7', '"x": [}'])
async def test_a_key_that_cannot_be_taken_out_is_not_kept_either(door: Door, broken: str) -> None:
    body = f'{{"google_key": "{SECRET}", {broken}}}'.encode()
    answer = await deliver(door.client, "google_ads", body, {})
    if "quarantine_id" in answer.json():
        await door.written(answer.json()["quarantine_id"])
    else:
        assert answer.status_code == 401
    assert door.rows("SELECT count(*) FROM capture.quarantine WHERE payload LIKE %s", f"%{SECRET}%".encode()) == [(0,)]


async def test_what_a_relay_brings_is_kept_without_googles_key_also_where_it_breaks(door: Door) -> None:
    answer = await deliver(door.client, "google_ads", f'{{"google_key": "{SECRET}", "lead_id": "1'.encode(), KEY)
    entry_id = problem(answer, 422, "not-json")["quarantine_id"]
    await door.written(entry_id)
    assert (await door.ask(f"/{entry_id}", reveal=True))["payload"] == '{ "lead_id": "1'


async def test_a_delivery_that_is_mended_is_released_with_its_senders_own_id_and_time(door: Door) -> None:
    body = json.dumps([{"type": "lead"}]).encode()
    answer = await deliver(door.client, "standard_webhooks", body, signing.standard_webhooks(body, SECRET))
    entry_id = answer.json()["quarantine_id"]
    await door.written(entry_id)
    refused = await door.client.post(f"/v1/quarantine/{entry_id}:release", headers=OPERATOR)
    problem(refused, 422, "invalid-fields")
    still = await door.do(entry_id, "fix", {"payload": {"type": "lead", "data": {"name": ["Ada"]}}})
    assert (still["ready"], [one["field"] for one in still["faults"]]) == (False, ["name"])
    whole = {"type": "lead", "data": {"email": "ada@example.com"}}
    assert (await door.do(entry_id, "fix", {"payload": whole}))["ready"]
    released = await door.do(entry_id, "release")
    (event,) = door.log.events()
    assert [one["event_id"] for one in released["events"]] == [str(event.event_id)] == [released["event_id"]]
    assert (event.sender, event.channel, event.occurred_at) == ("standard_webhooks", "social", NOW)
    again = await door.do(entry_id, "release")
    assert again["event_id"] == str(event.event_id)
    assert len(door.log.records) == 1
    right = json.dumps(whole).encode()
    await deliver(door.client, "standard_webhooks", right, signing.standard_webhooks(right, SECRET))
    assert {one.event_id for one in door.log.events()} == {event.event_id}, "the sender's own id names the same record"


async def test_a_sibling_that_is_no_record_keeps_nobody_from_being_taken_in_the_end(door: Door) -> None:
    whole = {"object": "page", "entry": [*NOTICE["entry"], None]}
    body = json.dumps(whole).encode()
    answer = await deliver(door.client, "meta_lead_ads", body, signing.meta(body, SECRET))
    assert (answer.status_code, answer.json()["accepted"]) == (200, 0)
    (item,) = answer.json()["items"]
    assert [one["field"] for one in item["problem"]["errors"]] == ["entry[1]"]
    entry_id = item["problem"]["quarantine_id"]
    await door.written(entry_id)
    assert (await door.ask(f"/{entry_id}", reveal=True))["payload"] == whole
    await door.do(entry_id, "fix", {"payload": NOTICE})
    await door.do(entry_id, "release")
    (event,) = door.log.events()
    assert "details_pending" in event.flags


async def test_notices_that_name_no_response_are_kept_each_for_itself(door: Door) -> None:
    for response in (None, {"id": 7}):
        body = json.dumps({"type": "LEAD_ACTION", "leadGenFormResponse": response, "leadAction": "CREATED"}).encode()
        answer = await deliver(door.client, "linkedin", body, signing.linkedin(body, SECRET))
        await door.written(answer.json()["items"][0]["problem"]["quarantine_id"])
    assert [one["times"] for one in (await door.ask())["items"]] == [1, 1]
    assert not door.log.records


async def test_a_table_is_mended_as_text_and_taken_whole_or_not_at_all(door: Door) -> None:
    answer = await deliver(door.client, "check_in", b'name,email\n"Ada', {**KEY, "Content-Type": "text/csv"})
    entry_id = answer.json()["quarantine_id"]
    await door.written(entry_id)
    rows = "name,email\nAda,ada@example.com\nBo,nobody\n"
    assert "lead_id" in [one["field"] for one in (await door.do(entry_id, "fix", {"payload": rows}))["faults"]]
    await door.do(entry_id, "release", status=422)
    assert not door.log.records
    rows = rows.replace("nobody", "bo@example.com")
    await door.do(entry_id, "fix", {"payload": rows})
    released = await door.do(entry_id, "release")
    assert len(released["events"]) == len(door.log.records)
    assert {one.personal.name for one in door.log.events() if one.personal and one.personal.name} == {"Ada", "Bo"}


async def test_of_a_delivery_with_one_bad_record_nothing_is_released_until_it_is_mended(door: Door) -> None:
    answer = await deliver(door.client, "json", b"[{]", KEY)
    entry_id = answer.json()["quarantine_id"]
    await door.written(entry_id)
    two = [{"email": "ada@example.com"}, {"name": ["Lovelace"]}]
    assert [one["field"] for one in (await door.do(entry_id, "fix", {"payload": two}))["faults"]] == ["name"]
    await door.do(entry_id, "release", status=422)
    assert not door.log.records
    two[1] = {"name": "Lovelace", "email": "ada@example.com"}
    await door.do(entry_id, "fix", {"payload": two})
    assert len((await door.do(entry_id, "release"))["events"]) == len(door.log.records) == 2


async def test_release_waits_for_the_log_and_takes_up_where_it_stopped(door: Door) -> None:
    answer = await deliver(door.client, "json", b"[", KEY)
    entry_id = answer.json()["quarantine_id"]
    await door.written(entry_id)
    await door.do(entry_id, "fix", {"payload": [{"name": "Ada"}, {"name": "Bo"}]})
    door.log.fails_after = 1
    await door.do(entry_id, "release", status=503)
    assert (await door.ask(f"/{entry_id}"))["status"] == "open"
    door.log.fails_after = None
    events = (await door.do(entry_id, "release"))["events"]
    assert {str(one.event_id) for one in door.log.events()} == {one["event_id"] for one in events}
    assert len(events) == 2


async def test_a_delivery_with_nothing_to_take_is_to_be_dropped(door: Door) -> None:
    body = b'"none"'
    answer = await deliver(door.client, "meta_lead_ads", body, signing.meta(body, SECRET))
    entry_id = answer.json()["items"][0]["problem"]["quarantine_id"]
    await door.written(entry_id)
    await door.do(entry_id, "fix", {"payload": {"object": "page", "entry": []}})
    assert "Drop" in (await door.do(entry_id, "release", status=409))["fix"]
    assert (await door.do(entry_id, "drop"))["status"] == "dropped"


async def test_a_sender_that_stops_at_errors_hears_of_one_where_nothing_was_kept(
    postgres: FaultyPostgres, log: FakeLog, tmp_path: Path
) -> None:
    body = b"{"
    app = channels_app(postgres.url, log, tmp_path, FakeClock(NOW))
    async with app.router.lifespan_context(app), a_client(app, key=None) as client:
        assert (await deliver(client, "meta_lead_ads", body, signing.meta(body, SECRET))).status_code == 200
        postgres.stop()
        answer = await deliver(client, "meta_lead_ads", b"{{", signing.meta(b"{{", SECRET))
        problem(answer, 422, "not-json")
        whole = json.dumps(NOTICE).encode()
        assert (await deliver(client, "meta_lead_ads", whole, signing.meta(whole, SECRET))).status_code == 200
        postgres.start()
    full = channels_app(postgres.url, log, tmp_path, FakeClock(NOW), quarantine_bytes=0)
    async with full.router.lifespan_context(full), a_client(full, key=None) as client:
        answer = await deliver(client, "meta_lead_ads", body, signing.meta(body, SECRET))
        assert "quarantine_id" not in problem(answer, 422, "not-json")
