"""Dates as people write them elsewhere: in other digits, and by the Persian calendar."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from persiantools.jdatetime import JalaliDate

from shared.tabular import jalali
from shared.tabular.fields import Unusable, read_time

PERSIAN_DIGITS = str.maketrans("0123456789", "۰۱۲۳۴۵۶۷۸۹")


@pytest.mark.parametrize(
    ("text", "form", "moment"),
    [
        ("۱۴۰۳/۰۱/۱۶", "jalali %Y/%m/%d", "2024-04-04T00:00:00"),
        ("1403/2/31", "jalali %Y/%m/%d", "2024-05-20T00:00:00"),
        ("۱۶ فروردین ۱۴۰۳", "jalali %d %B %Y", "2024-04-04T00:00:00"),
        ("16 فروردين 1403", "jalali %d %B %Y", "2024-04-04T00:00:00"),
        ("14031230", "jalali %Y%m%d", "2025-03-20T00:00:00"),
        ("1403-12-30 12:05:06.250 PM", "jalali %Y-%m-%d %I:%M:%S.%f %p", "2025-03-20T12:05:06.250000"),
        ("1403-12-30 00:30 +0330", "jalali %Y-%m-%d %H:%M %z", "2025-03-19T21:00:00Z"),
        ("٣١/١٢/٢٠٢٥", "%d/%m/%Y", "2025-12-31T00:00:00"),
        ("\u200f۲۰۲۵-۱۲-۳۱", "iso", "2025-12-31T00:00:00"),
        ("۱۷۶۷۲۲۵۶۰۰", "unix", "2026-01-01T00:00:00Z"),
    ],
)
def test_a_date_is_read_in_any_digits_and_by_its_calendar(text: str, form: str, moment: str) -> None:
    assert read_time(text, "occurred_at", None, (form,)) == moment


@pytest.mark.parametrize(
    "text", ["1404/12/30", "1403/13/01", "1403/07/31", "403/01/01", "1403/01/16 10:00", "امروز", ""]
)
def test_what_is_no_day_of_that_calendar_is_unusable(text: str) -> None:
    with pytest.raises(Unusable, match="does not fit the date_format jalali"):
        read_time(text, "occurred_at", None, ("jalali %Y/%m/%d",))


@given(
    st.datetimes(datetime(1925, 3, 22), datetime(2080, 1, 1)),  # noqa: DTZ001
    st.sampled_from(["%Y/%m/%d %H:%M:%S.%f", "%d-%m-%Y %H:%M:%S.%f", "%H:%M:%S.%f %Y%m%d"]),
    st.booleans(),
)
def test_every_day_is_read_as_it_was_written(moment: datetime, form: str, in_persian: bool) -> None:
    written = JalaliDate.to_jalali(moment.date()).strftime(form.replace("%H:%M:%S.%f", "@"))
    written = written.replace("@", f"{moment:%H:%M:%S.%f}")
    text = written.translate(PERSIAN_DIGITS) if in_persian else written
    assert read_time(text, "occurred_at", None, (f"jalali {form}",)) == moment.isoformat()


def test_the_days_of_a_leap_year_follow_each_other() -> None:
    days = [(month, day) for month in range(1, 13) for day in range(1, 31 + (month <= 6))]
    read = [jalali.read(f"1403/{month}/{day}", "%Y/%m/%d") for month, day in days]
    assert read == [datetime.combine(date(2024, 3, 20) + timedelta(days=number), time()) for number in range(366)]
