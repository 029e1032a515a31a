"""API tokens: made while pipeline runs, good for what they say, refused once they ended."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from services.pipeline.app import create_app
from services.pipeline.callers import Callers, Provider
from services.pipeline.domain.claims import ClaimRules, read_meanings
from services.pipeline.settings import PipelineSettings
from shared.contracts.access import Grant, Me
from shared.kit.oidc import Issuer, KeySet, KeySetInstruments
from shared.kit.settings import InvalidSettings, read_settings
from tests.integration.pipeline.access import by
from tests.integration.pipeline.conftest import TOKEN, Pipeline
from tests.support.clock import FakeClock
from tests.support.patience import eventually
from tests.support.provider import AUDIENCE, ISSUER
from tests.support.provider import Provider as IdentityProvider
from tests.unit.pipeline.builders import SECRET, a_lead

Make = Callable[..., Awaitable[dict[str, Any]]]


@pytest.fixture
async def running(app: FastAPI) -> AsyncIterator[FastAPI]:
    """The application with what looks for changed tokens."""
    async with app.state.door.callers.kept():
        yield app


@pytest.fixture
def make(running: FastAPI, http: httpx.AsyncClient) -> Make:
    async def one(subject: str, role: str, **values: Any) -> dict[str, Any]:
        answer = await http.post("/v1/tokens", json={"subject": subject, "role": role, **values})
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    return one


async def status(http: httpx.AsyncClient, token: str, path: str = "/v1/me") -> int:
    return (await http.get(path, headers=by(token))).status_code


async def becomes(http: httpx.AsyncClient, token: str, wanted: int) -> None:
    async def it_is() -> bool:
        return await status(http, token) == wanted

    await eventually(it_is)


async def test_a_token_is_good_for_its_role_in_its_units(
    pipeline: Pipeline, http: httpx.AsyncClient, make: Make
) -> None:
    here, there = a_lead("a@x.example", business_unit="europe"), a_lead("b@x.example", business_unit="tehran")
    await pipeline.take(here, there)
    made = await make("kim", "agent", business_units=["europe"])
    token = made["key"]
    await becomes(http, token, 200)
    me = (await http.get("/v1/me", headers=by(token))).json()
    assert me == {
        "subject": "kim",
        "is_person": True,
        "grants": [{"role": "agent", "business_units": ["europe"]}],
    }
    assert Me.model_validate(me).grants[0].grant == Grant("agent", frozenset({"europe"})), "as metrics reads it"
    listed = (await http.get("/v1/leads", headers=by(token))).json()["items"]
    assert [one["lead_id"] for one in listed] == [str(here.lead_id)]
    assert await status(http, token, f"/v1/leads/{there.lead_id}") == 404
    assert await status(http, token, "/v1/tokens") == 403
    shown = (await http.get("/v1/tokens")).json()["items"]
    assert [(one["prefix"], one["subject"], one["business_units"]) for one in shown] == [
        (made["prefix"], "kim", ["europe"])
    ]
    assert token not in (await http.get("/v1/tokens")).text
    (row,) = await pipeline.database.rows("SELECT CAST(k.* AS text) AS said FROM pipeline.api_keys k")
    assert token not in row.said


async def test_a_revoked_token_is_nobodys(http: httpx.AsyncClient, make: Make) -> None:
    made = await make("kim", "manager")
    await becomes(http, made["key"], 200)
    assert (await http.post(f"/v1/tokens/{made['prefix']}:revoke")).status_code == 200
    await becomes(http, made["key"], 401)
    assert (await http.post("/v1/tokens/lf_nothing:revoke")).status_code == 404


async def test_a_token_that_is_replaced_goes_on_until_the_overlap_ends(
    running: FastAPI, http: httpx.AsyncClient, make: Make
) -> None:
    old = await make("kim", "manager", business_units=["europe"], expires_at="2100-01-01T00:00:00Z")
    new = (await http.post(f"/v1/tokens/{old['prefix']}:rotate", json={"overlap_seconds": 60})).json()
    assert (new["subject"], new["role"], new["business_units"]) == ("kim", "manager", ["europe"])
    for token in (old["key"], new["key"]):
        await becomes(http, token, 200)
    running.state.database.clock = FakeClock(datetime.now(UTC) + timedelta(seconds=61))
    assert [await status(http, token) for token in (old["key"], new["key"])] == [401, 200]
    again = await http.post(f"/v1/tokens/{old['prefix']}:rotate")
    assert again.status_code == 409


async def test_a_token_that_is_asked_for_twice_is_made_once(http: httpx.AsyncClient) -> None:
    said, key = {"subject": "kim", "role": "manager"}, {"Idempotency-Key": "17"}
    made = (await http.post("/v1/tokens", json=said, headers=key)).json()
    again = await http.post("/v1/tokens", json=said, headers=key)
    assert (again.status_code, again.json()["prefix"]) == (409, made["prefix"])
    other = await http.post("/v1/tokens", json={**said, "role": "agent"}, headers=key)
    assert other.json()["type"] == "urn:leadflow:problem:idempotency-key-reused"
    assert len((await http.get("/v1/tokens")).json()["items"]) == 1


@pytest.mark.parametrize(
    "wrong", [{"role": "boss"}, {"business_units": []}, {"subject": ""}, {"expires_at": "2020-01-01T00:00:00Z"}]
)
async def test_a_token_nobody_could_use_is_not_made(http: httpx.AsyncClient, wrong: dict[str, Any]) -> None:
    said = {"subject": "kim", "role": "agent", **wrong}
    assert (await http.post("/v1/tokens", json=said)).status_code == 422


async def test_a_token_that_cannot_be_looked_up_is_not_called_wrong(tmp_path: Any, rules: Any) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(rules.model_dump_json(exclude_none=True))
    away = PipelineSettings(
        database_url="postgresql://nobody@127.0.0.1:1/none",
        api_token=TOKEN,
        identity_secret=SECRET.decode(),
        policy_file=policy,
    )
    app = create_app(away)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://pipeline") as client:
        assert await status(client, "lf_aaaaaaaa_anything") == 503
        assert await status(client, "anything") == 401
        assert await status(client, "") == 401
        assert await status(client, TOKEN) == 200
    await app.state.database.close()


async def test_whoever_the_identity_provider_vouches_for_does_what_their_groups_may(
    pipeline: Pipeline, app: FastAPI, http: httpx.AsyncClient
) -> None:
    issued = IdentityProvider()
    keys = KeySet(ISSUER, None, KeySetInstruments("tests", CollectorRegistry()), issued.transport)
    rules = ClaimRules(roles="groups", meanings=read_meanings("sales-eu=agent@europe chefs=manager@europe+tehran"))
    provider = Provider(Issuer(ISSUER, [AUDIENCE], ["RS256"], 30.0, keys), rules, SECRET)
    database = app.state.database
    callers = Callers(database, CollectorRegistry(), api_token=TOKEN, refresh_seconds=1.0, provider=provider)
    app.state.door = replace(app.state.door, callers=callers)
    lead = a_lead("a@x.example", business_unit="europe")
    await pipeline.take(lead)
    path = f"/v1/leads/{lead.lead_id}"
    kim, nobody = issued.token(sub="kim", groups=["sales-eu"]), issued.token(sub="lee", groups=["cooks"])
    taken = await http.post(f"{path}:assign", json={"owner": "kim"}, headers=by(kim))
    assert (taken.status_code, taken.json()["owner"]) == (200, "kim")
    assert (await http.get(f"{path}/history")).json()["events"][-1]["actor"] == "kim"
    assert [await status(http, token, path) for token in (kim, nobody, issued.token(exp=1), TOKEN)] == [
        200,
        403,
        401,
        200,
    ]
    assert await status(http, kim, "/v1/tokens") == 403
    issued.is_away = True
    assert await status(http, kim, path) == 200


def test_an_identity_provider_without_an_audience_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("LEADFLOW_API_TOKEN", TOKEN), ("LEADFLOW_IDENTITY_SECRET", SECRET.decode())):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PIPELINE_OIDC_ISSUER", ISSUER)
    with pytest.raises(InvalidSettings, match="PIPELINE_OIDC_AUDIENCE"):
        read_settings(PipelineSettings)
    monkeypatch.setenv("PIPELINE_OIDC_AUDIENCE", AUDIENCE)
    assert read_settings(PipelineSettings).oidc_issuer == ISSUER
    monkeypatch.setenv("PIPELINE_OIDC_ALGORITHMS", "RS256 HS256")
    with pytest.raises(InvalidSettings, match="PIPELINE_OIDC_ALGORITHMS"):
        read_settings(PipelineSettings)
