"""A model speaks beside the rules and changes nothing of what they say."""

from __future__ import annotations

from collections.abc import Sequence

import httpx

from services.scoring.domain import Assessment, Case
from shared.contracts.scoring_events import Contribution, Silence
from tests.integration.scoring.conftest import Scoring
from tests.integration.scoring.test_api import client
from tests.unit.scoring.builders import POLICY, an_id, at, captured, interacted

__all__ = ["client"]


class Counting:
    """The more was done, the likelier."""

    def __init__(self) -> None:
        self.asked: list[Case] = []

    def assess(self, cases: Sequence[Case]) -> Sequence[Assessment | Silence]:
        self.asked += cases
        reason = Contribution(feature="touches", words="did something", log_odds=0.5)
        return [Assessment(len(case.touches) / 8, (reason,), "counting-1") for case in cases]


def with_model(scoring: Scoring) -> Counting:
    model = Counting()
    scoring.use(POLICY, model)
    return model


async def test_a_score_carries_the_models_probability_and_reasons(scoring: Scoring) -> None:
    model = with_model(scoring)
    [event] = await scoring.take(captured(minutes=5, job_title="Director"))
    assert (event.score, event.probability, event.model_version) == (25, 0.125, "counting-1")
    assert event.contributions == (Contribution(feature="touches", words="did something", log_odds=0.5),)
    assert [(case.business_unit, case.as_of) for case in model.asked] == [("default", at(5))]


async def test_a_probability_alone_is_told_and_twice_is_once(scoring: Scoring) -> None:
    with_model(scoring)
    await scoring.take(captured())
    unnamed = interacted(kind="stared_at_logo")
    [event] = await scoring.take(unnamed)
    assert (event.score, event.probability) == (0, 0.25)
    assert await scoring.take(unnamed) == []
    before = await scoring.database.rows("SELECT * FROM scoring.leads")
    assert await scoring.take(captured()) == []
    assert await scoring.database.rows("SELECT * FROM scoring.leads") == before


async def test_the_probability_is_shown_and_null_without_a_model(scoring: Scoring, client: httpx.AsyncClient) -> None:
    await scoring.take(captured("without", "c1"))
    with_model(scoring)
    await scoring.take(captured("with", "c2"))
    shown = (await client.get(f"/v1/scores/{an_id('with')}")).json()
    assert (shown["probability"], shown["model_version"]) == (0.125, "counting-1")
    assert shown["contributions"] == [{"feature": "touches", "words": "did something", "log_odds": 0.5}]
    shown = (await client.get(f"/v1/scores/{an_id('without')}")).json()
    assert (shown["probability"], shown["contributions"], shown["model_version"]) == (None, None, None)
