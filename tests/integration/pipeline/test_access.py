"""Nobody sees or moves another unit's leads: every route that there is, asked by somebody who is of another unit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from services.pipeline.api.guard import is_kept_to_units, rule_of
from services.pipeline.domain.access import DEPLOYMENT
from shared.contracts.policy import Policy
from tests.integration.pipeline.access import by, let_in, send, somebody
from tests.integration.pipeline.conftest import Pipeline
from tests.integration.pipeline.test_commands import do
from tests.integration.pipeline.test_routing import ROUTING, with_sections
from tests.unit.pipeline.builders import a_lead, a_score, at

MARK = "Zoethout"
"""The name of everybody in europe: where it is seen, europe is seen."""


class Europe(NamedTuple):
    """What there is in the unit europe, by the names that ids have in paths."""

    ids: dict[str, str]
    texts: frozenset[str]

    def reads(self, text: str) -> bool:
        """Whether an answer says anything of it."""
        return any(one in text for one in self.texts)


@pytest.fixture
def rules() -> Policy:
    return with_sections(routing=ROUTING)


@pytest.fixture
async def europe(pipeline: Pipeline, app: FastAPI, http: httpx.AsyncClient) -> Europe:
    let_in(app, far=somebody("manager", "tehran"), near=somebody("manager", "europe"), all=somebody("operator"))
    one, other = (
        a_lead(f"{name}@zoethout.example", name=f"{name} {MARK}", business_unit="europe", country="NL")
        for name in ("ann", "anna")
    )
    await pipeline.take(one, other, a_score(one.lead_id, 70, business_unit="europe", occurred_at=one.occurred_at))
    path = f"/v1/leads/{one.lead_id}"
    tasks = await do(http, f"/v1/leads/{other.lead_id}/tasks", {"due_at": at(10**7).isoformat()}, status=201)
    await do(http, f"{path}/opportunities", {"opportunity_id": "europe/1", "amount": 10}, status=201)
    await do(http, f"{path}/orders", {"order_id": "europe/o", "amount": 10}, status=201)
    away = {"business_unit": "europe", "starts_at": at(0).isoformat(), "ends_at": at(10**7).isoformat()}
    absence = await do(http, "/v1/owners/dirk/absences", away, status=201)
    candidate = str(uuid4())
    await pipeline.database.run(
        lambda tx: tx.execute(
            """
            INSERT INTO pipeline.merge_candidates (candidate_id, lead_id, other_id, business_unit, confidence, bits,
                contradicted, automatic, parts, content, status, found_at)
            VALUES (:id, :one, :other, 'europe', 0.9, 3, false, false, '[]', '', 'open', now())""",
            {"id": candidate, "one": one.lead_id, "other": other.lead_id},
        )
    )
    hook = {"url": "https://crm.example/hooks", "business_unit": "europe", "description": MARK}
    followed = await do(http, "/v1/webhooks", hook, status=201)
    ids = {
        "lead_id": str(one.lead_id),
        "task_id": tasks["items"][0]["task_id"],
        "opportunity_id": "europe/1",
        "order_id": "europe/o",
        "candidate_id": candidate,
        "absence_id": absence["absence_id"],
        "endpoint_id": followed["endpoint_id"],
        "owner": "dirk",
    }
    told = {MARK, str(other.lead_id), *(value for name, value in ids.items() if name != "owner")}
    return Europe(ids, frozenset(told))


BODIES: dict[str, Any] = {
    "/v1/webhooks": {"url": "https://crm.example/hooks", "business_unit": "europe"},
    "/v1/owners/{owner}/absences": {
        "business_unit": "europe",
        "starts_at": "2026-01-01T00:00Z",
        "ends_at": "2026-02-01T00:00Z",
    },
}
"""What a route is sent whose unit stands in what it is sent."""


def operations(app: FastAPI) -> Iterator[tuple[str, str]]:
    """Every method and path of the API's document that is not about the process itself."""
    for path, methods in app.openapi()["paths"].items():
        if path.startswith("/v1/"):
            yield from ((method.upper(), path) for method in methods)


def filled(path: str, ids: dict[str, str]) -> str:
    """A path with ids in it; what has no id known here gets one that nobody has."""
    while "{" in path:
        name = path[path.index("{") + 1 : path.index("}")]
        path = path.replace(f"{{{name}}}", ids.get(name, "7"))
    return path


async def test_no_route_shows_or_moves_what_another_unit_has(
    app: FastAPI, http: httpx.AsyncClient, europe: Europe, pipeline: Pipeline
) -> None:
    unknown = {name: str(uuid4()) for name in europe.ids} | {"owner": "dirk"}
    walked = {"refused": 0, "empty": 0}
    before = await pipeline.one("SELECT count(*) AS facts FROM pipeline.history")
    for method, path in operations(app):
        answer = await send(http, method, filled(path, europe.ids), "far", BODIES.get(path))
        what = f"{method} {path}: {answer.status_code} {answer.text}"
        if "lead_id}" in path or any(f"{{{name}}}" in path for name in europe.ids if name not in ("owner", "lead_id")):
            nobody = await send(http, method, filled(path, unknown), "far", BODIES.get(path))
            assert answer.status_code in (403, 404), what
            assert (answer.status_code, answer.content) == (nobody.status_code, nobody.content), what
        if answer.is_success:
            assert method == "GET", what
            assert not europe.reads(answer.text), what
        else:
            assert answer.status_code in (403, 404, 422), what
            assert not any(one in answer.json()["detail"] for one in europe.texts), what
        walked["empty" if answer.is_success else "refused"] += 1
    assert walked["refused"] > 30
    assert walked["empty"] >= 3
    after = await pipeline.one("SELECT count(*) AS facts FROM pipeline.history")
    assert after.facts == before.facts


async def test_what_is_refused_to_others_is_shown_to_the_unit(
    app: FastAPI, http: httpx.AsyncClient, europe: Europe
) -> None:
    """Without this the walk would also hold of an API that shows nobody anything."""
    seen = set()
    for method, path in operations(app):
        if method == "GET":
            answer = await send(http, method, filled(path, europe.ids), "near")
            if answer.is_success and europe.reads(answer.text):
                seen.add(path)
    assert seen >= {
        "/v1/leads",
        "/v1/leads/{lead_id}",
        "/v1/leads/{lead_id}/history",
        "/v1/leads/{lead_id}/consents",
        "/v1/tasks",
        "/v1/tasks/{task_id}",
        "/v1/opportunities/{opportunity_id}",
        "/v1/orders/{order_id}",
        "/v1/leads/{lead_id}/customer",
        "/v1/merge-candidates",
        "/v1/owners",
        "/v1/webhooks",
        "/v1/webhooks/{endpoint_id}",
        "/v1/search",
    }


async def test_every_route_says_who_may_use_it(app: FastAPI) -> None:
    routes = [
        context.original_route
        for included in app.routes
        if hasattr(included, "effective_route_contexts")
        for context in included.effective_route_contexts()
        if context.path_format.startswith("/v1/")
    ]
    assert len(routes) > 40
    of_kit = ("/v1/dead-letters", "/v1/unreadable")
    for route in routes:
        assert isinstance(route, APIRoute)
        rule = rule_of(route.endpoint)
        if not route.path.startswith(of_kit):
            assert rule is not None, f"{route.path} needs @allowed(…): CONTRIBUTING.md says how"
        if rule is not None and rule.roles != ("operator",) and not rule.of_no_unit:
            assert is_kept_to_units(route), (
                f"{route.path} has no id that says whose it is, and does not ask for the reach"
            )


async def test_a_route_that_says_nothing_is_for_operators_of_all_units(app: FastAPI, http: httpx.AsyncClient) -> None:
    let_in(
        app,
        m=somebody("manager"),
        some=somebody("operator", "europe"),
        all=somebody("operator"),
        i=somebody("integrator"),
    )
    for name, status in (("m", 403), ("i", 403), ("some", 403), ("all", 200), ("nobody", 401)):
        assert (await http.get("/v1/dead-letters", headers=by(name))).status_code == status


async def test_a_unit_that_is_not_held_may_not_be_asked_for(http: httpx.AsyncClient, europe: Europe) -> None:
    for path in ("/v1/leads", "/v1/tasks", "/v1/merge-candidates", "/v1/queue", "/v1/owners"):
        answer = await http.get(path, params={"business_unit": "europe", "owner": "kim"}, headers=by("far"))
        assert (answer.status_code, answer.json()["type"]) == (403, "urn:leadflow:problem:unit-not-held"), path
    assert (await http.get("/v1/owners", headers=by("far"))).json()["business_unit"] == "tehran"


async def test_a_lead_of_another_unit_cannot_be_drawn_in_by_a_merge(
    pipeline: Pipeline, http: httpx.AsyncClient, europe: Europe
) -> None:
    mine = a_lead("mine@x.example", business_unit="tehran")
    await pipeline.take(mine)
    path = f"/v1/leads/{mine.lead_id}:merge"
    taken = await http.post(path, json={"other_lead_id": europe.ids["lead_id"]}, headers=by("far"))
    nobody = await http.post(path, json={"other_lead_id": str(uuid4())}, headers=by("far"))
    assert (taken.status_code, taken.content) == (404, nobody.content)


async def test_two_units_with_an_opportunity_of_one_name_know_of_their_own_only(
    pipeline: Pipeline, http: httpx.AsyncClient, europe: Europe
) -> None:
    mine = a_lead("mine@x.example", business_unit="tehran")
    await pipeline.take(mine, a_score(mine.lead_id, 70, business_unit="tehran", occurred_at=mine.occurred_at))
    path = "/v1/opportunities/europe/1"
    await do(http, f"/v1/leads/{mine.lead_id}/opportunities", {"opportunity_id": "europe/1"}, status=201)
    assert (await http.get(path)).status_code == 409
    assert (await http.get(path, headers=by("far"))).json()["business_unit"] == "tehran"
    assert (await http.get(f"{path}?business_unit=europe", headers=by("far"))).status_code == 404
    moved = await http.post(f"{path}:move", json={"stage": "proposal"}, headers=by("far"))
    assert (moved.status_code, moved.json()["business_unit"]) == (200, "tehran")
    assert (await http.get(path, headers=by("near"))).json()["stage"] == "discovery"


async def test_a_key_of_one_sender_does_nothing_and_shows_nothing_for_its_credentials_of_another_unit(
    pipeline: Pipeline, app: FastAPI, http: httpx.AsyncClient
) -> None:
    units = ("north", "south")
    let_in(app, **{unit: somebody("manager", unit, subject="crm", is_person=False) for unit in units})
    for unit in units:
        lead = a_lead(f"{unit}@x.example", business_unit=unit)
        await pipeline.take(lead, a_score(lead.lead_id, 70, business_unit=unit))
        opened = await http.post(
            f"/v1/leads/{lead.lead_id}/opportunities", json={"opportunity_id": "d1"}, headers=by(unit)
        )
        assert opened.status_code == 201, opened.text
    keyed = {unit: by(unit, **{"Idempotency-Key": "win-d1"}) for unit in units}
    for unit, status in (("north", 200), ("south", 409), ("north", 200)):
        answer = await http.post("/v1/opportunities/d1:change-amount", json={"amount": "7"}, headers=keyed[unit])
        assert answer.status_code == status, answer.text
        assert ("idempotency-key-reused" in answer.text, "north" in answer.text) == (status == 409, status == 200)
    job = {"doing": "assign", "said": {"owner": "kim"}, "filter": {}}
    for unit, status in (("north", 202), ("south", 409), ("north", 202)):
        answer = await http.post("/v1/bulk", json=job, headers=keyed[unit])
        assert answer.status_code == status, answer.text
        assert ("idempotency-key-reused" in answer.text, "north" in answer.text) == (status == 409, status == 202)


async def test_an_agent_works_on_what_is_theirs_their_teams_or_nobodys(
    pipeline: Pipeline, app: FastAPI, http: httpx.AsyncClient
) -> None:
    let_in(app, ann=somebody("agent", "default", subject="ann"), dirk=somebody("agent", "default", subject="dirk"))
    lead = a_lead("x@x.example")
    await pipeline.take(lead)
    path = f"/v1/leads/{lead.lead_id}"
    for owner, team, ann, dirk in (
        (None, None, 200, 200),
        ("ann", None, 200, 403),
        ("bob", None, 200, 403),
        ("carol", "north", 200, 403),
        ("dirk", None, 403, 200),
        ("boss", None, 403, 403),
    ):
        for name, status in (("ann", ann), ("dirk", dirk)):
            if owner is not None:
                await do(http, f"{path}:assign", {"owner": owner, "team": team})
            answer = await http.post(
                f"{path}:record-consent", json={"purpose": "email", "granted": True}, headers=by(name)
            )
            assert answer.status_code == status, (owner, team, name, answer.text)
            assert (await http.get(path, headers=by(name))).status_code == 200
    assert answer.json()["type"] == "urn:leadflow:problem:not-your-lead"


async def test_what_somebody_did_stands_under_their_own_name(
    pipeline: Pipeline, app: FastAPI, http: httpx.AsyncClient
) -> None:
    let_in(app, kim=somebody("agent", subject="kim"), crm=somebody("manager", subject="crm", is_person=False))
    lead = a_lead("x@x.example")
    await pipeline.take(lead)
    path = f"/v1/leads/{lead.lead_id}"
    said = {"purpose": "email", "granted": True}
    forged = await http.post(f"{path}:record-consent", json=said, headers=by("kim", **{"Leadflow-Actor": "lee"}))
    assert (forged.status_code, forged.json()["type"]) == (403, "urn:leadflow:problem:not-the-actor")
    for name, actor in (("kim", None), ("kim", "kim"), ("crm", None), ("crm", "lee")):
        headers = by(name) | ({"Leadflow-Actor": actor} if actor else {})
        assert (await http.post(f"{path}:record-consent", json=said, headers=headers)).status_code == 200
    await do(http, f"{path}:record-consent", said, Leadflow_Actor="pat")
    for read_as in ("utf-8", "latin-1"):
        written = {b"Leadflow-Actor": ("علی رضایی" if read_as == "utf-8" else "José").encode(read_as)}
        assert (await http.post(f"{path}:record-consent", json=said, headers=written)).status_code == 200
    events = (await http.get(f"{path}/history")).json()["events"][1:]
    assert [one["actor"] for one in events] == ["kim", "kim", "crm", "lee via crm", "pat", "علی رضایی", "José"]


async def test_a_key_of_one_sender_is_not_that_of_another(
    pipeline: Pipeline, app: FastAPI, http: httpx.AsyncClient
) -> None:
    let_in(app, kim=somebody("manager", subject="kim"), lee=somebody("manager", subject="lee"))
    lead = a_lead("x@x.example")
    await pipeline.take(lead)
    path = f"/v1/leads/{lead.lead_id}:assign"
    for name in ("kim", "lee", "kim"):
        said = {"owner": name}
        answer = await http.post(path, json=said, headers=by(name, **{"Idempotency-Key": "1"}))
        assert answer.status_code == 200
    events = (await http.get(f"/v1/leads/{lead.lead_id}/history")).json()["events"]
    assert [one.get("owner") for one in events] == [None, "kim", "lee"]


async def test_those_who_were_not_let_in_are_counted_without_a_word_of_them(
    app: FastAPI, http: httpx.AsyncClient, europe: Europe
) -> None:
    def count(code: str) -> float:
        return float(app.state.door.instruments.denied.labels(code)._value.get())

    lead = f"/v1/leads/{europe.ids['lead_id']}"
    for code, method, path, name in (
        ("unauthorized", "GET", lead, "nobody"),
        ("unknown-lead", "GET", lead, "far"),
        ("forbidden", "GET", "/v1/stats", "far"),
        ("unit-not-held", "GET", "/v1/leads?business_unit=europe", "far"),
    ):
        before = count(code)
        assert (await send(http, method, path, name)).status_code in (401, 403, 404)
        assert count(code) == before + 1, code
    assert DEPLOYMENT.name == "deployment"
