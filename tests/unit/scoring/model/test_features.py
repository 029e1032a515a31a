"""What a model looks at is what was known at the moment, whatever order it came in and whatever came later."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scoring.domain import Touch
from services.scoring.domain.model import FeatureReader, LateTouch
from services.scoring.domain.model.features import ALWAYS, COUNTS
from tests.unit.scoring.builders import a_touch, a_visit, an_id, at, days

READER = FeatureReader()


def read(*touches: Touch, minutes: float = days(10)) -> dict[str, Any]:
    return READER.read("europe", touches, at(minutes))


@pytest.mark.parametrize(
    ("touches", "feature", "expected"),
    [
        ([a_touch(source="ads"), a_touch("b", 5, source="mail")], "source", "ads"),
        ([a_touch(channel="chat"), a_touch("b", 5, channel="phone")], "channel", "chat"),
        ([a_touch(), a_touch("b", 5, medium="cpc")], "medium", "cpc"),
        ([a_touch(country="NL"), a_touch("b", 5, country="DE"), a_touch("c", 6)], "country", "DE"),
        ([a_touch(), a_touch("b", 5, email=True)], "email", True),
        ([a_touch()], "phone", False),
        ([a_touch(attributes={"size": 5}), a_touch("b", 5, attributes={"size": 7})], "attributes.size", 7),
        ([a_touch(consents={"sms": True}), a_touch("b", 5, consents={"sms": False})], "consent.sms", False),
        ([a_touch(), a_visit("v1"), a_visit("v2")], "did.page_view", 2),
        ([a_touch(), a_visit("v1"), a_visit("r", 1, retracts=an_id("v1"))], "did.page_view", None),
        ([a_touch(), a_visit("v1", days(1)), a_visit("v2", days(8))], "last_7_days", 1),
        ([a_touch(), a_visit("v1", days(1)), a_visit("v2", days(8))], "days_since_last", 2),
        ([a_touch()], "days_since_last", None),
        ([a_touch()], "age_days", 10),
        ([a_touch(minutes=days(3)), a_visit("v", days(1))], "age_days", 9),
        ([a_touch(), a_visit("v", duration_seconds=90.0)], "minutes", 1.5),
        ([a_touch(), a_touch("b", 5)], "captures", 2),
        ([a_touch()], "business_unit", "europe"),
        ([a_touch(email=True, attributes={"size": 5}), a_touch("b", 5, attributes={"size": 7})], "fields_known", 2),
    ],
)
def test_a_feature_says_what_was_known(touches: list[Touch], feature: str, expected: object) -> None:
    assert read(*touches).get(feature) == expected


@pytest.mark.parametrize("late", [{"minutes": days(11)}, {"known_at": at(days(11))}])
def test_what_was_not_known_at_the_moment_is_refused(late: dict[str, Any]) -> None:
    with pytest.raises(LateTouch):
        read(a_touch(), a_visit("v", **late))


def test_a_reader_of_some_features_reads_them_as_one_of_all_does() -> None:
    touches = [
        a_touch(attributes={"size": 5, "industry": "Retail"}, consents={"sms": True}, source="ads"),
        a_visit("v", 9, duration_seconds=30.0),
    ]
    every = read(*touches)
    for name in every:
        assert FeatureReader([name]).read("europe", touches, at(days(10))).get(name) == every[name], name


TOUCHES = st.lists(
    st.builds(
        lambda number, minutes, kind, source, size: a_touch(
            number, minutes, kind=kind, source=source, attributes={"size": size} if kind is None and size else None
        ),
        st.integers(0, 10**6),
        st.floats(0, days(10)),
        st.sampled_from([None, "page_view", "email_click"]),
        st.sampled_from([None, "ads", "mail"]),
        st.integers(0, 3),
    ),
    max_size=8,
    unique_by=lambda one: one.event_id,
)


@given(TOUCHES, st.randoms())
def test_features_do_not_depend_on_the_order_of_touches(touches: list[Touch], chance: Any) -> None:
    shuffled = list(touches)
    chance.shuffle(shuffled)
    assert read(*shuffled) == read(*touches)


@given(TOUCHES, st.timedeltas(timedelta(0), timedelta(days=300)))
def test_every_feature_has_a_name_that_a_reader_can_be_asked_for(touches: list[Touch], later: timedelta) -> None:
    found = READER.read("europe", touches, at(days(10)) + later)
    assert all(name in ALWAYS or name.startswith(("attributes.", "consent.", "did.")) for name in found)
    assert all(found.get(name, 0) >= 0 for name in COUNTS)  # type: ignore[operator]


@given(st.permutations([49.9, 17.5, 9.4, 22.2]))
def test_minutes_are_the_same_in_any_order(seconds: list[float]) -> None:
    visits = [a_visit(str(one), duration_seconds=one) for one in seconds]
    assert FeatureReader(["minutes"]).read("default", [a_touch(), *visits], at(60))["minutes"] == 1.6
