"""The mix is what it says: by our own rules a tenth qualifies and a hundredth is won."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import orjson

from services.metrics.domain.contributions import contributions
from services.metrics.domain.entries import Measure
from services.metrics.handlers import fact_of
from services.scoring.domain import Rulebook, Touch
from shared.contracts.policy import Policy
from shared.kit.documents import read_yaml
from shared.kit.ids import new_id
from tests.load import mix
from tests.load.stories import story

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def touches(number: int) -> list[Touch]:
    lead = mix.lead(number)
    profile = Touch(
        new_id(),
        new_id(),
        NOW,
        lead["channel"],
        email=True,
        phone="phone" in lead,
        company=True,
        job_title=lead["job_title"],
    )
    did = [Touch(new_id(), new_id(), NOW, one["channel"], kind=one["kind"]) for one in mix.interactions(number)]
    return [profile, *did]


def test_a_tenth_of_the_mix_qualifies_by_the_policy_of_its_unit() -> None:
    policy = read_yaml(Path("policy.yaml"), Policy).unit(mix.UNIT)
    rules = Rulebook(policy.scoring)
    qualified = [
        number for number in range(300) if rules.score(touches(number)).score >= policy.qualification.min_score
    ]
    assert qualified == list(range(0, 300, mix.QUALIFIED_EVERY))
    assert all(mix.is_won(number) <= (number in qualified) for number in range(300))


def test_every_lead_has_an_address_of_its_own_and_two_interactions_under_it() -> None:
    leads = [mix.lead(number) for number in range(1000)]
    assert len({lead["email"] for lead in leads}) == len(leads)
    sent = orjson.loads(mix.interactions_body(range(3)))
    assert [one["email"] for one in sent] == [leads[number]["email"] for number in range(3) for _ in range(2)]
    assert len({one["record_id"] for one in sent}) == len(sent)


def test_the_stories_behind_kpi_queries_are_the_same_mix() -> None:
    entries = [
        entry
        for number in range(200)
        for entry in contributions(new_id(), map(fact_of, story(number, NOW)), currency="EUR")
    ]
    held = [entry.measure for entry in entries if entry.valid_to is None]
    assert (held.count(Measure.LEAD_CREATED), held.count(Measure.LEAD_MARKED)) == (199, 1)
    assert held.count(Measure.LEAD_QUALIFIED) == 20
    bought = [number for number in range(2_000) for one in story(number, NOW) if one.event == "OpportunityWon"]
    assert all(map(mix.is_won, bought))
    assert 15 <= len(bought) < 20, "who came lately has not bought yet"
