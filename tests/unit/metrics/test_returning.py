"""Somebody who comes back is one lead with one conversion, and has as many deals as they had."""

from __future__ import annotations

from collections import Counter

import pytest

from services.metrics.domain.entries import Measure
from tests.unit.metrics.stories import Told, day, the_only


def sold(implied: bool = False, how: str = "OpportunityWon") -> Told:
    story = Told().tell("a", "LeadCreated", 1, channel="web", **({"implied": True} if implied else {}))
    story.tell("a", "OpportunityOpened", 2, opportunity_id="one", stage="first", position=0)
    return story.tell("a", how, 9, opportunity_id="one", reason="price", amount="10")


def back(story: Told) -> Told:
    """Captured again, which pipeline tells as a return, and another deal."""
    story.tell("a", "LeadTouched", 40, kind="returned", channel="phone")
    story.tell("a", "OpportunityOpened", 40, opportunity_id="two", stage="first", position=0, automatic=True)
    return story.tell("a", "OpportunityWon", 50, opportunity_id="two", amount="5")


@pytest.mark.parametrize("implied", [False, True])
def test_a_return_is_no_new_lead_no_second_conversion_and_no_second_customer(implied: bool) -> None:
    counted = Counter(entry.measure for entry in back(sold(implied)).entries())
    for once in (Measure.LEAD_CREATED, Measure.LEAD_CONVERTED, Measure.COHORT_CONVERTED, Measure.LEAD_CUSTOMER):
        assert counted[once] == 1
    assert (counted[Measure.OPPORTUNITY_OPENED], counted[Measure.OPPORTUNITY_WON]) == (2, 2)
    created = the_only(back(sold(implied)).entries(Measure.LEAD_CREATED))
    assert (created.at, created.dims.channel) == (day(1), "web")


def test_the_cycle_of_a_customer_is_that_of_the_first_win() -> None:
    assert the_only(back(sold()).entries(Measure.LEAD_CUSTOMER)).at == day(9)


def test_somebody_who_was_lost_and_comes_back_is_not_lost_any_more() -> None:
    lost = sold(how="OpportunityLost")
    assert the_only(lost.entries(Measure.FAILED_BEFORE_CUSTOMER)).at == day(9)
    back(lost)
    assert lost.entries(Measure.FAILED_BEFORE_CUSTOMER) == []
    assert the_only(lost.entries(Measure.COHORT_CUSTOMER)).at == day(50)
