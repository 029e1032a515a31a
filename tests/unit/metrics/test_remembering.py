"""What is remembered of people is what the database holds of them, or nothing."""

from __future__ import annotations

from uuid import UUID

import pytest

from services.metrics.domain.folding import Story
from services.metrics.storage.remembering import MOST_FACTS_OF_ONE, Held, Memory
from tests.unit.metrics.stories import Told, lead_id

A, B = lead_id("a"), lead_id("b")


def story(*leads: str) -> Story:
    told = Told()
    for place, lead in enumerate(leads):
        told.tell(lead, "LeadCreated" if place == 0 else "LeadTouched", place, kind="page_view", channel="phone")
    return Story(told.facts, tuple(told.entries()))


def test_a_story_is_found_while_its_leads_have_just_its_facts() -> None:
    memory, known = Memory(), story("a", "a", "b")
    memory.keep(7, {A: known})
    assert memory.find({A: [A, B]}, Held(7, {A: 2, B: 1})) == {A: known}


@pytest.mark.parametrize(
    ("members", "table", "facts"),
    [
        pytest.param([A, B], 7, {A: 3, B: 1}, id="another fact"),
        pytest.param([A, B], 7, {A: 2}, id="a fact less"),
        pytest.param([A, B], 8, {A: 2, B: 1}, id="another table, after a rebuild"),
        pytest.param([A], 7, {A: 2}, id="a member less"),
        pytest.param([A], 7, {A: 3}, id="a member less, and as many facts"),
        pytest.param([A, B, lead_id("c")], 7, {A: 2, B: 1, lead_id("c"): 1}, id="a member more"),
    ],
)
def test_a_story_is_not_found_where_anything_else_is_held(
    members: list[UUID], table: int, facts: dict[UUID, int]
) -> None:
    memory = Memory()
    memory.keep(7, {A: story("a", "a", "b")})
    assert memory.find({A: members}, Held(table, facts)) == {}


def test_a_member_without_facts_is_none_the_less_one_of_a_story() -> None:
    memory, known = Memory(), story("a", "a")
    memory.keep(7, {A: known})
    assert memory.find({A: [A, B]}, Held(7, {A: 2})) == {A: known}


def test_what_was_told_first_is_let_go_first() -> None:
    memory = Memory(most_facts=4)
    memory.keep(7, {A: story("a", "a")})
    memory.keep(7, {B: story("b", "b")})
    memory.keep(7, {A: story("a", "a", "a")})
    assert list(memory.stories) == [A]


def test_a_long_story_is_not_kept() -> None:
    memory = Memory()
    memory.keep(7, {A: story("a")})
    memory.keep(7, {A: story(*["a"] * (MOST_FACTS_OF_ONE + 1))})
    assert not memory.stories
