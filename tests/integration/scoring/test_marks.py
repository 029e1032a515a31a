"""Tests and spam are kept and left out of scores, and come back when somebody says that they were none."""

from __future__ import annotations

from datetime import timedelta

import httpx

from services.scoring.storage import queries
from shared.contracts.capture_events import Identity
from tests.integration.scoring.conftest import Scoring
from tests.integration.scoring.test_api import client
from tests.integration.scoring.test_made_again import changed
from tests.unit.scoring.builders import an_id, at, captured, days, interacted, marked, merged, unmerged

__all__ = ["client"]

BY_PHONE = (Identity(kind="phone", token="f" * 32),)


async def test_a_lead_captured_under_a_mark_has_a_score_of_nothing(scoring: Scoring) -> None:
    [event] = await scoring.take(
        captured(job_title="Director", mark="test"), interacted(kind="demo_request", mark="test")
    )
    assert (event.score, event.reasons, event.grade) == (0, (), "C")
    assert await queries.audited(scoring.database, [an_id("capture")]) == {an_id("capture"): "fact"}


async def test_a_marked_touch_of_a_real_lead_is_left_out(scoring: Scoring) -> None:
    await scoring.take(captured(identities=BY_PHONE))
    assert await scoring.take(captured(event="a test", job_title="Director", minutes=1, mark="test")) == []
    assert await scoring.take(interacted(event="bot", minutes=2, mark="spam")) == []


async def test_an_unmarked_capture_shows_somebody_real_and_takes_nothing_else_with_it(scoring: Scoring) -> None:
    await scoring.take(captured(job_title="Director", mark="spam"), interacted(event="visit"))
    [event] = await scoring.take(captured(event="real", identities=BY_PHONE, minutes=3))
    assert [(one.rule, one.points) for one in event.reasons] == [("phone", 15), ("visit", 4)]


async def test_who_is_marked_by_somebody_loses_every_point_and_gets_them_back_on_release(scoring: Scoring) -> None:
    [before] = await scoring.take(captured(job_title="Director"), interacted())
    [held_out] = await scoring.take(marked("spam", 4, "lead", 10))
    assert (before.score, held_out.score, held_out.reasons) == (29, 0, ())
    assert held_out.causation_id == an_id(("marked", "lead", 4))
    assert await scoring.take(interacted(event="another", minutes=11)) == []
    [released] = await scoring.take(marked(None, 6, "lead", 20))
    assert (released.score, released.occurred_at) == (33, at(20))


async def test_a_release_brings_back_what_was_captured_under_a_mark(scoring: Scoring) -> None:
    await scoring.take(captured(job_title="Director", mark="test"), interacted(mark="test"))
    [event] = await scoring.take(marked(None, 3, "lead", 9))
    assert event.score == 29
    assert await scoring.take(marked("test", 2, "lead", 30)) == []
    assert scoring.duplicates == []
    assert await scoring.take(marked("test", 2, "lead", 30)) == []
    assert scoring.duplicates == [an_id(("marked", "lead", 2))]


async def test_a_marked_id_takes_nothing_away_from_the_person_it_is_merged_into(scoring: Scoring) -> None:
    await scoring.take(captured("real", "c1", identities=BY_PHONE), captured("spam", "c2", job_title="Director"))
    await scoring.take(marked("spam", 3, "spam", 5))
    await scoring.take(merged("spam", "real", 4, 6))
    assert {event.lead_id: event.score for event in scoring.published} == {an_id("real"): 15, an_id("spam"): 0}
    await scoring.take(marked(None, 5, "spam", 7))
    assert scoring.published[-1].score == 40
    await scoring.take(unmerged("spam", "real", 6, 8))
    assert {event.lead_id: event.score for event in scoring.published} == {an_id("real"): 15, an_id("spam"): 25}
    assert (await scoring.audit()).differences == []


async def test_scores_are_made_again_and_rescored_without_what_is_marked(scoring: Scoring) -> None:
    await scoring.take(captured(job_title="Director", mark="test"), captured("other", "c2", job_title="Director"))
    await scoring.take(interacted("other", "v", 1, mark="spam"), marked("spam", 1, "third", 2))
    assert (await scoring.audit()).differences == []
    scoring.use(changed("visits", engagement=[{"rule": "visit", "kind": "page_view", "points": 9}]))
    scoring.clock.advance(timedelta(days=1))
    await scoring.rescoring.ask()
    await scoring.rescoring.until_done()
    rows = await scoring.database.rows("SELECT lead_id, score FROM scoring.leads WHERE score IS NOT NULL")
    assert {row.lead_id: row.score for row in rows} == {an_id("lead"): 0, an_id("other"): 25}
    async with scoring.database.transaction() as tx:
        await tx.execute("UPDATE scoring.touches SET mark = NULL WHERE event_id = :id", {"id": an_id("v")})
    [difference] = (await scoring.audit()).differences
    assert difference["lead_id"] == an_id("other")


async def test_what_is_marked_awaits_no_midnight(scoring: Scoring) -> None:
    scoring.use(changed("fading", decay={"any": {"half_life_days": 3}}, retell_points=1))
    await scoring.take(captured(), interacted(kind="demo_request"))
    await scoring.take(marked("test", 2, "lead", 5))
    scoring.clock.advance(timedelta(days=9))
    assert await scoring.sweep() == []
    [event] = await scoring.take(marked(None, 3, "lead", days(9)))
    assert 0 < event.engagement < 20


async def test_an_explanation_says_what_is_left_out(scoring: Scoring, client: httpx.AsyncClient) -> None:
    await scoring.take(captured(identities=BY_PHONE), interacted(event="bot", minutes=2, mark="spam"))
    scoring.clock.advance(timedelta(minutes=5))
    shown = (await client.get(f"/v1/scores/{an_id('lead')}/explanation")).json()
    assert (shown["score"]["score"], shown["left_out"]) == (15, [str(an_id("bot"))])
    asked = {"as_of": at(1).isoformat()}
    shown = (await client.get(f"/v1/scores/{an_id('lead')}/explanation", params=asked)).json()
    assert shown["left_out"] == []
