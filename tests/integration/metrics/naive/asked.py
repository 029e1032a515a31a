"""One question, and the lines that count for its total and for each of its groups."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from tests.integration.metrics.naive.calendars import Calendar, period_name
from tests.integration.metrics.naive.line import Line, Lines
from tests.integration.metrics.naive.people import PLACES
from tests.integration.metrics.naive.rates import Said, worth_of

Number = dict[str, Any]
Group = tuple[str | None, ...]
PERIODS = ("day", "week", "month", "quarter", "half_year", "year")
DAY_SECONDS = 86_400
LEAST_SHARE = 1e-9
"""Shares are told in billionths."""


@dataclass
class Asked:
    """Which lines count for which group."""

    lines: Lines
    zones: dict[str, ZoneInfo]
    calendars: dict[str, Calendar]
    as_of: datetime
    start: date
    end: date
    horizon_days: int
    cuts: tuple[str, ...] = ()
    filters: dict[str, tuple[str | None, ...]] | None = None
    attribution: str = "first"
    half_life_days: float = 7.0
    top: int = 10
    currency: str | None = None
    """In which amounts are wanted, as far as there are rates."""
    restated: bool = False
    """Whether all count at the rate of the day of `as_of`, or each at that of its own."""
    said: tuple[Said, ...] = ()

    def groups(self, *, by_cohort: bool = False, of_now: bool = False) -> dict[Group | None, Lines]:
        """The lines of the total (None) and of every group: of a window, of cohorts that began in it, or of now."""
        found: dict[Group | None, Lines] = defaultdict(lambda: defaultdict(list))
        found[None] = defaultdict(list)
        for what, lines in self.lines.items():
            for whole in lines:
                if whole.at > self.as_of and what != "expected":
                    continue
                day = self.day_of(whole.unit, whole.began if by_cohort else whole.at)
                if not of_now and not self.has(whole.began if by_cohort else whole.at, day):
                    continue
                for line in self._put_down(self._in_one(what, whole)):
                    held = {**line.cuts, "business_unit": line.unit}
                    if self.leaves_out(held):
                        continue
                    found[None][what].append(line)
                    if self.cuts:
                        found[self.key_of(held, self.calendars[line.unit], day)][what].append(line)
        return found

    def has(self, at: datetime, day: date) -> bool:
        """Whether a moment, of that day where its unit is, is in the window: by the clock where that is of moments."""
        begun = at >= self.start if isinstance(self.start, datetime) else day >= self.start
        return begun and (at < self.end if isinstance(self.end, datetime) else day < self.end)

    def _in_one(self, what: str, line: Line) -> Line:
        """The same in the currency that is wanted; as it is where there is no rate. What is open counts at the rate of now."""
        if self.currency is None:
            return line
        now = self.restated or what == "expected"
        units = sorted(filter(None, (self.filters or {}).get("business_unit", ())))
        where = units[0] if units else "default"
        day = self.day_of(where, self.as_of) if now else self.day_of(line.unit, line.at)
        amount = worth_of(line, list(self.said), self.currency, day)
        return line if amount is None else line._replace(amount=amount, currency=self.currency)

    def day_of(self, unit: str, at: datetime) -> date:
        """The day that it was in the unit."""
        return at.astimezone(self.zones[unit]).date()

    def leaves_out(self, held: dict[str, str | None]) -> bool:
        """Whether a filter does not let it pass."""
        return any(held[name] not in allowed for name, allowed in (self.filters or {}).items())

    def key_of(self, held: dict[str, str | None], calendar: Calendar, day: date) -> Group:
        """The group of what holds on a day."""
        return tuple(period_name(cut, day, calendar) if cut in PERIODS else held.get(cut) for cut in self.cuts)

    def _put_down(self, line: Line) -> list[Line]:
        """A line, or what each of the touches before it has of it."""
        until = line.bought or line.at
        touches = [(at, place) for at, place in line.touches if at <= until]
        n = len(touches)
        if self.attribution == "first" or not n or not {*self.cuts, *(self.filters or ())}.intersection(PLACES):
            return [line]
        ages = [(until - at).total_seconds() / DAY_SECONDS / self.half_life_days for at, _ in touches]
        weights = {
            "last": [0.0] * (n - 1) + [1.0],
            "linear": [1.0] * n,
            "position": [1.0] if n == 1 else [0.5, 0.5] if n == 2 else [0.4, *[0.2 / (n - 2)] * (n - 2), 0.4],
            "time_decay": [0.5 ** (age - min(ages)) for age in ages],
        }[self.attribution]
        shares = [weight / sum(weights) for weight in weights]
        return [
            line._replace(cuts={**line.cuts, **place}, weight=share)
            for (_, place), share in zip(touches, shares, strict=True)
            if share >= LEAST_SHARE
        ]
