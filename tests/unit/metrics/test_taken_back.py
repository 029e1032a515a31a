"""Interactions that others take back: what they brought with them, and what stays."""

from __future__ import annotations

from random import Random

import pytest

from services.metrics.domain.contributions import contributions
from services.metrics.domain.entries import Measure
from tests.unit.metrics.stories import Told, day, lead_id, the_only

DAY = 86_400.0


def visited(on: float = 1) -> Told:
    return Told().tell("a", "LeadTouched", on, kind="page_view", channel="web_form", source="search", product="pump")


def then_captured(told: Told) -> Told:
    return told.tell("a", "LeadCreated", 3, channel="phone", source="fair")


@pytest.mark.parametrize("on", [0.5, 2, 9], ids=["dated before it", "between", "long after"])
def test_what_never_happened_is_no_touch_and_neither_is_what_says_so(on: float) -> None:
    story = then_captured(visited().take_back("a", on))
    created = the_only(story.entries(Measure.LEAD_CREATED))
    assert (created.dims.channel, created.dims.source, created.dims.product) == ("phone", "fair", None)
    assert story.entries(Measure.TOUCHED) == []
    stays = then_captured(visited())
    assert the_only(stays.entries(Measure.LEAD_CREATED)).dims.source == "search"
    assert [one.dims.source for one in stays.entries(Measure.TOUCHED)] == ["search", "fair"]


def test_it_is_knowledge_and_holds_for_any_moment() -> None:
    story = then_captured(visited().take_back("a", 9))
    assert the_only(story.entries(Measure.LEAD_CREATED, as_of=4)).dims.source == "fair"


def test_a_sale_takes_as_long_as_from_the_first_touch_that_happened() -> None:
    story = then_captured(visited().take_back("a", 9))
    story.tell("a", "OpportunityOpened", 5, opportunity_id="o").tell("a", "OpportunityWon", 8, opportunity_id="o")
    assert the_only(story.entries(Measure.LEAD_CUSTOMER)).duration_seconds == 5 * DAY


def test_who_was_taken_up_for_what_never_happened_stays_taken_up() -> None:
    story = Told().tell("a", "LeadCreated", 1).tell("a", "LeadTouched", 2, kind="quote_request", moves=True)
    story.take_back("a", 3)
    assert the_only(story.entries(Measure.LEAD_OPEN)).stage == "working"


def test_it_is_taken_back_by_an_id_of_the_same_person_only() -> None:
    story = visited().take_back("b", 2)
    then_captured(story)
    apart = contributions(lead_id("a"), [one for one in story.facts if one.lead_id == lead_id("a")], currency="EUR")
    assert [one.dims.source for one in apart if one.measure is Measure.LEAD_CREATED and not one.valid_to] == ["search"]
    together = contributions(lead_id("a"), story.facts, currency="EUR")
    (created,) = (one for one in together if one.measure is Measure.LEAD_CREATED and not one.valid_to)
    assert (created.dims.source, created.at) == ("fair", day(3))


def test_a_capture_is_not_taken_back_and_what_is_marked_takes_nothing_back() -> None:
    story = Told().tell("a", "LeadTouched", 1, kind="captured", channel="phone").take_back("a", 2)
    assert the_only(story.entries(Measure.LEAD_CREATED)).dims.channel == "phone"
    marked = then_captured(visited().take_back("a", 2))
    marked.facts = [
        one._replace(data={**one.data, "mark": "test"}) if "retracts" in one.data else one for one in marked.facts
    ]
    assert the_only(marked.entries(Measure.LEAD_CREATED)).dims.source == "search"


def test_any_order_of_learning_counts_the_same() -> None:
    story = then_captured(visited().take_back("a", 2)).tell("a", "LeadTouched", 4, kind="call", channel="phone")
    expected = set(contributions(lead_id("a"), story.facts, currency="EUR"))
    for seed in range(6):
        shuffled = Random(seed).sample(story.facts, len(story.facts))
        assert set(contributions(lead_id("a"), shuffled, currency="EUR")) == expected
