"""The registry over HTTP: what speaks, and how somebody changes that."""

from __future__ import annotations

from functools import partial

import httpx

from services.scoring import storage
from services.scoring.domain.model import EVERY_UNIT, OPPORTUNITY
from services.scoring.domain.model.decisions import is_held
from tests.integration.scoring.conftest import Scoring
from tests.integration.scoring.test_api import client
from tests.integration.scoring.test_registry import activate, do, keep, speaks_for

__all__ = ["client"]


async def test_models_are_listed_with_what_the_last_trainings_came_to(
    scoring: Scoring, client: httpx.AsyncClient
) -> None:
    assert (await client.get("/v1/models")).json() == {"models": [], "trainings": []}
    await keep(scoring, "one", "two")
    await activate(scoring, "two")
    listed = (await client.get("/v1/models")).json()["models"]
    assert [(one["version"], one["status"]) for one in listed] == [("two", "active"), ("one", "challenger")]
    assert "artefact" not in listed[0]


async def test_one_is_activated_by_somebody_for_a_reason(scoring: Scoring, client: httpx.AsyncClient) -> None:
    await keep(scoring, "one")
    decision = {"by": "ada", "reason": "trust it"}
    shown = (await client.post("/v1/models/one/activate", json=decision)).json()
    assert (shown["status"], shown["usable"], shown["why_not"]) == ("active", True, None)
    [kept] = shown["decisions"]
    assert (kept["by"], kept["reason"], kept["version"], kept["replaced"]) == ("ada", "trust it", "one", None)
    assert (await client.post("/v1/models/one/activate", json=decision)).json()["decisions"] == [kept]
    assert await speaks_for(scoring, "europe") == "one"


async def test_a_rollback_goes_back_step_by_step_to_rules_alone(scoring: Scoring, client: httpx.AsyncClient) -> None:
    await keep(scoring, "one", "two", "three")
    for version in ("one", "two", "three"):
        await client.post(f"/v1/models/{version}/activate", json={})
    told = [(await client.post("/v1/models/rollback", json={"by": "ada"})).json() for _ in range(3)]
    assert [(one["version"], one["replaced"], one["kind"]) for one in told] == [
        ("two", "three", "rolled_back"),
        ("one", "two", "rolled_back"),
        (None, "one", "rolled_back"),
    ]
    assert await speaks_for(scoring, "europe") is None
    refused = await client.post("/v1/models/rollback", json={})
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:leadflow:problem:no-active-model")


async def test_going_back_and_forth_is_taken_back_step_by_step_and_never_in_a_circle(
    scoring: Scoring, client: httpx.AsyncClient
) -> None:
    await keep(scoring, "one", "two")
    for version in ("one", "two", "one"):
        await client.post(f"/v1/models/{version}/activate", json={})
    told = [(await client.post("/v1/models/rollback", json={})).json()["version"] for _ in range(3)]
    assert told == ["two", "one", None]


async def test_who_agrees_with_what_speaks_after_a_rollback_lets_trainings_decide_again(
    scoring: Scoring, client: httpx.AsyncClient
) -> None:
    await keep(scoring, "one", "two")
    for path in ("one/activate", "two/activate", "rollback"):
        await client.post(f"/v1/models/{path}", json={})
    decided = partial(storage.decisions, outcome=OPPORTUNITY, business_unit=EVERY_UNIT)
    assert is_held(await do(scoring, decided))
    await client.post("/v1/models/one/activate", json={})
    assert not is_held(await do(scoring, decided))
    assert await speaks_for(scoring, "europe") == "one"


async def test_a_unit_is_silenced_and_has_the_model_of_all_again(scoring: Scoring, client: httpx.AsyncClient) -> None:
    await keep(scoring, "whole")
    await keep(scoring, "own", business_unit="europe")
    for version in ("whole", "own"):
        await client.post(f"/v1/models/{version}/activate", json={})
    told = (await client.post("/v1/models/silence", json={"business_unit": "europe"})).json()
    assert (told["version"], told["replaced"]) == (None, "own")
    assert await speaks_for(scoring, "europe") == "whole"
    assert (await client.post("/v1/models/silence", json={"business_unit": "europe"})).status_code == 409


async def test_a_model_that_was_tampered_with_or_is_of_another_version_is_refused_with_its_reason(
    scoring: Scoring, client: httpx.AsyncClient
) -> None:
    await keep(scoring, "one", "two")
    await activate(scoring, "one")
    await activate(scoring, "two")
    await scoring.database.run(
        lambda tx: tx.execute("UPDATE scoring.models SET artefact = artefact || ' ' WHERE version = 'one'")
    )
    shown = (await client.get("/v1/models/one")).json()
    assert (shown["usable"], shown["why_not"]) == (
        False,
        "its checksum is another: it was changed after it was written",
    )
    for path in ("one/activate", "rollback"):
        refused = await client.post(f"/v1/models/{path}", json={})
        assert (refused.status_code, refused.json()["type"]) == (409, "urn:leadflow:problem:model-unusable"), path
    assert await speaks_for(scoring, "europe") == "two"


async def test_a_model_nobody_knows_is_a_problem_that_says_where_to_look(client: httpx.AsyncClient) -> None:
    for answer in (await client.get("/v1/models/none"), await client.post("/v1/models/none/activate", json={})):
        assert (answer.status_code, answer.json()["type"]) == (404, "urn:leadflow:problem:model-not-found")
