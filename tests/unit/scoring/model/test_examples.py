"""Examples know what was known at their moment, how it ended is known of each, and the guard finds what cheats."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scoring.domain import Outcome
from services.scoring.domain.model import (
    CUSTOMER,
    OPPORTUNITY,
    Cell,
    FeatureReader,
    History,
    Leak,
    examples,
    refuse_leak,
)
from services.scoring.domain.model.examples import MOMENTS_DAYS, features_at
from tests.unit.scoring.builders import a_touch, a_visit, an_id, at, days

HORIZON = timedelta(days=30)
LONG_AFTER = at(days(400))


def came(kind: Any, on_day: float, *, known_on: float | None = None) -> Outcome:
    known = days(on_day if known_on is None else known_on)
    return Outcome(an_id("lead"), an_id((kind, on_day)), kind, at(days(on_day)), at(known), "deal")


def a_history(*outcomes: Outcome, touches: tuple[Any, ...] = (), **fields: Any) -> History:
    mine = touches or (a_touch(known_at=at(0)),)
    return History(an_id("lead"), "europe", mine, outcomes, **fields)


def found(history: History, outcome: str = OPPORTUNITY, until: datetime = LONG_AFTER) -> dict[float, bool]:
    begun = at(0)
    return {
        (one.moment - begun) / timedelta(days=1): one.followed for one in examples(history, outcome, HORIZON, until)
    }


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ([], dict.fromkeys(MOMENTS_DAYS, False)),
        ([came("opened", 29)], dict.fromkeys(MOMENTS_DAYS, True)),
        ([came("opened", 31)], {0: False, 2: True, 7: True, 21: True}),
        ([came("opened", 5)], {0: True, 2: True}),
        ([came("opened", 0)], {}),
        ([came("won", 5)], dict.fromkeys(MOMENTS_DAYS, False)),
        ([came("archived", 3)], {0: False, 2: False}),
        ([came("archived", 3), came("reopened", 10)], {0: False, 2: False, 21: False}),
        ([came("archived", 3), came("reopened", 10), came("opened", 25)], {0: True, 2: True, 21: True}),
        ([came("opened", 5, known_on=500)], dict.fromkeys(MOMENTS_DAYS, False)),
    ],
)
def test_each_moment_is_labelled_by_what_followed_it(outcomes: list[Outcome], expected: dict[float, bool]) -> None:
    assert found(a_history(*outcomes)) == expected


def test_a_customer_is_another_outcome() -> None:
    history = a_history(came("opened", 1), came("won", 25))
    assert found(history, CUSTOMER) == dict.fromkeys(MOMENTS_DAYS, True)


@pytest.mark.parametrize(("until_day", "moments"), [(29, []), (30, [0]), (38, [0, 2, 7]), (51, [0, 2, 7, 21])])
def test_a_moment_whose_horizon_has_not_passed_is_left_out_however_it_ended(until_day: int, moments: list[int]) -> None:
    until = at(days(until_day))
    assert list(found(a_history(), until=until)) == moments
    assert list(found(a_history(came("opened", 28)), until=until)) == moments


@pytest.mark.parametrize(
    "history",
    [
        a_history(mark="spam"),
        a_history(touches=(a_visit("v", known_at=at(0)),)),
        a_history(touches=(a_touch(),)),
    ],
)
def test_marked_unknown_and_never_captured_people_teach_nothing(history: History) -> None:
    assert found(history) == {}


def test_what_was_filled_in_later_is_not_seen_before() -> None:
    """A form at first; the sales desk writes down the tag on the day the deal is there."""
    touches = (
        a_touch(known_at=at(0), attributes={"size": 5}),
        a_touch("filled in", days(20), known_at=at(days(20)), attributes={"tag": "will buy"}),
        a_touch("as of before", 0, known_at=at(days(20)), attributes={"tag": "will buy"}),
    )
    seen = {one.moment: one.features for one in examples(a_history(touches=touches), OPPORTUNITY, HORIZON, LONG_AFTER)}
    assert "attributes.tag" not in seen[at(0)]
    assert "attributes.tag" not in seen[at(days(7))]
    assert seen[at(days(21))]["attributes.tag"] == "will buy"


def test_a_retraction_counts_from_when_it_was_known() -> None:
    touches = (
        a_touch(known_at=at(0)),
        a_visit("v", known_at=at(0)),
        a_visit("r", days(1), known_at=at(days(1)), kind="retraction", retracts=an_id("v")),
    )
    visits = [
        one.features.get("did.page_view")
        for one in examples(a_history(touches=touches), OPPORTUNITY, HORIZON, LONG_AFTER)
    ]
    assert visits == [1, None, None, None]


def _with_all(history: History, moment: datetime) -> Mapping[str, Cell]:
    latest = max(one.known_at or moment for one in history.touches)
    return FeatureReader().read("europe", history.touches, max(latest, moment))


def _with_occurred(history: History, moment: datetime) -> Mapping[str, Cell]:
    known = [one._replace(known_at=None) for one in history.touches if one.occurred_at <= moment]
    return FeatureReader().read("europe", known, moment)


def _with_outcomes(history: History, moment: datetime) -> Mapping[str, Cell]:
    return {**features_at(history, moment), "deals": len(history.outcomes)}


RICH = a_history(
    touches=(a_touch(known_at=at(0), attributes={"size": 5}), a_visit("v", 1, known_at=at(2))),
)


@pytest.mark.parametrize("read", [_with_all, _with_occurred, _with_outcomes])
def test_the_guard_finds_a_feature_that_knows_what_came_later(read: Any) -> None:
    with pytest.raises(Leak, match="changes with what was known only after it"):
        refuse_leak(RICH, at(days(2)), read)


def test_the_guard_names_the_feature() -> None:
    with pytest.raises(Leak, match="'deals'"):
        refuse_leak(RICH, at(days(2)), _with_outcomes)


@given(
    st.lists(
        st.tuples(st.floats(0, days(40)), st.floats(0, days(20)), st.sampled_from([None, "page_view", "email_click"])),
        max_size=8,
    ),
    st.sampled_from(MOMENTS_DAYS),
)
def test_what_is_learned_from_passes_the_guard_whatever_happened(
    touches: list[tuple[float, float, str | None]], day: int
) -> None:
    mine = tuple(
        a_touch(number, when, known_at=at(when + late), kind=kind, attributes={"size": number})
        for number, (when, late, kind) in enumerate(touches)
    )
    history = a_history(came("opened", 30), touches=(a_touch("first", known_at=at(0)), *mine))
    refuse_leak(history, at(days(day)))
