"""Leads are looked at for what is to be put in order, and are off the list once it is: on real PostgreSQL."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from services.pipeline import tidying
from services.pipeline.instruments import HygieneInstruments
from services.pipeline.tidying import Tidying
from shared.contracts.policy import Policy
from tests.integration.pipeline.conftest import Pipeline
from tests.integration.pipeline.test_commands import do
from tests.integration.pipeline.test_pages_beside_writes import Item, have_ties, hold, pages
from tests.support.clock import FakeClock
from tests.unit.pipeline.builders import POLICY, a_lead, an_interaction, at

RULES = Policy.model_validate(
    {
        "version": "test-4",
        "defaults": {
            **POLICY.defaults.model_dump(exclude_unset=True),
            "hygiene": {"stale_days": 30, "required": ["name"], "failed_attempts": 2},
        },
        "business_units": {"tehran": {}},
    }
)


@pytest.fixture
def rules() -> Policy:
    return RULES


class Household:
    """What looks, at a time that the test moves."""

    def __init__(self, pipeline: Pipeline, app: FastAPI) -> None:
        self.clock = FakeClock(at(0))
        pipeline.database.clock = app.state.pipeline.database.clock = self.clock
        self.registry = CollectorRegistry()
        instruments = HygieneInstruments(self.registry)
        self.tidying = Tidying(pipeline.database, RULES, instruments, interval_seconds=60, max_age_seconds=0)

    async def look(self) -> None:
        self.clock.advance(timedelta(minutes=2))
        while await self.tidying.once():
            pass
        await self.tidying.refresh()

    def number(self, kind: str, unit: str = "default") -> float | None:
        return self.registry.get_sample_value("leadflow_pipeline_hygiene_leads", {"business_unit": unit, "kind": kind})


@pytest.fixture
def household(pipeline: Pipeline, app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> Household:
    monkeypatch.setattr(tidying, "AT_ONCE", 2)
    return Household(pipeline, app)


async def listed(http: httpx.AsyncClient, **asked: Any) -> list[tuple[UUID, str, str]]:
    """Everything on the list, page by page."""
    found: list[tuple[UUID, str, str]] = []
    cursor = None
    while True:
        page = (
            await http.get("/v1/hygiene", params={"limit": 2, **asked, **({"cursor": cursor} if cursor else {})})
        ).json()
        found += [(UUID(one["lead_id"]), one["kind"], one["why"]) for one in page["items"]]
        if (cursor := page["next_cursor"]) is None:
            return found


async def test_what_is_found_is_listed_counted_and_gone_once_it_is_put_in_order(
    pipeline: Pipeline, household: Household, http: httpx.AsyncClient
) -> None:
    fine = a_lead("fine@x.example", name="Fine")
    nameless = a_lead("nameless@x.example")
    bounced = a_lead("bounced@x.example", name="Bounced")
    tried = a_lead("tried@x.example", name="Tried")
    spam = a_lead("spam@x.example", mark="spam")
    await pipeline.take(
        fine,
        nameless,
        bounced,
        tried,
        spam,
        an_interaction("bounced@x.example", kind="email_bounce", occurred_at=at(0.5)),
    )
    path = f"/v1/leads/{tried.lead_id}"
    for _ in range(2):
        household.clock.advance(timedelta(minutes=5))
        await do(http, f"{path}:record-contact", {"kind": "phone", "outcome": "busy"})
    await household.look()
    assert sorted(await listed(http), key=str) == sorted(
        [
            (nameless.lead_id, "incomplete", "not known: name"),
            (bounced.lead_id, "unreachable", "e-mail came back, 0 days ago"),
            (tried.lead_id, "unreachable", "2 attempts in a row failed"),
        ],
        key=str,
    )
    assert [lead_id for lead_id, _, _ in await listed(http, kind="incomplete")] == [nameless.lead_id]
    assert (household.number("unreachable"), household.number("stale"), household.number("stale", "tehran")) == (
        2,
        0,
        0,
    )
    await pipeline.take(a_lead("nameless@x.example", name="Named", occurred_at=at(20)))
    await do(http, f"{path}:archive", {"reason": "no budget"})
    await household.look()
    assert [lead_id for lead_id, _, _ in await listed(http)] == [bounced.lead_id]
    assert len(await listed(http, status="all")) == 3
    (row,) = [
        one
        for one in (await http.get("/v1/hygiene/numbers", params={"period": "2026-Q1"})).json()["items"]
        if one["kind"] == "unreachable"
    ]
    assert (row["entries"], row["found"], row["resolved"], row["left_over"]) == (2, 2, 1, 1)
    assert household.number("unreachable") == 1


async def test_a_lead_that_nobody_touches_gets_stale_and_stays_on_the_list_of_each_month_until_somebody_does(
    pipeline: Pipeline, household: Household, http: httpx.AsyncClient
) -> None:
    lead = a_lead("ann@x.example", name="Ann")
    await pipeline.take(lead)
    await household.look()
    assert await listed(http, period="2026-03") == []
    household.clock.advance(timedelta(days=40))
    await household.look()
    assert await listed(http, period="2026-03") == []
    assert await listed(http, period="2026-04") == [(lead.lead_id, "stale", "new, and nothing happened for 40 days")]
    assert len(await listed(http, period="2026-Q2")) == len(await listed(http, period="2026-05")) == 1
    await do(http, f"/v1/leads/{lead.lead_id}:assign", {"owner": "kim"})
    await household.look()
    assert await listed(http, period="2026-04") == []
    assert len(await listed(http, period="2026-04", status="all")) == 1
    assert (await http.get("/v1/hygiene", params={"period": "May"})).status_code == 422


async def test_what_was_taken_back_is_no_sign_of_life_no_work_and_no_bounce(
    pipeline: Pipeline, household: Household, http: httpx.AsyncClient
) -> None:
    stale, reached = a_lead("ann@x.example", name="Ann"), a_lead("lee@x.example", name="Lee")
    visit = an_interaction("ann@x.example", occurred_at=at(60 * 24))
    bounce = an_interaction("lee@x.example", kind="email_bounce", occurred_at=at(60))
    await pipeline.take(stale, reached, visit, bounce)
    for wrong, kind in ((visit, "retraction"), (bounce, "email_bounce")):
        who = "ann@x.example" if wrong is visit else "lee@x.example"
        undone = an_interaction(who, kind=kind, occurred_at=at(60 * 24 * 2), retracts=wrong.event_id)
        await pipeline.take(undone)
    household.clock.advance(timedelta(days=30, hours=12))
    await household.look()
    assert sorted(await listed(http)) == sorted(
        (one.lead_id, "stale", "new, and nothing happened for 30 days") for one in (stale, reached)
    )


async def test_who_is_probably_the_same_is_on_the_list_until_somebody_decides_and_who_was_erased_is_not(
    pipeline: Pipeline, household: Household, http: httpx.AsyncClient
) -> None:
    one, other = a_lead("ann@x.example", name="Ann"), a_lead("anna@x.example", name="Anna")
    await pipeline.take(one, other)
    await pipeline.database.run(
        lambda tx: tx.execute(
            """
            INSERT INTO pipeline.merge_candidates (candidate_id, lead_id, other_id, business_unit, confidence, bits,
                contradicted, automatic, parts, content, status, found_at)
            VALUES (:id, :one, :other, 'default', 0.9, 3, false, false, '[]', '', 'open', :now)""",
            {"id": uuid4(), "one": one.lead_id, "other": other.lead_id, "now": at(-60 * 24 * 3)},
        )
    )
    await household.look()
    told = "one other lead is probably the same, unanswered for 3 days"
    assert sorted(await listed(http)) == sorted([(one.lead_id, "duplicate", told), (other.lead_id, "duplicate", told)])
    await do(http, "/v1/people:erase", {"email": "ann@x.example", "reason": "case 7"}, Leadflow_Actor="dpo")
    assert [lead_id for lead_id, _, _ in await listed(http)] == [other.lead_id]
    await household.look()
    assert await listed(http) == []


async def test_a_look_goes_on_where_another_process_left_it_and_the_next_waits_for_its_time(
    pipeline: Pipeline, household: Household, app: FastAPI
) -> None:
    await pipeline.take(*(a_lead(f"{place}@x.example") for place in range(5)))
    assert await household.tidying.once()
    second = Tidying(pipeline.database, RULES, HygieneInstruments(CollectorRegistry()), interval_seconds=60)
    assert await second.once()
    assert not await second.once()
    assert (await pipeline.one("SELECT count(*) AS n FROM pipeline.hygiene")).n == 5
    began = (await pipeline.one("SELECT began_at FROM pipeline.hygiene_look")).began_at
    assert not await household.tidying.once()
    household.clock.advance(timedelta(seconds=61))
    assert await household.tidying.once()
    assert (await pipeline.one("SELECT began_at FROM pipeline.hygiene_look")).began_at > began


async def test_what_is_still_to_be_put_in_order_is_told_once_beside_looks_that_find_more_and_less(
    pipeline: Pipeline, household: Household, http: httpx.AsyncClient
) -> None:
    old = [a_lead(f"{n}@x.example") for n in range(9)]
    await pipeline.take(*old)
    await household.look()
    put_in_order = iter(old[1:9:3])
    new: list[UUID] = []

    async def others_write(_: list[Item]) -> None:
        if (one := next(put_in_order, None)) is None:
            return
        number = old.index(one)
        new.append((found := a_lead(f"new{number}@x.example")).lead_id)
        await pipeline.take(a_lead(f"{number}@x.example", name="Ann", occurred_at=at(1)), found)
        await household.look()

    found = await pages(http, "/v1/hygiene", others_write)
    stayed = [str(one.lead_id) for n, one in enumerate(old) if n % 3 != 1]
    hold(found, "lead_id", stayed=stayed, ever=[*(str(one.lead_id) for one in old), *map(str, new)])
    assert have_ties(found, "found_at")
