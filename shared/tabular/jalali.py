"""Dates of the Persian solar calendar, as people there write them."""

from __future__ import annotations

import re
from datetime import datetime
from functools import cache

from persiantools.jdatetime import JalaliDate

PREFIX = "jalali "
"""What a date format of that calendar begins with: `jalali %Y/%m/%d`."""

_MONTHS = (
    "فروردین", "اردیبهشت", "خرداد", "تیر", "مرداد", "شهریور", "مهر", "آبان", "آذر", "دی", "بهمن", "اسفند",
)  # fmt: skip
_OF_THE_DATE = {
    "Y": r"(?P<year>\d{4})",
    "m": r"(?P<month>\d{1,2})",
    "B": f"(?P<month>{'|'.join(_MONTHS)})",
    "d": r"(?P<day>\d{1,2})",
}
_DIRECTIVE = re.compile("%(.)")


def is_whole(form: str) -> bool:
    """Whether a format (without its prefix) has a year, a month and a day, each once."""
    told = _DIRECTIVE.findall(form)
    return (told.count("Y"), told.count("m") + told.count("B"), told.count("d")) == (1, 1, 1)


def read(text: str, form: str) -> datetime:
    """The moment that a text in a format (without its prefix) means: its date is put in ours, and the rest is read as everybody's.
    Raises `ValueError`."""
    found = _pattern(form).fullmatch(text.replace("ي", "ی"))
    if found is None:
        raise ValueError("the text does not fit the format")
    month = found["month"]
    number = int(month) if month.isdecimal() else _MONTHS.index(month) + 1
    day = JalaliDate(int(found["year"]), number, int(found["day"])).to_gregorian()
    in_ours = {found.span("year"): f"{day:%Y}", found.span("month"): f"{day:%m}", found.span("day"): f"{day:%d}"}
    for (start, end), part in sorted(in_ours.items(), reverse=True):
        text = text[:start] + part + text[end:]
    return datetime.strptime(text, form.replace("%B", "%m"))  # noqa: DTZ007 - its zone is looked at by whoever asks


@cache
def _pattern(form: str) -> re.Pattern[str]:
    parts = _DIRECTIVE.split(form)
    between = [re.escape(part) for part in parts[::2]]
    told = [_OF_THE_DATE.get(directive, ".+?") for directive in parts[1::2]]
    return re.compile("".join(one for pair in zip(between, [*told, ""], strict=True) for one in pair))
