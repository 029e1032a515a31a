"""What of one lead id counts, whatever was captured under a mark and whatever was said."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scoring.domain import Lead, Touch, counting
from shared.contracts.marks import Mark
from tests.unit.scoring.builders import a_touch, a_visit, an_id

MARKS = st.sampled_from([None, "test", "spam"])
CAPTURE, MARKED = a_touch("c"), a_touch("marked", mark="test")
VISIT, BOT = a_visit("v"), a_visit("bot", mark="spam")


def a_lead(word: Mark | None = None, word_version: int = 0) -> Lead:
    return Lead(an_id("lead"), "default", an_id("lead"), word=word, word_version=word_version)


@pytest.mark.parametrize(
    ("lead", "did", "counts"),
    [
        (a_lead(), [CAPTURE, VISIT], [CAPTURE, VISIT]),
        (a_lead(), [CAPTURE, MARKED, VISIT, BOT], [CAPTURE, VISIT]),
        (a_lead(), [MARKED, VISIT], []),
        (a_lead(), [VISIT, BOT], [VISIT]),
        (a_lead(None, 1), [MARKED, VISIT, BOT], [MARKED, VISIT, BOT]),
        (a_lead("spam", 1), [CAPTURE, VISIT], []),
        (a_lead("test", 2), [], []),
    ],
)
def test_what_counts(lead: Lead, did: list[Touch], counts: list[Touch]) -> None:
    assert list(counting(lead, did)) == counts


@given(st.lists(st.tuples(st.booleans(), MARKS), max_size=6), MARKS, st.integers(0, 2), st.randoms())
def test_what_counts_is_the_same_in_any_order(
    did: list[tuple[bool, Mark | None]], word: Mark | None, version: int, chance: object
) -> None:
    touches = [
        a_touch(number, kind=None if captured else "page_view", mark=mark)
        for number, (captured, mark) in enumerate(did)
    ]
    shuffled = touches.copy()
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    lead = a_lead(word, version)
    assert sorted(counting(lead, shuffled)) == sorted(counting(lead, touches))
