"""Any score can be made again from the ledger, by the policy that made it, and a policy can be given to everybody."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import timedelta
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from services.scoring.domain import Assessment, Case
from shared.contracts.capture_events import Identity
from shared.contracts.envelope import Event
from shared.contracts.policy import Policy
from shared.contracts.scoring_events import Silence
from shared.contracts.topics import SCORING_SCORES
from shared.kit.frames import unpack
from tests.integration.scoring.conftest import Scoring
from tests.integration.scoring.test_any_order import as_events, expected, leads_of, stories
from tests.integration.scoring.test_api import client
from tests.unit.scoring.builders import NOON, POLICY, an_id, at, captured, days, interacted, merged, unmerged

__all__ = ["client"]

EXAMPLES = itertools.count()
BY_PHONE = (Identity(kind="phone", token="f" * 32),)


def changed(version: str, **scoring: Any) -> Policy:
    """The policy of the tests, with other sections of scoring."""
    document = POLICY.model_dump(mode="json", exclude_unset=True)
    document["version"] = version
    document["defaults"]["scoring"].update(scoring)
    return Policy.model_validate(document)


FADING = changed(
    "fading",
    retell_points=1,
    decay={"any": {"half_life_days": 3}, "demo_request": {"half_life_days": 5, "expires_days": 12}},
    engagement=[
        {"rule": "demo", "kind": "demo_request", "points": 20, "at_most": 2},
        {"rule": "visit", "kind": "page_view", "points": 4, "at_most": 3},
        {"rule": "several", "kind": "page_view", "times": 2, "within_days": 2, "points": 6},
        {"rule": "quiet", "silent_days": 8, "points": -9},
    ],
)
DIRECTORS = changed("directors", fit=[{"rule": "boss", "when": 'job_title contains "director"', "points": 33}])


@pytest.fixture
async def fading(migrated_database: Callable[..., str], registry: CollectorRegistry) -> AsyncIterator[Scoring]:
    service = Scoring(migrated_database("scoring"), registry, FADING)
    yield service
    await service.database.close()


async def test_a_score_that_somebody_changed_is_found(scoring: Scoring) -> None:
    await scoring.take(captured(job_title="Director"), captured("other", "c2"))
    audit = await scoring.audit()
    assert (audit.checked, audit.differences, audit.next) == (2, [], None)
    async with scoring.database.transaction() as tx:
        await tx.execute("UPDATE scoring.leads SET score = 99 WHERE lead_id = :id", {"id": an_id("lead")})
    [difference] = (await scoring.audit()).differences
    assert (difference["lead_id"], difference["fault"]) == (an_id("lead"), "score differ")
    assert (difference["stored"], difference["made_again"]) == ({"score": 99}, {"score": 25})


@pytest.mark.parametrize(
    "harm",
    [
        "UPDATE scoring.leads SET due_at = NULL",
        "UPDATE scoring.leads SET reasons = '[]'",
        "UPDATE scoring.leads SET rating = 'A1'",
        "DELETE FROM scoring.touches WHERE kind IS NOT NULL",
    ],
)
async def test_nothing_of_a_score_changes_unseen(fading: Scoring, harm: str) -> None:
    await fading.take(captured(), interacted(kind="demo_request"))
    assert (await fading.audit()).differences == []
    async with fading.database.transaction() as tx:
        await tx.execute(harm)
    assert len((await fading.audit()).differences) == 1


async def test_an_audit_goes_page_by_page(scoring: Scoring) -> None:
    await scoring.take(*(captured(lead, ("c", lead)) for lead in range(5)), merged(0, 1, 2))
    pages = [await scoring.auditor.page(None, 3)]
    while pages[-1].next is not None:
        pages.append(await scoring.auditor.page(pages[-1].next, 3))
    await scoring.policies.remember()
    assert sum(page.checked + page.unverifiable for page in pages) == 4


@pytest.mark.logs_errors
@pytest.mark.parametrize(
    "harm",
    [
        "UPDATE scoring.leads SET reasons = '[{}]'",
        "UPDATE scoring.policies SET document = '{}'; UPDATE scoring.leads SET policy_version = 'test-0'",
    ],
)
async def test_a_lead_that_cannot_be_audited_keeps_no_other_from_it(scoring: Scoring, harm: str) -> None:
    await scoring.policies.remember()
    await scoring.take(*(captured(lead, ("c", lead)) for lead in range(5)))
    async with scoring.database.transaction() as tx:
        await tx.execute("UPDATE scoring.policies SET version = 'test-0'")
        for statement in harm.split("; "):
            one = f"{statement} WHERE lead_id = :id" if "leads" in statement else statement
            await tx.execute(one, {"id": an_id(3)} if "leads" in statement else {})
    audit = await scoring.audit()
    assert (audit.checked, audit.unverifiable, audit.differences, audit.next) == (4, 1, [], None)
    told = scoring.registry.get_sample_value("leadflow_scoring_scores_audited_total", {"outcome": "failed"})
    assert told == 1


class Opinion:
    """A model with one opinion."""

    def __init__(self, probability: float, version: str) -> None:
        self._said = Assessment(probability, (), version)

    def assess(self, cases: Sequence[Case]) -> Sequence[Assessment | Silence]:
        return [self._said] * len(cases)


async def test_what_a_model_said_is_made_again_while_it_is_the_same_model(scoring: Scoring) -> None:
    scoring.use(POLICY, Opinion(0.5, "one"))
    await scoring.take(captured())
    assert (await scoring.audit()).differences == []
    scoring.use(POLICY, Opinion(0.6, "one"))
    [difference] = (await scoring.audit()).differences
    assert difference["fault"] == "assessment differ"


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(story=stories(), data=st.data())
async def test_in_any_order_with_any_sweeps_between_the_scores_are_those_of_the_whole(
    fading: Scoring, story: list[Any], data: st.DataObject
) -> None:
    """Recomputing is the same as going on, and however it came about, a day later everybody's score is the same."""
    fading.clock.advance(NOON - fading.clock.now())
    events = spread_out(as_events(story, next(EXAMPLES)))
    arriving = data.draw(
        st.permutations([*range(len(events)), *data.draw(st.lists(st.sampled_from(range(len(events)))))])
    )
    for index in arriving:
        await fading.take(events[index])
        if data.draw(st.booleans()):
            fading.clock.advance(timedelta(days=data.draw(st.integers(0, 9))))
            await fading.sweep()
    assert (await fading.audit()).differences == []
    fading.clock.advance(at(days(60)) - fading.clock.now() + timedelta(days=data.draw(st.integers(0, 30))))
    while await fading.sweep():
        pass
    assert (await fading.audit()).differences == []
    scoring = FADING.defaults.scoring
    wanted = expected(events, scoring, fading.clock.now())
    rows = await fading.database.rows(
        "SELECT lead_id, score, grade FROM scoring.leads WHERE lead_id = ANY(:ids) AND root_id = lead_id AND score IS NOT NULL",
        ids=list(leads_of(events)),
    )
    stored = {row.lead_id: (row.score, row.grade) for row in rows}
    assert {lead: stored[lead] for lead in wanted} == {lead: (one.score, one.grade) for lead, one in wanted.items()}


def spread_out(events: list[Event]) -> list[Event]:
    """The same story, a day for each minute."""
    return [event.model_copy(update={"occurred_at": NOON + (event.occurred_at - NOON) * 24 * 60}) for event in events]


async def test_a_new_policy_leaves_scores_until_somebody_asks(scoring: Scoring, client: httpx.AsyncClient) -> None:
    await scoring.take(captured(job_title="Director"), captured("other", "c2", identities=BY_PHONE))
    await scoring.policies.remember()
    scoring.use(DIRECTORS)
    client._transport.app.state.policies = scoring.policies  # type: ignore[attr-defined]
    shown = (await client.get(f"/v1/scores/{an_id('lead')}")).json()
    assert (shown["score"], shown["policy_version"], shown["stale"]) == (25, "test-1", True)
    assert (await client.get("/v1/stats")).json()["stale_scores"] == 2
    audit = await scoring.audit()
    assert (audit.checked, audit.stale, audit.differences) == (2, 2, [])


async def test_a_rescore_gives_the_policy_to_everybody_and_tells_only_what_changed(scoring: Scoring) -> None:
    await scoring.take(
        captured(job_title="Director"),
        captured("other", "c2", identities=BY_PHONE),
        captured("nobody special", "c3"),
        captured("history", "c4", job_title="Director", historical=True),
        interacted("visitor", "v"),
    )
    await scoring.policies.remember()
    scoring.use(DIRECTORS)
    scoring.clock.advance(timedelta(days=3))
    asked = await scoring.rescoring.ask()
    assert (asked.policy_version, asked.leads, asked.status) == ("directors", 5, "running")
    before = await told(scoring)
    await scoring.rescoring.until_done()
    new = {event["lead_id"]: event for event in (await told(scoring))[len(before) :]}
    assert {lead: (event["score"], event["historical"]) for lead, event in new.items()} == {
        str(an_id("lead")): (33, False),
        str(an_id("other")): (0, False),
        str(an_id("history")): (33, True),
    }
    assert {event["occurred_at"] for event in new.values()} == {"2026-03-05T12:00:00Z"}
    [done] = await scoring.rescoring.found(asked.id)
    assert (done.status, done.done, done.changed, done.failed) == ("finished", 5, 3, 0)
    audit = await scoring.audit()
    assert (audit.checked, audit.stale, audit.differences) == (4, 0, [])


async def told(scoring: Scoring) -> list[dict[str, Any]]:
    rows = await scoring.database.rows("SELECT frame FROM scoring.outbox ORDER BY id")
    return [SCORING_SCORES.parse(one.value).model_dump(mode="json") for row in rows for one in unpack(row.frame)]


async def test_a_rescore_goes_on_where_it_was_stopped_and_is_asked_for_once(scoring: Scoring) -> None:
    await scoring.take(*(captured(lead, ("c", lead), job_title="Director") for lead in range(5)))
    scoring.use(DIRECTORS)
    asked = await scoring.rescoring.ask()
    assert await scoring.rescoring.once()
    assert (await scoring.rescoring.ask()).id == asked.id
    scoring.use(DIRECTORS)
    await scoring.rescoring.until_done()
    [done] = await scoring.rescoring.found(asked.id)
    assert (done.status, done.done, done.changed) == ("finished", 5, 5)
    assert (await scoring.rescoring.ask()).id != asked.id


async def test_a_rescore_by_a_newer_policy_takes_the_place_of_an_older_one(scoring: Scoring) -> None:
    await scoring.take(*(captured(lead, ("c", lead), job_title="Director") for lead in range(5)))
    scoring.use(changed("between", fit=[]))
    older = await scoring.rescoring.ask()
    await scoring.rescoring.once()
    between = scoring.rescoring
    scoring.use(DIRECTORS)
    newer = await scoring.rescoring.ask()
    assert not await between.once()
    await scoring.rescoring.until_done()
    statuses = {row.id: row.status for row in await scoring.rescoring.found()}
    assert statuses == {older.id: "superseded", newer.id: "finished"}
    assert (await scoring.audit()).stale == 0


async def test_leads_that_change_during_a_rescore_lose_nothing(scoring: Scoring) -> None:
    leads = range(12)
    await scoring.take(*(captured(lead, ("c", lead), job_title="Director") for lead in leads))
    await scoring.policies.remember()
    scoring.use(DIRECTORS)
    await scoring.rescoring.ask()

    async def visits() -> None:
        for number in range(6):
            await scoring.take(*(interacted(lead, ("v", lead, number), 5 + number) for lead in leads))

    await asyncio.gather(visits(), scoring.rescoring.until_done())
    audit = await scoring.audit()
    assert (audit.checked, audit.stale, audit.differences) == (12, 0, [])


async def test_a_policy_that_changed_under_its_version_is_noticed(scoring: Scoring) -> None:
    await scoring.policies.remember()
    await scoring.take(captured(job_title="Director"))
    scoring.use(changed(POLICY.version, fit=[{"rule": "boss", "field": "email", "present": True, "points": 1}]))
    audit = await scoring.audit()
    assert scoring.policies.contents == 2
    assert (audit.checked, audit.differences) == (1, [])


async def test_who_is_parted_has_a_score_that_can_be_made_again(scoring: Scoring) -> None:
    await scoring.take(captured("a", "c1", identities=BY_PHONE), captured("b", "c2"), interacted("a", "v"))
    await scoring.take(merged("a", "b", 2, days(3)))
    await scoring.take(unmerged("a", "b", 3, days(9)))
    assert (await scoring.audit()).differences == []


async def test_a_backtest_says_what_would_change_and_changes_nothing(
    scoring: Scoring, client: httpx.AsyncClient
) -> None:
    await scoring.take(
        captured(job_title="Director"), captured("other", "c2", identities=BY_PHONE), interacted("visitor", "v")
    )
    before = await scoring.database.rows("SELECT * FROM scoring.leads ORDER BY lead_id")
    document = {**DIRECTORS.model_dump(mode="json", exclude_unset=True)}
    document["defaults"]["qualification"] = {"min_score": 30}
    pages = [(await client.post("/v1/backtests", json={"policy": document, "limit": 2})).json()]
    while pages[-1]["next"] is not None:
        asked = {"policy": document, "limit": 2, "after": pages[-1]["next"]}
        pages.append((await client.post("/v1/backtests", json=asked)).json())
    names = ("leads", "changed", "qualify_before", "qualify_after", "newly_qualify", "no_longer_qualify")
    assert [sum(page[name] for page in pages) for name in names] == [2, 2, 0, 1, 1, 0]
    movers = [one for page in pages for one in page["movers"]]
    assert {one["lead_id"]: (one["before"], one["after"]) for one in movers} == {
        str(an_id("lead")): (25, 33),
        str(an_id("other")): (15, 0),
    }
    assert await scoring.database.rows("SELECT * FROM scoring.leads ORDER BY lead_id") == before
    refused = await client.post("/v1/backtests", json={"policy": {"version": "x", "defaults": {"scoreing": {}}}})
    assert (refused.status_code, refused.json()["field"]) == (422, "policy")
