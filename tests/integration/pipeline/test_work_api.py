"""Tasks, the queue and the people who work leads, over HTTP on real PostgreSQL."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI

from services.pipeline.domain.queue import in_turn
from services.pipeline.storage import queue
from shared.contracts.policy import Policy
from tests.integration.pipeline.conftest import Pipeline
from tests.integration.pipeline.test_commands import do
from tests.integration.pipeline.test_routing import ROUTING, with_sections
from tests.integration.pipeline.test_timers import FOLLOW_UP, Work
from tests.unit.pipeline.builders import a_lead, a_score, at


@pytest.fixture
def rules() -> Policy:
    return with_sections(routing=ROUTING, follow_up=FOLLOW_UP)


@pytest.fixture
def work(pipeline: Pipeline, rules: Policy) -> Work:
    return Work(pipeline, rules)


@pytest.fixture
def app(app: FastAPI, work: Work) -> FastAPI:
    """With the time that the test moves."""
    app.state.database.clock = work.clock
    return app


async def look(http: httpx.AsyncClient, path: str, **query: Any) -> Any:
    answer = await http.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def the_tasks(http: httpx.AsyncClient, lead_id: UUID, **query: Any) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in (await look(http, "/v1/tasks", lead_id=lead_id, **query))["items"]}


async def test_a_step_is_done_and_the_next_one_is_due(work: Work, http: httpx.AsyncClient) -> None:
    (lead_id,) = await work.leads(1)
    call = (await the_tasks(http, lead_id))["call"]
    path = f"/v1/tasks/{call['task_id']}"
    key = str(uuid4())
    for _ in range(2):
        done = await do(http, f"{path}:complete", {"outcome": "voicemail", "note": "Ann is away"}, Idempotency_Key=key)
        assert (done["status"], done["outcome"]) == ("done", "voicemail")
    assert set(await the_tasks(http, lead_id)) == {"first_response", "write"}
    events = (await look(http, f"/v1/leads/{lead_id}/history"))["events"]
    assert [one["event"] for one in events[-2:]] == ["FollowUpDone", "FollowUpScheduled"]
    assert events[-2]["note"] == "Ann is away"
    again = await do(http, f"{path}:complete", status=409)
    assert (again["type"], again["state"]) == ("urn:leadflow:problem:task-closed", "done")


async def test_the_outcome_that_ends_a_cadence_ends_it(work: Work, http: httpx.AsyncClient) -> None:
    (lead_id,) = await work.leads(1)
    call = (await the_tasks(http, lead_id))["call"]
    await do(http, f"/v1/tasks/{call['task_id']}:complete", {"outcome": "reached"})
    assert set(await the_tasks(http, lead_id)) == {"first_response"}


async def test_what_was_put_off_fires_later(work: Work, http: httpx.AsyncClient) -> None:
    (lead_id,) = await work.leads(1)
    call = (await the_tasks(http, lead_id))["call"]
    snoozed = await do(http, f"/v1/tasks/{call['task_id']}:snooze", {"until": at(40).isoformat()})
    assert (snoozed["starts_at"], snoozed["due_at"]) == ("2026-03-02T09:40:00+00:00", "2026-03-02T10:10:00+00:00")
    work.after(65)
    assert await work.timers.once() == 1
    work.after(10)
    assert await work.timers.once() == 1
    missed = (await the_tasks(http, lead_id))["call"]
    assert missed["missed_at"] == "2026-03-02T10:10:00+00:00"
    again = await do(http, f"/v1/tasks/{call['task_id']}:snooze", {"until": at(100).isoformat()})
    assert again["missed_at"] is None
    assert (await do(http, f"/v1/tasks/{call['task_id']}:snooze", {"until": at(1).isoformat()}, status=422))[
        "type"
    ] == "urn:leadflow:problem:not-later"


async def test_a_promise_to_answer_is_kept_by_reaching_out_only(work: Work, http: httpx.AsyncClient) -> None:
    (lead_id,) = await work.leads(1)
    promise = f"/v1/tasks/{(await the_tasks(http, lead_id))['first_response']['task_id']}"
    assert (await do(http, f"{promise}:complete", status=409))["type"] == "urn:leadflow:problem:needs-contact"
    assert (await do(http, f"{promise}:cancel", status=409))["type"] == "urn:leadflow:problem:promised"
    assert (await do(http, f"{promise}:snooze", {"until": at(90).isoformat()}, status=409))[
        "type"
    ] == "urn:leadflow:problem:promised"
    await do(http, f"/v1/leads/{lead_id}:record-contact", {"kind": "phone"})
    assert (await look(http, promise))["status"] == "done"


async def test_a_task_of_ones_own_is_made_called_off_and_forgotten_with_the_person(
    work: Work, http: httpx.AsyncClient
) -> None:
    (lead_id,) = await work.leads(1)
    said = {"due_at": at(60 * 24).isoformat(), "channel": "meeting", "note": "bring Ann's drawings"}
    key = str(uuid4())
    answer = await do(http, f"/v1/leads/{lead_id}/tasks", said, status=201, Idempotency_Key=key)
    assert await do(http, f"/v1/leads/{lead_id}/tasks", said, Idempotency_Key=key) == answer
    task = next(one for one in answer["items"] if one["kind"] == "task")
    assert task["owner"] == (await look(http, f"/v1/leads/{lead_id}"))["owner"]
    await do(http, f"/v1/tasks/{task['task_id']}:cancel", {"note": "Ann found them"})
    assert (await the_tasks(http, lead_id, status="cancelled"))["task"]["outcome"] == "by hand"
    columns = await work.pipeline.one("SELECT string_agg(CAST(t.* AS text), '') AS said FROM pipeline.tasks t")
    facts = await work.pipeline.one("SELECT string_agg(CAST(h.data AS text), '') AS said FROM pipeline.history h")
    assert "Ann" not in columns.said + facts.said
    notes = await work.pipeline.one("SELECT count(*) AS n FROM pipeline.asides WHERE lead_id = :id", id=lead_id)
    assert notes.n == 2
    late = await do(http, f"/v1/leads/{lead_id}/tasks", {"due_at": at(-5).isoformat()}, status=422)
    assert late["type"] == "urn:leadflow:problem:not-later"
    await do(http, f"/v1/leads/{lead_id}:archive", {"reason": "no budget"})
    assert (await do(http, f"/v1/leads/{lead_id}/tasks", said, status=409))["state"] == "archived"


async def test_a_queue_is_best_first_with_why_and_ends_with_the_lead(work: Work, http: httpx.AsyncClient) -> None:
    leads = [a_lead(f"{place}@x.example", country="NL", name=f"N{place}") for place in range(4)]
    scores = [a_score(one.lead_id, 60 + place, grade="A") for place, one in enumerate(leads)]
    await work.pipeline.take(*leads, *scores)
    queue = await look(http, "/v1/queue", owner="dirk")
    assert [one["score"] for one in queue["items"]] == [63, 62, 61, 60]
    assert queue["items"][0]["why"] == [
        "call: due within the hour, due in 30 min",
        "grade A, score 63",
        "waits for 0 min",
    ]
    assert queue["items"][0]["personal"]["name"] == "N3"
    await do(http, f"/v1/leads/{leads[3].lead_id}:record-contact", {"kind": "phone"})
    work.after(31)
    await work.timers.once()
    queue = await look(http, "/v1/queue", owner="dirk", limit=3)
    assert [(one["score"], one["urgency"]) for one in queue["items"]] == [(62, "late"), (61, "late"), (60, "late")]
    assert queue["more"]
    await do(http, f"/v1/leads/{leads[2].lead_id}:archive", {"reason": "no budget"})
    assert [one["score"] for one in (await look(http, "/v1/queue", owner="dirk"))["items"]] == [61, 60, 63]
    boss = await look(http, "/v1/queue", owner="boss")
    assert [one["tasks"][0]["kind"] for one in boss["items"]] == ["escalation", "escalation"]
    assert (await look(http, "/v1/queue", owner="nobody"))["items"] == []


async def test_whoever_is_away_is_given_nothing_until_they_are_back(work: Work, http: httpx.AsyncClient) -> None:
    said = {"starts_at": at(-10).isoformat(), "ends_at": at(600).isoformat()}
    key = str(uuid4())
    away = await do(http, "/v1/owners/dirk/absences", said, status=201, Idempotency_Key=key)
    assert await do(http, "/v1/owners/dirk/absences", said, Idempotency_Key=key) == away
    for other in ({**said, "ends_at": at(700).isoformat()}, {**said, "business_unit": "europe"}):
        refused = await do(http, "/v1/owners/dirk/absences", other, status=409, Idempotency_Key=key)
        assert refused["type"] == "urn:leadflow:problem:idempotency-key-reused"
    assert (await do(http, "/v1/owners/zoe/absences", said, status=404))["type"] == "urn:leadflow:problem:unknown-owner"
    backwards = {"starts_at": said["ends_at"], "ends_at": said["starts_at"]}
    await do(http, "/v1/owners/dirk/absences", backwards, status=422)

    async def owner_of(place: int) -> str:
        lead = a_lead(f"{place}@x.example", country="NL")
        await work.pipeline.take(lead, a_score(lead.lead_id, 70))
        return str((await look(http, f"/v1/leads/{lead.lead_id}"))["owner"])

    assert await owner_of(1) == "ann"
    owners = {one["owner"]: one for one in (await look(http, "/v1/owners"))["items"]}
    assert (owners["dirk"]["presence"], owners["ann"]["presence"], owners["ann"]["leads"]) == ("absent", "at work", 1)
    assert owners["ann"]["teams"] == ["north"]
    await do(http, f"/v1/absences/{away['absence_id']}:end")
    assert await owner_of(2) == "dirk"


async def test_tasks_are_listed_page_by_page(work: Work, http: httpx.AsyncClient) -> None:
    await work.leads(5)
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = await look(http, "/v1/tasks", limit=3, **cursor)
        seen += [one["task_id"] for one in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert len(seen) == len(set(seen)) == 10
    assert (await http.get("/v1/tasks", params={"cursor": "x"})).status_code == 422
    assert (await http.get(f"/v1/tasks/{uuid4()}")).status_code == 404


async def test_the_database_puts_a_queue_in_the_order_of_the_domain(work: Work) -> None:
    leads = [a_lead(f"{place}@x.example", country="NL") for place in range(12)]
    scores = [
        a_score(one.lead_id, 60 + place % 3, grade="A", probability=(0.1, 0.5, None)[place % 3 - place % 2])
        for place, one in enumerate(leads)
    ]
    await work.pipeline.take(*leads, *scores)
    database = work.pipeline.database
    work.pipeline.rows_are_told = False
    tasks = await database.rows("SELECT task_id FROM pipeline.tasks ORDER BY task_id")
    for place, row in enumerate(tasks):
        start, due = at(place * 7 % 80 - 30), at(place * 13 % 300 - 40)
        async with database.transaction() as tx:
            await tx.execute(
                "UPDATE pipeline.tasks SET starts_at = :start, due_at = :due, fires_at = :due WHERE task_id = :id",
                {"start": min(start, due), "due": due, "id": row.task_id},
            )
    for now in (at(0), at(30), at(200)):
        found = await queue.candidates(database, "dirk", None, now, 100)
        assert len(found) == 12
        assert [one.candidate for one in in_turn(found, now)] == found
        _, due_tasks = await queue.details(database, "dirk", [one.lead_id for one in found])
        whole = [replace(one, tasks=due_tasks[one.lead_id]) for one in found]
        assert [one.candidate.lead_id for one in in_turn(whole, now)] == [one.lead_id for one in found]
        assert await queue.candidates(database, "dirk", frozenset({"default"}), now, 5) == found[:5]
    assert await queue.candidates(database, "dirk", frozenset({"elsewhere"}), at(0), 5) == []


async def test_whoever_is_erased_is_gone_after_no_more_and_no_note_of_them_is_left(
    work: Work, http: httpx.AsyncClient
) -> None:
    (lead_id,) = await work.leads(1)
    said = {"due_at": at(60 * 24).isoformat(), "note": "bring Ann's drawings"}
    await do(http, f"/v1/leads/{lead_id}/tasks", said, status=201)
    for _ in range(2):
        await do(http, "/v1/people:erase", {"lead_id": str(lead_id), "reason": "case 7"}, Leadflow_Actor="kim")
    assert await the_tasks(http, lead_id) == {}
    called_off = await the_tasks(http, lead_id, status="cancelled")
    assert {one["outcome"] for one in called_off.values()} == {"erased"}
    assert set(called_off) == {"first_response", "call", "task"}
    assert (await work.pipeline.one("SELECT count(*) AS n FROM pipeline.asides")).n == 0
    work.after(600)
    assert await work.timers.once() == 0


async def test_what_an_owner_has_in_other_units_leaves_room_for_what_is_asked_for(
    work: Work, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "LOOKED_AT", 2)
    leads = [a_lead(f"{n}@x.example", business_unit="north" if n < 4 else "south") for n in range(5)]
    await work.pipeline.take(*leads)
    for one in leads:
        await do(http, f"/v1/leads/{one.lead_id}:assign", {"owner": "kim"})
    found = await queue.candidates(work.pipeline.database, "kim", frozenset({"south"}), work.clock.now(), 10)
    assert [one.lead_id for one in found] == [leads[4].lead_id]
