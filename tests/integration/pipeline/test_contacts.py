"""Contacts of leads: added, changed, removed, recognised, merged and forgotten. On real PostgreSQL."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import httpx
import pytest

from shared.contracts.lead_shape_events import LeadContactChanged
from tests.integration.pipeline.conftest import Pipeline
from tests.integration.pipeline.test_commands import do
from tests.support.tables import tables_saying
from tests.unit.pipeline.builders import a_lead, at


async def an_organisation(pipeline: Pipeline, email: str | None = "office@acme.example", **values: Any) -> str:
    lead = a_lead(email, company="Acme", **values)
    await pipeline.take(lead)
    return f"/v1/leads/{lead.lead_id}"


BOB = {"role": "adviser", "name": "Bob", "email": "bob@acme.example"}


async def test_contacts_are_added_changed_and_removed_with_a_history(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    path = await an_organisation(pipeline)
    added = await do(http, f"{path}/contacts", BOB, status=201, Idempotency_Key="k")
    assert (await do(http, f"{path}/contacts", BOB, Idempotency_Key="k"))["version"] == added["version"]
    (bob,) = added["contacts"]
    assert (added["kind"], bob["role"], bob["name"], bob["phone"]) == ("organisation", "adviser", "Bob", None)
    assert "contacts" not in added["personal"]
    told = await do(
        http, f"{path}/contacts/{bob['contact_id']}:change", {"role": "decision-maker", "phone": "+31612345678"}
    )
    assert [(one["role"], one["email"], one["phone"]) for one in told["contacts"]] == [
        ("decision-maker", "bob@acme.example", "+31612345678")
    ]
    assert (
        "decision-maker, adviser" in (await do(http, f"{path}/contacts", {**BOB, "role": "boss"}, status=422))["detail"]
    )
    removed = await do(http, f"{path}/contacts/{bob['contact_id']}:remove")
    assert removed["contacts"] == []
    await do(http, f"{path}/contacts/{bob['contact_id']}:remove", status=409)
    changes = [one for one in await pipeline.published() if isinstance(one, LeadContactChanged)]
    assert [(one.change, one.role) for one in changes] == [
        ("added", "adviser"), ("changed", "decision-maker"), ("removed", "decision-maker"),
    ]  # fmt: skip
    told_first = next(
        one for one in (await http.get(f"{path}/history")).json()["events"] if one["event"] == "LeadContactChanged"
    )
    assert (told_first["change"], told_first["name"], told_first["email"]) == ("added", "Bob", "bob@acme.example")


async def test_commands_to_contacts_are_counted_together_whoever_they_are_about(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    path = await an_organisation(pipeline)
    (bob,) = (await do(http, f"{path}/contacts", BOB, status=201))["contacts"]
    await do(http, f"{path}/contacts/{bob['contact_id']}:change", {"name": "Rob"})
    for _ in range(2):
        await do(http, f"{path}/contacts/{uuid4()}:change", {"name": "Rob"}, status=409)
    await do(http, f"{path}/contacts/{bob['contact_id']}:remove")
    counted = [line for line in (await http.get("/metrics")).text.splitlines() if "_commands_total{" in line]
    assert sorted(line.partition("{")[2] for line in counted) == [
        'command="/contacts",outcome="done"} 1.0',
        'command="/contacts:change",outcome="done"} 1.0',
        'command="/contacts:change",outcome="refused"} 2.0',
        'command="/contacts:remove",outcome="done"} 1.0',
    ]


async def test_whoever_comes_with_a_contacts_address_is_of_that_lead_until_the_contact_is_removed(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    path = await an_organisation(pipeline)
    (bob,) = (await do(http, f"{path}/contacts", BOB, status=201))["contacts"]
    await do(http, f"{path}/contacts", {"role": "secretary", "email": "info@acme.example"}, status=201)
    came = a_lead("bob@acme.example", name="Bob", occurred_at=at(5))
    shared = a_lead("info@acme.example", occurred_at=at(5))
    await pipeline.take(came, shared)
    assert str((await pipeline.lead(came.lead_id)).root_id) in path
    assert (await pipeline.lead(shared.lead_id)).root_id == shared.lead_id
    await do(http, f"/v1/leads/{came.lead_id}:unmerge")
    await do(http, f"{path}/contacts/{bob['contact_id']}:remove")
    rows = await pipeline.database.rows(
        "SELECT kind FROM pipeline.identities WHERE lead_id = :id", id=path.rpartition("/")[2]
    )
    assert [row.kind for row in rows] == ["email"]


async def test_contacts_stay_with_the_lead_they_were_said_of_through_a_merge_and_its_end(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    one = await an_organisation(pipeline)
    other = await an_organisation(pipeline, "second@acme.example", occurred_at=at(1))
    await do(http, f"{one}/contacts", BOB, status=201)
    (eve,) = (await do(http, f"{other}/contacts", {"role": "secretary", "name": "Eve"}, status=201))["contacts"]
    merged = await do(http, f"{one}:merge", {"other_lead_id": other.rpartition("/")[2]})
    root = f"/v1/leads/{merged['lead_id']}"
    assert {contact["name"] for contact in merged["contacts"]} == {"Bob", "Eve"}
    changed = await do(http, f"{root}/contacts/{eve['contact_id']}:change", {"name": "Eva"})
    assert {contact["name"] for contact in changed["contacts"]} == {"Bob", "Eva"}
    await do(http, f"/v1/leads/{merged['merged_lead_ids'][0]}:unmerge")
    names = {path: [one["name"] for one in (await http.get(path)).json()["contacts"]] for path in (one, other)}
    assert names == {one: ["Bob"], other: ["Eva"]}


async def test_somebody_who_is_a_lead_of_their_own_is_forgotten_as_a_contact_too_and_the_other_lead_stays(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    own = a_lead("bob@acme.example", name="Bob Zoethout")
    await pipeline.take(own)
    path = await an_organisation(pipeline, occurred_at=at(1))
    told = {**BOB, "name": "Bob Zoethout"}
    await do(http, f"{path}/contacts", told, status=201)
    await do(http, f"{path}/contacts", {"role": "secretary", "name": "Eve"}, status=201)
    report = await do(http, "/v1/people:erase", {"email": "bob@acme.example", "reason": "case 7"}, Leadflow_Actor="dpo")
    assert report["erased"]["contacts"] == 1
    assert await tables_saying(pipeline.database, "pipeline", ["Zoethout", "bob@acme"]) == {}
    shown = (await http.get(path)).json()
    assert [one["name"] for one in shown["contacts"]] == ["Eve"]
    assert shown["personal"]["company"] == "Acme"
    last = [one for one in await pipeline.published() if isinstance(one, LeadContactChanged)][-1]
    assert (last.change, last.role) == ("removed", "adviser")


async def test_somebody_is_shown_where_they_are_a_contact_of_another_lead_and_nothing_of_who_else_was(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    await pipeline.take(a_lead("bob@acme.example", name="Bob Zoethout"))
    path = await an_organisation(pipeline, occurred_at=at(1))
    told = {**BOB, "name": "Bob Zoethout", "job_title": "Head"}
    (bob,) = (await do(http, f"{path}/contacts", told, status=201))["contacts"]
    await do(http, f"{path}/contacts/{bob['contact_id']}:change", {"name": "Eve Secret", "email": "eve@acme.example"})
    await do(http, f"{path}/contacts", {"role": "secretary", "name": "Ida Secret"}, status=201)
    who, by = {"email": "bob@acme.example"}, {"Leadflow-Actor": "dpo"}
    assert (await http.post("/v1/people:find", json=who)).json()["held"]["contacts"] == 1
    shown = await http.post("/v1/people:export", json=who, headers=by)
    (kept,) = shown.json()["contact_of"]
    assert kept.pop("occurred_at")
    assert kept == {**told, "contact_id": bob["contact_id"], "lead_id": path.rpartition("/")[2]}
    assert "Secret" not in shown.text
    report = await do(http, "/v1/people:erase", {**who, "reason": "case 7"}, Leadflow_Actor="dpo")
    assert report["held"]["contacts"] == 0
    assert (await http.post("/v1/people:export", json=who, headers=by)).json()["contact_of"] == []


async def test_a_contact_by_whom_the_lead_is_recognised_is_forgotten_with_it(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    path = await an_organisation(pipeline)
    await do(http, f"{path}/contacts", {**BOB, "name": "Bob Zoethout"}, status=201)
    await do(http, "/v1/people:erase", {"email": "bob@acme.example", "reason": "case 7"}, Leadflow_Actor="dpo")
    assert await tables_saying(pipeline.database, "pipeline", ["Zoethout", "bob@acme"]) == {}
    shown = (await http.get(path)).json()
    assert (shown["contacts"], shown["personal"]) == ([], {})


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("then", [":remove", ":change"])
async def test_an_address_that_somebody_was_captured_with_stays_theirs_when_the_contact_goes(
    pipeline: Pipeline, http: httpx.AsyncClient, own: bool, then: str
) -> None:
    """Whoever has it, it is found when they ask to be forgotten: `own` is a person of their own, else it is the lead itself."""
    path = await an_organisation(pipeline, "office@acme.example" if own else None, phone="+31612345671")
    (bob,) = (await do(http, f"{path}/contacts", BOB, status=201))["contacts"]
    number = {} if own else {"phone": "+31612345671"}
    came = a_lead("bob@acme.example", name="Bob Zoethout", occurred_at=at(5), **number)
    await pipeline.take(came)
    assert str((await pipeline.lead(came.lead_id)).root_id) in path
    said = {"email": "other@acme.example"} if then == ":change" else None
    await do(http, f"{path}/contacts/{bob['contact_id']}{then}", said)
    token = next(one.token for one in came.identities if one.kind == "email")
    owner = await pipeline.one("SELECT lead_id, of_contact FROM pipeline.identities WHERE token = :token", token=token)
    assert (owner.lead_id, owner.of_contact) == (came.lead_id, False)
    report = await do(http, "/v1/people:erase", {"email": "bob@acme.example", "reason": "case 7"}, Leadflow_Actor="dpo")
    assert str(came.lead_id) in report["lead_ids"]
    assert await tables_saying(pipeline.database, "pipeline", ["Zoethout", "bob@acme"]) == {}


async def test_an_address_of_two_contacts_of_a_lead_is_let_go_of_with_the_last(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    path = await an_organisation(pipeline)
    for role in ("adviser", "secretary"):
        told = await do(http, f"{path}/contacts", {**BOB, "role": role}, status=201)
    left = []
    for one in told["contacts"]:
        await do(http, f"{path}/contacts/{one['contact_id']}:remove")
        left.append((await pipeline.one("SELECT count(*) AS n FROM pipeline.identities WHERE of_contact")).n)
    assert left == [1, 0]


async def test_a_contact_who_is_forgotten_recognises_the_lead_by_nothing_any_more(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    own = a_lead("bob@acme.example", name="Bob Zoethout")
    await pipeline.take(own)
    path = await an_organisation(pipeline, occurred_at=at(1))
    await do(http, f"{path}/contacts", {**BOB, "phone": "+31612345678"}, status=201)
    await do(http, "/v1/people:erase", {"email": "bob@acme.example", "reason": "case 7"}, Leadflow_Actor="dpo")
    assert (await pipeline.one("SELECT count(*) AS n FROM pipeline.identities WHERE of_contact")).n == 0
    later = a_lead(phone="+31612345678", occurred_at=at(9))
    await pipeline.take(later)
    assert (await pipeline.lead(later.lead_id)).root_id == later.lead_id
