"""The models that the registry says speak are at work, taken over without a restart; whatever is wrong with one, rules go on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import httpx
import pytest

from services.scoring import storage
from services.scoring.domain import Assessment, Case
from services.scoring.domain.model import EVERY_UNIT, OPPORTUNITY, Artefact, checksum, write_artefact
from services.scoring.domain.model.assessor import Experts
from shared.contracts.policy import Policy
from shared.contracts.scoring_events import Silence
from tests.integration.scoring.conftest import Scoring
from tests.integration.scoring.test_api import client
from tests.integration.scoring.test_registry import a_model, activate, do
from tests.unit.scoring.builders import POLICY, an_id, captured, interacted, marked, merged
from tests.unit.scoring.model.test_assessor import EXPERT, MODEL

__all__ = ["client"]

TEXT = write_artefact(Artefact(MODEL, OPPORTUNITY, 90))
SECOND = write_artefact(Artefact(MODEL.__class__(5_000, MODEL.tables), OPPORTUNITY, 90))


async def learned(scoring: Scoring, version: str, text: str = TEXT, unit: str = EVERY_UNIT, **more: Any) -> None:
    fields = {"artefact": text, "checksum": checksum(text), **more}
    assert await do(scoring, lambda tx: storage.add_model(tx, a_model(version, unit, **fields)))
    assert await activate(scoring, version, unit)


async def store(scoring: Scoring, text: str, sum_of: str) -> None:
    async with scoring.database.transaction() as tx:
        stored = {"text": text, "sum": checksum(sum_of)}
        await tx.execute("UPDATE scoring.models SET artefact = :text, checksum = :sum", stored)


async def test_a_model_that_is_activated_speaks_from_the_next_batch_on(scoring: Scoring) -> None:
    [before] = await scoring.take(captured(channel="referral"))
    assert (before.probability, before.without_model) == (None, "none_active")
    await learned(scoring, "one")
    [after] = await scoring.take(captured(event="again", minutes=9, channel="referral"))
    assert (after.model_version, after.without_model) == ("one", None)
    assert after.score == before.score
    assert after.probability is not None
    log_odds = math.fsum(one.log_odds for one in after.contributions or ())
    assert after.probability == pytest.approx(1 / (1 + math.exp(-log_odds)), abs=1e-6)


async def test_a_unit_with_a_model_of_its_own_has_that_one(scoring: Scoring) -> None:
    await learned(scoring, "all")
    await learned(scoring, "its own", SECOND, "europe")
    told = await scoring.take(captured("a", "c1"), captured("b", "c2", business_unit="europe"))
    assert {event.business_unit: event.model_version for event in told} == {"default": "all", "europe": "its own"}


async def test_for_a_unit_whose_learning_is_turned_off_rules_alone_speak(scoring: Scoring) -> None:
    own = {"business_units": {"europe": {"scoring": {"model": {"enabled": False}}}}}
    scoring.use(Policy.model_validate(POLICY.model_dump(mode="json", exclude_unset=True) | own))
    await learned(scoring, "all")
    told = await scoring.take(captured("a", "c1"), captured("b", "c2", business_unit="europe"))
    assert {event.business_unit: (event.model_version, event.without_model) for event in told} == {
        "default": ("all", None),
        "europe": (None, "none_active"),
    }


async def test_another_model_is_taken_over_and_taken_back_without_a_restart(scoring: Scoring) -> None:
    await learned(scoring, "one")
    [first] = await scoring.take(captured())
    await learned(scoring, "two", SECOND)
    [second] = await scoring.take(interacted(event="v1", minutes=1, kind="stared_at_logo"))
    await activate(scoring, "one")
    [third] = await scoring.take(interacted(event="v2", minutes=2, kind="stared_at_logo"))
    await activate(scoring, None)
    [fourth] = await scoring.take(interacted(event="v3", minutes=3, kind="stared_at_logo"))
    told = [first, second, third, fourth]
    assert [event.model_version for event in told] == ["one", "two", "one", None]
    assert fourth.without_model == "none_active"
    assert (await scoring.audit()).differences == []


async def test_the_registry_is_not_asked_more_often_than_it_may_be(scoring: Scoring) -> None:
    time = [0.0]
    scoring.models._interval_seconds, scoring.models._monotonic = 5, lambda: time[0]
    await scoring.take(captured("a", "c1"))
    await learned(scoring, "one")
    [event] = await scoring.take(captured("b", "c2"))
    assert event.model_version is None
    time[0] = 5.0
    [event] = await scoring.take(captured("c", "c3"))
    assert event.model_version == "one"


OLDER = TEXT.replace('"format_version":1', '"format_version":2')
ELSEWHERE = TEXT.replace('"levels":{"referral":0', '"levels":{"referral":99')


@pytest.mark.logs_errors
@pytest.mark.parametrize(
    ("text", "sum_of", "fault"),
    [
        (TEXT[:40], TEXT, "it was changed after it was written"),
        (TEXT.replace("-20000", "-20001"), TEXT, "it was changed after it was written"),
        (OLDER, OLDER, "this release reads version 1"),
        (ELSEWHERE, ELSEWHERE, "its tables do not fit together"),
        ("no model", "no model", "it is no JSON document"),
    ],
)
async def test_an_artefact_that_cannot_be_used_leaves_rules_alone_and_says_so(
    scoring: Scoring, client: httpx.AsyncClient, text: str, sum_of: str, fault: str
) -> None:
    await learned(scoring, "one")
    await store(scoring, text, sum_of)
    [event] = await scoring.take(captured(job_title="Director"))
    assert (event.score, event.probability, event.without_model) == (25, None, "unusable")
    [model] = (await client.get("/v1/stats")).json()["models"]
    assert (model["whose"], model["version"]) == ("every unit", "one")
    assert fault in model["fault"]
    with pytest.raises(RuntimeError, match="one, the opportunity model of every unit"):
        await scoring.models.check()
    labels = {"outcome": OPPORTUNITY, "business_unit": "every unit"}
    assert scoring.registry.get_sample_value("leadflow_scoring_model_usable", labels) == 0
    await store(scoring, TEXT, TEXT)
    [event] = await scoring.take(captured("other", "c2"))
    assert event.model_version == "one"
    assert scoring.registry.get_sample_value("leadflow_scoring_model_usable", labels) == 1
    await scoring.models.check()


async def test_below_the_least_data_rules_alone_speak_and_say_so(scoring: Scoring) -> None:
    await do(
        scoring,
        lambda tx: storage.note_training(tx, OPPORTUNITY, EVERY_UNIT, result="too_little", words="too few", numbers={}),
    )
    [event] = await scoring.take(captured())
    assert (event.probability, event.without_model) == (None, "too_little_data")


@pytest.mark.logs_errors
async def test_a_model_that_fails_at_a_lead_says_nothing_of_that_lead(
    scoring: Scoring, monkeypatch: pytest.MonkeyPatch
) -> None:
    await learned(scoring, "one")

    def stumbling(self: Experts, cases: Sequence[Case]) -> Sequence[Assessment | Silence]:
        if any(one.touches[0].job_title for one in cases):
            raise ZeroDivisionError
        return [EXPERT.assessed(one) for one in cases]

    monkeypatch.setattr(Experts, "assess", stumbling)
    told = await scoring.take(captured("a", "c1", job_title="Director"), captured("b", "c2"))
    assert {event.lead_id: event.without_model for event in told} == {an_id("a"): "failed", an_id("b"): None}
    assert scoring.registry.get_sample_value("leadflow_scoring_model_failures_total", {"outcome": OPPORTUNITY}) == 1


async def test_who_is_held_out_is_not_assessed(scoring: Scoring) -> None:
    await learned(scoring, "one")
    [event] = await scoring.take(captured(mark="spam"))
    assert (event.probability, event.without_model) == (None, "nothing_known")
    [event] = await scoring.take(marked(None, 3))
    assert event.model_version == "one"


async def test_what_any_model_ever_said_can_be_made_again(scoring: Scoring) -> None:
    await learned(scoring, "one")
    await scoring.take(captured("a", "c1", channel="referral"), interacted("a", "v1", 5), captured("b", "c2"))
    await learned(scoring, "two", SECOND)
    await scoring.take(merged("b", "c", 2, 7), captured("c", "c3", 8), interacted("d", "v2", 9))
    audit = await scoring.audit()
    assert (audit.checked, audit.unverifiable, audit.differences) == (2, 0, [])
    async with scoring.database.transaction() as tx:
        await tx.execute("UPDATE scoring.leads SET probability = 0.5 WHERE lead_id = :id", {"id": an_id("a")})
    [difference] = (await scoring.audit()).differences
    assert (difference["lead_id"], difference["fault"]) == (an_id("a"), "assessment differ")


async def test_a_rescore_gives_a_new_model_to_everybody(scoring: Scoring) -> None:
    await scoring.take(*(captured(lead, ("c", lead)) for lead in range(3)))
    await learned(scoring, "one")
    scoring.clock.advance(timedelta(days=1))
    await scoring.rescoring.ask()
    await scoring.rescoring.until_done()
    rows = await scoring.database.rows("SELECT DISTINCT model_version FROM scoring.leads")
    assert [row.model_version for row in rows] == ["one"]
    assert (await scoring.audit()).differences == []


async def test_an_explanation_gives_every_reason_of_the_model(scoring: Scoring, client: httpx.AsyncClient) -> None:
    await scoring.take(captured(channel="referral"))
    address = f"/v1/scores/{an_id('lead')}/explanation"
    shown = (await client.get(address)).json()
    assert (shown["model"], shown["without_model"]) == (None, "none_active")
    await learned(scoring, "one")
    shown = (await client.get(address)).json()
    assert shown["model"]["model_version"] == "one"
    words = [one["words"] for one in shown["model"]["contributions"]]
    assert words[0] == "how leads like these usually end"
    assert "came by referral: more likely" in words
    assert "everything else together" not in words
