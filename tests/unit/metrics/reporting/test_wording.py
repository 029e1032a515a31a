"""Figures, amounts and times in each language."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.metrics.reporting.charts_of import lines
from services.metrics.reporting.units import Kind, change_shown, is_better, shown
from services.metrics.reporting.wording import Wording
from shared.contracts.policy.reports import Language

EN, FA, HE = Wording("en", "gregorian"), Wording("fa", "jalali"), Wording("he", "gregorian")


@pytest.mark.parametrize(
    ("words", "kind", "value", "currency", "expected"),
    [
        (EN, Kind.COUNT, 12345, None, "12,345"),
        (FA, Kind.COUNT, 12345, None, "۱۲٬۳۴۵"),
        (EN, Kind.SHARE, 0.1254, None, "12.5%"),
        (EN, Kind.SHARE, 1, None, "100%"),
        (FA, Kind.SHARE, 0.1254, None, "۱۲٫۵٪"),
        (EN, Kind.MONEY, 950.5, "EUR", "950 EUR"),
        (EN, Kind.MONEY, 9.5, "EUR", "9.50 EUR"),
        (EN, Kind.MONEY, 12.4, "JPY", "12 JPY"),
        (EN, Kind.MONEY, 12.4, "KWD", "12.400 KWD"),
        (EN, Kind.MONEY, 12_400_000_000, "IRR", "12.4bn IRR"),
        (FA, Kind.MONEY, 12_400_000_000, "IRR", "۱۲٫۴ میلیارد ریال"),
        (HE, Kind.MONEY, 1234, "ILS", "1,234 ש״ח"),
        (EN, Kind.MONEY, 1234, "SEK", "1,234 SEK"),
        (EN, Kind.MONEY_RATE, 1234, "EUR", "1,234 EUR a day"),
        (EN, Kind.RATE, 3.44, None, "3.4 a day"),
        (EN, Kind.DURATION, 200_000, None, "2.3 days"),
        (EN, Kind.DURATION, 5_400, None, "1.5 h"),
        (EN, Kind.DURATION, 0.4, None, "0 s"),
        (HE, Kind.DURATION, 600, None, "10 דק׳"),
        (EN, Kind.SCORE, 0.7314, None, "0.731"),
        (EN, Kind.COUNT, None, None, "–"),
        (EN, Kind.MONEY, -1234.0, "EUR", "−1,234 EUR"),
    ],
)
def test_a_value_is_shown_as_its_unit_and_language_have_it(
    words: Wording, kind: Kind, value: float | None, currency: str | None, expected: str
) -> None:
    assert shown(words, kind, value, currency) == expected


@given(value=st.floats(-1e15, 1e15), language=st.sampled_from(get_args(Language)), kind=st.sampled_from(Kind))
def test_any_number_can_be_shown_in_any_language_with_its_own_figures(value: float, language: Any, kind: Kind) -> None:
    said = shown(Wording(language, "gregorian"), kind, value, "EUR")
    assert said.strip()
    if language == "fa":
        assert not any(figure in said for figure in "0123456789")


@pytest.mark.parametrize(
    ("kind", "now", "then", "expected", "moved"),
    [
        (Kind.COUNT, 110, 100, "+10.0%", 1),
        (Kind.COUNT, 90, 100, "−10.0%", -1),
        (Kind.COUNT, 300, 100, "+200%", 1),
        (Kind.COUNT, 5, 0, "from nothing", 1),
        (Kind.COUNT, 5, 5, "unchanged", 0),
        (Kind.SHARE, 0.30, 0.25, "+5.0 points", 1),
        (Kind.SHARE, 0.2501, 0.25, "unchanged", 0),
        (Kind.MONEY, None, 5, "–", 0),
        (Kind.MONEY, 50, -100, "+150%", 1),
    ],
)
def test_a_change_is_in_points_for_shares_and_else_relative(
    kind: Kind, now: float | None, then: float | None, expected: str, moved: int
) -> None:
    said, way = change_shown(EN, kind, now, then)
    assert (said, (way > 0) - (way < 0)) == (expected, moved)


def test_a_sign_stands_apart_so_that_right_to_left_text_keeps_it_at_its_number() -> None:
    assert change_shown(FA, Kind.COUNT, 90, 100)[0] == "\u2066−۱۰٫۰٪\u2069"
    assert change_shown(HE, Kind.SHARE, 0.3, 0.25)[0] == "\u2066+5.0\u2069 נקודות אחוז"


def test_whether_a_change_is_good_depends_on_what_is_counted() -> None:
    assert is_better("sales_volume", 1) is True
    assert is_better("opportunities_lost", 1) is False
    assert is_better("speed_to_lead", -1) is True
    assert is_better("cac", 1) is False
    assert is_better("activities", 1) is None
    assert is_better("sales_volume", 0) is None


def test_days_are_those_of_the_calendar() -> None:
    assert EN.day(date(2026, 3, 21)) == "21 March 2026"
    assert FA.day(date(2026, 3, 21)) == "۱ فروردین ۱۴۰۵"
    assert HE.day(date(2026, 3, 21)) == "21 במרץ 2026"
    assert FA.moment(datetime(2026, 3, 21, 9, 5, tzinfo=UTC)) == "۱ فروردین ۱۴۰۵، ۰۹:۰۵"
    assert EN.days(date(2025, 12, 29), date(2026, 1, 4)) == "29 December 2025 – 4 January 2026"
    assert FA.period("1405-Q1") == "سه‌ماههٔ اول ۱۴۰۵"
    assert EN.period("2026/27-H2") == "second half of 2026/27"
    assert EN.period("2026-03-09", short=True) == "9 Mar"


@given(st.lists(st.floats(-1e12, 1e12), max_size=30))
def test_lines_of_a_chart_are_few_even_and_hold_every_value(values: list[float]) -> None:
    found = lines(values)
    assert 2 <= len(found) <= 8
    slack = 1e-6 * (found[-1] - found[0])
    assert found[0] - slack <= min([0.0, *values])
    assert found[-1] + slack >= max([0.0, *values])
    assert any(abs(one) <= slack for one in found)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (EN.scaled(999_950), EN.scaled(1_000_000)),
        (FA.scaled(999_950), FA.scaled(1_000_000)),
        (EN.scaled(999_499), "999k"),
        (EN.scaled(-999_950), EN.scaled(-1_000_000)),
        (EN.duration(3_599.9), EN.duration(3_600)),
        (EN.duration(86_399), EN.duration(86_400)),
        (EN.duration(59.7), EN.duration(60)),
        (EN.change(-0.00001), "0.0%"),
        (EN.signed(0.04, 1), "0.0"),
    ],
)
def test_what_is_rounded_up_to_one_of_the_next_unit_is_one_of_it_and_what_is_rounded_to_nothing_has_no_sign(
    said: str, expected: str
) -> None:
    assert said == expected
