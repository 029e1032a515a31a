"""A bulk job goes on for the credentials that it was begun with, and no longer than they are good."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from tests.integration.pipeline.conftest import Pipeline
from tests.integration.pipeline.test_bulk import a_worker, leads, look
from tests.integration.pipeline.test_tokens import becomes
from tests.integration.pipeline.test_webhooks_vouched import a_token, with_token


@pytest.fixture
async def running(app: FastAPI) -> AsyncIterator[FastAPI]:
    """The application with what looks for changed tokens."""
    async with app.state.door.callers.kept():
        yield app


async def begun(pipeline: Pipeline, http: httpx.AsyncClient) -> tuple[dict[str, Any], dict[str, Any]]:
    """A manager's token and a job that was begun with it."""
    token = await a_token(http, subject="kim", role="manager", is_person=True)
    await becomes(http, token["key"], 200)
    said = {"doing": "assign", "said": {"owner": "kim"}, "lead_ids": await leads(pipeline, 3)}
    answer = await http.post("/v1/bulk", json=said, headers=with_token(token))
    assert answer.status_code == 202, answer.text
    return token, answer.json()


async def work(pipeline: Pipeline) -> None:
    worker = a_worker(pipeline)
    while await worker.work():
        pass


async def test_a_job_stops_when_its_token_is_revoked_and_goes_on_for_whoever_resumes_it(
    pipeline: Pipeline, running: FastAPI, http: httpx.AsyncClient
) -> None:
    token, job = await begun(pipeline, http)
    assert (await http.post(f"/v1/tokens/{token['prefix']}:revoke")).status_code == 200
    await work(pipeline)
    ended = await look(http, job)
    assert (ended["status"], ended["stopped"], ended["items"]["left"]) == ("cancelled", "credentials ended", 3)
    resumed = (await http.post(f"/v1/bulk/{job['job_id']}:resume")).json()
    assert (resumed["status"], resumed["stopped"]) == ("waiting", None)
    await work(pipeline)
    done = await look(http, job)
    assert (done["status"], done["stopped"], done["items"]["done"]) == ("done", None, 3)


async def test_a_job_goes_on_for_the_token_that_took_over(
    pipeline: Pipeline, running: FastAPI, http: httpx.AsyncClient
) -> None:
    token, job = await begun(pipeline, http)
    answer = await http.post(f"/v1/tokens/{token['prefix']}:rotate", json={"overlap_seconds": 0})
    assert answer.status_code == 201, answer.text
    await work(pipeline)
    assert (await look(http, job))["status"] == "done"
