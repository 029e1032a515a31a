"""What a known sender sent and could not be taken is kept, hidden, counted, mended and released; or it ends in time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import orjson
import psycopg
import pytest
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from services.capture.bookkeeping import Books
from services.capture.instruments import BookInstruments, QuarantineInstruments
from services.capture.keeping import REMEMBERED, Keeping
from services.capture.quarantine import MAX_PAYLOAD_BYTES, Quarantine
from services.capture.storage.quarantine import erase_quarantined, quarantined_of
from shared.kit.clock import FakeClock
from shared.kit.database import Database
from shared.kit.ids import new_id
from tests.faults.harness.postgres import FaultyPostgres
from tests.support.patience import eventually
from tests.unit.capture.fakes import NOW, PLAIN_KEY, READ_KEY, FakeLog, a_client, lead, problem, the_app

NO_HEADERS: Mapping[str, str] = {}
OPERATOR = {"Authorization": f"Bearer {'t' * 16}", "Leadflow-Actor": "ada"}
JSON = {"Content-Type": "application/json"}
BROKEN = {"name": ["Lovelace"], "email": "ada@example.com", "channel": "web_form"}
KEEP = timedelta(days=30)


@dataclass
class Door:
    """Capture with its database: a sender's client, an operator's commands, the log and the clock."""

    url: str
    client: httpx.AsyncClient
    log: FakeLog
    clock: FakeClock
    answers: list[str] = field(default_factory=list)

    async def refused(
        self, body: Any, headers: Mapping[str, str] = NO_HEADERS, *, status: int = 422, path: str = "/v1/leads"
    ) -> str:
        """Sends what cannot be taken; the id of its entry, once it is there."""
        answer = await self.client.post(path, content=_bytes(body), headers={**JSON, **headers})
        assert answer.status_code == status, answer.text
        entry_id: str = answer.json()["quarantine_id"]
        await self.written(entry_id)
        return entry_id

    async def written(self, *entry_ids: str) -> None:
        """Waits until entries are in the database."""

        async def there() -> bool:
            found = [await self.client.get(f"/v1/quarantine/{one}", headers=OPERATOR) for one in entry_ids]
            return all(answer.status_code == 200 for answer in found)

        await eventually(there)

    async def ask(self, path: str = "", **params: Any) -> Any:
        """An operator's question; what it is about is there."""
        answer = await self.client.get(f"/v1/quarantine{path}", headers=OPERATOR, params=params)
        assert answer.status_code == 200, answer.text
        self.answers.append(answer.text)
        return answer.json()

    async def do(self, entry_id: str, command: str, body: Any = None, status: int = 200) -> Any:
        """An operator's command."""
        answer = await self.client.post(f"/v1/quarantine/{entry_id}:{command}", headers=OPERATOR, json=body)
        assert answer.status_code == status, answer.text
        self.answers.append(answer.text)
        return answer.json()

    def rows(self, sql: str, *parameters: Any) -> list[Any]:
        """What the database says."""
        with psycopg.connect(self.url) as connection:
            return connection.execute(sql, parameters).fetchall()


def _bytes(body: Any) -> bytes:
    return body if isinstance(body, bytes) else orjson.dumps(body)


@pytest.fixture
async def door(migrated_database: Callable[..., str], log: FakeLog) -> AsyncIterator[Door]:
    url, clock = migrated_database("capture"), FakeClock(NOW)
    app = the_app(log, clock, database_url=SecretStr(url))
    async with app.router.lifespan_context(app), a_client(app) as client:
        yield Door(url, client, log, clock)


@pytest.fixture
def log() -> FakeLog:
    return FakeLog()


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
    assert [one["key"] for one in shown] == ["b:1", "b:2", "b:3", "b:4"]


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
    assert [(one["action"], one["note"]) for one in shown["actions"]] == [
        ("mended", "name"), ("mended", "occurred_at"), ("released", None),
    ]  # fmt: skip
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


# ---- how it ends


async def test_what_was_kept_long_enough_is_emptied_and_later_forgotten(door: Door) -> None:
    old = await door.refused(BROKEN)
    dropped = await door.refused({**BROKEN, "name": [1]})
    await door.do(dropped, "drop")
    door.clock.advance(timedelta(days=20))
    young = await door.refused(BROKEN)
    keeping, registry = a_keeping(door)
    await keeping.once()
    assert registry.get_sample_value("leadflow_capture_quarantine_open_entries", {"reason": "invalid"}) == 2
    door.clock.advance(timedelta(days=11))
    await keeping.once()
    shown = {one: await door.ask(f"/{one}") for one in (old, dropped, young)}
    assert {one: entry["status"] for one, entry in shown.items()} == {old: "expired", dropped: "dropped", young: "open"}
    assert [shown[one]["payload"] for one in (old, dropped)] == [None, None]
    assert shown[young]["payload"] is not None
    assert door.rows("SELECT count(*) FROM capture.quarantine WHERE identities <> '{}'") == [(1,)]
    assert registry.get_sample_value("leadflow_capture_quarantine_open_entries", {"reason": "invalid"}) == 1
    door.clock.advance(REMEMBERED)
    await keeping.once()
    assert [entry["status"] for entry in (await door.ask(status="expired"))["items"]] == ["expired"]
    assert (await door.client.get(f"/v1/quarantine/{old}", headers=OPERATOR)).status_code == 404
    assert door.rows("SELECT count(*) FROM capture.quarantine_actions") == [(0,)]


async def test_whoever_is_erased_is_emptied_wherever_an_entry_stands_and_nobody_else(door: Door) -> None:
    ada = await door.refused(BROKEN, {"Idempotency-Key": "k"})
    dropped = await door.refused({"name": [2], "phone": "+31201234567", "email": "ada@example.com"})
    await door.do(dropped, "drop")
    mended = await door.refused({"name": [3]})
    await door.do(mended, "fix", {"patch": {"email": "Ada@Example.com"}})
    bob = await door.refused({**BROKEN, "email": "bob@example.com"})
    tokens = [one.token for one in lead({"email": "ada@example.com"}).identities]
    database = Database(door.url, schema="capture", outbox=False)
    assert {str(row.id) for row in await quarantined_of(database, tokens)} == {ada, dropped, mended}
    assert await database.run(lambda tx: erase_quarantined(tx, tokens)) == 3
    assert await quarantined_of(database, tokens) == []
    await database.close()
    statuses = {one: (await door.ask(f"/{one}"))["status"] for one in (ada, dropped, mended, bob)}
    assert statuses == {ada: "erased", dropped: "dropped", mended: "erased", bob: "open"}
    assert door.rows("SELECT count(*) FROM capture.quarantine WHERE payload IS NOT NULL") == [(1,)]
    # Who was erased and returns is somebody new.
    assert await door.refused(BROKEN, {"Idempotency-Key": "k"}) == ada

    async def begun_anew() -> bool:
        return bool((await door.ask(f"/{ada}"))["status"] == "open")

    await eventually(begun_anew)


async def test_a_full_quarantine_keeps_nothing_more_and_says_so(
    migrated_database: Callable[..., str], log: FakeLog
) -> None:
    url = migrated_database("capture")
    app = the_app(log, database_url=SecretStr(url), quarantine_bytes=250)
    async with app.router.lifespan_context(app), a_client(app) as client:
        answers = [await client.post("/v1/leads", json=BROKEN) for _ in range(5)]
        assert [answer.status_code for answer in answers] == [422] * 5
        assert ["quarantine_id" in answer.json() for answer in answers] == [True, True, True, False, False]
        text = (await client.get("/metrics")).text
    assert 'leadflow_capture_quarantine_not_kept_total{reason="invalid"} 2.0' in text


async def test_while_the_database_is_away_entries_wait_in_memory(postgres: FaultyPostgres, log: FakeLog) -> None:
    app = the_app(log, database_url=SecretStr(postgres.url))
    async with app.router.lifespan_context(app), a_client(app) as client:
        postgres.kill()
        answers = [await client.post("/v1/leads", json=BROKEN) for _ in range(50)]
        ids = {answer.json()["quarantine_id"] for answer in answers}
        assert len(ids) == 50
        assert (await client.get("/v1/quarantine", headers=OPERATOR)).status_code == 503
        assert (await client.post("/v1/leads", json={"name": "Ada"})).status_code == 202
        postgres.start()

        async def written() -> bool:
            answer = await client.get("/v1/quarantine", headers=OPERATOR)
            return answer.status_code == 200 and {one["id"] for one in answer.json()["items"]} == ids

        await eventually(written, within_seconds=30)


def a_keeping(door: Door) -> tuple[Keeping, CollectorRegistry]:
    """The keeping of another process, under the clock of the door."""
    registry = CollectorRegistry()
    database = Database(door.url, schema="capture", clock=door.clock, outbox=False)
    books = Books(None, BookInstruments(registry))
    instruments = QuarantineInstruments(registry)
    quarantine = Quarantine(books, instruments, new_id, max_bytes=10**9)
    return Keeping(database, quarantine, instruments, KEEP), registry
