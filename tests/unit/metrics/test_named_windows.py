"""Windows of a question why, named as people name them, are those of the units that are asked about."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from services.metrics.api.why import days_named
from shared.contracts.policy import Policy, UnitPolicy
from shared.contracts.policy.calendar import Calendar
from shared.kit.errors import Rejected
from tests.unit.metrics.test_calendars import JALALI

LATE = datetime(2026, 3, 31, 22, tzinfo=UTC)
POLICY = Policy(
    version="1",
    defaults=UnitPolicy(calendar=Calendar()),
    business_units={"tehran": UnitPolicy(calendar=JALALI, time_zone="Asia/Tehran")},
)
BOUNDS = ("before_from", "before_to", "from", "to")


def days(*given: tuple[str, str]) -> list[str | None]:
    found = dict(days_named(given, POLICY, LATE))
    assert not found.keys() & {"period", "before_period"}
    return [found.get(bound) for bound in BOUNDS]


def named(before: str, after: str) -> list[tuple[str, str]]:
    return [("before_period", before), ("period", after)]


def test_months_are_those_of_the_units_calendar() -> None:
    found = days(("business_unit", "tehran"), *named("1404-11", "1404-12"))
    assert found == ["2026-01-21", "2026-02-20", "2026-02-20", "2026-03-21"]
    assert days(*named("2026-02", "2026-03")) == ["2026-02-01", "2026-03-01", "2026-03-01", "2026-04-01"]
    assert days(*named("1404-11", "1404-12"), ("calendar", "jalali")) == found


def test_today_is_where_the_unit_is() -> None:
    assert days(*named("2026-01", "this-day"))[2] == "2026-03-31"
    assert days(("business_unit", "tehran"), *named("1404", "this-day"))[2] == "2026-04-01"


@pytest.mark.parametrize(
    "given",
    [
        named("2026", "soon"), named("all", "2026"), named("9999", "0000"), named("9999-12", "2026"),
        [*named("2025", "2026"), ("from", "2026-01-01")], [*named("2025", "2026"), ("period", "2026")],
    ],
)  # fmt: skip
def test_what_cannot_be_compared_is_refused_in_a_sentence(given: list[tuple[str, str]]) -> None:
    with pytest.raises(Rejected):
        days(*given)


def test_all_time_can_be_known_at_two_moments() -> None:
    assert days(("period", "all"), ("known", "2026-03-01")) == [None, None, None, None]
