"""A webhook goes on for somebody, who did what to it is on record, and of two who change it nobody overwrites the other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from services.pipeline.callers import Callers, Provider
from services.pipeline.domain.access import Caller, Grant
from services.pipeline.storage.vouching import ENDED, LOST, UNSEEN
from services.pipeline.storage.webhooks import By
from services.pipeline.webhooks.endpoints import Asked
from services.pipeline.webhooks.vouching import note_seen
from shared.contracts.identity import event_id_from
from shared.kit.database import Transaction
from shared.kit.ids import new_id
from tests.integration.pipeline.access import by, let_in, somebody
from tests.integration.pipeline.conftest import TOKEN, Pipeline
from tests.integration.pipeline.hooked import OPERATOR, Hooked
from tests.integration.pipeline.receiving import Receiver
from tests.integration.pipeline.test_tokens import becomes
from tests.unit.pipeline.builders import a_lead

URL = "https://crm.example/hooks"
KIM = By("kim", "oidc:1a2b3c")


@pytest.fixture
async def running(app: FastAPI) -> AsyncIterator[FastAPI]:
    """The application with what looks for changed tokens."""
    async with app.state.door.callers.kept():
        yield app


async def a_token(http: httpx.AsyncClient, **said: Any) -> dict[str, Any]:
    made = await http.post("/v1/tokens", json={"subject": "crm", "role": "integrator", "is_person": False, **said})
    assert made.status_code == 201, made.text
    shown: dict[str, Any] = made.json()
    return shown


def with_token(token: dict[str, Any], **more: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token['key']}", **more}


async def test_who_made_and_who_changed_it_is_shown_and_logged(running: FastAPI, http: httpx.AsyncClient) -> None:
    token = await a_token(http)
    await becomes(http, token["key"], 200)
    with capture_logs() as said:
        made = (await http.post("/v1/webhooks", json={"url": URL}, headers=with_token(token))).json()
        path = f"/v1/webhooks/{made['endpoint_id']}"
        await http.post(f"{path}:change", json={"events": ["LeadCreated"]}, headers={"Leadflow-Actor": "lee"})
        await http.post(f"{path}:disable", headers=with_token(token, **{"Leadflow-Actor": "sam"}))
    shown = (await http.get(path)).json()
    assert (shown["created_by"], shown["changed_by"], shown["vouched_by"]) == ("crm", "sam via crm", "deployment")
    assert [(one["what"], one["actor"], one["credentials"]) for one in shown["changes"]] == [
        ("disabled", "sam via crm", token["prefix"]),
        ("changed events", "lee", "deployment"),
        ("made", "crm", token["prefix"]),
    ]
    told = [(one["event"], one["by"]) for one in said if one["event"].startswith("webhook_")]
    assert told == [
        ("webhook_made", token["prefix"]),
        ("webhook_changed", "deployment"),
        ("webhook_disabled", token["prefix"]),
    ]
    assert URL not in str(said)


@pytest.mark.parametrize(
    ("change", "whose"),
    [
        ({"url": f"{URL}/of-theirs"}, "theirs"),
        ({"personal": True}, "theirs"),
        ({"historical": True}, "theirs"),
        ({"events": ["LeadCreated"]}, "theirs"),
        ({"description": "ours", "url": URL, "personal": False}, "ours"),
        (None, "theirs"),
    ],
    ids=str,
)
async def test_whoever_says_where_or_what_it_tells_has_it_go_on_for_themselves(
    hooked: Hooked, change: dict[str, Any] | None, whose: str
) -> None:
    made = await hooked.follow(URL, By("boss", "ours"))
    theirs = Asked(By("lee", "theirs"))
    if change is None:
        await hooked.hooks.endpoints.rotate(made["endpoint_id"], timedelta(), theirs)
    else:
        await hooked.hooks.endpoints.change(made["endpoint_id"], change, theirs)
    assert (await hooked.endpoint(made))["vouched_by"] == whose


async def test_every_delivery_is_on_one_page_however_many_are_of_one_event(
    pipeline: Pipeline, hooked: Hooked, http: httpx.AsyncClient
) -> None:
    for _ in range(3):
        await hooked.follow(URL)
    await pipeline.take(*(a_lead(f"{place}@x.example") for place in range(3)))
    await hooked.give_out()
    async with hooked.database.transaction() as tx:
        await tx.execute(
            "UPDATE pipeline.webhook_deliveries SET status = 'dead', event_id = :one WHERE event = 'LeadCreated'",
            {"one": new_id()},
        )
    dead = await hooked.database.rows(
        "SELECT endpoint_id, lead_id, version FROM pipeline.webhook_deliveries WHERE status = 'dead'"
    )
    shown: list[tuple[str, str, int]] = []
    cursor: dict[str, str] = {}
    while True:
        answer = (await http.get("/v1/webhooks/deliveries", params={"limit": 2, **cursor})).json()
        shown += [(one["endpoint_id"], one["lead_id"], one["version"]) for one in answer["items"]]
        if answer["next_cursor"] is None:
            break
        cursor = {"cursor": answer["next_cursor"]}
    assert len(shown) == len(dead) == 9
    assert set(shown) == {(str(row.endpoint_id), str(row.lead_id), row.version) for row in dead}
    assert (await http.get("/v1/webhooks/deliveries", params={"cursor": "WyJhIl0="})).status_code == 422


async def test_a_senders_key_is_theirs_however_the_two_are_written(app: FastAPI, http: httpx.AsyncClient) -> None:
    let_in(app, long=somebody("integrator", "north", subject="a/b"), short=somebody("integrator", "north", subject="a"))
    asked = (
        by("long", **{"Idempotency-Key": "c"}),
        by("short", **{"Idempotency-Key": "b/c"}),
        {"Idempotency-Key": "a/b/c"},
    )
    hook = {"url": URL, "business_unit": "north"}
    made = [await http.post("/v1/webhooks", json=hook, headers=headers) for headers in asked]
    assert [answer.status_code for answer in made] == [201, 201, 201]
    assert len({answer.json()["endpoint_id"] for answer in made}) == 3
    assert len({answer.json()["secret"] for answer in made}) == 3


async def test_a_key_makes_the_same_webhook_that_it_made_when_ids_were_made_otherwise(
    app: FastAPI, pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    let_in(app, crm=somebody("integrator", "north", subject="crm"))
    headers, hook = by("crm", **{"Idempotency-Key": "k"}), {"url": URL, "business_unit": "north"}
    made = (await http.post("/v1/webhooks", json=hook, headers=headers)).json()
    before = event_id_from("pipeline-webhooks", "crm/k")

    async def as_it_was(transaction: Transaction) -> None:
        for table in ("webhook_endpoints", "webhook_changes"):
            changed = f"UPDATE pipeline.{table} SET endpoint_id = :before WHERE endpoint_id = :id"
            await transaction.execute(changed, {"before": before, "id": made["endpoint_id"]})

    await pipeline.database.run(as_it_was)
    again = await http.post("/v1/webhooks", json=hook, headers=headers)
    assert (again.status_code, again.json()["endpoint_id"]) == (200, str(before))
    await http.post(f"/v1/webhooks/{before}:remove", headers=by("crm"))
    assert (await http.post("/v1/webhooks", json=hook, headers=headers)).status_code == 409


async def test_a_secret_is_told_again_only_while_nothing_was_done_to_the_webhook(http: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "k"}
    made, again = [(await http.post("/v1/webhooks", json={"url": URL}, headers=headers)).json() for _ in range(2)]
    assert made["secret"] == again["secret"]
    newer = (await http.post(f"/v1/webhooks/{made['endpoint_id']}:rotate")).json()
    assert newer["secret"] != made["secret"]
    later = await http.post("/v1/webhooks", json={"url": URL}, headers=headers)
    assert (later.status_code, later.json()["endpoint_id"]) == (200, made["endpoint_id"])
    assert "secret" not in later.json()


async def test_of_two_who_decide_on_what_they_saw_the_second_is_told_what_is_now(http: httpx.AsyncClient) -> None:
    made = (await http.post("/v1/webhooks", json={"url": URL})).json()
    path = f"/v1/webhooks/{made['endpoint_id']}"
    seen = (await http.get(path)).headers["ETag"]
    first = await http.post(f"{path}:change", json={"personal": True}, headers={"If-Match": seen})
    assert first.status_code == 200
    for command, said in (("change", {"personal": False}), ("rotate", {}), ("enable", {}), ("remove", {})):
        stale = await http.post(f"{path}:{command}", json=said, headers={"If-Match": seen})
        assert (stale.status_code, stale.json()["type"]) == (412, "urn:leadflow:problem:stale-version")
        assert stale.json()["current"] == {"etag": first.headers["ETag"], "state": "live"}
    assert (await http.get(path)).json()["personal"] is True
    assert (await http.post(f"{path}:remove", headers={"If-Match": first.headers["ETag"]})).status_code == 200


async def test_what_a_revoked_token_made_is_paused_and_somebody_else_turns_it_on_again(
    pipeline: Pipeline, http: httpx.AsyncClient, hooked: Hooked, receiver: Receiver
) -> None:
    token = await a_token(http)
    made = await hooked.follow(receiver.url, By("crm", token["prefix"]))
    assert await hooked.hooks.vouching.look() == 0
    await http.post(f"/v1/tokens/{token['prefix']}:revoke")
    assert await hooked.hooks.vouching.look() == 1
    shown = await hooked.endpoint(made)
    assert (shown["state"], shown["disabled_reason"], shown["changed_by"]) == ("disabled", ENDED, "leadflow")
    await hooked.hooks.watching.refresh()
    assert hooked.registry.get_sample_value("leadflow_pipeline_webhook_endpoints", {"state": "given_up"}) == 1
    await pipeline.take(a_lead("ann@x.example"))
    await hooked.told()
    assert receiver.got == []
    await hooked.hooks.endpoints.enable(made["endpoint_id"], OPERATOR, catch_up=True)
    hooked.after(seconds=1)
    await hooked.told()
    assert [one.said["type"] for one in receiver.got] == ["LeadCreated"]
    assert await hooked.hooks.vouching.look() == 0
    assert (await hooked.endpoint(made))["vouched_by"] == "deployment"


async def test_what_a_token_vouched_for_its_successor_does_and_an_expiry_ends_it(
    http: httpx.AsyncClient, hooked: Hooked
) -> None:
    token = await a_token(http)
    made = await hooked.follow(URL, By("crm", token["prefix"]))
    after = (await http.post(f"/v1/tokens/{token['prefix']}:rotate", json={"overlap_seconds": 0})).json()
    assert await hooked.hooks.vouching.look() == 0
    assert (await hooked.endpoint(made))["vouched_by"] == after["prefix"]
    async with hooked.database.transaction() as tx:
        await tx.execute(
            "UPDATE pipeline.api_keys SET expires_at = :at WHERE prefix = :prefix",
            {"at": hooked.clock.now() + timedelta(days=1), "prefix": after["prefix"]},
        )
    assert await hooked.hooks.vouching.look() == 0
    hooked.after(days=1)
    assert await hooked.hooks.vouching.look() == 1
    assert (await hooked.endpoint(made))["disabled_reason"] == ENDED


async def test_what_a_token_vouched_for_the_last_of_its_successors_does(
    http: httpx.AsyncClient, hooked: Hooked
) -> None:
    token = await a_token(http)
    made = [await hooked.follow(URL, By("crm", token["prefix"])) for _ in range(2)]
    last = token
    for _ in range(3):
        last = (await http.post(f"/v1/tokens/{last['prefix']}:rotate", json={"overlap_seconds": 0})).json()
    assert await hooked.hooks.vouching.look() == 0
    assert {(await hooked.endpoint(one))["vouched_by"] for one in made} == {last["prefix"]}


class Person(Provider):
    """Lets everybody in, with the roles that their token names."""

    def __init__(self) -> None:
        pass

    async def of(self, given: str) -> Caller:
        units = frozenset(given.split(".")[1].split(",")) - {""}
        return Caller((Grant("integrator" if units else "agent", units),), "kim", True, KIM.credentials)


async def seen_with(pipeline: Pipeline, *tokens: str) -> Callers:
    """What finds out who comes, after somebody came with these."""
    callers = Callers(pipeline.database, CollectorRegistry(), api_token=TOKEN, refresh_seconds=1, provider=Person())
    for one in tokens:
        await callers.of(one)
    return callers


@pytest.mark.parametrize("tokens", [("a.default.c", "a..c"), ("a..c", "a.default.c")], ids=str)
async def test_another_token_of_the_same_person_that_says_less_takes_nothing_from_them(
    pipeline: Pipeline, hooked: Hooked, tokens: tuple[str, ...]
) -> None:
    made = await hooked.follow(URL, KIM)
    await (await seen_with(pipeline, *tokens)).note()
    assert (await hooked.endpoint(made))["state"] == "live"
    await (await seen_with(pipeline, "a..c")).note()
    assert (await hooked.endpoint(made))["disabled_reason"] == LOST


async def test_who_came_while_the_database_was_away_is_seen_when_it_is_back(
    pipeline: Pipeline, hooked: Hooked, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await hooked.follow(URL, KIM)
    hooked.after(days=89)
    callers = await seen_with(pipeline, "a.default.c")
    with monkeypatch.context() as away:
        away.setattr(pipeline.database, "run", _is_away)
        with pytest.raises(ConnectionError):
            await callers.note()
    pipeline.database.clock = hooked.clock
    await callers.note()
    hooked.after(days=2)
    assert await hooked.hooks.vouching.look() == 0
    assert (await hooked.endpoint(made))["state"] == "live"


async def _is_away(_work: Any) -> None:
    raise ConnectionError


@pytest.mark.parametrize(
    ("reached", "reason"),
    [
        ({}, UNSEEN),
        ({KIM.credentials: frozenset({"default"})}, None),
        ({KIM.credentials: None}, None),
        ({KIM.credentials: frozenset({"another"})}, LOST),
        ({KIM.credentials: frozenset()}, LOST),
        ({"oidc:somebody": None}, UNSEEN),
    ],
)
async def test_what_a_person_made_goes_on_while_they_are_seen_with_a_role_for_it(
    pipeline: Pipeline, hooked: Hooked, reached: dict[str, Any], reason: str | None
) -> None:
    made = await hooked.follow(URL, KIM)
    hooked.after(days=89)
    assert await hooked.hooks.vouching.look() == 0
    await note_seen(hooked.database, reached)
    hooked.after(days=2)
    await hooked.hooks.vouching.look()
    shown = await hooked.endpoint(made)
    assert (shown["state"], shown["disabled_reason"]) == ("live" if reason is None else "disabled", reason)


async def test_what_waited_for_an_endpoint_that_nothing_is_known_of_is_forgotten(
    pipeline: Pipeline, hooked: Hooked, receiver: Receiver
) -> None:
    made = [await hooked.follow(receiver.url) for _ in range(3)]
    await pipeline.take(*(a_lead(f"{place}@x.example") for place in range(4)))
    await hooked.give_out()
    async with hooked.database.transaction() as tx:
        await tx.execute(
            "DELETE FROM pipeline.webhook_endpoints WHERE endpoint_id = :id", {"id": made[0]["endpoint_id"]}
        )
    await hooked.hooks.endpoints.remove(UUID(str(made[1]["endpoint_id"])), OPERATOR)
    await hooked.hooks.feeding.sweep()
    rows = await hooked.database.rows("SELECT DISTINCT endpoint_id FROM pipeline.webhook_deliveries")
    assert [row.endpoint_id for row in rows] == [made[2]["endpoint_id"]]
    assert await hooked.hooks.endpoints.changes(new_id()) == []
