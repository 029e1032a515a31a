"""Keys are made, rotated and revoked while capture runs, and work and stop working when they say."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from services.capture.app import create_app
from shared.kit.clock import Clock, SystemClock
from tests.faults.harness.postgres import FaultyPostgres
from tests.support.clock import FakeClock
from tests.support.patience import eventually
from tests.unit.capture.fakes import FULL_KEY, FakeLog, a_client, problem, the_settings

TOKEN = "t" * 16
BOUND_SECONDS = 2.0
"""Within it a new key works and a revoked one does not, in every process; on a machine with nothing to spare, and many
queries' time later."""

LEAD = {"email": "ada@example.com"}


def an_app(url: str, clock: Clock | None = None, **settings: Any) -> FastAPI:
    """Capture over a log in memory and a real database."""
    return create_app(
        the_settings(database_url=SecretStr(url), **settings), log=FakeLog(), clock=clock or SystemClock()
    )


@asynccontextmanager
async def running(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """The operator's client of a running app."""
    async with app.router.lifespan_context(app), a_client(app, TOKEN) as operator:
        yield operator


async def made(operator: httpx.AsyncClient, sender: str = "shop", **given: Any) -> dict[str, Any]:
    answer = await operator.post("/v1/keys", json={"sender": sender, **given})
    assert answer.status_code == 201, answer.text
    document: dict[str, Any] = answer.json()
    return document


async def status(client: httpx.AsyncClient, key: str) -> int:
    """How a lead sent with a key is answered."""
    return (await client.post("/v1/leads", json=LEAD, headers={"Authorization": f"Bearer {key}"})).status_code


async def answers(client: httpx.AsyncClient, key: str, wanted: int) -> None:
    """Returns once a key is answered so. Raises when that is later than promised."""
    started = time.monotonic()
    await client.get("/v1/keys")
    slack = 20 * (time.monotonic() - started)

    async def check() -> bool:
        return await status(client, key) == wanted

    await eventually(check, within_seconds=BOUND_SECONDS + slack)


@pytest.fixture
def url(migrated_database: Callable[..., str]) -> str:
    return migrated_database("capture")


async def test_a_new_key_works_within_two_seconds_in_every_process_and_only_its_digest_is_kept(url: str) -> None:
    async with running(an_app(url)) as operator, running(an_app(url)) as other:
        key = await made(operator, scopes=["write", "reconcile"], rate_per_second=50)
        for process in (operator, other):
            await answers(process, key["key"], 202)
        answer = await other.post("/v1/leads", json=LEAD, headers={"Authorization": f"Bearer {key['key']}"})
        assert answer.headers["ratelimit-limit"] == "250"
        listed = {one["prefix"]: one for one in (await other.get("/v1/keys")).json()["items"]}
        assert key["key"].startswith(key["prefix"])
        assert listed[key["prefix"]]["scopes"] == ["reconcile", "write"]
        assert sum(one["origin"] == "environment" for one in listed.values()) == 3
    with psycopg.connect(url) as connection:
        rows = str(connection.execute("SELECT * FROM capture.api_keys").fetchall())
    assert key["key"] not in rows
    assert key["key"][-43:] not in rows


async def test_a_revoked_key_stops_within_two_seconds_in_every_process(url: str) -> None:
    async with running(an_app(url)) as operator, running(an_app(url)) as other:
        key = await made(operator)
        await answers(other, key["key"], 202)
        for _ in range(2):
            assert (await operator.post(f"/v1/keys/{key['prefix']}:revoke")).status_code == 200
        for process in (operator, other):
            await answers(process, key["key"], 401)
        (listed,) = (await operator.get("/v1/keys", params={"sender": "shop"})).json()["items"]
        assert listed["status"] == "revoked"
        problem(await operator.post(f"/v1/keys/{key['prefix']}:rotate"), 409, "key-ended")


async def test_two_keys_live_while_one_takes_over_and_the_old_one_ends_with_the_overlap(url: str) -> None:
    clock = FakeClock(datetime(2026, 3, 2, 9, tzinfo=UTC))
    async with running(an_app(url, clock)) as operator:
        old = await made(operator, scopes=["write", "backdate"], expires_at="2026-04-01T09:00:00Z")
        answer = await operator.post(f"/v1/keys/{old['prefix']}:rotate", json={"overlap_seconds": 3600})
        new = answer.json()
        assert (new["sender"], new["scopes"]) == ("shop", ["backdate", "write"])
        assert new["expires_at"] == "2026-04-01T09:00:00+00:00"
        for key in (old, new):
            await answers(operator, key["key"], 202)
        again = await operator.post(f"/v1/keys/{old['prefix']}:rotate")
        assert new["prefix"] in problem(again, 409, "replaced")["detail"]
        clock.advance(timedelta(minutes=59))
        assert await status(operator, old["key"]) == 202
        clock.advance(timedelta(minutes=1))
        assert await status(operator, old["key"]) == 401
        assert await status(operator, new["key"]) == 202


async def test_a_replacement_that_was_lost_can_be_revoked_and_made_again(url: str) -> None:
    async with running(an_app(url)) as operator:
        old = await made(operator)
        lost = (await operator.post(f"/v1/keys/{old['prefix']}:rotate")).json()
        await operator.post(f"/v1/keys/{lost['prefix']}:revoke")
        again = await operator.post(f"/v1/keys/{old['prefix']}:rotate")
        assert again.status_code == 201
        await answers(operator, again.json()["key"], 202)


async def test_while_the_database_is_away_the_last_known_keys_work_and_expire_by_the_clock(
    postgres: FaultyPostgres,
) -> None:
    clock = FakeClock(datetime(2026, 3, 2, 9, tzinfo=UTC))
    async with running(an_app(postgres.url, clock, keys_refresh_seconds=0.1)) as operator:
        lasting = await made(operator)
        ending = await made(operator, expires_at="2026-03-02T10:00:00Z")
        for key in (lasting, ending):
            await answers(operator, key["key"], 202)
        postgres.kill()
        clock.advance(timedelta(hours=1))
        assert [await status(operator, key["key"]) for key in (lasting, ending)] == [202, 401]
        assert await status(operator, FULL_KEY) == 202
        problem(await operator.post("/v1/keys", json={"sender": "shop"}), 503, "unavailable")
        postgres.start()

        async def can_be_made() -> bool:
            return (await operator.post("/v1/keys", json={"sender": "shop"})).status_code == 201

        await eventually(can_be_made)


async def test_after_a_start_without_the_database_known_keys_work_and_no_strange_one_is_called_wrong(
    postgres: FaultyPostgres, tmp_path: Path
) -> None:
    snapshot = tmp_path / "keys.json"
    async with running(an_app(postgres.url, keys_snapshot=snapshot)) as operator:
        key = await made(operator)
        await answers(operator, key["key"], 202)
        await eventually(lambda: snapshot.exists() and key["prefix"] in snapshot.read_text())
    assert key["key"] not in snapshot.read_text()
    postgres.stop_immediately()
    async with running(an_app(postgres.url, keys_snapshot=snapshot)) as operator:
        assert [await status(operator, known) for known in (key["key"], FULL_KEY)] == [202, 202]
        answer = await operator.post("/v1/leads", json=LEAD, headers={"Authorization": "Bearer lf_new"})
        problem(answer, 503, "unavailable")
    async with running(an_app(postgres.url)) as operator:
        assert [await status(operator, known) for known in (key["key"], FULL_KEY)] == [503, 202]
        postgres.start()

        async def is_known() -> bool:
            return await status(operator, key["key"]) == 202

        await eventually(is_known)
        assert await status(operator, "lf_new") == 401


async def test_when_a_key_was_last_used_is_noted(url: str) -> None:
    async with running(an_app(url)) as operator:
        key = await made(operator)
        await answers(operator, key["key"], 202)
    async with running(an_app(url)) as operator:
        (listed,) = (await operator.get("/v1/keys", params={"sender": "shop"})).json()["items"]
        assert listed["last_used_at"] is not None


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"sender": "a/b"}, "sender"),
        ({"sender": ""}, "sender"),
        ({"sender": "shop", "scopes": ["delete"]}, "scopes"),
        ({"sender": "shop", "scopes": []}, "scopes"),
        ({"sender": "shop", "rate_per_second": 0}, "rate_per_second"),
        ({"sender": "shop", "expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"sender": "shop", "expires_at": "2030-01-01"}, "expires_at"),
        ({"sender": "shop", "expire": "never"}, "expire"),
    ],
)
async def test_a_key_that_cannot_be_is_not_made(url: str, body: dict[str, Any], field: str) -> None:
    async with running(an_app(url)) as operator:
        answer = await operator.post("/v1/keys", json=body)
        assert answer.status_code == 422
        assert field in answer.json()["field"]


async def test_keys_are_the_operators_business_alone(url: str) -> None:
    app = an_app(url)
    async with running(app) as operator, a_client(app) as sender:
        key = await made(operator)
        for method, path in (("GET", ""), ("POST", ""), ("POST", f"/{key['prefix']}:revoke")):
            answer = await sender.request(method, f"/v1/keys{path}", json={"sender": "dev"})
            problem(answer, 401, "unauthorized")
        problem(await operator.post("/v1/keys/lf_nothing:revoke"), 404, "not-found")
