"""A backtest says how many leads of each grade a week brings and what came of them, as counting by hand does."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import httpx
import pytest

from services.scoring.domain import Keepings, score, touch
from shared.contracts.capture_events import CaptureEvent, LeadCaptured
from shared.contracts.envelope import Event
from shared.contracts.policy import Policy
from shared.contracts.ranking import Ended, auc, lift
from tests.integration.scoring.conftest import Scoring
from tests.integration.scoring.test_api import client
from tests.unit.scoring.builders import NOON, POLICY, an_id, captured, days, interacted, merged, opened

__all__ = ["client"]

HORIZON = 20
LEADS = range(90)


def policy(version: str, *, boss: int, threshold: int) -> Policy:
    document = POLICY.model_dump(mode="json", exclude_unset=True)
    document["version"] = version
    document["defaults"] |= {"horizon_days": HORIZON, "time_zone": "Pacific/Auckland"}
    document["defaults"]["qualification"] = {"min_score": threshold}
    document["defaults"]["scoring"]["fit"] = [
        {"rule": "boss", "field": "job_title", "contains": ["director"], "points": boss},
        {"rule": "country", "field": "country", "present": True, "points": 12},
    ]
    return Policy.model_validate(document)


OLD, NEW = policy("old", boss=5, threshold=15), policy("new", boss=30, threshold=30)


def a_world(seed: int) -> list[Event]:
    """Leads that came in over two months, some of them merged, some of them opportunities at some time."""
    chance = Random(seed)
    events: list[Event] = []
    for lead in LEADS:
        came = days(chance.uniform(0, 60))
        boss = chance.random() < 0.4
        title, country = ("Director" if boss else "Clerk"), chance.choice([None, "NL"])
        mark = "test" if chance.random() < 0.05 else None
        events.append(captured(lead, ("c", lead), came, job_title=title, country=country, mark=mark))
        events += [
            interacted(lead, ("v", lead, number), came + days(chance.uniform(0, 4)))
            for number in range(chance.randint(0, 3))
        ]
        if chance.random() < (0.7 if boss else 0.2):
            events.append(opened(lead, came + days(chance.uniform(0, 30))))
        if chance.random() < 0.15:
            events.append(merged(lead, chance.choice(LEADS[:20]), 9, came + days(1)))
    return events


def by_hand(events: list[Event], roots: dict[UUID, UUID], rules: Policy, as_of: datetime, after_days: int) -> Any:
    """The same from all events at once: weeks, and (leads, followed) by score and by grade."""
    people: dict[UUID, list[Event]] = defaultdict(list)
    for event in events:
        people[roots[event.lead_id]].append(event)
    weeks: dict[str, Counter[str]] = defaultdict(Counter)
    ends: dict[Any, list[int]] = defaultdict(lambda: [0, 0])
    for did in people.values():
        real = {one.lead_id for one in did if isinstance(one, LeadCaptured) and one.mark is None}
        held = {one.lead_id for one in did if isinstance(one, LeadCaptured)} - real
        touches = [one for one in did if isinstance(one, CaptureEvent) and one.lead_id not in held]
        captures = [one.occurred_at for one in touches if isinstance(one, LeadCaptured)]
        if not captures or min(captures) + timedelta(days=after_days) > as_of:
            continue
        came = min(captures)
        moment = came + timedelta(days=after_days)
        known = [touch(one, Keepings(rules).of("default")) for one in touches if one.occurred_at <= moment]  # type: ignore[arg-type]
        found = score(known, rules.defaults.scoring, moment)
        local = came.astimezone(ZoneInfo("Pacific/Auckland")).date()
        monday = (local - timedelta(days=local.isoweekday() - 1)).isoformat()
        weeks[monday][found.grade] += 1
        weeks[monday]["qualify"] += found.score >= rules.defaults.qualification.min_score
        deals = [one.occurred_at for one in did if one.event == "OpportunityOpened"]
        first = min(deals, default=None)
        if came + timedelta(days=HORIZON) <= as_of and (first is None or first > moment):
            for key in (found.score, found.grade):
                ends[key][0] += 1
                ends[key][1] += first is not None and first <= came + timedelta(days=HORIZON)
    return weeks, ends


@pytest.mark.parametrize(("seed", "after_days"), [(1, 1), (2, 0), (3, 5)])
async def test_weeks_and_outcomes_are_those_counted_by_hand(
    scoring: Scoring, client: httpx.AsyncClient, seed: int, after_days: int
) -> None:
    events = a_world(seed)
    scoring.use(OLD)
    client._transport.app.state.policies = scoring.policies  # type: ignore[attr-defined]
    await scoring.take(*events)
    rows = await scoring.database.rows("SELECT lead_id, root_id FROM scoring.leads")
    roots = {row.lead_id: row.root_id for row in rows}
    as_of = NOON + timedelta(days=55)
    pages = await asked(client, as_of, after_days)
    assert len(pages) > 2
    for side, rules in (("before", OLD), ("after", NEW)):
        weeks, ends = by_hand(events, roots, rules, as_of, after_days)
        told: dict[str, Counter[str]] = defaultdict(Counter)
        ended: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        for page in pages:
            for week, counted in page["weeks"].items():
                told[week].update({**counted[side], "qualify": counted[f"qualify_{side}"]})
            for by in ("scores", "grades"):
                for name, (leads, followed) in page[f"ended_{side}"][by].items():
                    ended[name][0] += leads
                    ended[name][1] += followed
        assert dict(told) == dict(weeks)
        assert dict(ended) == {str(name): counted for name, counted in ends.items()}
        assert sum(counted[1] for counted in ended.values()) > 0


async def asked(client: httpx.AsyncClient, as_of: datetime, after_days: int) -> list[dict[str, Any]]:
    body: dict[str, Any] = {
        "policy": NEW.model_dump(mode="json", exclude_unset=True),
        "as_of": as_of.isoformat(),
        "after_days": after_days,
        "limit": 25,
    }
    pages = [(await client.post("/v1/backtests", json=body)).json()]
    while pages[-1]["next"] is not None:
        pages.append((await client.post("/v1/backtests", json={**body, "after": pages[-1]["next"]})).json())
    return pages


async def test_the_policy_that_knows_who_buys_has_the_greater_lift(scoring: Scoring, client: httpx.AsyncClient) -> None:
    scoring.use(OLD)
    client._transport.app.state.policies = scoring.policies  # type: ignore[attr-defined]
    await scoring.take(*a_world(4))
    found = []
    for side in ("before", "after"):
        ended: dict[float, Ended] = {}
        for page in await asked(client, NOON + timedelta(days=90), 1):
            for name, (leads, followed) in page[f"ended_{side}"]["scores"].items():
                before = ended.get(float(name), Ended(0, 0))
                ended[float(name)] = Ended(before.leads + leads, before.followed + followed)
        found.append((auc(ended) or 0.0, lift(ended) or 0.0))
    assert found[1][0] > found[0][0]
    assert found[1][1] > found[0][1]


async def test_a_lead_whose_horizon_is_not_over_is_held_against_nothing(
    scoring: Scoring, client: httpx.AsyncClient
) -> None:
    scoring.use(OLD)
    client._transport.app.state.policies = scoring.policies  # type: ignore[attr-defined]
    await scoring.take(captured(), opened(minutes=days(3)))
    [page] = await asked(client, NOON + timedelta(days=HORIZON - 1), 1)
    assert (page["ended_after"]["scores"], page["weeks"]["2026-03-02"]["leads"]) == ({}, 1)
    [page] = await asked(client, NOON + timedelta(days=HORIZON), 1)
    assert page["ended_after"]["scores"] == {"0": [1, 1]}
    [page] = await asked(client, NOON + timedelta(days=HORIZON), 4)
    assert page["ended_after"]["scores"] == {}
    assert await scoring.database.rows("SELECT 1 FROM scoring.leads WHERE lead_id = :id", id=an_id("lead"))
