"""From leads and how they ended to the next lead's probability: learned, activated, told, audited and watched, in one piece."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.scoring import storage
from services.scoring.domain import Case
from services.scoring.domain.model import CUSTOMER, EVERY_UNIT, OPPORTUNITY
from services.scoring.domain.model.additive import PROBABILITY_DIGITS
from tests.integration.scoring.conftest import Scoring
from tests.integration.scoring.test_any_order import EXAMPLES, as_events, leads_of, stories
from tests.integration.scoring.test_customers import speak
from tests.integration.scoring.test_training import LEARNED, UNTIL, WHOLE, live, train
from tests.integration.scoring.test_watching import watching
from tests.unit.scoring.builders import NOON, POLICY, captured, days, interacted
from tests.unit.scoring.model.test_assessor import EXPERT, OF_CUSTOMERS


async def test_what_was_learned_is_told_of_the_next_lead_and_can_be_made_again(scoring: Scoring) -> None:
    scoring.use(LEARNED)
    await live(scoring, 900)
    trained = await train(scoring)
    learned, of_customers = trained[WHOLE], trained[CUSTOMER, EVERY_UNIT]
    assert of_customers.version is not None, of_customers.words
    await speak(scoring, of_customers.version)  # too few of so few leads are won to prove that it is better
    scoring.clock.advance(UNTIL - NOON)
    today = days(400)
    [likely] = await scoring.take(
        captured("likely", "c1", today, channel="referral"), *(interacted("likely", n, today) for n in range(4))
    )
    [seldom] = await scoring.take(captured("seldom", "c2", today, channel="event"))
    assert likely.model_version == seldom.model_version == learned.version
    assert likely.probability is not None
    assert seldom.probability is not None
    assert likely.probability > seldom.probability + 0.2
    for event in (likely, seldom):
        log_odds = math.fsum(one.log_odds for one in event.contributions or ())
        assert round(1 / (1 + math.exp(-log_odds)), PROBABILITY_DIGITS) == event.probability
    words = [one.words for one in likely.contributions or ()]
    assert "came by referral: more likely" in words
    assert likely.customer is not None
    assert seldom.customer is not None
    assert likely.customer.model_version == of_customers.version
    assert likely.probability > likely.customer.probability > seldom.customer.probability
    audit = await scoring.audit()
    assert (audit.differences, audit.unverifiable) == ([], 0)

    seen = (await watching(scoring).once())[OPPORTUNITY, EVERY_UNIT]
    assert seen.recent == 2
    drifted = scoring.registry.get_sample_value(
        "leadflow_scoring_model_drift",
        {"outcome": OPPORTUNITY, "business_unit": "every unit", "feature": "channel"},
    )
    assert drifted is not None
    scoring.clock.advance(timedelta(days=120))
    for watch in (await watching(scoring).once()).values():
        quality = watch.quality
        assert quality is not None
        assert (quality.leads, quality.positives) == (8, 0)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(story=stories(), data=st.data())
async def test_in_any_order_and_however_often_it_arrives_a_model_says_the_same(
    scoring: Scoring, story: list[Any], data: st.DataObject
) -> None:
    """The same story twice, of different leads, in two orders: asked at one moment, the model says the same of the people."""
    scoring.use(POLICY, EXPERT, OF_CUSTOMERS)
    said = []
    for _ in range(2):
        events = as_events(story, ("said", next(EXAMPLES)))
        indexes = st.permutations([*range(len(events)), *data.draw(st.lists(st.sampled_from(range(len(events)))))])
        for index in data.draw(indexes):
            await scoring.take(events[index])
        leads = leads_of(events)
        rows = await scoring.database.rows(
            "SELECT lead_id FROM scoring.leads WHERE root_id = lead_id AND lead_id = ANY(CAST(:ids AS uuid[]))",
            ids=[str(one) for one in leads],
        )
        people = await scoring.database.run(lambda tx, rows=rows: storage.groups(tx, [row.lead_id for row in rows]))  # type: ignore[misc]
        moment = NOON + timedelta(days=3)
        known = [person for person in people if person.known]
        verdicts = scoring.handlers.judge.verdicts([Case("default", one.counting, moment) for one in known])
        said.append(sorted(repr((one.judgement.score, one.assessment, one.silence, one.customer)) for one in verdicts))
    assert said[0] == said[1]
    assert (await scoring.audit()).differences == []
