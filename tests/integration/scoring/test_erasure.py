"""Whoever is erased stays scored and counted, and what they did says no more who they are."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from services.scoring.api import people_router
from services.scoring.domain import Assessment, Assessor, Case, NoModel
from shared.contracts.erasure_events import ErasureOrdered
from shared.contracts.scoring_events import Contribution, Silence
from shared.kit import problems
from tests.integration.scoring.conftest import Scoring
from tests.support.tables import tables_saying
from tests.unit.scoring.builders import POLICY, an_id, at, captured, interacted, merged, touched

TOKEN = "a token only for tests"
SECRETS = ("director of tea", "her answer")


def order(until: datetime, *lead_ids: UUID) -> ErasureOrdered:
    return ErasureOrdered(
        event_id=an_id(("order", until)),
        lead_id=an_id("lead"),
        business_unit="all",
        occurred_at=until,
        recorded_at=until,
        correlation_id=an_id("erasure"),
        erasure_id=an_id(("erasure", until)),
        until=until,
        lead_ids=lead_ids or (an_id("lead"),),
        actor="kim",
        reason="request 17",
    )


@pytest.fixture
async def client(scoring: Scoring) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    app.state.database, app.state.api_token, app.state.privacy_token = scoring.database, "t" * 16, TOKEN
    problems.install(app)
    app.include_router(people_router)
    transport = httpx.ASGITransport(app=app)
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://scoring", headers=headers) as client:
        yield client


async def touches(scoring: Scoring) -> list[Any]:
    rows = await scoring.database.rows("SELECT event_id, job_title, value FROM scoring.touches ORDER BY occurred_at")
    return [(row.job_title, row.value) for row in rows]


async def test_what_somebody_did_stays_and_no_longer_says_who_did_it(
    scoring: Scoring, client: httpx.AsyncClient
) -> None:
    await scoring.take(captured(job_title="Director of tea"), interacted(value="her answer", minutes=1))
    asked: dict[str, Any] = {"lead_ids": [str(an_id("lead"))], "tokens": []}
    shown = (await client.post("/v1/people:held", json={**asked, "whole": True})).json()
    assert (shown["held"], shown["touches"][0]["job_title"]) == (
        {"touches": 2, "reasons": 0, "dead_letters": 0},
        "Director of tea",
    )
    before = await scoring.database.rows("SELECT * FROM scoring.leads")
    published = len(scoring.published)
    assert await scoring.take(order(at(5))) == []
    assert await scoring.database.rows("SELECT * FROM scoring.leads") == before
    assert len(scoring.published) == published
    assert await touches(scoring) == [(None, None)] * 2
    assert await tables_saying(scoring.database, "scoring", SECRETS) == {}
    assert (await client.post("/v1/people:held", json=asked)).json()["held"] == {
        "touches": 0,
        "reasons": 0,
        "dead_letters": 0,
    }
    audit = await scoring.audit()
    assert (audit.differences, audit.unverifiable) == ([], 1), "a score cannot be made again from what is erased"


async def test_what_was_under_way_is_kept_without_who_did_it_and_what_is_said_later_is_kept(scoring: Scoring) -> None:
    late = captured(job_title="Director of tea", minutes=1)
    await scoring.take(order(at(5)), late)
    await scoring.take(interacted(value="her answer", minutes=4), order(at(5)))
    assert await touches(scoring) == [(None, None)] * 2
    scoring.clock.advance(timedelta(hours=1))
    assert await scoring.take(captured(event="again", job_title="Director of tea", minutes=60)) != []
    assert await scoring.take(order(at(5))) == []
    assert (await touches(scoring))[-1] == ("Director of tea", None)
    audit = await scoring.audit()
    assert (audit.differences, audit.checked) == ([], 1)
    await scoring.take(late)
    assert len(await touches(scoring)) == 3


async def test_the_visits_that_turned_out_to_be_somebodys_are_theirs(scoring: Scoring) -> None:
    visit = interacted("visitor", value="her answer")
    await scoring.take(captured(), visit, touched(visit))
    await scoring.take(order(at(5)))
    assert await tables_saying(scoring.database, "scoring", SECRETS) == {}


class Quoting:
    """Says for whom it speaks by what they said."""

    def assess(self, cases: Sequence[Case]) -> Sequence[Assessment | Silence]:
        found = []
        for case in cases:
            titles = [one.job_title for one in case.touches if one.job_title] or ["nothing"]
            reason = Contribution(feature="job_title", words=f"works as {titles[0]}", log_odds=0.5)
            found.append(Assessment(0.5, (reason,), "quoting-1"))
        return found


@pytest.mark.parametrize("models", [(Quoting(),), (NoModel(), Quoting()), (Quoting(), Quoting())])
async def test_what_speaks_for_somebody_is_forgotten_with_them_under_whatever_id_they_are_scored(
    scoring: Scoring, client: httpx.AsyncClient, models: Sequence[Assessor]
) -> None:
    scoring.use(POLICY, *models)
    await scoring.take(captured(job_title="Director of tea"), captured("other", "c2", job_title="Somebody else"))
    await scoring.take(captured("older", "c3", minutes=1), merged("lead", "older", 1, minutes=2))
    asked: dict[str, Any] = {"lead_ids": [str(an_id("lead"))], "tokens": []}
    assert (await client.post("/v1/people:held", json=asked)).json()["held"]["reasons"] == 2
    await scoring.take(order(at(5)))
    assert (await tables_saying(scoring.database, "scoring", SECRETS)).keys() == {"outbox"}, "goes out, and is empty"
    both = an_id("lead"), an_id("older")
    await scoring.take(order(at(6), *both))
    until = {"lead_ids": [str(one) for one in both], "tokens": [], "until": at(6).isoformat()}
    assert (await client.post("/v1/people:held", json=until)).json()["held"]["reasons"] == 0
    assert "leads" in await tables_saying(scoring.database, "scoring", ["somebody else"])
    scoring.clock.advance(timedelta(hours=1))
    [event] = await scoring.take(captured("older", "back", job_title="Clerk", minutes=60))
    told = event.contributions or (event.customer.contributions if event.customer else ())
    assert [one.words for one in told] == ["works as Clerk"]
    assert (await client.post("/v1/people:held", json=asked)).json()["held"]["reasons"] == 1
    assert (await client.post("/v1/people:held", json=until)).json()["held"]["reasons"] == 0


async def test_an_erased_score_that_what_is_left_makes_again_is_verified(scoring: Scoring) -> None:
    await scoring.take(captured(job_title="Director of tea"))
    await scoring.take(order(at(5)))
    assert (await scoring.audit()).unverifiable == 1
    scoring.clock.advance(timedelta(hours=1))
    assert await scoring.take(captured(event="again", job_title="Director of tea", minutes=60)) == []
    audit = await scoring.audit()
    assert (audit.unverifiable, audit.checked, audit.differences) == (0, 1, [])


async def test_a_score_that_rests_on_what_somebody_erased_had_said_under_another_id_is_not_called_different(
    scoring: Scoring,
) -> None:
    await scoring.take(captured(job_title="Director of tea"), captured("older", "c2", minutes=1))
    await scoring.take(merged("lead", "older", 1, minutes=2))
    await scoring.take(order(at(5)))
    audit = await scoring.audit()
    assert (audit.differences, audit.unverifiable) == ([], 1)


async def test_the_token_for_personal_data_is_asked_for(client: httpx.AsyncClient) -> None:
    answer = await client.post(
        "/v1/people:held", json={"lead_ids": [], "tokens": []}, headers={"Authorization": f"Bearer {'t' * 16}"}
    )
    assert answer.status_code == 401
    assert "privacy token" in answer.text
