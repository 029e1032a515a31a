"""A number over time, as what a chart of it shows and says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from math import ceil, floor, log10
from typing import Any

from services.metrics.reporting.document import Point, Series
from services.metrics.reporting.plan import Scope
from services.metrics.reporting.units import Kind, kind_of, on_axis, shown
from services.metrics.reporting.wording import ABSENT, Wording

MOST_PERIODS = 60
FEWEST = 6
ROOM = 3
"""How many lines a chart has above its lowest one, about."""
NOTHING = 1e-300
"""What is closer together cannot be told apart by numbers of a computer."""

_COLUMNS = frozenset({Kind.COUNT, Kind.MONEY})
"""What adds up stands as columns; what does not, as a line."""


@dataclass(frozen=True, slots=True)
class Charts:
    """Makes series of answers that are grouped by period."""

    words: Wording
    scope: Scope
    today: date
    link: Callable[[str], str]

    def series(self, kpi: str, answer: Mapping[str, Any] | None) -> Series:
        """Every period of the chart in its order; one without anything counted has nothing, or none of a count."""
        words, name = self.words, self.words.kpi(kpi)
        if answer is None:
            return Series(kpi, name, True, (), (), words.text("empty_chart", name=name))
        kind = kind_of(kpi, answer["unit"])
        currency = _currency(answer)
        period = self.scope.trend[0]
        found = {group["key"][period]: group for group in answer["groups"]}
        points = []
        for period_name, over in self._periods(found):
            values = _in_currency(found.get(period_name), currency)
            value = values.get("value") if values else (0 if kind in _COLUMNS else None)
            interval = (values or {}).get("interval") or {}
            points.append(
                Point(
                    name=words.period(period_name),
                    label=words.period(period_name, short=True),
                    value=value,
                    text=shown(words, kind, value, currency),
                    over=over,
                    low=interval.get("low"),
                    high=interval.get("high"),
                )
            )
        points = _since_the_first(points)
        known = [point for point in points if point.value is not None]
        return Series(
            kpi=kpi,
            name=name,
            columns=kind in _COLUMNS,
            points=tuple(points),
            axis=tuple((at, on_axis(words, kind, at)) for at in lines([point.value or 0.0 for point in known])),
            summary=self._summary(name, known),
            unit=words.currency(currency) if currency else "",
            href=self.link(self.scope.ask_trend(kpi).path),
        )

    def _periods(self, found: Mapping[str, Any]) -> list[tuple[str, bool]]:
        """The names of all periods of the chart, and whether each is over; at most so many, the latest."""
        period, start, end = self.scope.trend
        calendar = self.scope.calendar
        names: list[tuple[str, bool]] = []
        first = calendar.first_of(period, end - timedelta(days=1))
        earliest = min((name for name in found if name is not None), default=None)
        while len(names) < MOST_PERIODS:
            after = calendar.moved(period, first, 1)
            name = calendar.name_of(period, first)
            if (start is not None and after <= start) or (start is None and (earliest is None or name < earliest)):
                break
            names.append((name, after <= self.today))
            first = calendar.moved(period, first, -1)
        return names[::-1]

    def _summary(self, name: str, known: list[Point]) -> str:
        if not known or not any(point.value for point in known):
            return self.words.text("empty_chart", name=name)
        high, low = max(known, key=lambda one: one.value or 0.0), min(known, key=lambda one: one.value or 0.0)
        return self.words.text(
            "chart",
            name=name,
            first=known[0].name,
            last=known[-1].name,
            high=high.text,
            high_at=high.name,
            low=low.text,
            low_at=low.name,
            value=known[-1].text or ABSENT,
        )


def _since_the_first(points: list[Point]) -> list[Point]:
    """Without the empty ones at the beginning, but for a few."""
    first = next((place for place, point in enumerate(points) if point.value), len(points))
    return points[max(min(first, len(points) - FEWEST), 0) :]


def lines(values: list[float]) -> list[float]:
    """Round places for the lines of a chart, from nothing or below to what is highest or above."""
    low, high = min([0.0, *values]), max([0.0, *values])
    if high - low < NOTHING:
        return [-1.0, 0.0, 1.0] if low < 0 else [0.0, 1.0]
    rough = (high - low) / ROOM
    size = 10.0 ** floor(log10(rough))
    step = next(size * nice for nice in (1, 2, 2.5, 5, 10) if size * nice >= rough * 0.999)
    return [number * step for number in range(floor(low / step), ceil(high / step - 1e-9) + 1)]


def _currency(answer: Mapping[str, Any]) -> str | None:
    """The currency of a chart: the one in which there is most to tell, since they are never added."""
    total = answer["total"]
    if total.get("by_currency"):
        most: str = max(sorted(total["by_currency"]), key=lambda one: total["by_currency"][one]["n"])
        return most
    currency: str | None = total.get("currency")
    return currency


def _in_currency(group: Mapping[str, Any] | None, currency: str | None) -> Mapping[str, Any] | None:
    if group is None or currency is None:
        return group
    if group.get("by_currency"):
        own: Mapping[str, Any] | None = group["by_currency"].get(currency)
        return own
    return group if group.get("currency") in (None, currency) else None
