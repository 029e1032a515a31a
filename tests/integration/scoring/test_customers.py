"""How likely a lead becomes a customer stands beside how likely it becomes an opportunity, each by a model of its own."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import httpx
import pytest

from services.scoring import storage
from services.scoring.domain.model import (
    CUSTOMER,
    EVERY_UNIT,
    OPPORTUNITY,
    AdditiveModel,
    Artefact,
    checksum,
    write_artefact,
)
from services.scoring.domain.model.assessor import Expert
from shared.contracts.policy import Policy
from shared.contracts.scoring_events import Contribution
from tests.integration.scoring.conftest import Scoring
from tests.integration.scoring.test_api import client
from tests.integration.scoring.test_models_at_work import SECOND
from tests.integration.scoring.test_models_at_work import learned as learned_of_opportunities
from tests.integration.scoring.test_registry import a_model, do
from tests.integration.scoring.test_watching import PROFILE, watching
from tests.unit.scoring.builders import (
    NOON,
    POLICY,
    an_id,
    at,
    captured,
    days,
    interacted,
    merged,
    opened,
    unmerged,
    won,
)
from tests.unit.scoring.model.test_assessor import OF_CUSTOMERS

__all__ = ["client"]

CUSTOMERS = write_artefact(Artefact(OF_CUSTOMERS.model, CUSTOMER, 180))
OTHERS = write_artefact(Artefact(AdditiveModel(-30_000, OF_CUSTOMERS.model.tables), CUSTOMER, 180))


async def learned(
    scoring: Scoring, version: str = "customer-1", text: str = CUSTOMERS, unit: str = EVERY_UNIT, **fields: Any
) -> None:
    of_customers = {"outcome": CUSTOMER, "horizon_days": 180, "artefact": text, "checksum": checksum(text)}
    assert await do(scoring, lambda tx: storage.add_model(tx, a_model(version, unit, **(of_customers | fields))))
    assert await speak(scoring, version, unit)


async def speak(scoring: Scoring, version: str | None, unit: str = EVERY_UNIT) -> Any:
    return await do(scoring, lambda tx: storage.let_speak(tx, version, CUSTOMER, unit, by="ada", reason="for the test"))


def probability_of(contributions: Sequence[Contribution]) -> float:
    return 1 / (1 + math.exp(-math.fsum(one.log_odds for one in contributions)))


async def test_both_are_told_each_with_reasons_that_sum_to_it(scoring: Scoring) -> None:
    await learned_of_opportunities(scoring, "opportunity-1")
    await learned(scoring)
    [event] = await scoring.take(captured(channel="referral", job_title="Director"))
    assert event.customer is not None
    assert (event.model_version, event.customer.model_version) == ("opportunity-1", "customer-1")
    assert event.probability == pytest.approx(probability_of(event.contributions or ()), abs=1e-6)
    assert event.customer.probability == pytest.approx(probability_of(event.customer.contributions), abs=1e-6)
    assert event.customer.contributions[1].words == "works as director: more likely"


async def test_either_speaks_alone_and_nothing_of_the_score_changes(scoring: Scoring) -> None:
    [before] = await scoring.take(captured("a", "c1", job_title="Director"))
    assert (before.probability, before.customer) == (None, None)
    await learned(scoring)
    [event] = await scoring.take(captured("b", "c2", job_title="Director"))
    assert event.customer is not None
    assert (event.probability, event.without_model) == (None, "none_active")
    assert (event.score, event.grade, event.reasons) == (before.score, before.grade, before.reasons)


async def test_a_unit_has_its_own_model_of_customers_and_one_with_learning_off_has_none(scoring: Scoring) -> None:
    own = {"business_units": {"tehran": {"scoring": {"model": {"enabled": False}}}}}
    scoring.use(Policy.model_validate(POLICY.model_dump(mode="json", exclude_unset=True) | own))
    await learned(scoring, "all")
    await learned(scoring, "its own", OTHERS, "europe")
    units = ("default", "europe", "tehran")
    told = await scoring.take(*(captured(unit, ("c", unit), business_unit=unit) for unit in units))
    versions = {event.business_unit: event.customer.model_version if event.customer else None for event in told}
    assert versions == {"default": "all", "europe": "its own", "tehran": None}


async def test_one_that_is_taken_over_or_taken_back_is_told_of_the_next_time(scoring: Scoring) -> None:
    await learned(scoring, "one")
    told = await scoring.take(captured())
    unnamed = [interacted(event=("v", minutes), minutes=minutes, kind="stared_at_logo") for minutes in range(1, 4)]
    await learned(scoring, "two", OTHERS)
    told += await scoring.take(unnamed[0])
    await speak(scoring, None)
    told += await scoring.take(unnamed[1])
    assert [event.customer.model_version if event.customer else None for event in told] == ["one", "two", None]
    assert await scoring.take(unnamed[2]) == []
    assert (await scoring.audit()).differences == []


async def test_with_too_little_to_learn_it_from_an_explanation_says_so_and_the_other_speaks(
    scoring: Scoring, client: httpx.AsyncClient
) -> None:
    await learned_of_opportunities(scoring, "opportunity-1")
    few: dict[str, Any] = {"result": "too_little", "words": "too few", "numbers": {}}
    await do(scoring, lambda tx: storage.note_training(tx, CUSTOMER, EVERY_UNIT, **few))
    [event] = await scoring.take(captured())
    assert (event.model_version, event.without_model, event.customer) == ("opportunity-1", None, None)
    shown = (await client.get(f"/v1/scores/{an_id('lead')}/explanation")).json()
    assert (shown["without_model"], shown["without_customer"]) == (None, "too_little_data")


async def test_what_another_release_learned_to_foretell_is_passed_over(scoring: Scoring) -> None:
    await learned(scoring)
    await do(scoring, lambda tx: storage.add_model(tx, a_model("churn-1", outcome="churn")))
    await do(scoring, lambda tx: storage.let_speak(tx, "churn-1", "churn", EVERY_UNIT, by="ada", reason="elsewhere"))
    few: dict[str, Any] = {"result": "too_little", "words": "too few", "numbers": {}}
    await do(scoring, lambda tx: storage.note_training(tx, "churn", "europe", **few))
    [event] = await scoring.take(captured())
    assert event.customer is not None
    assert [state.version for state in scoring.models.states] == ["customer-1"]


@pytest.mark.logs_errors
async def test_one_that_cannot_be_used_is_silent_beside_one_that_can(
    scoring: Scoring, client: httpx.AsyncClient
) -> None:
    await learned_of_opportunities(scoring, "opportunity-1")
    await learned(scoring, text=CUSTOMERS[:40])
    [event] = await scoring.take(captured())
    assert (event.model_version, event.customer) == ("opportunity-1", None)
    shown = (await client.get(f"/v1/scores/{an_id('lead')}/explanation")).json()
    assert (shown["without_model"], shown["customer"], shown["without_customer"]) == (None, None, "unusable")
    faults = {one["outcome"]: one["fault"] for one in (await client.get("/v1/stats")).json()["models"]}
    assert faults == {OPPORTUNITY: None, CUSTOMER: "it is no JSON document"}
    with pytest.raises(RuntimeError, match="customer-1, the customer model of every unit: it is no JSON document"):
        await scoring.models.check()
    usable = {
        outcome: scoring.registry.get_sample_value(
            "leadflow_scoring_model_usable", {"outcome": outcome, "business_unit": "every unit"}
        )
        for outcome in (OPPORTUNITY, CUSTOMER)
    }
    assert usable == {OPPORTUNITY: 1, CUSTOMER: 0}


@pytest.mark.logs_errors
async def test_one_that_fails_at_a_lead_says_nothing_of_that_lead_and_keeps_the_other_from_nothing(
    scoring: Scoring, monkeypatch: pytest.MonkeyPatch
) -> None:
    await learned_of_opportunities(scoring, "opportunity-1")
    await learned(scoring)
    assessed = Expert.assessed

    def stumbling(expert: Expert, case: Any, *values: Any) -> Any:
        if expert.version == "customer-1" and case.touches[0].job_title:
            raise ZeroDivisionError
        return assessed(expert, case, *values)

    monkeypatch.setattr(Expert, "assessed", stumbling)
    told = await scoring.take(captured("a", "c1", job_title="Director"), captured("b", "c2"))
    assert {event.lead_id: event.customer is not None for event in told} == {an_id("a"): False, an_id("b"): True}
    assert {event.model_version for event in told} == {"opportunity-1"}
    failures = [
        scoring.registry.get_sample_value("leadflow_scoring_model_failures_total", {"outcome": outcome})
        for outcome in (OPPORTUNITY, CUSTOMER)
    ]
    assert failures == [0, 1]


async def test_what_it_said_is_made_again_by_the_model_that_said_it(scoring: Scoring) -> None:
    await learned_of_opportunities(scoring, "opportunity-1")
    await learned(scoring, "one")
    await scoring.take(captured("a", "c1", channel="referral"), interacted("a", "v1", 5), captured("b", "c2"))
    await learned(scoring, "two", OTHERS)
    await learned_of_opportunities(scoring, "opportunity-2", SECOND)
    await scoring.take(captured("c", "c3", 8), merged("b", "c", 2, 9))
    await scoring.take(unmerged("b", "c", 3, 10), interacted("d", "v2", 11))
    audit = await scoring.audit()
    assert (audit.checked, audit.unverifiable, audit.differences) == (3, 0, [])


@pytest.mark.parametrize(
    "harm",
    [
        "customer_probability = 0.5",
        "customer_model_version = 'two'",
        "customer_contributions = '[]'",
        """customer_contributions = jsonb_set(customer_contributions, '{0,words}', '"other words"')""",
    ],
)
async def test_nothing_of_what_it_said_changes_unseen(scoring: Scoring, harm: str) -> None:
    await learned(scoring, "two", OTHERS)
    await learned(scoring, "one")
    await scoring.take(captured(channel="referral"))
    assert (await scoring.audit()).differences == []
    async with scoring.database.transaction() as tx:
        await tx.execute(f"UPDATE scoring.leads SET {harm}")
    [difference] = (await scoring.audit()).differences
    assert (difference["lead_id"], difference["fault"]) == (an_id("lead"), "customer differ")


async def test_what_a_model_said_that_nobody_has_any_more_cannot_be_verified(scoring: Scoring) -> None:
    await learned(scoring)
    await scoring.take(captured())
    async with scoring.database.transaction() as tx:
        await tx.execute("UPDATE scoring.leads SET customer_model_version = 'lost'")
    audit = await scoring.audit()
    assert (audit.checked, audit.unverifiable, audit.differences) == (0, 1, [])


async def test_a_rescore_gives_it_to_everybody_once(scoring: Scoring) -> None:
    await scoring.take(*(captured(lead, ("c", lead)) for lead in range(3)))
    await learned(scoring)
    for changed in (3, 0):
        scoring.clock.advance(timedelta(days=1))
        asked = await scoring.rescoring.ask()
        await scoring.rescoring.until_done()
        [done] = await scoring.rescoring.found(asked.id)
        assert done.changed == changed
        rows = await scoring.database.rows("SELECT DISTINCT customer_model_version AS version FROM scoring.leads")
        assert [row.version for row in rows] == ["customer-1"]
        assert (await scoring.audit()).differences == []


async def test_a_score_and_its_explanation_show_it_with_reasons_in_words(
    scoring: Scoring, client: httpx.AsyncClient
) -> None:
    address = f"/v1/scores/{an_id('lead')}"
    await scoring.take(captured("lead", "c0"))
    shown = (await client.get(f"{address}/explanation")).json()
    assert (shown["customer"], shown["without_customer"], shown["told"]["customer"]) == (None, "none_active", None)
    await learned(scoring)
    [event] = await scoring.take(captured(event="again", channel="referral", job_title="Director"))
    assert event.customer is not None
    told = (await client.get(address)).json()["customer"]
    assert told == event.customer.model_dump(mode="json")
    shown = (await client.get(f"{address}/explanation")).json()
    assert (shown["without_customer"], shown["customer"]["probability"]) == (None, event.customer.probability)
    words = [one["words"] for one in shown["customer"]["contributions"]]
    assert words[:2] == ["how leads like these usually end", "works as director: more likely"]
    assert "everything else together" not in words
    assert shown["told"]["customer"] == told


def told(scoring: Scoring, name: str, outcome: str) -> float | None:
    labels: Mapping[str, str] = {"outcome": outcome, "business_unit": "every unit"}
    return scoring.registry.get_sample_value(f"leadflow_scoring_model_{name}", dict(labels))


async def test_it_is_held_against_deals_that_were_won_and_the_other_against_those_that_were_opened(
    scoring: Scoring,
) -> None:
    since: dict[str, Any] = {"data_to": at(days(2)), "horizon_days": 20, "profile": PROFILE}
    twenty = {outcome: write_artefact(Artefact(OF_CUSTOMERS.model, outcome, 20)) for outcome in (OPPORTUNITY, CUSTOMER)}
    await learned(scoring, "of customers", twenty[CUSTOMER], **since)
    await learned_of_opportunities(scoring, "of opportunities", twenty[OPPORTUNITY], **since)
    for number in range(10):
        came = days(5 + number / 10)
        await scoring.take(captured(number, ("c", number), came, channel="referral"))
        if number < 4:
            await scoring.take(opened(number, came + days(1.5), deal=f"deal {number}"))
        if number < 2:
            await scoring.take(won(number, came + days(9), deal=f"deal {number}"))
    scoring.clock.advance(at(days(29)) - NOON)
    seen = await watching(scoring).once()
    # Looks at 0 and 2 days lie far enough back; who was an opportunity by the second has no second look at that.
    assert {outcome: (len(one.followed), sum(one.followed)) for (outcome, _), one in seen.items()} == {
        OPPORTUNITY: (16, 4),
        CUSTOMER: (20, 4),
    }
    assert (told(scoring, "observed_share", OPPORTUNITY), told(scoring, "observed_share", CUSTOMER)) == (4 / 16, 4 / 20)
    assert told(scoring, "drift_leads", CUSTOMER) == 10
    assert told(scoring, "matured_leads", CUSTOMER) == 20
