"""Whoever came in under several ids is one person to everybody who looks: on their own page, in every list, to who judges them."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from shared.contracts.policy import Policy
from tests.integration.pipeline.conftest import Pipeline
from tests.integration.pipeline.test_commands import do
from tests.integration.pipeline.test_matching import ASKING, known_by, policy
from tests.integration.pipeline.test_matching import queue as candidates
from tests.integration.pipeline.test_work_api import look
from tests.unit.pipeline.builders import a_lead, a_score, at

PHONE = "+31206391274"


@pytest.fixture
def rules() -> Policy:
    return policy(ASKING)


async def ids(http: httpx.AsyncClient, **query: Any) -> list[str]:
    return [one["lead_id"] for one in (await look(http, "/v1/leads", **query))["items"]]


async def test_who_telephoned_before_they_wrote_has_their_name_in_every_list(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    finding = known_by(pipeline, ASKING)
    call = a_lead(phone=PHONE, occurred_at=at(1), channel="phone")
    form = a_lead("jane.doering@x.example", phone=PHONE, name="Jane Doering", country="NL", occurred_at=at(2))
    twin = a_lead("janedoering@y.example", name="Jane Doering", country="NL", company="Acme", occurred_at=at(3))
    told = a_lead("jane.doering@x.example", company="Acme Ltd", occurred_at=at(4))
    await pipeline.take(call, form, twin, told, a_score(call.lead_id, 70, occurred_at=at(5)))
    await finding.look()
    root = str(call.lead_id)
    await do(http, f"/v1/leads/{root}:assign", {"owner": "kim"})
    who = (await look(http, f"/v1/leads/{root}"))["personal"]
    assert (who["name"], who["email"], who["phone"]) == ("Jane Doering", "jane.doering@x.example", PHONE)
    listed = (await look(http, "/v1/leads"))["items"]
    due = (await look(http, "/v1/queue", owner="kim"))["items"]
    found = (await look(http, "/v1/search", q="jane.doering@x.example"))["items"]
    judged = [lead for one in await candidates(http) for lead in one["leads"]]
    for shown in (listed, due, found, judged):
        assert [one["personal"] for one in shown if one["lead_id"] == root] == [who]


async def test_where_a_person_is_now_finds_them_whichever_of_their_ids_said_so(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    call = a_lead(phone=PHONE, country="DE", occurred_at=at(1))
    form = a_lead("jane@x.example", phone=PHONE, country="NL", occurred_at=at(2))
    alone = a_lead("li@x.example", country="NL", occurred_at=at(3))
    await pipeline.take(call, form, alone)
    for moved in (None, "IR"):
        if moved is not None:
            await pipeline.take(a_lead(phone=PHONE, country=moved, occurred_at=at(4)))
        where = (await look(http, f"/v1/leads/{call.lead_id}"))["personal"]["country"]
        assert where == (moved or "NL")
        assert str(call.lead_id) in await ids(http, country=where)
        for elsewhere in {"DE", "NL", "IR"} - {where}:
            assert str(call.lead_id) not in await ids(http, country=elsewhere)
    assert await ids(http, country="NL") == [str(alone.lead_id)]
