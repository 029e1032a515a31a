"""What was done with leads is told, with how long it took; what a note says stays here and is forgotten, on real PostgreSQL."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import httpx
from fastapi import FastAPI

from shared.contracts.activity_events import NoteAdded
from shared.contracts.lifecycle_events import ContactAttempted
from tests.integration.pipeline.access import by, let_in, somebody
from tests.integration.pipeline.conftest import Pipeline
from tests.integration.pipeline.erasing import erase, just_now
from tests.integration.pipeline.test_commands import do
from tests.integration.pipeline.test_history import send
from tests.integration.pipeline.test_timers import Work
from tests.integration.pipeline.test_work_api import app, look, rules, the_tasks, work  # noqa: F401
from tests.support.tables import tables_saying
from tests.unit.pipeline.builders import a_lead, at

KIM: Any = {"Leadflow_Actor": "kim"}


def told(found: dict[str, Any], *fields: str) -> list[tuple[Any, ...]]:
    return [tuple(one[field] for field in fields) for one in found["items"]]


async def test_calls_meetings_notes_and_tasks_are_told_newest_first_page_by_page(
    work: Work, http: httpx.AsyncClient  # noqa: F811
) -> None:  # fmt: skip
    (lead_id,) = await work.leads(1)
    path = f"/v1/leads/{lead_id}"
    call = {"kind": "phone", "outcome": "voicemail", "duration_seconds": 340}
    meeting = {"kind": "meeting", "owner": "lee", "duration_seconds": 3600}
    for command, said, status in (
        (":record-contact", call, 200), ("/notes", {"note": " Ann likes tea "}, 201), (":record-contact", meeting, 200)
    ):  # fmt: skip
        work.after(1)
        await do(http, f"{path}{command}", said, status=status, **KIM)
    work.after(1)
    write = (await the_tasks(http, lead_id))["write"]
    await do(http, f"/v1/tasks/{write['task_id']}:complete", {"note": "sent by hand"}, **KIM)
    found = await look(http, f"{path}/activities")
    assert told(found, "event", "kind", "actor", "outcome", "duration_seconds", "note", "name") == [
        ("FollowUpDone", "task", "kim", None, None, "sent by hand", "write"),
        ("ContactAttempted", "meeting", "kim", None, 3600, None, None),
        ("NoteAdded", "note", "kim", None, None, "Ann likes tea", None),
        ("ContactAttempted", "phone", "kim", "voicemail", 340, None, None),
    ]  # the call's own step, done by it, is not told again
    assert found == await look(http, "/v1/activities")
    assert [one[0] for one in told(await look(http, "/v1/activities", owner="lee"), "kind")] == ["meeting"]
    assert [one[0] for one in told(await look(http, "/v1/activities", kind="note"), "kind")] == ["note"]
    assert len((await look(http, "/v1/activities", since=at(3).isoformat()))["items"]) == 2
    cursor: str | None = None
    seen: list[Any] = []
    while cursor is not None or not seen:
        page = await look(http, f"{path}/activities", limit=1, **({"cursor": cursor} if cursor else {}))
        seen += page["items"]
        cursor = page["next_cursor"]
        if len(seen) == 2:
            await do(http, f"{path}/notes", {"note": "written meanwhile"}, status=201)
    assert seen == found["items"]
    assert (await http.get("/v1/activities", params={"cursor": "none"})).status_code == 422


async def test_a_note_is_written_once_on_the_version_that_was_read_and_says_nothing_on_the_log(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    lead = a_lead("ann@x.example")
    await pipeline.take(lead)
    path, key = f"/v1/leads/{lead.lead_id}", str(uuid4())
    read = (await http.get(path)).headers["ETag"]
    note = {"note": "likes tea"}
    first = await do(http, f"{path}/notes", note, status=201, Idempotency_Key=key, If_Match=read, **KIM)
    assert await do(http, f"{path}/notes", note, Idempotency_Key=key, If_Match=read, **KIM) == first
    await do(http, f"{path}/notes", {"note": "other"}, status=409, Idempotency_Key=key)
    await do(http, f"{path}/notes", note, status=412, If_Match=read)
    await do(http, f"{path}/notes", {"note": "  "}, status=422)
    await do(http, f"/v1/leads/{uuid4()}/notes", note, status=404)
    await do(http, f"{path}:archive", {"reason": "no budget"})
    await do(http, f"{path}/notes", {"note": "likes tea still"}, status=201)
    notes = [one for one in await pipeline.published() if isinstance(one, NoteAdded)]
    assert [one.actor for one in notes] == ["kim", "api"]
    assert "tea" not in "".join(one.model_dump_json() for one in await pipeline.published())
    assert (first["status"], (await look(http, path))["status"]) == ("new", "archived")


async def test_erasure_takes_what_notes_say_and_leaves_that_there_were_some(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    lead = a_lead("ann@x.example", **just_now())
    await pipeline.take(lead)
    path = f"/v1/leads/{lead.lead_id}"
    await do(http, f"{path}/notes", {"note": "Ann Secret likes tea"}, status=201, **KIM)
    assert set(await tables_saying(pipeline.database, "pipeline", ["likes tea"])) == {"asides"}
    await erase(http, email="ann@x.example")
    assert await tables_saying(pipeline.database, "pipeline", ["likes tea"]) == {}
    assert told(await look(http, f"{path}/activities"), "kind", "owner", "note") == [("note", "kim", None)]


async def test_how_long_a_contact_took_is_bounded_and_travels(pipeline: Pipeline, http: httpx.AsyncClient) -> None:
    lead = a_lead("ann@x.example")
    await pipeline.take(lead)
    path = f"/v1/leads/{lead.lead_id}:record-contact"
    for wrong in (-1, 86_401, "long"):
        await do(http, path, {"kind": "phone", "duration_seconds": wrong}, status=422)
    for seconds in (0, 12.5, None):
        await do(http, path, {"kind": "phone", "duration_seconds": seconds})
    published = [one for one in await pipeline.published() if isinstance(one, ContactAttempted)]
    assert [one.duration_seconds for one in published] == [0, 12.5, None]


async def test_activities_are_those_of_the_units_that_one_reaches_and_of_merged_ids_too(
    pipeline: Pipeline, app: FastAPI, http: httpx.AsyncClient  # noqa: F811
) -> None:  # fmt: skip
    here, there = a_lead("a@x.example", business_unit="europe"), a_lead("b@x.example", business_unit="tehran")
    await pipeline.take(here, there)
    for lead in (here, there):
        await do(http, f"/v1/leads/{lead.lead_id}/notes", {"note": "one"}, status=201, **KIM)
    let_in(app, agent=somebody("agent", "europe"), reader=somebody("integrator", "europe", is_person=False))
    for name in ("agent", "reader"):
        mine = (await http.get("/v1/activities", headers=by(name))).json()
        assert told(mine, "business_unit", "lead_id") == [("europe", str(here.lead_id))]
        other = await http.get("/v1/activities", params={"business_unit": "tehran"}, headers=by(name))
        assert other.status_code == 403
        assert (await http.get(f"/v1/leads/{there.lead_id}/activities", headers=by(name))).status_code == 404
    no = await http.post(f"/v1/leads/{here.lead_id}/notes", json={"note": "no"}, headers=by("reader"))
    assert no.status_code == 403


async def test_a_lead_has_what_was_done_with_every_id_that_it_was_merged_of(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    one, two = a_lead("a@x.example"), a_lead(None, phone="+31612345678")
    await pipeline.take(one, two)
    for lead, note in ((one, "one"), (two, "two")):
        await do(http, f"/v1/leads/{lead.lead_id}/notes", {"note": note}, status=201)
    await pipeline.take(a_lead("a@x.example", phone="+31612345678", occurred_at=at(1)))
    root = (await pipeline.lead(one.lead_id)).root_id
    found = await look(http, f"/v1/leads/{root}/activities")
    assert sorted(told(found, "note", "lead_id")) == [("one", str(root)), ("two", str(root))]
    merged = {one.lead_id, two.lead_id} - {root}
    assert {(await http.get(f"/v1/leads/{lead_id}/activities")).status_code for lead_id in merged} == {308}


async def test_imported_calls_say_how_long_they_took_and_a_row_sent_again_is_the_same_row(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    row = {"external_id": "7", "event": "contact_attempted", "occurred_at": "2026-01-02T09:00:00Z", "owner": "lee"}
    timed = {**row, "kind": "phone", "duration_seconds": "90"}

    async def send(*rows: Any, status: int = 200) -> Any:
        return await do(http, "/v1/history:batch", {"rows": rows}, status=status)

    assert (await send(timed))["accepted"] == 1
    for same in (timed, {**row, "kind": "phone"}):
        assert (await send(same))["duplicates"] == 1
    other = await send({**timed, "duration_seconds": 91}, status=422)
    assert other["items"][0]["problem"]["status"] == 409
    wrong = await send({**timed, "duration_seconds": "long"}, status=422)
    assert wrong["items"][0]["problem"]["field"] == "duration_seconds"
    assert told(await look(http, "/v1/activities"), "kind", "owner", "duration_seconds") == [("phone", "lee", 90)]


async def test_how_it_went_in_words_of_nobodys_list_stays_here_and_is_forgotten(
    work: Work, http: httpx.AsyncClient  # noqa: F811
) -> None:  # fmt: skip
    (lead_id,) = await work.leads(1)
    path, words = f"/v1/leads/{lead_id}", "spoke with Ann Secret, 06 12345678"
    await do(http, f"{path}:record-contact", {"kind": "meeting", "outcome": words})
    work.after(1)
    write = (await the_tasks(http, lead_id))["call"]
    await do(http, f"/v1/tasks/{write['task_id']}:complete", {"outcome": words, "note": "by hand"})
    work.after(1)
    await do(http, f"{path}:record-contact", {"kind": "meeting", "outcome": "Wrong Number"})
    kinds, found = ["meeting", "task", "meeting"], await look(http, f"{path}/activities")
    assert told(found, "kind", "outcome") == list(zip(kinds, ["wrong number", words, words], strict=True))
    assert set(await tables_saying(work.pipeline.database, "pipeline", ["Ann Secret"])) == {"asides"}
    await erase(http, lead_id=str(lead_id))
    assert await tables_saying(work.pipeline.database, "pipeline", ["Ann Secret"]) == {}
    found = await look(http, f"{path}/activities")
    assert told(found, "kind", "outcome") == list(zip(kinds, ["wrong number", "other", "other"], strict=True))
    assert "Secret" not in "".join(one.model_dump_json() for one in await work.pipeline.published())


async def test_how_it_went_in_words_of_an_imported_history_stays_here_too(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    call = {"external_id": "c1", "event": "contact_attempted", "kind": "phone"}
    rows = [{**call, "occurred_at": f"2026-01-0{day}", "value": value} for day, value in ((1, "Busy"), (2, "Ann: no"))]
    assert await send(http, *rows) == {"accepted": 2, "duplicates": 0, "rejected": 0, "items": []}
    assert (await send(http, *rows))["duplicates"] == 2
    attempts = [one for one in await pipeline.published() if isinstance(one, ContactAttempted)]
    assert [one.outcome for one in attempts] == ["busy", "other"]
    assert told(await look(http, "/v1/activities"), "outcome") == [("Ann: no",), ("busy",)]
