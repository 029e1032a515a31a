"""Who is held out of the numbers, and comes back into them as if nothing had been."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.metrics.domain.contributions import contributions
from services.metrics.domain.entries import Entry, Measure
from services.metrics.domain.facts import Fact
from tests.unit.metrics.histories import history
from tests.unit.metrics.stories import Told, day, lead_id, the_only


def marked(mark: str = "spam") -> Told:
    """A lead that came in under a mark."""
    return Told().tell("a", "LeadCreated", 1, channel="web_form", mark=mark, mark_reasons=["listed_domain"])


@pytest.mark.parametrize("mark", ["test", "spam"])
def test_a_marked_lead_is_one_marked_lead_and_nothing_else(mark: str) -> None:
    story = marked(mark).tell("a", "LeadQualified", 2).tell("a", "OpportunityWon", 3, opportunity_id="o", amount="9")
    one = the_only(story.entries())
    assert (one.measure, one.at, one.reason, one.dims.channel) == (Measure.LEAD_MARKED, day(1), mark, "web_form")


def test_a_lead_that_is_released_counts_from_when_it_came_in() -> None:
    story = marked().tell("a", "LeadQualified", 2).tell("a", "LeadMarked", 9)
    created, qualified = story.entries(Measure.LEAD_CREATED), story.entries(Measure.LEAD_QUALIFIED)
    assert (the_only(created).at, the_only(qualified).at) == (day(1), day(2))
    assert the_only(story.entries(Measure.LEAD_CREATED, as_of=1.5)).at == day(1)
    assert story.entries(Measure.LEAD_MARKED) == []


def test_a_lead_that_somebody_marks_is_held_out_from_the_beginning() -> None:
    story = Told().tell("a", "LeadCreated", 1).tell("a", "LeadMarked", 5, mark="spam").tell("a", "LeadQualified", 6)
    assert the_only(story.entries()).measure == Measure.LEAD_MARKED
    assert the_only(story.entries(as_of=2)).measure == Measure.LEAD_MARKED


def test_a_capture_without_a_mark_shows_somebody_real_and_the_lead_begins_there() -> None:
    story = marked("test").tell("a", "LeadTouched", 4, kind="captured", channel="phone")
    created = the_only(story.entries(Measure.LEAD_CREATED))
    assert (created.at, created.dims.channel) == (day(4), "phone")


def test_a_marked_capture_of_a_known_lead_is_left_out_and_the_lead_stays() -> None:
    story = Told().tell("a", "LeadCreated", 4).tell("a", "LeadTouched", 1, kind="captured", mark="test", channel="chat")
    created = the_only(story.entries(Measure.LEAD_CREATED, Measure.LEAD_MARKED))
    assert (created.measure, created.at, created.dims.channel) == (Measure.LEAD_CREATED, day(4), None)


def test_something_done_without_a_mark_is_no_capture() -> None:
    assert the_only(marked().tell("a", "LeadTouched", 2, kind="page_view").entries()).measure == Measure.LEAD_MARKED


def test_what_somebody_said_holds_against_later_captures() -> None:
    story = marked().tell("a", "LeadMarked", 2, mark="spam").tell("a", "LeadTouched", 3, kind="captured")
    assert the_only(story.entries()).reason == "spam"
    story.tell("a", "LeadMarked", 4)
    assert {Measure.LEAD_CREATED, Measure.LEAD_OPEN} <= {one.measure for one in story.entries()}
    assert not story.entries(Measure.LEAD_MARKED)


def test_one_of_two_ids_of_a_person_that_is_real_is_enough_and_the_other_is_left_out() -> None:
    story = marked("test").tell("a", "OpportunityOpened", 2, opportunity_id="o").tell("b", "LeadCreated", 6)
    story.tell("b", "LeadMerged", 7, into_lead_id=str(lead_id("a")))
    created = the_only(story.entries(Measure.LEAD_CREATED, Measure.LEAD_MARKED))
    assert (created.measure, created.at) == (Measure.LEAD_CREATED, day(6))


def test_of_two_reasons_a_test_is_named() -> None:
    story = marked("spam").tell("b", "LeadCreated", 0, mark="test")
    one = the_only(story.entries())
    assert (one.reason, one.at) == ("test", day(0))


def _without_marks(facts: list[Fact]) -> list[Fact]:
    return [
        replace_data(fact, {name: value for name, value in fact.data.items() if name != "mark"})
        for fact in facts
        if fact.event != "LeadMarked"
    ]


def replace_data(fact: Fact, data: dict[str, object]) -> Fact:
    return fact._replace(data=data)


def _released(facts: list[Fact]) -> list[Fact]:
    last = max(facts, key=lambda fact: fact.version)
    leads = {fact.lead_id for fact in facts}
    return [
        *facts,
        *(
            last._replace(lead_id=lead, event_id=lead, event="LeadMarked", version=10_000, data={}, occurred_at=day(70))
            for lead in leads
        ),
    ]


def _entries(facts: list[Fact]) -> set[Entry]:
    return set(contributions(lead_id("a"), facts, currency="EUR"))


@settings(max_examples=200, deadline=None)
@given(st.randoms(use_true_random=False))
def test_a_person_who_is_released_counts_as_if_there_had_been_no_mark(random: Random) -> None:
    facts = history(random, 2, ("default",))
    assert _entries(_released(facts)) == _entries(_without_marks(facts))


@settings(max_examples=200, deadline=None)
@given(st.randoms(use_true_random=False))
def test_everybody_is_created_or_marked(random: Random) -> None:
    now = [one.measure for one in _entries(history(random, 2, ("default",))) if one.valid_to is None]
    assert now.count(Measure.LEAD_CREATED) + now.count(Measure.LEAD_MARKED) == 1
    assert Measure.LEAD_CREATED in now or len(now) == 1
