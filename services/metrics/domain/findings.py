"""What somebody should look at: changes that are no chance and large enough to matter, each with the numbers behind it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from urllib.parse import urlencode
from uuid import UUID, uuid5

from services.metrics.domain.changing import Found, controlled

FALSE_SHARE = 0.05
"""How many of a hundred findings may be none; where nothing changed at all, how often there is any."""
FINDINGS = UUID("9c6f1f5e-3f0e-5a41-8f66-0f3a2e5c7b10")


class Kind(StrEnum):
    """What changed."""

    DWELL = "dwell"
    DROP_OFF = "drop_off"
    LEVEL = "level"
    PACE = "pace"


METHODS = {
    Kind.DWELL: "log-rank test of stays begun in each window, those that last counted up to their age; Benjamini–Hochberg",
    Kind.DROP_OFF: "Fisher's exact test of those lost from the stage within the time that all had; Benjamini–Hochberg",
    Kind.LEVEL: "median and median absolute deviation of the same days of 12 weeks on Anscombe's scale, t limits; Benjamini–Hochberg",
    Kind.PACE: "what is there against what should be by now; no test",
}


VALUE, NUMERATOR = "value", "numerator"
ANSWERED = {
    Kind.DWELL: (
        "the median of stays that ended in those days; told is that of stays that began in them, Kaplan–Meier",
    )
    * 2,
    Kind.DROP_OFF: ("the share lost from the stage by as_of; told is that of those lost within 28 days of entering it",)
    * 2,
    Kind.LEVEL: ("what all of those days have together; told is the median of such a day, or such seven days", VALUE),
    Kind.PACE: ("denominator", VALUE),
}
"""What the total of `query` has of what a finding tells of before and after: by its name there, or what it has instead."""


@dataclass(frozen=True, slots=True)
class Place:
    """Of what a finding is: the KPI, the cut, and both windows. Without a business unit it is of everybody; an amount is in a
    currency."""

    kind: Kind
    kpi: str
    business_unit: str
    cut: Mapping[str, str]
    after: tuple[date, date]
    before: tuple[date, date]
    currency: str | None = None

    @property
    def finding_id(self) -> UUID:
        """The same place has the same id."""
        cut = "\x1f".join(f"{name}={value}" for name, value in sorted(self.cut.items()))
        return uuid5(FINDINGS, "\x1f".join((self.kind, self.kpi, self.business_unit, cut, *map(str, self.after))))

    def answered(self, *, after: bool) -> str:
        """What the query answers of what is told."""
        says = ANSWERED[self.kind][after]
        return NUMERATOR if says == VALUE and self.kpi == "lead_to_opportunity_period" else says

    def expected(self, as_of: datetime) -> str:
        """Where is asked what should be there by now, of the pace of a target: the denominator of that."""
        of = replace(self, kpi="pace", currency=None).query(self.after, as_of)
        return f"{of}&{urlencode({'of': self.kpi})}"

    def query(self, window: tuple[date, date], as_of: datetime) -> str:
        """Where the number behind it is asked for."""
        asked = {
            "from": window[0],
            "to": window[1],
            **({"business_unit": self.business_unit} if self.business_unit else {}),
            **self.cut,
            **({"currency": self.currency} if self.currency else {}),
            "as_of": as_of.isoformat(),
        }
        return f"/v1/kpis/{self.kpi}?{urlencode(asked)}"


@dataclass(frozen=True, slots=True)
class Finding:
    """A change in one place. `q` is the share of findings as sure as this one that are none."""

    place: Place
    found: Found
    q: float | None

    @property
    def direction(self) -> str:
        """Whether there is more of it: things that leave faster stay for less time."""
        effect = self.found.effect
        more = (self.found.after or 0) > (self.found.before or 0)
        if self.place.kind is Kind.DWELL and effect is not None:
            more = effect < 1
        return "up" if more else "down"


def chosen(tested: Iterable[tuple[Place, Found]]) -> list[Finding]:
    """What is worth telling of everything that was tested, the surest first. All tests count, whatever is told of them."""
    kept = list(tested)
    shares = controlled([found.p for _, found in kept])
    told = [
        Finding(place, found, q)
        for (place, found), q in zip(kept, shares, strict=True)
        if q <= FALSE_SHARE and found.enough
    ]
    return sorted(told, key=lambda one: (one.q or 0, one.found.p, str(one.place.finding_id)))


@dataclass(frozen=True, slots=True)
class Windows:
    """The days that are compared, as days of one unit until the day `today`, which is not over."""

    today: date
    recent_days: int = 28
    usual_days: int = 84
    followed_days: int = 28

    @property
    def dwell(self) -> tuple[tuple[date, date], tuple[date, date]]:
        """Stays that began lately, and before."""
        middle = self.today - timedelta(days=self.recent_days)
        return (middle, self.today), (middle - timedelta(days=self.usual_days), middle)

    @property
    def drop_off(self) -> tuple[tuple[date, date], tuple[date, date]]:
        """The same of those that had the time to drop out since."""
        back = timedelta(days=self.followed_days)
        after, before = self.dwell
        return (after[0] - back, after[1] - back), (before[0] - back, before[1] - back)


def usual_days(
    today: date, days: int, weeks: int, holidays: Iterable[date]
) -> tuple[list[date], list[list[date]]] | None:
    """The last so many whole days, and the same weekdays of so many weeks before, each time without those in which a holiday is.
    None where the last ones are no usual days themselves."""
    off = set(holidays)
    last = [today - timedelta(days=number) for number in range(days, 0, -1)]
    if off.intersection(last):
        return None
    before = [[day - timedelta(days=7 * week) for day in last] for week in range(1, weeks + 1)]
    return last, [week for week in before if not off.intersection(week)]
