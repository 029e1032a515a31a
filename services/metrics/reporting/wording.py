"""The words, figures and dates of a language: one readable catalogue each, in `texts/`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from functools import lru_cache
from importlib.resources import files
from typing import Literal
from unicodedata import bidirectional

import yaml
from persiantools.jdatetime import JalaliDate
from pydantic import BaseModel, ConfigDict

from shared.contracts.currencies import minor_digits
from shared.contracts.policy.calendar import System
from shared.contracts.policy.reports import Language

ABSENT = "–"
APART, AGAIN = "\u2066", "\u2069"
"""Around a number with a sign, so that the sign stands at its left in right-to-left text too."""
A_NAME = "\u2068"
"""Before a name, whose own letters say in which direction it is read; `AGAIN` stands after it."""
_TURNING = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)])
"""Signs that turn what stands after them, also beyond the name that they are in."""
_RIGHT_TO_LEFT = frozenset({"R", "AL", "AN"})

_DURATIONS = (("day", 86_400.0, 180.0), ("hour", 3_600.0, 30.0), ("minute", 60.0, 0.5), ("second", 1.0, 0.0))
"""Each unit, how many seconds it has, and how many less are rounded to one of it."""
_SCALES = (("trillion", 1e12), ("billion", 1e9), ("million", 1e6), ("thousand", 1e3))


class Catalogue(BaseModel):
    """Everything a language says. Places in braces are filled in; English tells what KPIs mean by their own formulas."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    direction: Literal["ltr", "rtl"]
    digits: str
    decimal: str
    group: str
    percent: str
    minus: str
    date: str
    day_month: str
    month_year: str
    range: str
    list: str
    months: Mapping[System, tuple[str, ...]]
    short_months: Mapping[System, tuple[str, ...]]
    quarters: tuple[str, ...]
    half_years: tuple[str, ...]
    durations: Mapping[str, str]
    scales: Mapping[str, str]
    money: str
    currencies: Mapping[str, str]
    texts: Mapping[str, str]
    words: Mapping[str, str]
    kpis: Mapping[str, str]
    meanings: Mapping[str, str] = {}
    traps: Mapping[str, str] = {}


@lru_cache(maxsize=8)
def catalogue(language: Language) -> Catalogue:
    """The catalogue of a language."""
    text = files(__package__).joinpath("texts", f"{language}.yaml").read_text(encoding="utf-8")
    return Catalogue.model_validate(yaml.safe_load(text))


class Wording:
    """What is said in one language, with days by one calendar."""

    def __init__(self, language: Language, system: System) -> None:
        self.language = language
        self.system: System = system
        self.known = catalogue(language)
        self._digits = str.maketrans("0123456789", self.known.digits)

    @property
    def rtl(self) -> bool:
        """Whether it is written from right to left."""
        return self.known.direction == "rtl"

    def text(self, key: str, **places: str) -> str:
        """A text of the catalogue."""
        return self.known.texts[key].format(**places)

    def word(self, name: str) -> str:
        """What a cut or a period is called; one that the catalogue lacks, by its own name."""
        return self.known.words.get(name, _in_words(name))

    def kpi(self, kpi: str) -> str:
        """What a KPI is called; one that the catalogue lacks, by its own id."""
        return self.known.kpis.get(kpi, _in_words(kpi))

    def meaning(self, kpi: str, formula: str) -> str:
        """What a KPI says."""
        return self.known.meanings.get(kpi, formula)

    def trap(self, kpi: str, trap: str) -> str:
        """What to mind about it."""
        return self.known.traps.get(kpi, trap)

    def name(self, name: str) -> str:
        """A name of the business, so that it turns nothing that stands around it and is not turned by that."""
        plain = name.translate(_TURNING)
        if not self.rtl and not any(bidirectional(letter) in _RIGHT_TO_LEFT for letter in plain):
            return plain
        return f"{A_NAME}{plain}{AGAIN}"

    def listed(self, names: Iterable[str]) -> str:
        """Several names one after the other."""
        return self.known.list.join(names)

    # --- figures ---------------------------------------------------------------------------------------------------

    def digits(self, text: str) -> str:
        """A text whose figures are those of the language."""
        return text.translate(self._digits)

    def number(self, value: float, places: int = 0) -> str:
        """A number with so many places behind the point."""
        said = f"{abs(value):,.{places}f}".translate({44: "\x00", 46: self.known.decimal}).replace(
            "\x00", self.known.group
        )
        if value < 0 and any(each in "123456789" for each in said):
            return self._apart(self.known.minus, self.digits(said))
        return self.digits(said)

    def signed(self, value: float, places: int = 0) -> str:
        """A number that shows its sign also where it is above nothing, and none where it is rounded to nothing."""
        return self._apart("+", self.number(value, places)) if round(value, places) > 0 else self.number(value, places)

    def share(self, value: float, places: int = 1) -> str:
        """A ratio in percent; nothing and all of it without anything behind the point."""
        places = 0 if value in (0, 1) else places
        return self.known.percent.format(n=self.number(100 * value, places))

    def change(self, value: float, places: int = 1) -> str:
        """A change in percent, with its sign, unless it is rounded to none."""
        said = self.known.percent.format(n=self.number(100 * abs(value), places))
        if round(100 * value, places) == 0:
            return said
        return self._apart("+" if value > 0 else self.known.minus, said)

    def money(self, value: float, currency: str | None) -> str:
        """An amount in full up to a million, as finely as its currency is divided where it is small, then in words for its size."""
        said = (
            self.scaled(value, above=1e6)
            if abs(value) >= 1e6
            else self.number(value, 0 if abs(value) >= 100 or float(value).is_integer() else minor_digits(currency))
        )
        if currency is None:
            return said
        return self.known.money.format(n=said, currency=self.currency(currency))

    def currency(self, currency: str) -> str:
        """What a currency is called; one that the catalogue lacks, by its code."""
        return self.known.currencies.get(currency) or self.name(currency)

    def scaled(self, value: float, above: float = 1e4) -> str:
        """A large number shortened."""
        if abs(value) >= above:
            for name, size in _SCALES:
                if abs(value) >= size * 0.9995:  # less of it is rounded to a thousand of the smaller one
                    return self.known.scales[name].format(n=self._short(_at_least_one(value / size)))
        return self._short(value)

    def duration(self, seconds: float) -> str:
        """A time in the unit that people would use for it."""
        for name, size, rounded in _DURATIONS:
            if name == "second":
                return self.known.durations[name].format(n=self.number(seconds))
            if abs(seconds) >= size - rounded:
                places = 1 if name in ("day", "hour") else 0
                return self.known.durations[name].format(n=self.number(_at_least_one(seconds / size), places))
        raise AssertionError("a second is the smallest")

    def _apart(self, sign: str, said: str) -> str:
        return f"{APART}{sign}{said}{AGAIN}" if self.rtl else f"{sign}{said}"

    def _short(self, value: float) -> str:
        places = 0 if float(value).is_integer() or abs(value) >= 100 else 1 if abs(value) >= 1 else 2
        return self.number(value, places)

    # --- dates -----------------------------------------------------------------------------------------------------

    def day(self, day: date) -> str:
        """A date in words."""
        return self._day(self.known.date, *self._parts(day))

    def moment(self, at: datetime) -> str:
        """A date and a time of the day."""
        return f"{self.day(at.date())}, {self.digits(f'{at:%H:%M}')}" if not self.rtl else (
            f"{self.day(at.date())}{self.known.list}{self.digits(f'{at:%H:%M}')}"
        )  # fmt: skip

    def days(self, first: date, last: date) -> str:
        """From one day to another, both included."""
        if first == last:
            return self.day(first)
        (year, month, _), (other, other_month, _) = self._parts(first), self._parts(last)
        pattern = self.known.day_month if year == other else self.known.date
        begins = self._day(pattern, *self._parts(first))
        if (year, month) == (other, other_month) and not self.rtl:
            begins = self.digits(str(self._parts(first)[2]))
        return self.known.range.format(first=begins, last=self.day(last))

    def period(self, name: str, *, short: bool = False) -> str:
        """What a period is called, by its name in the KPI API: `2026-03`, `2026-Q1`, `2026/27-H1`, `2026`, a day."""
        year, _, rest = name.partition("-")
        year = self.digits(year)
        if not rest:
            return year
        if rest[0] in "QH":
            patterns = self.known.quarters if rest[0] == "Q" else self.known.half_years
            return patterns[int(rest[1:]) - 1].format(year=year)
        month, _, day = rest.partition("-")
        months = (self.known.short_months if short else self.known.months)[self.system]
        called = months[int(month) - 1]
        if not day:
            return called if short else self.known.month_year.format(month=called, year=year)
        pattern = self.known.day_month if short else self.known.date
        return pattern.format(day=self.digits(str(int(day))), month=called, year=year)

    def _parts(self, day: date) -> tuple[int, int, int]:
        own = JalaliDate.to_jalali(day) if self.system == "jalali" else day
        return int(own.year), int(own.month), int(own.day)

    def _day(self, pattern: str, year: int, month: int, day: int) -> str:
        called = self.known.months[self.system][month - 1]
        return pattern.format(day=self.digits(str(day)), month=called, year=self.digits(f"{year:04}"))


def _in_words(name: str) -> str:
    return name.replace("_", " ")


def _at_least_one(value: float) -> float:
    """What is rounded up to one of its unit, as one."""
    return value if abs(value) >= 1 else 1.0 if value > 0 else -1.0
