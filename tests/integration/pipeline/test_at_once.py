"""Two at once: streams, commands and imports that meet the same lead, deal or key."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from functools import partial
from typing import Any

import httpx
import pytest

from services.pipeline.domain.state import fold
from services.pipeline.storage.rows import fact_of
from shared.contracts.lifecycle_events import OpportunityOpened
from shared.kit.database import Transaction
from shared.kit.errors import Rejected
from shared.kit.frames import MAX_MESSAGE_BYTES
from tests.integration.pipeline.conftest import Pipeline
from tests.integration.pipeline.test_commands import a_qualified_lead, do
from tests.integration.pipeline.test_history import row, send
from tests.support.patience import eventually
from tests.unit.pipeline.builders import a_lead, a_score, an_id, an_interaction, at, recorded


async def meanwhile(pipeline: Pipeline, batch: list[Any], other: Awaitable[Any]) -> Any:
    """`other`, begun while a batch is processed and not committed, waiting for it, and ended after it."""

    async def waits() -> bool:
        return bool((await pipeline.one("SELECT count(*) AS n FROM pg_locks WHERE NOT granted")).n)

    async with pipeline.database.transaction() as transaction:
        await pipeline.handlers.handle(transaction, [recorded(one, place) for place, one in enumerate(batch)])
        running = asyncio.ensure_future(other)
        await eventually(waits)
    return await running


async def test_a_command_that_waited_for_a_merge_decides_on_the_whole_person(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    root = a_lead("ann@x.example", occurred_at=at(5))
    other = a_lead(phone="+31612345678", occurred_at=at(6), channel="phone")
    await pipeline.take(root, other, a_score(other.lead_id, 70, occurred_at=at(7)))
    await do(http, f"/v1/leads/{other.lead_id}/opportunities", {"opportunity_id": "d1"}, status=201)
    both = a_lead("ann@x.example", phone="+31612345678", occurred_at=at(8))
    assigning = do(http, f"/v1/leads/{root.lead_id}:assign", {"owner": "kim"})
    answer = await meanwhile(pipeline, [both], assigning)
    assert answer["merged_lead_ids"] == [str(other.lead_id)]
    stored = await pipeline.lead(root.lead_id)
    facts = await pipeline.database.rows(
        "SELECT h.* FROM pipeline.history h JOIN pipeline.leads l USING (lead_id) WHERE l.root_id = :id",
        id=root.lead_id,
    )
    state = fold(fact_of(one) for one in facts)
    assert (stored.status, stored.score, stored.owner) == (state.status, 70, "kim") == ("converted", 70, "kim")


async def test_two_leads_that_open_one_deal_at_once_leave_it_with_one(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    for attempt in range(5):
        lead_id = await a_qualified_lead(pipeline, f"ann{attempt}@x.example")
        name = f"d{attempt}"
        opened, imported = await asyncio.gather(
            http.post(f"/v1/leads/{lead_id}/opportunities", json={"opportunity_id": name}),
            send(http, row("opportunity_opened", "2026-01-01", f"c{attempt}", opportunity_id=name)),
        )
        assert (opened.status_code, imported["accepted"]) in ((201, 0), (409, 1))
    openings = [one for one in await pipeline.published() if isinstance(one, OpportunityOpened)]
    assert len(openings) == 5


async def test_one_key_sent_many_times_at_once_is_one_command_with_one_answer(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    path = f"/v1/leads/{await a_qualified_lead(pipeline)}"
    gone = [do(http, f"{path}:archive", {"reason": "no budget"}, Idempotency_Key="k1") for _ in range(6)]
    answers = await asyncio.gather(*gone)
    assert {answer["status"] for answer in answers} == {"archived"}
    archived = await pipeline.one("SELECT count(*) AS n FROM pipeline.history WHERE event = 'LeadArchived'")
    assert archived.n == 1


async def test_a_deal_has_one_story_so_an_unmerge_does_not_tear_it_apart(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    await send(
        http,
        row("opportunity_opened", "2026-01-02", "b", opportunity_id="d1", stage="x"),
        row("assigned", "2026-01-01", "a", owner="kim"),
    )
    first, second = (
        one.lead_id for one in await pipeline.database.rows("SELECT lead_id FROM pipeline.leads ORDER BY created_at")
    )
    identities = await pipeline.database.rows("SELECT lead_id, kind, token FROM pipeline.identities")
    tokens = tuple({"kind": one.kind, "token": one.token} for one in identities)
    await pipeline.take(a_lead("ann@x.example", occurred_at=at(1), identities=tokens))
    assert (await send(http, row("won", "2026-01-03", "a", opportunity_id="d1", amount=10)))["accepted"] == 1
    won = (await pipeline.published())[-1]
    assert won.lead_id == second
    await do(http, f"/v1/leads/{second}:unmerge")
    deal = (await http.get("/v1/opportunities/d1")).json()
    assert (deal["lead_id"], deal["status"]) == (str(second), "won")
    assert (await http.get(f"/v1/leads/{first}")).json()["opportunities"] == []


async def test_what_would_be_too_large_to_announce_is_refused_before_it_waits(pipeline: Pipeline) -> None:
    with pytest.raises(Rejected):
        await pipeline.take(an_interaction("ann@x.example", value="a" * MAX_MESSAGE_BYTES))
    assert len(await pipeline.take(a_lead("ann@x.example"))) == 1


async def test_a_score_that_waited_while_its_lead_was_made_does_not_overtake_the_next(pipeline: Pipeline) -> None:
    lead = a_lead("ann@x.example")
    first, second, third = (a_score(lead.lead_id, score, occurred_at=at(5)) for score in (30, 20, 35))
    async with pipeline.database.transaction() as transaction:
        await pipeline.handlers.handle(transaction, [recorded(lead)])
        await pipeline.take(first)  # another process, which does not see the lead yet
    assert pipeline.waiting == [first.event_id]
    await pipeline.take(second, third)
    swept = await pipeline.database.run(partial(pipeline.handlers.take_up_stranded, within_seconds=None))
    assert (await pipeline.lead(lead.lead_id)).score == 35
    assert swept == 0
    story = await pipeline.database.rows(
        "SELECT data FROM pipeline.history WHERE event = 'LeadGraded' ORDER BY version"
    )
    assert [one.data["score"] for one in story] == [30, 20, 35]
    await pipeline.take(first)
    assert pipeline.duplicates == [first.event_id]


async def test_scores_that_wait_together_are_taken_up_in_their_order_and_once(pipeline: Pipeline) -> None:
    lead = a_lead("ann@x.example")
    ids = sorted((an_id() for _ in range(3)), reverse=True)
    scores = [
        a_score(lead.lead_id, score, event_id=event_id, occurred_at=at(5))
        for score, event_id in zip((30, 20, 35), ids, strict=True)
    ]
    async with pipeline.database.transaction() as transaction:
        await pipeline.handlers.handle(transaction, [recorded(lead)])
        await pipeline.take(*scores)
    assert await pipeline.database.run(partial(pipeline.handlers.take_up_stranded, within_seconds=None)) == 3
    story = await pipeline.database.rows(
        "SELECT data FROM pipeline.history WHERE event = 'LeadGraded' ORDER BY version"
    )
    assert [one.data["score"] for one in story] == [30, 20, 35]
    assert not await pipeline.database.rows("SELECT FROM pipeline.waiting")


async def test_a_score_that_waited_is_a_fact_once_when_the_sweep_meets_the_next_score(pipeline: Pipeline) -> None:
    lead = a_lead("ann@x.example")
    first, second = (a_score(lead.lead_id, score, occurred_at=at(5)) for score in (30, 35))
    async with pipeline.database.transaction() as transaction:
        await pipeline.handlers.handle(transaction, [recorded(lead)])
        await pipeline.take(first)
    sweep = pipeline.database.run(partial(pipeline.handlers.take_up_stranded, within_seconds=None))
    assert await meanwhile(pipeline, [second], sweep) == 0
    story = await pipeline.database.rows(
        "SELECT data FROM pipeline.history WHERE event = 'LeadGraded' ORDER BY version"
    )
    assert [one.data["score"] for one in story] == [30, 35]
    assert (await pipeline.lead(lead.lead_id)).score == 35


async def test_what_waits_for_nobody_known_is_looked_through_at_once_however_much_it_is(pipeline: Pipeline) -> None:
    """As after a kill: nothing is known of the tables' contents, and a plan that reads one of them for each row of another
    takes minutes."""

    async def fill(tx: Transaction) -> None:
        await tx.execute(
            """
            INSERT INTO pipeline.waiting
                (lead_id, event_id, topic, partition, record_offset, record_timestamp, value, recorded_at)
            SELECT gen_random_uuid(), gen_random_uuid(), 'capture.leads.v1', 0, n, :now, '{}', :now
            FROM generate_series(1, 20000) n""",
            {"now": tx.now},
        )
        await tx.execute(
            """
            INSERT INTO pipeline.waiting_identities (lead_id, event_id, token)
            SELECT lead_id, event_id, md5(CAST(event_id AS text)) FROM pipeline.waiting"""
        )
        await tx.execute(
            """
            INSERT INTO pipeline.identities (business_unit, kind, token, lead_id)
            SELECT 'europe', 'email', md5(CAST(n AS text)), gen_random_uuid() FROM generate_series(1, 20000) n"""
        )

    async def look(tx: Transaction) -> int:
        await tx.execute("SET LOCAL statement_timeout = '5s'")
        return await pipeline.handlers.take_up_stranded(tx, within_seconds=None)

    await pipeline.database.run(fill)
    assert await pipeline.database.run(look) == 0
