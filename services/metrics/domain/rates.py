"""Exchange rates as an operator loads them, and what they make of an amount on a day."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from decimal import Decimal, localcontext
from itertools import groupby
from typing import NamedTuple

DIGITS = 34


class Rate(NamedTuple):
    """From a day on until there is another, one `currency` is so much of the other one."""

    currency: str
    into: str
    day: date
    rate: Decimal


class _Line:
    """The rates between two currencies, by their days."""

    def __init__(self) -> None:
        self.days: list[date] = []
        self.rates: list[Decimal] = []

    def at(self, day: date) -> tuple[date, Decimal] | None:
        place = bisect_right(self.days, day) - 1
        return None if place < 0 else (self.days[place], self.rates[place])


class Rates:
    """What is known between currencies. The rate of a day is the last one of that day or an earlier one, as it was said or turned
    round, whichever is of the later day; where there is none, by way of the one other currency that both have rates with, the first
    by name. Before its first rate a currency has none."""

    def __init__(self, rates: Iterable[Rate]) -> None:
        self._lines: dict[tuple[str, str], _Line] = defaultdict(_Line)
        self._partners: dict[str, set[str]] = defaultdict(set)
        ordered = sorted(rates, key=lambda one: (one.currency, one.into, one.day))
        for pair, own in groupby(ordered, key=lambda one: (one.currency, one.into)):
            line = self._lines[pair]
            for one in own:
                line.days.append(one.day)
                line.rates.append(one.rate)
            self._partners[pair[0]].add(pair[1])
            self._partners[pair[1]].add(pair[0])

    def at(self, currency: str, into: str, day: date) -> Decimal | None:
        """What one `currency` was of another on a day; None where nobody said."""
        if currency == into:
            return Decimal(1)
        with localcontext(prec=DIGITS):
            known = self._between(currency, into, day)
            if known is not None:
                return known
            for other in sorted(self._partners[currency] & self._partners[into]):
                first, second = self._between(currency, other, day), self._between(other, into, day)
                if first is not None and second is not None:
                    return first * second
        return None

    def _between(self, currency: str, into: str, day: date) -> Decimal | None:
        said = self._lines[currency, into].at(day)
        turned = self._lines[into, currency].at(day)
        if turned is not None and (said is None or turned[0] > said[0]):
            return 1 / turned[1]
        return None if said is None else said[1]
