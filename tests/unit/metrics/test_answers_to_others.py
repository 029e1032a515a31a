"""What a merge showed to be answered, of two people who turn out not to be one."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from services.metrics.domain.contributions import contributions
from services.metrics.domain.entries import Entry, Measure
from services.metrics.domain.facts import Fact
from tests.unit.metrics.stories import Told, day, holds, lead_id, the_only


def promised(to: str = "b") -> Told:
    """Two leads of whom `a` was reached and `to` was promised an answer."""
    told = Told().tell("a", "LeadCreated", 1).tell("b", "LeadCreated", 1)
    told.tell(to, "FollowUpScheduled", 1, kind="first_response", task_id="t", due_at=day(6).isoformat())
    return told.tell("a", "ContactAttempted", 2, kind="call").tell("b", "LeadMerged", 3, into_lead_id=str(lead_id("a")))


def kept_by(facts: Iterable[Fact], *names: str) -> list[Entry]:
    """The promises of these ids as one person that were kept."""
    ids = [lead_id(name) for name in names]
    found = contributions(ids[0], [one for one in facts if one.lead_id in ids], currency="EUR")
    return [one for one in found if one.measure is Measure.RESPONSE_MET and holds(one, None)]


@pytest.mark.parametrize("to", ["a", "b"], ids=["of the one who stays", "of the one who is brought"])
def test_a_promise_that_a_merge_kept_is_not_kept_once_that_is_taken_back(to: str) -> None:
    told = promised(to).answered_by_merge(to, 3, task_id="t", reason="merged")
    assert the_only(kept_by(told.facts, "a", "b")).at == day(3)
    told.tell("b", "LeadUnmerged", 8, from_lead_id=str(lead_id("a")))
    assert kept_by(told.facts, "a") == []
    assert kept_by(told.facts, "b") == []


def test_one_that_does_not_say_so_is_known_by_the_merge_of_its_own_id() -> None:
    told = promised().answered_by_merge("b", 3, task_id="t")
    assert the_only(kept_by(told.facts, "a", "b")).at == day(3)
    assert kept_by(told.facts, "b") == []


def test_what_is_promised_anew_is_kept_or_not_by_what_is_done_then() -> None:
    told = promised().answered_by_merge("b", 3, task_id="t", reason="merged")
    told.tell("b", "LeadUnmerged", 8, from_lead_id=str(lead_id("a")))
    told.tell("b", "FollowUpScheduled", 8, kind="first_response", task_id="u", due_at=day(11).isoformat())
    told.tell("b", "FollowUpDone", 9, kind="first_response", task_id="u")
    assert the_only(kept_by(told.facts, "b")).at == day(9)


def test_an_answer_of_their_own_stays_theirs_whoever_they_are() -> None:
    told = promised().tell("b", "FollowUpDone", 4, kind="first_response", task_id="t")
    assert [one.at for one in kept_by(told.facts, "b")] == [one.at for one in kept_by(told.facts, "a", "b")] == [day(4)]
