"""Lists that people work through, page by page, while others write: what stays where it is is told exactly once, in order, also
where many are of the same moment; what moves or comes and goes may be told or not, and never another one lost for it."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from services.pipeline import bulk as working
from services.pipeline.domain.matching.proposals import Proposal
from services.pipeline.domain.matching.weights import Judgement
from services.pipeline.storage import matches
from shared.contracts.capture_events import LeadCaptured
from tests.integration.pipeline.conftest import Pipeline
from tests.integration.pipeline.erasing import erase
from tests.integration.pipeline.test_bulk import a_worker, begin
from tests.integration.pipeline.test_bulk import leads as new_leads
from tests.integration.pipeline.test_commands import do
from tests.support.clock import FakeClock
from tests.unit.pipeline.builders import a_lead, at

Item = dict[str, Any]
Write = Callable[[list[Item]], Awaitable[None]]

LATER = 10**7
"""Minutes: due after any time that the tests run at."""


async def pages(
    http: httpx.AsyncClient, path: str, write: Write, *, place: str = "cursor", limit: int = 2, **asked: Any
) -> list[list[Item]]:
    """All pages, with something written after each of the first ones, given what it told."""
    found: list[list[Item]] = []
    following: dict[str, Any] = {}
    while len(found) < 100:
        answer = await http.get(path, params={**asked, **following, "limit": limit}, follow_redirects=True)
        assert answer.status_code == 200, answer.text
        found.append(answer.json()["items"])
        if (after := answer.json()[f"next_{place}"]) is None:
            return found
        following = {place: after}
        if len(found) <= 6:
            await write(found[-1])
    raise AssertionError("the list has no end")


def hold(
    found: list[list[Item]], by: str, *, stayed: Iterable[Any], ever: Iterable[Any], moved: Iterable[Any] = ()
) -> None:
    """What stayed was told once, what moved perhaps again, and nothing that never was there."""
    told = Counter(one[by] for page in found for one in page)
    stayed, ever, moved = set(stayed), set(ever), set(moved)
    assert stayed, "nothing stayed: this shows nothing"
    assert {one: told[one] for one in stayed} == dict.fromkeys(stayed, 1)
    assert set(told) <= ever
    assert all(number == 1 for one, number in told.items() if one not in moved)


def have_ties(found: list[list[Item]], by: str) -> bool:
    """Whether a page ended between two that are of the same place but for their ids."""
    return any(one[-1][by] == other[0][by] for one, other in pairwise(found) if one and other)


def in_order(found: list[list[Item]], *, by: str, among: Iterable[Any], key: str, falling: bool = False) -> None:
    """Those that stayed are told in the order of the list."""
    kept = set(among)
    places = [one[key] for page in found for one in page if one[by] in kept]
    assert places == sorted(places, reverse=falling)


class Tasks:
    """Tasks of leads of two units, many due at the same moment, that are worked on."""

    def __init__(self, pipeline: Pipeline, http: httpx.AsyncClient, pick: random.Random) -> None:
        self.database, self._pipeline, self._http, self._pick = pipeline.database, pipeline, http, pick
        pipeline.rows_are_told = False
        self.leads: list[UUID] = []
        self.touched: set[str] = set()

    async def open(self) -> None:
        """A few are there, some of them done."""
        leads = [a_lead(f"{n}@x.example", business_unit=("north", "south")[n % 2]) for n in range(4)]
        await self._pipeline.take(*leads)
        self.leads = [one.lead_id for one in leads]
        for n in range(24):
            await self.add(self.leads[n % 4 if n % 3 else 0], due=n // 8, owner=("kim", "lee")[n // 2 % 2])
        for task in self._pick.sample(await self.all(), 8):
            await do(self._http, f"/v1/tasks/{task}:complete")
        self.touched.clear()

    async def add(self, lead_id: UUID, *, due: int, owner: str) -> None:
        said = {"due_at": at(LATER + due).isoformat(), "owner": owner}
        before = set(await self.all())
        await do(self._http, f"/v1/leads/{lead_id}/tasks", said, status=201)
        self.touched |= set(await self.all()) - before

    async def all(self, **such: Any) -> list[str]:
        """The ids of those that are so, straight from the table."""
        asked = " AND ".join(["true", *(f"{name} = :{name}" for name in such)])
        rows = await self.database.rows(f"SELECT task_id FROM pipeline.tasks WHERE {asked} ORDER BY task_id", **such)
        return [str(row.task_id) for row in rows]

    async def work(self, told: list[Item]) -> None:
        """One is put off, one called off, one done, one new; what was told last among them, and one comes to be due earlier."""
        pick = self._pick
        snoozed, cancelled, done, sooner = pick.sample(await self.all(status="open"), 4)
        if told and told[-1]["status"] == "open" and told[-1]["task_id"] not in (cancelled, done, sooner):
            snoozed = told[-1]["task_id"]
        self.touched |= {snoozed, cancelled, done, sooner}
        until = at(LATER + pick.randrange(3)).isoformat()
        await do(self._http, f"/v1/tasks/{snoozed}:snooze", {"until": until})
        await do(self._http, f"/v1/tasks/{cancelled}:cancel")
        await do(self._http, f"/v1/tasks/{done}:complete")
        await self.add(pick.choice(self.leads), due=pick.randrange(3), owner=pick.choice(("kim", "lee")))
        async with self.database.transaction() as tx:
            due = {"due": at(LATER - 1), "id": sooner}
            await tx.execute("UPDATE pipeline.tasks SET due_at = :due WHERE task_id = :id", due)


@pytest.mark.parametrize(
    "asked",
    [{}, {"owner": "kim"}, {"business_unit": "north"}, {"kind": "task"}, {"lead_id": None}, {"status": "done"}],
    ids=str,
)
async def test_tasks_that_nobody_touches_are_told_once_whatever_becomes_of_the_others(
    pipeline: Pipeline, http: httpx.AsyncClient, asked: dict[str, Any]
) -> None:
    tasks = Tasks(pipeline, http, random.Random(str(asked)))
    await tasks.open()
    asked = {name: value or tasks.leads[0] for name, value in asked.items()}
    meant = await tasks.all(**{"status": "open", **asked})
    found = await pages(http, "/v1/tasks", tasks.work, **asked)
    stayed = set(meant) - tasks.touched
    hold(found, "task_id", stayed=stayed, moved=tasks.touched, ever=set(meant) | tasks.touched)
    in_order(found, by="task_id", among=stayed, key="due_at")
    assert have_ties(found, "due_at")


async def test_a_task_that_is_put_off_while_it_is_read_is_told_again_where_it_is_due_then(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    lead = a_lead("ann@x.example")
    await pipeline.take(lead)
    for _ in range(5):
        await do(http, f"/v1/leads/{lead.lead_id}/tasks", {"due_at": at(LATER).isoformat()}, status=201)
    put_off: list[str] = []

    async def put_off_the_last(told: list[Item]) -> None:
        if not put_off:
            put_off.append(told[-1]["task_id"])
            await do(http, f"/v1/tasks/{put_off[0]}:snooze", {"until": at(LATER + 9).isoformat()})

    found = [one["task_id"] for page in await pages(http, "/v1/tasks", put_off_the_last) for one in page]
    assert Counter(found) == Counter(dict.fromkeys(found, 1) | {put_off[0]: 2})
    assert (found[1], len(found)) == (found[-1], 6)


@pytest.mark.parametrize(
    "asked", [{}, {"owner": "kim"}, {"business_unit": "north"}, {"kind": "note"}, {"lead": True}], ids=str
)
async def test_activities_are_told_once_beside_new_ones_and_such_as_are_told_late(
    pipeline: Pipeline, http: httpx.AsyncClient, asked: dict[str, Any]
) -> None:
    leads = [a_lead(f"{n}@x.example", business_unit=("north", "south")[n % 2]) for n in range(4)]
    await pipeline.take(*leads)
    pick = random.Random(str(asked))

    async def noted(lead: LeadCaptured, minute: int) -> None:
        said = {"note": "one", "occurred_at": at(minute).isoformat()}
        await do(http, f"/v1/leads/{lead.lead_id}/notes", said, status=201, Leadflow_Actor="kim")

    async def others_write(_: list[Item]) -> None:
        await noted(pick.choice(leads), 9)
        await noted(pick.choice(leads), pick.choice((1, 2, 3)))
        path = f"/v1/leads/{pick.choice(leads).lead_id}:record-contact"
        await do(http, path, {"kind": "phone", "owner": "kim", "outcome": "busy"})

    for n in range(24):
        await noted(leads[n % 4 if n % 3 else 0], n // 8 + 1)
    path, query = ("/v1/activities", asked) if "lead" not in asked else (f"/v1/leads/{leads[0].lead_id}/activities", {})
    before = (await http.get(path, params={**query, "limit": 500})).json()["items"]
    found = await pages(http, path, others_write, **query)
    after = (await http.get(path, params={**query, "limit": 500})).json()["items"]
    assert len(after) > len(before)
    stayed = [one["event_id"] for one in before]
    hold(found, "event_id", stayed=stayed, ever={one["event_id"] for one in after})
    in_order(found, by="event_id", among=stayed, key="occurred_at", falling=True)
    assert have_ties(found, "occurred_at")


async def test_activities_of_a_lead_that_is_merged_while_they_are_read_go_on_where_they_were(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    first, second = a_lead("a@x.example"), a_lead("b@x.example", occurred_at=at(1))
    await pipeline.take(first, second)
    for n in range(7):
        for lead in (first, second):
            said = {"note": f"{n}", "occurred_at": at(n // 3 + 2).isoformat()}
            await do(http, f"/v1/leads/{lead.lead_id}/notes", said, status=201)
        await do(http, f"/v1/leads/{second.lead_id}:record-contact", {"kind": "phone"})
    path = f"/v1/leads/{second.lead_id}/activities"
    of_second = [one["event_id"] for one in (await http.get(path, params={"kind": "note"})).json()["items"]]
    merged: list[Any] = []

    async def they_are_one(_: list[Item]) -> None:
        if not merged:
            said = {"other_lead_id": str(second.lead_id)}
            merged.append(await do(http, f"/v1/leads/{first.lead_id}:merge", said))

    found = await pages(http, path, they_are_one, kind="note")
    every = (await http.get(f"/v1/leads/{first.lead_id}/activities")).json()["items"]
    assert {one["kind"] for page in found for one in page} == {"note"}
    hold(found, "event_id", stayed=of_second, ever=[one["event_id"] for one in every])


@pytest.mark.parametrize("status", ["open", "dismissed"])
async def test_candidates_are_told_once_beside_those_that_are_decided_found_and_judged_anew(
    pipeline: Pipeline, http: httpx.AsyncClient, status: str
) -> None:
    leads = [a_lead(f"{n}@x.example", occurred_at=at(n)) for n in range(56)]
    await pipeline.take(*leads)
    pairs = [tuple(sorted((one.lead_id, other.lead_id))) for one, other in zip(leads[::2], leads[1::2], strict=True)]
    touched: set[str] = set()

    async def judged(pair: tuple[UUID, ...], bits: float) -> str:
        judgement = Judgement((), bits, 0.95, False, 0.95)
        one = Proposal(pair[0], pair[1], "default", judgement, False, f"{pair}{bits}")
        async with pipeline.database.transaction() as tx:
            await matches.save(tx, [one], pair)
        return str(one.candidate_id)

    async def decided(candidate: str, how: str) -> None:
        await do(http, f"/v1/merge-candidates/{candidate}:{how}", Leadflow_Actor="kim")

    ids = [await judged(pair, (4.25, 1 / 3, 0.1)[n % 3]) for n, pair in enumerate(pairs[:20])]
    for one in ids[1::2] if status == "dismissed" else []:
        await decided(one, "dismiss")
    meant = ids[1::2] if status == "dismissed" else ids
    undecided = [one for n, one in enumerate(ids) if status == "open" or n % 2 == 0]
    fresh = iter(range(20, len(pairs)))
    pick = random.Random(status)

    async def others_write(told: list[Item]) -> None:
        left = [one for one in undecided if one not in touched]
        dismissed, merged, anew = pick.sample(left, 3) if len(left) > 5 else (None, None, None)
        if dismissed is not None and merged is not None and anew is not None:
            touched.update((dismissed, merged, anew))
            await decided(dismissed, "dismiss")
            await decided(merged, "merge")
            await judged(pairs[ids.index(anew)], pick.choice((9.5, 0.1, -3.0)))
        if (place := next(fresh, None)) is not None:
            touched.add(await judged(pairs[place], pick.choice((4.25, 1 / 3, 0.1))))

    found = await pages(http, "/v1/merge-candidates", others_write, status=status)
    stayed = set(meant) - touched
    hold(found, "candidate_id", stayed=stayed, moved=touched, ever=set(meant) | touched)
    in_order(found, by="candidate_id", among=stayed, key="bits", falling=True)
    assert have_ties(found, "bits")


@pytest.mark.parametrize("outcome", [None, "left", "done", "refused"])
async def test_items_of_a_job_are_told_once_while_it_is_worked_on(
    pipeline: Pipeline, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, outcome: str | None
) -> None:
    monkeypatch.setattr(working, "AT_ONCE", 2)
    monkeypatch.setattr(working, "TURN_SECONDS", 0.0)
    ids = await new_leads(pipeline, 16)
    for one in ids[::4]:
        await do(http, f"/v1/leads/{one}:archive", {"reason": "no budget"})
    job = await begin(http, "archive", {"reason": "no budget"}, lead_ids=ids)
    worker = a_worker(pipeline)
    for _ in range(3):
        await worker.work()
    path = f"/v1/bulk/{job['job_id']}/items"

    async def places() -> set[int]:
        asked = {"outcome": outcome} if outcome else {}
        return {one["place"] for one in (await http.get(path, params=asked)).json()["items"]}

    async def it_is_worked_on(_: list[Item]) -> None:
        await worker.work()

    before = await places()
    asked = {"outcome": outcome} if outcome else {}
    found = await pages(http, path, it_is_worked_on, place="after", limit=1, **asked)
    after = await places()
    assert before == after if outcome is None else before != after
    told = [one["place"] for page in found for one in page]
    assert told == sorted(set(told))
    # Whoever is done stays done, so all that was there at first is told; of what is left, what nobody has reached yet.
    assert (before & after if outcome == "left" else before) <= set(told) <= before | after


async def test_jobs_and_erasures_of_one_moment_are_told_once_beside_new_ones(
    pipeline: Pipeline, app: FastAPI, http: httpx.AsyncClient
) -> None:
    clock = FakeClock(datetime.now().astimezone())
    pipeline.database.clock = app.state.database.clock = clock
    (lead,) = await new_leads(pipeline, 1)

    async def a_job() -> str:
        return str((await begin(http, "assign", {"owner": "kim"}, lead_ids=[lead]))["job_id"])

    async def an_erasure(name: object) -> str:
        return str((await erase(http, email=f"{name}@gone.example"))["erasure_id"])

    async def others_write(told: list[Item]) -> None:
        clock.advance(timedelta(seconds=1))
        jobs.append(await a_job())
        await do(http, f"/v1/bulk/{told[-1]['job_id']}:cancel")

    async def others_are_erased(_: list[Item]) -> None:
        clock.advance(timedelta(seconds=1))
        erasures.append(await an_erasure(len(erasures)))

    jobs, erasures = [await a_job() for _ in range(7)], [await an_erasure(n) for n in range(7)]
    old_jobs, old_erasures, then = list(jobs), list(erasures), clock.now()
    found = await pages(http, "/v1/bulk", others_write)
    hold(found, "job_id", stayed=old_jobs, ever=jobs)
    assert have_ties(found, "created_at")
    found = await pages(http, "/v1/erasures", others_are_erased, place="before")
    hold(found, "erasure_id", stayed=old_erasures, ever=erasures)
    assert have_ties(found, "until")
    newer = (await http.get("/v1/erasures", params={"before": (then + timedelta(seconds=1)).isoformat()})).json()
    assert {one["erasure_id"] for one in newer["items"]} == set(old_erasures)
    assert (await http.get("/v1/erasures", params={"before": then.isoformat()})).json()["items"] == []
    for wrong in ("", "x", "W10=", "yesterday", "2026-01-01T00:00:00", "0001-01-01T00:00:00+14:00"):
        refused = await http.get("/v1/erasures", params={"before": wrong})
        assert (refused.status_code, refused.json()["field"]) == (422, "before"), wrong
