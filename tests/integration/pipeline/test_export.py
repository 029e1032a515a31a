"""What is exported is what the tables have, of one moment, a page in memory at a time."""

from __future__ import annotations

import asyncio
import csv
import io
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import orjson
import pytest
import uvicorn
from fastapi import FastAPI

from services.pipeline.api.exports import Paced, _all
from services.pipeline.exporting import Exporting
from services.pipeline.storage import exports
from shared.cli.export import write
from shared.contracts.policy import Policy
from shared.kit.errors import Retryable
from tests.integration.pipeline.access import by, let_in, somebody
from tests.integration.pipeline.conftest import TOKEN, Pipeline
from tests.integration.pipeline.test_commands import do
from tests.integration.pipeline.test_routing import ROUTING, with_sections
from tests.support.patience import eventually
from tests.unit.pipeline.builders import a_lead, a_score, at


@pytest.fixture
def rules() -> Policy:
    return with_sections(routing=ROUTING)


@pytest.fixture
async def filled(pipeline: Pipeline, http: httpx.AsyncClient) -> list[UUID]:
    """Leads of two units, merged and not, with deals, tasks, notes and consents."""
    leads = [a_lead(f"{place}@x.example", name=f"=Name {place}", country="NL") for place in range(4)]
    far = a_lead("far@x.example", business_unit="tehran")
    await pipeline.take(*leads, far)
    await pipeline.take(a_lead("0@x.example", phone="+31612345678", occurred_at=at(1)), a_lead(phone="+31612345679"))
    await pipeline.take(a_lead("1@x.example", phone="+31612345679", occurred_at=at(2)))
    await pipeline.take(*(a_score(one.lead_id, 70) for one in leads))
    root = (await pipeline.lead(leads[0].lead_id)).root_id
    path = f"/v1/leads/{root}"
    await do(
        http, f"{path}:record-consent", {"purpose": "newsletter", "granted": True, "proof": 'said "yes",\nby phone'}
    )
    await do(http, f"{path}/tasks", {"due_at": at(10**7).isoformat(), "note": "@mention"}, status=201)
    await do(http, f"{path}/opportunities", {"opportunity_id": "=deal/1", "amount": 10.5}, status=201)
    return [one.lead_id for one in leads]


async def ndjson(http: httpx.AsyncClient, what: str, **asked: Any) -> list[dict[str, Any]]:
    answer = await http.get("/v1/export", params={"what": what, **asked})
    assert answer.status_code == 200, answer.text
    return [orjson.loads(line) for line in answer.content.splitlines()]


def plain(row: Any) -> Any:
    """A row of a table as JSON has it."""
    return orjson.loads(orjson.dumps(dict(row._mapping), option=orjson.OPT_NON_STR_KEYS))


async def test_what_is_exported_is_what_the_tables_have_row_by_row(
    pipeline: Pipeline, http: httpx.AsyncClient, filled: list[UUID]
) -> None:
    for what, order in (("opportunities", "business_unit, opportunity_id"), ("orders", "business_unit, order_id"),
                        ("tasks", "task_id"), ("history", "lead_id, version")):  # fmt: skip
        rows = [plain(row) for row in await pipeline.database.rows(f"SELECT * FROM pipeline.{what} ORDER BY {order}")]
        told = await ndjson(http, what)
        assert len(told) == len(rows)
        assert rows or what == "orders"
        for one, row in zip(told, rows, strict=True):
            shared = one.keys() & row.keys()
            assert len(shared) > 5
            assert {name: one[name] for name in shared} == {name: row[name] for name in shared}
    roots = await pipeline.database.rows("SELECT * FROM pipeline.leads WHERE lead_id = root_id ORDER BY lead_id")
    told = await ndjson(http, "leads")
    assert [one["lead_id"] for one in told] == [str(row.lead_id) for row in roots]
    for one, row in zip(told, roots, strict=True):
        shown = (await http.get(f"/v1/leads/{row.lead_id}")).json()
        alike = one.keys() & shown.keys()
        assert alike >= {"score", "grade", "consents", "personal", "merged_lead_ids", "owner", "version", "conflicts"}
        assert {name: one[name] for name in alike} == {name: shown[name] for name in alike}
    assert any(one["merged_lead_ids"] for one in told)
    assert any(one["consents"] == {"newsletter": True} for one in told)
    assert any(one["said"] for one in await ndjson(http, "history"))


async def test_csv_says_the_same_and_runs_nothing(
    pipeline: Pipeline, http: httpx.AsyncClient, filled: list[UUID]
) -> None:
    for what in exports.KINDS:
        answer = await http.get("/v1/export", params={"what": what, "format": "csv"})
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
        told = await ndjson(http, what)
        assert len(rows) == len(told)
        key = exports.KINDS[what].key
        for row, one in zip(rows, told, strict=True):
            assert [row[name].removeprefix("'") for name, _ in key] == [str(one[name]) for name, _ in key]
            assert not any(value.startswith(("=", "@")) for value in row.values())
        if what == "leads":
            assert {row["name"] for row in rows} >= {"'=Name 2", "'=Name 3"}
            assert "+31612345678" in {row["phone"] for row in rows}


async def test_nobody_exports_what_another_unit_has(app: FastAPI, http: httpx.AsyncClient, filled: list[UUID]) -> None:
    let_in(app, far=somebody("integrator", "tehran"), agent=somebody("agent", "tehran"))
    for what in exports.KINDS:
        answer = await http.get("/v1/export", params={"what": what}, headers=by("far"))
        rows = [orjson.loads(line) for line in answer.content.splitlines()]
        assert {one["business_unit"] for one in rows} <= {"tehran"}
        assert len(rows) == (1 if what in ("leads", "history") else 0)
    assert (await http.get("/v1/export", headers=by("agent"))).status_code == 403
    refused = await http.get("/v1/export", params={"business_unit": "default"}, headers=by("far"))
    assert refused.status_code == 403


async def test_an_export_goes_on_behind_a_key(http: httpx.AsyncClient, filled: list[UUID]) -> None:
    for what, kind in exports.KINDS.items():
        told = await ndjson(http, what)
        for place, one in enumerate(told):
            after = [str(one[name]) for name, _ in kind.key]
            assert await ndjson(http, what, after=after) == told[place + 1 :]
    for wrong in (["7"], [str(uuid4()), "1"]):
        answer = await http.get("/v1/export", params={"what": "leads", "after": wrong})
        assert (answer.status_code, answer.json()["field"]) == (422, "after")


async def test_all_is_of_the_moment_at_which_it_began_and_few_export_at_once(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "PAGE", 2)
    await pipeline.take(*(a_lead(f"{place}@x.example") for place in range(5)))
    exporting = Exporting(pipeline.database)
    first, second = (exporting.stream("leads", "ndjson", None, None) for _ in range(2))
    parts = [await anext(first)]
    await anext(second)
    with pytest.raises(Retryable, match="Others export"):
        await anext(exporting.stream("leads", "ndjson", None, None))
    await pipeline.take(*(a_lead(f"later {place}@x.example".replace(" ", "")) for place in range(5)))
    parts += [part async for part in first]
    assert len(b"".join(parts).splitlines()) == 5
    await second.aclose()
    again = [part async for part in exporting.stream("leads", "ndjson", None, None)]
    assert len(b"".join(again).splitlines()) == 10


@pytest.mark.slow
async def test_ten_thousand_leads_take_no_more_memory_than_a_thousand(pipeline: Pipeline) -> None:
    exporting = Exporting(pipeline.database)

    async def peak() -> tuple[int, int]:
        tracemalloc.start()
        size = 0
        async for part in exporting.stream("leads", "csv", None, None):
            size += len(part)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return size, most

    async def more(number: int, begin: int) -> None:
        for start in range(begin, begin + number, 500):
            await pipeline.take(*(a_lead(f"{one}@x.example", name=f"Name {one}") for one in range(start, start + 500)))

    await more(1_000, 0)
    await peak()  # what is imported and cached at first is no row
    small = await peak()
    await more(9_000, 1_000)
    large = await peak()
    assert large[0] > 9 * small[0]
    assert large[1] < 1.5 * small[1]


@asynccontextmanager
async def serving(app: FastAPI) -> AsyncIterator[str]:
    """The application on a real port, without what it does beside answering."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, lifespan="off", log_config=None, access_log=False))
    task = asyncio.create_task(server.serve())
    await eventually(lambda: server.started)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await task


@pytest.mark.parametrize("form", ["csv", "ndjson"])
async def test_the_command_goes_on_where_a_file_was_cut_short(
    app: FastAPI,
    http: httpx.AsyncClient,
    filled: list[UUID],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    form: str,
) -> None:
    whole = (await http.get("/v1/export", params={"what": "history", "format": form})).content
    part = tmp_path / "history.part"
    async with serving(app) as url:
        monkeypatch.setenv("LEADFLOW_PIPELINE_URL", url)
        monkeypatch.setenv("LEADFLOW_API_TOKEN", TOKEN)
        for cut in (0, 10, len(whole) // 3, len(whole) // 2, len(whole) - 1, len(whole)):
            part.write_bytes(whole[:cut])
            assert await asyncio.to_thread(write, "history", form, None, part) == len(await ndjson(http, "history"))
            assert part.read_bytes() == whole


@pytest.mark.parametrize("limit", ["page_seconds", "whole_seconds"])
async def test_readers_that_take_nothing_hold_up_nobody_elses_export(
    pipeline: Pipeline, filled: list[UUID], monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(exports, "PAGE", 1)
    monkeypatch.setattr(Paced, limit, 0.3)
    exporting = Exporting(pipeline.database)
    said: list[dict[str, Any]] = []

    async def take_nothing(message: Any) -> None:
        said.append(message)
        if message["type"] == "http.response.body":
            await asyncio.Event().wait()

    streams = [exporting.stream("leads", "ndjson", None, None) for _ in range(2)]
    firsts = [await anext(stream) for stream in streams]
    with pytest.raises(Retryable):
        await anext(exporting.stream("leads", "ndjson", None, None))
    answers = [Paced(_all(first, stream)) for first, stream in zip(firsts, streams, strict=True)]
    await asyncio.wait_for(asyncio.gather(*(one.stream_response(take_nothing) for one in answers)), 10)
    assert all(one["more_body"] for one in said if one["type"] == "http.response.body"), "cut off, not ended"
    third = exporting.stream("leads", "ndjson", None, None)
    assert await anext(third)
    await third.aclose()


async def test_a_key_is_read_as_the_database_reads_it_or_refused(http: httpx.AsyncClient, filled: list[UUID]) -> None:
    rows = await ndjson(http, "history")
    lead_id, version = str(rows[0]["lead_id"]), rows[0]["version"]
    for key in ([lead_id, f"0{version}"], [f"urn:uuid:{lead_id}", str(version)], [lead_id.upper(), f" {version}"]):
        assert await ndjson(http, "history", after=key) == rows[1:]
    arabic = str(version).translate({48 + digit: 0x660 + digit for digit in range(10)})
    assert await ndjson(http, "history", after=[lead_id, arabic]) == rows[1:]
    for key in ([lead_id, "99999999999"], [lead_id, "x"], ["x", "1"], [lead_id], [lead_id, "9" * 200]):
        answer = await http.get("/v1/export", params={"what": "history", "after": key})
        assert answer.status_code == 422, answer.text
        assert answer.json()["field"] == "after"
