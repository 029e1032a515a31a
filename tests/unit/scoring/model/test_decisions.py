"""What decisions about a place come to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scoring.domain.model.decisions import Decision, is_held, spoke_before


def said(story: str) -> list[Decision]:
    """`a` activates model a, `-` silences, `<a` goes back to a, `<-` to rules alone."""
    found = []
    for word in story.split():
        version = None if word[-1] == "-" else word[-1]
        found.append(Decision("rolled_back" if word[0] == "<" else "activated", version))
    return found


@pytest.mark.parametrize(
    ("story", "before", "held"),
    [
        ("", None, False),
        ("a", None, False),
        ("a b", "a", False),
        ("a b c <b", "a", True),
        ("a b a", "b", False),
        ("a b a <b", "a", True),
        ("a b a <b <a", None, True),
        ("a b <a c", "a", False),
        ("a b <a <-", None, True),
        ("a b <a a", None, False),
        ("a -", "a", True),
        ("a - b", None, False),
    ],
)
def test_what_spoke_before_and_whether_trainings_may_decide(story: str, before: str | None, held: bool) -> None:
    assert (spoke_before(said(story)), is_held(said(story))) == (before, held)


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=12))
def test_taking_back_again_and_again_ends_with_rules_alone(activated: list[str]) -> None:
    story = [Decision("activated", version) for version in activated]
    for _ in activated:
        story.append(Decision("rolled_back", spoke_before(story)))
    assert story[-1].version is None
