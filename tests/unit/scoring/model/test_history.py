"""A person as it was known at a moment, from everything that is known by now."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from services.scoring.domain import Outcome, Touch
from services.scoring.domain.model import OPPORTUNITY, History, Member, examples, history_of
from tests.unit.scoring.builders import a_touch, a_visit, an_id, at, days

LEAD, OTHER, THIRD = an_id("lead"), an_id("other"), an_id("third")


def known(minutes: float, *, event: object = "capture", **fields: Any) -> Touch:
    return a_touch(event, minutes, known_at=at(minutes), **fields)


def a_word(mark: Any, version: int, lead: Any = LEAD) -> Outcome:
    return Outcome(lead, an_id(("word", lead, version)), "marked", at(5), at(5), mark=mark, version=version)


def person(*members: Member, touches: dict[Any, list[Touch]], outcomes: list[Outcome] | None = None) -> History:
    said: dict[Any, list[Outcome]] = {}
    for one in outcomes or []:
        said.setdefault(one.lead_id, []).append(one)
    return history_of(members or [Member(LEAD, LEAD, "europe")], touches, said)


def test_what_a_merged_lead_did_is_known_of_the_person_from_the_merge_on() -> None:
    found = person(
        Member(LEAD, LEAD, "europe"),
        Member(OTHER, LEAD, "europe", LEAD, at(30)),
        Member(THIRD, LEAD, "europe", OTHER, at(20)),
        touches={
            LEAD: [known(0)],
            OTHER: [known(1, event="o1"), known(40, event="o2")],
            THIRD: [known(2, event="t1")],
        },
    )
    assert {one.event_id: one.known_at for one in found.touches} == {
        an_id("capture"): at(0),
        an_id("o1"): at(30),
        an_id("o2"): at(40),
        an_id("t1"): at(30),
    }
    assert [one.event_id for one in found.known_by(at(29))] == [an_id("capture")]


def test_only_what_had_happened_and_was_known_is_known_by_a_moment() -> None:
    late = a_visit("late", 1, known_at=at(60))
    ahead = a_visit("ahead", 90, known_at=at(2))
    found = person(touches={LEAD: [known(0), late, ahead]})
    assert [one.event_id for one in found.known_by(at(30))] == [an_id("capture")]
    assert len(found.known_by(at(90))) == 3


@pytest.mark.parametrize(
    ("captures", "words", "mark"),
    [
        ([None], [], None),
        (["spam"], [], "spam"),
        (["spam", None], [], None),
        ([None], [("test", 3)], "test"),
        (["spam"], [("test", 3), (None, 4)], None),
        ([None], [(None, 4), ("test", 3)], None),
    ],
)
def test_tests_and_spam_teach_nothing(captures: list[Any], words: list[tuple[Any, int]], mark: str | None) -> None:
    touches = [known(number, event=number, mark=one) for number, one in enumerate(captures)]
    found = person(touches={LEAD: touches}, outcomes=[a_word(*word) for word in words])
    assert (found.mark, found.teaches) == (mark, mark is None)


def test_whoever_is_released_teaches_from_the_release_on() -> None:
    """Until then scores left them out, so no model was asked of them; what it says may rest on the release no sooner."""
    spam = [known(0, mark="spam"), a_visit("v", 1, known_at=at(1)), a_visit("later", 9, known_at=at(9))]
    found = person(touches={LEAD: spam}, outcomes=[a_word(None, 2)])
    assert {one.event_id: one.known_at for one in found.touches} == {
        an_id("capture"): at(5),
        an_id("v"): at(5),
        an_id("later"): at(9),
    }
    assert found.known_by(at(4)) == []
    assert [example.moment for example in examples(found, OPPORTUNITY, timedelta(0), at(days(3)))] == [
        at(5),
        at(5) + timedelta(days=2),
    ]


def test_a_release_leaves_what_counted_before_as_it_was() -> None:
    real = [known(0), a_visit("tested", 1, known_at=at(1), mark="test")]
    found = person(touches={LEAD: real}, outcomes=[a_word(None, 2)])
    assert {one.event_id: one.known_at for one in found.touches} == {an_id("capture"): at(0), an_id("tested"): at(5)}


def test_a_release_is_of_the_id_that_was_held_out_alone() -> None:
    found = person(
        Member(LEAD, LEAD, "europe"),
        Member(OTHER, LEAD, "europe", LEAD, at(3)),
        touches={LEAD: [known(0)], OTHER: [known(1, event="o")]},
        outcomes=[a_word("test", 1, OTHER), a_word(None, 2, OTHER)],
    )
    assert {one.event_id: one.known_at for one in found.touches} == {an_id("capture"): at(0), an_id("o"): at(5)}


def test_what_a_real_person_sent_under_a_mark_is_left_out_as_it_is_from_scores() -> None:
    touches = [known(0), a_visit("tested", 1, known_at=at(1), mark="test")]
    assert len(person(touches={LEAD: touches}).touches) == 1
    released = person(touches={LEAD: touches}, outcomes=[a_word(None, 2)])
    assert len(released.touches) == 2


def test_a_person_one_of_whose_ids_is_real_is_real() -> None:
    members = Member(LEAD, LEAD, "europe"), Member(OTHER, LEAD, "europe", LEAD, at(1))
    assert person(*members, touches={LEAD: [known(0)], OTHER: [known(0, event="o", mark="spam")]}).teaches


def test_who_did_something_nobody_knows_when_we_learned_of_teaches_nothing() -> None:
    assert not person(touches={LEAD: [known(0), a_visit("old", -5)]}).teaches


def test_imported_history_is_known_to_be_such() -> None:
    assert person(touches={LEAD: [known(0, historical=True)]}).imported
    assert not person(touches={LEAD: [known(0)]}).imported


def test_merges_in_a_ring_end() -> None:
    ring = Member(LEAD, LEAD, "europe", OTHER, at(1)), Member(OTHER, LEAD, "europe", LEAD, at(2))
    found = person(*ring, touches={LEAD: [known(0)], OTHER: [known(0, event="o")]})
    assert max(one.known_at or at(0) for one in found.touches) == at(0) + timedelta(minutes=2)
