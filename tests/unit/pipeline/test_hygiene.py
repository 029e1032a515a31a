"""What is to be put in order about a lead, and why."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.pipeline.domain.hygiene import KINDS, TO_DO, Attempt, Record, findings, period_of, present, why
from shared.contracts.policy.calendar import Calendar
from shared.contracts.policy.hygiene import Hygiene
from tests.unit.pipeline.builders import at

NOW = at(0)
RULES = Hygiene(stale_days=30, required=("company",), failed_attempts=3)


def ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def a_record(**values: Any) -> Record:
    known = {"known": frozenset({"email", "company"}), "status": "working", "worked_at": ago(1), **values}
    return Record(UUID(int=1), "default", **known)


def tries(*outcomes: str | None) -> list[Attempt]:
    """Attempts with these outcomes, the last one a day ago."""
    return [Attempt(ago(len(outcomes) - place), outcome) for place, outcome in enumerate(outcomes)]


@pytest.mark.parametrize(
    ("record", "told"),
    [
        ({}, {}),
        ({"worked_at": ago(31)}, {"stale": "working, and nothing happened for 31 days"}),
        ({"worked_at": ago(29)}, {}),
        ({"worked_at": ago(90), "status": "customer"}, {}),
        ({"known": frozenset({"email"})}, {"incomplete": "not known: company"}),
        ({"known": frozenset({"company"})}, {"incomplete": "not known: email, phone"}),
        ({"known": frozenset({"company", "phone"})}, {}),
        (
            {"candidates": 1, "suspected_at": ago(5)},
            {"duplicate": "one other lead is probably the same, unanswered for 5 days"},
        ),
        (
            {"candidates": 2, "suspected_at": ago(1)},
            {"duplicate": "2 other leads are probably the same, unanswered for 1 day"},
        ),
        ({"attempts": tries("no answer", "busy", "voicemail")}, {"unreachable": "3 attempts in a row failed"}),
        ({"attempts": tries("no answer", "busy")}, {}),
        ({"attempts": tries("no answer", "busy", None, "busy")}, {"unreachable": "3 attempts in a row failed"}),
        ({"attempts": tries("no answer", "reached", "busy", "busy")}, {}),
        ({"attempts": tries("busy", "busy", "busy"), "alive_at": ago(1.5)}, {}),
        ({"attempts": tries("No Answer", "BUSY", "Voicemail")}, {"unreachable": "3 attempts in a row failed"}),
        ({"attempts": tries("Wrong Number")}, {"unreachable": "Wrong Number, 1 day ago"}),
        ({"attempts": tries("wrong number")}, {"unreachable": "wrong number, 1 day ago"}),
        ({"attempts": tries("wrong number", "reached")}, {}),
        ({"bounced_at": ago(2)}, {"unreachable": "e-mail came back, 2 days ago"}),
        ({"bounced_at": ago(2), "alive_at": ago(1)}, {}),
        ({"bounced_at": ago(2), "alive_at": ago(3)}, {"unreachable": "e-mail came back, 2 days ago"}),
    ],
)
def test_what_is_to_be_put_in_order(record: dict[str, Any], told: dict[str, str]) -> None:
    found = findings(a_record(**record), RULES, NOW)
    assert {one.kind: why(one.kind, one.facts, NOW) for one in found} == told
    assert all(TO_DO[one.kind] for one in found)


RECORDS = st.builds(
    a_record,
    status=st.sampled_from(["new", "working", "qualified", "converted", "customer"]),
    known=st.frozensets(st.sampled_from(["email", "phone", "company", "name"])),
    worked_at=st.integers(0, 100).map(ago),
    alive_at=st.none() | st.integers(0, 100).map(ago),
    bounced_at=st.none() | st.integers(0, 100).map(ago),
    attempts=st.lists(
        st.builds(Attempt, st.integers(0, 100).map(ago), st.sampled_from(["busy", "reached", "wrong number", None]))
    ),
)


@given(RECORDS, st.randoms())
def test_the_order_in_which_attempts_are_read_is_nothing_and_a_sign_of_life_now_ends_unreachable(
    record: Record, chance: Any
) -> None:
    mixed = list(record.attempts)
    chance.shuffle(mixed)
    found = findings(record, RULES, NOW)
    assert findings(record._replace(attempts=mixed), RULES, NOW) == found
    assert len({one.kind for one in found}) == len(found) <= len(KINDS)
    alive = findings(record._replace(alive_at=NOW, worked_at=NOW), RULES, NOW)
    assert not {"unreachable", "stale"} & {one.kind for one in alive}


PLAIN = Calendar()


@given(st.integers(1971, 2998), st.integers(1, 12))
def test_months_and_quarters_follow_each_other_without_a_gap(year: int, month: int) -> None:
    zone = ZoneInfo("Asia/Tehran")
    start, end = period_of(f"{year}-{month:02}", zone, PLAIN)
    following = f"{year + month // 12}-{month % 12 + 1:02}"
    assert period_of(following, zone, PLAIN)[0] == end
    quarter = period_of(f"{year}-Q{(month - 1) // 3 + 1}", zone, PLAIN)
    assert quarter[0] <= start < end <= quarter[1]
    assert (start.hour, start.day) == (0, 1)


@pytest.mark.parametrize("text", ["2026", "2026-13", "2026-00", "2026-Q5", "26-01", "2026-Q", "", "2026-1", "٢٠٢٦-01"])
def test_what_is_no_period_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^"):
        period_of(text, ZoneInfo("UTC"), PLAIN)


def test_a_quarter_is_three_months() -> None:
    zone = ZoneInfo("UTC")
    assert period_of("2026-Q4", zone, PLAIN) == (datetime(2026, 10, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("calendar", "text", "start", "end"),
    [
        (Calendar(system="jalali"), "1405-08", date(2026, 10, 23), date(2026, 11, 22)),
        (Calendar(system="jalali"), "1405-Q3", date(2026, 9, 23), date(2026, 12, 22)),
        (Calendar(fiscal_year_starts=4), "2026-04", date(2026, 4, 1), date(2026, 5, 1)),
        (Calendar(fiscal_year_starts=4), "2026/27-Q1", date(2026, 4, 1), date(2026, 7, 1)),
    ],
)
def test_a_period_is_one_of_the_units_own_calendar(calendar: Calendar, text: str, start: date, end: date) -> None:
    zone = ZoneInfo("Asia/Tehran")
    midnights = tuple(datetime.combine(day, time(), zone) for day in (start, end))
    assert period_of(text, zone, calendar) == midnights


def test_the_present_month_and_quarter_are_called_as_they_are_there() -> None:
    now, zone = datetime(2026, 11, 26, tzinfo=UTC), ZoneInfo("Asia/Tehran")
    assert present(now, zone, Calendar(system="jalali")) == ("1405-09", "1405-Q3")
    assert present(now, zone, Calendar(fiscal_year_starts=4)) == ("2026-11", "2026/27-Q3")
    with pytest.raises(ValueError, match=r"^"):
        period_of("2026-Q1", zone, Calendar(fiscal_year_starts=4))
