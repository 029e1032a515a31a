"""One command for many leads is a job: each lead once, whoever is killed, and each no with its why."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from services.pipeline.bulk import Bulk
from services.pipeline.commands import Commands
from services.pipeline.handlers import Handlers
from services.pipeline.instruments import PipelineInstruments
from services.pipeline.storage import bulk as storage
from shared.contracts.identity import identity
from shared.contracts.lifecycle_events import LeadAssigned
from tests.integration.pipeline.access import by, let_in, somebody
from tests.integration.pipeline.conftest import Pipeline
from tests.integration.pipeline.test_routing import with_sections
from tests.support.patience import eventually
from tests.unit.pipeline.builders import POLICY, SECRET, a_lead, a_score, at


def a_worker(pipeline: Pipeline) -> Bulk:
    """A process that works on jobs."""
    commands = Commands(pipeline.database, POLICY, SECRET, PipelineInstruments(pipeline.registry.__class__()))
    return Bulk(pipeline.database, commands, SECRET, items_per_second=10_000)


async def leads(pipeline: Pipeline, number: int, unit: str = "default") -> list[str]:
    """So many new leads."""
    captured = [a_lead(f"{unit}.{n}@x.example", business_unit=unit, occurred_at=at(n)) for n in range(number)]
    await pipeline.take(*captured)
    return [str(one.lead_id) for one in captured]


async def begin(
    http: httpx.AsyncClient, doing: str, said: dict[str, str], *, status: int = 202, key: str | None = None, **more: Any
) -> Any:
    """A job that is begun, or the problem with it."""
    headers = {"Idempotency-Key": key} if key is not None else {}
    answer = await http.post("/v1/bulk", json={"doing": doing, "said": said, **more}, headers=headers)
    assert answer.status_code == status, answer.text
    return answer.json()


async def look(http: httpx.AsyncClient, job: Any) -> Any:
    """A job as it is now."""
    return (await http.get(f"/v1/bulk/{job['job_id']}")).json()


async def refusals(http: httpx.AsyncClient, job: Any) -> dict[int, str]:
    """Why what was refused was, by its place in the list."""
    page = (await http.get(f"/v1/bulk/{job['job_id']}/items", params={"outcome": "refused"})).json()
    return {one["place"]: one["code"] for one in page["items"]}


async def test_a_file_says_whom_it_means_as_a_list_does(pipeline: Pipeline, http: httpx.AsyncClient) -> None:
    ids = await leads(pipeline, 3)
    worker = a_worker(pipeline)
    form = {"doing": "assign", "said": '{"owner": "kim"}'}
    for content in (
        "\n".join(ids),
        "name;x\nlead_id,city\n",
        "\ufefflead_id,city\r\n" + "".join(f"{one},Delft\r\n" for one in ids),
    ):
        files = {"file": ("leads.csv", content.encode(), "text/csv")}
        answer = await http.post("/v1/bulk:upload", data=form, files=files)
        if "name" in content:
            assert answer.status_code == 422
            continue
        assert answer.status_code == 202, answer.text
        while await worker.work():
            pass
        done = await look(http, answer.json())
        assert (done["status"], done["items"]["done"]) == ("done", 3)
    owners = await pipeline.database.rows("SELECT DISTINCT owner FROM pipeline.leads")
    assert [one.owner for one in owners] == ["kim"]


@pytest.mark.parametrize(
    ("content", "said", "field"),
    [
        (b"", "{}", "file"),
        (b"\xff\xfe\x00", "{}", "file"),
        (b"a,b\n1,2\n", "{}", "file"),
        (b"lead_id\n\n", "{}", "file"),
        (b"lead_id\nann@x.example\n", '{"owner": "kim"}', "lead_ids"),
        (b"external_id\n17\n", "{", "said"),
        (b"external_id\n17\n", "{}", "owner"),
    ],
)
async def test_a_file_that_means_nobody_is_refused_with_why(
    http: httpx.AsyncClient, content: bytes, said: str, field: str
) -> None:
    files = {"file": ("leads.csv", content, "text/csv")}
    answer = await http.post("/v1/bulk:upload", data={"doing": "assign", "said": said}, files=files)
    assert (answer.status_code, answer.json().get("field")) == (422, field), answer.text
    assert "ann@x.example" not in answer.text


async def test_many_are_asked_by_the_rules_of_today(pipeline: Pipeline, http: httpx.AsyncClient) -> None:
    pipeline.handlers = Handlers(
        with_sections(qualification={"automatic": False}),
        SECRET,
        PipelineInstruments(CollectorRegistry()),
        pipeline.routes,
    )
    ids = await leads(pipeline, 3)
    await pipeline.take(
        *(a_score(UUID(one), score, occurred_at=at(9)) for one, score in zip(ids, (70, 30, 50), strict=True))
    )
    assert {(await pipeline.lead(UUID(one))).status for one in ids} == {"new"}
    job = await begin(http, "requalify", {}, lead_ids=ids)
    worker = a_worker(pipeline)
    while await worker.work():
        pass
    assert await refusals(http, job) == {2: "no-rule"}
    assert [(await pipeline.lead(UUID(one))).status for one in ids] == ["qualified", "new", "qualified"]
    again = await http.post(f"/v1/leads/{ids[0]}:requalify")
    assert (again.status_code, again.json()["state"]) == (409, "qualified")


def problem_of(document: Any) -> str:
    """What is wrong, by its code."""
    return str(document["type"]).rpartition(":")[2]


async def assigned(pipeline: Pipeline) -> list[UUID]:
    """Whom the log calls assigned."""
    return [one.lead_id for one in await pipeline.published() if isinstance(one, LeadAssigned)]


async def kill_one_before_it_notes(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that does what it can of a job and is gone before it says so."""
    killed = a_worker(pipeline)
    noting = asyncio.Event()

    async def note(*_: Any) -> bool:
        noting.set()
        await asyncio.Event().wait()
        return False

    monkeypatch.setattr(killed, "_note", note)
    working = asyncio.create_task(killed.work())
    await noting.wait()
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)


async def end_its_lease(pipeline: Pipeline) -> None:
    """As if the time of whoever was killed were over."""
    await pipeline.database.run(
        lambda tx: tx.execute("UPDATE pipeline.bulk_jobs SET leased_until = now() - interval '1 s'")
    )


async def test_each_lead_of_a_list_is_done_or_refused_with_why(pipeline: Pipeline, http: httpx.AsyncClient) -> None:
    ids = await leads(pipeline, 3)
    await http.post(f"/v1/leads/{ids[1]}:archive", json={"reason": "no budget"})
    job = await begin(http, "archive", {"reason": "no budget"}, lead_ids=[*ids, str(uuid4())])
    assert (job["status"], job["items"]["left"]) == ("waiting", 4)
    assert await a_worker(pipeline).work()
    after = await look(http, job)
    assert (after["status"], after["items"]) == ("done", {"total": 4, "done": 2, "refused": 2, "left": 0})
    assert await refusals(http, job) == {2: "illegal-transition", 4: "unknown-lead"}


async def test_a_filter_means_who_it_fits_when_the_job_is_begun(pipeline: Pipeline, http: httpx.AsyncClient) -> None:
    north, south = await leads(pipeline, 3, "north"), await leads(pipeline, 2, "south")
    await begin(http, "assign", {"owner": "kim"}, business_unit="north", filter={"status": "new"})
    await leads(pipeline, 1, "north-east")
    await a_worker(pipeline).work()
    assert sorted(map(str, await assigned(pipeline))) == sorted(north)
    assert not set(map(str, await assigned(pipeline))) & set(south)


async def test_a_list_of_another_systems_ids_names_whom_that_system_knows(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    known = a_lead(identities=(identity(SECRET, "default", "external", "crm\x1f17"),))
    await pipeline.take(known)
    job = await begin(http, "assign", {"owner": "kim"}, external_ids=["16", "17"], sender="crm")
    await a_worker(pipeline).work()
    assert await assigned(pipeline) == [known.lead_id]
    assert await refusals(http, job) == {1: "unknown-lead"}


async def merged(pipeline: Pipeline) -> tuple[str, str]:
    """A lead, and an id that was merged into it."""
    root, other = a_lead("ann@x.example"), a_lead(phone="+31612345679", occurred_at=at(1))
    await pipeline.take(root, other, a_lead("ann@x.example", phone="+31612345679", occurred_at=at(2)))
    return str(root.lead_id), str(other.lead_id)


async def test_a_merged_id_means_the_lead_it_was_merged_into(pipeline: Pipeline, http: httpx.AsyncClient) -> None:
    root, other = await merged(pipeline)
    job = await begin(http, "assign", {"owner": "kim"}, lead_ids=[other])
    await a_worker(pipeline).work()
    assert (await look(http, job))["items"]["done"] == 1
    assert list(map(str, await assigned(pipeline))) == [root]


async def test_somebody_who_is_named_again_by_whichever_id_is_one_item(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    root, other = await merged(pipeline)
    (alone,) = await leads(pipeline, 1)
    nobody = str(uuid4())
    job = await begin(http, "assign", {"owner": "kim"}, lead_ids=[other, root, nobody, root, nobody, alone])
    await a_worker(pipeline).work()
    assert (await look(http, job))["items"] == {"total": 3, "done": 2, "refused": 1, "left": 0}
    assert await refusals(http, job) == {3: "unknown-lead"}
    assert sorted(map(str, await assigned(pipeline))) == sorted([root, alone])


async def test_a_merged_id_that_was_done_by_one_that_is_killed_is_done(
    pipeline: Pipeline, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, other = await merged(pipeline)
    job = await begin(http, "assign", {"owner": "kim"}, lead_ids=[other])
    await kill_one_before_it_notes(pipeline, monkeypatch)
    await end_its_lease(pipeline)
    assert await a_worker(pipeline).work()
    assert (await look(http, job))["items"] == {"total": 1, "done": 1, "refused": 0, "left": 0}
    assert list(map(str, await assigned(pipeline))) == [root]


async def test_a_worker_that_is_killed_before_it_notes_anything_leaves_each_lead_done_once(
    pipeline: Pipeline, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = await leads(pipeline, 5)
    job = await begin(http, "assign", {"owner": "kim"}, lead_ids=ids)
    await kill_one_before_it_notes(pipeline, monkeypatch)
    assert len(await assigned(pipeline)) == 5
    assert (await look(http, job))["items"]["left"] == 5
    assert not await a_worker(pipeline).work(), "the lease of the one that was killed holds"
    await end_its_lease(pipeline)
    assert await a_worker(pipeline).work()
    assert (await look(http, job))["items"] == {"total": 5, "done": 5, "refused": 0, "left": 0}
    assert sorted(map(str, await assigned(pipeline))) == sorted(ids)


async def test_a_job_is_cancelled_and_gone_on_with_from_where_it_had_come(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    ids = await leads(pipeline, 45)
    job = await begin(http, "assign", {"owner": "kim"}, lead_ids=ids)
    path = f"/v1/bulk/{job['job_id']}"
    working = asyncio.create_task(a_worker(pipeline).work())

    async def begun() -> bool:
        return bool((await look(http, job))["items"]["done"])

    await eventually(begun)
    assert (await http.post(f"{path}:cancel")).json()["status"] == "cancelled"
    await working
    assert (await look(http, job))["items"]["left"] > 0
    assert not await a_worker(pipeline).work()
    assert (await http.post(f"{path}:resume")).json()["status"] == "waiting"
    await a_worker(pipeline).work()
    assert (await look(http, job))["items"]["done"] == 45
    assert sorted(map(str, await assigned(pipeline))) == sorted(ids)
    again = await http.post(f"{path}:cancel")
    assert (again.status_code, problem_of(again.json())) == (409, "wrong-state")


async def test_workers_share_no_job_and_do_no_lead_twice(pipeline: Pipeline, http: httpx.AsyncClient) -> None:
    ids = await leads(pipeline, 30)
    for part in (ids[:15], ids[15:]):
        await begin(http, "assign", {"owner": "kim"}, lead_ids=part)

    async def until_nothing_is_left() -> None:
        worker = a_worker(pipeline)
        while await worker.work():
            pass

    await asyncio.gather(*(until_nothing_is_left() for _ in range(3)))
    assert [job["status"] for job in (await http.get("/v1/bulk")).json()["items"]] == ["done", "done"]
    assert sorted(map(str, await assigned(pipeline))) == sorted(ids)


async def test_a_key_begins_one_job_and_is_of_no_use_for_another(pipeline: Pipeline, http: httpx.AsyncClient) -> None:
    ids = await leads(pipeline, 1)
    first, again = [await begin(http, "assign", {"owner": "kim"}, lead_ids=ids, key="k1") for _ in range(2)]
    assert (first["job_id"], again["repeated"]) == (again["job_id"], True)
    other = await begin(http, "assign", {"owner": "lee"}, lead_ids=ids, status=409, key="k1")
    assert problem_of(other) == "idempotency-key-reused"


async def test_an_owner_is_the_one_that_is_meant_whatever_stands_around_the_name(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    await leads(pipeline, 1)
    job = await begin(http, "assign", {"owner": " kim "}, filter={})
    assert job["said"] == {"owner": "kim"}
    assert await a_worker(pipeline).work()
    assert [one.owner for one in await pipeline.database.rows("SELECT owner FROM pipeline.leads")] == ["kim"]


@pytest.mark.parametrize(
    ("doing", "said", "more", "code"),
    [
        ("assign", {}, {"filter": {}}, "says-otherwise"),
        ("reopen", {"owner": "kim"}, {"filter": {}}, "says-otherwise"),
        ("mark", {"mark": "bad"}, {"filter": {}}, "says-otherwise"),
        ("assign", {"owner": " "}, {"filter": {}}, "invalid"),
        ("archive", {"reason": "boredom"}, {"filter": {}}, "unknown-reason"),
        ("archive", {"reason": "other"}, {"filter": {}}, "note-missing"),
        ("reopen", {}, {}, "who-is-meant"),
        ("reopen", {}, {"filter": {}, "lead_ids": [str(uuid4())]}, "who-is-meant"),
        ("reopen", {}, {"filter": {"status": "customer"}}, "number-of-leads"),
    ],
)
async def test_a_job_that_means_nothing_is_not_begun(
    pipeline: Pipeline, http: httpx.AsyncClient, doing: str, said: dict[str, str], more: dict[str, Any], code: str
) -> None:
    await leads(pipeline, 1)
    problem = await begin(http, doing, said, status=422, **more)
    assert problem_of(problem) == code
    assert (await http.get("/v1/bulk")).json()["items"] == []


async def test_a_manager_moves_and_sees_jobs_of_their_own_units_alone(
    app: FastAPI, pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    let_in(app, far=somebody("manager", "south"), near=somebody("manager", "north"))
    ids = await leads(pipeline, 2, "north")
    job = (
        await http.post(
            "/v1/bulk", json={"doing": "assign", "said": {"owner": "kim"}, "lead_ids": ids}, headers=by("far")
        )
    ).json()
    await a_worker(pipeline).work()
    assert await assigned(pipeline) == []
    assert await refusals(http, job) == {1: "unknown-lead", 2: "unknown-lead"}
    assert (await http.get(f"/v1/bulk/{job['job_id']}", headers=by("near"))).status_code == 404
    assert (await http.get("/v1/bulk", headers=by("near"))).json()["items"] == []
    assert len((await http.get("/v1/bulk", headers=by("far"))).json()["items"]) == 1


async def test_jobs_that_ended_long_ago_are_forgotten(pipeline: Pipeline, http: httpx.AsyncClient) -> None:
    job = await begin(http, "assign", {"owner": "kim"}, lead_ids=await leads(pipeline, 1))
    await a_worker(pipeline).work()
    await pipeline.database.run(lambda tx: storage.forget(tx, tx.now))
    assert (await http.get(f"/v1/bulk/{job['job_id']}")).status_code == 404
    assert not await pipeline.database.rows("SELECT FROM pipeline.bulk_items")


async def test_a_large_job_holds_up_nobodys_small_one(
    pipeline: Pipeline, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.pipeline.bulk.TURN_SECONDS", 0.0)
    known = await leads(pipeline, 43)
    large = await begin(http, "assign", {"owner": "kim"}, lead_ids=known[:42])
    small = await begin(http, "assign", {"owner": "lee"}, lead_ids=known[42:])
    worker = a_worker(pipeline)
    for _ in range(2):
        assert await worker.work()
    assert [(await look(http, job))["items"]["done"] for job in (large, small)] == [20, 1]
    for _ in range(4):
        await worker.work()
    assert [(await look(http, job))["status"] for job in (large, small)] == ["done", "done"]
