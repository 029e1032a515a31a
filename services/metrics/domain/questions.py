"""What is asked of a KPI, and whether rollups can tell or entries have to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from services.metrics.domain.calendars import Calendars
from services.metrics.domain.entries import BY_COHORT, DIMENSIONS, Measure
from services.metrics.domain.forms import (
    Best,
    Churn,
    Cost,
    Count,
    DataQuality,
    Definition,
    Due,
    Duration,
    Incidence,
    MoneyMean,
    MoneyRatio,
    MoneyTotal,
    PerCustomer,
    PerDay,
    PerVisitor,
    Projected,
    Ranking,
    Ratio,
    Reach,
    Return,
    Satisfaction,
    Share,
    Stay,
    TimeToEvent,
    Velocity,
    Weighted,
    Worth,
)
from services.metrics.domain.touches import HALF_LIFE_DAYS, PLACES, Attribution
from shared.contracts.policy.calendar import PERIODS

A_DAY = timedelta(days=1)

UNIT = "business_unit"
CUTS: tuple[str, ...] = (UNIT, *DIMENSIONS, *PERIODS)
"""Everything an answer can be grouped by."""

VERSION = "policy_version"
"""By which version of the policy leads were qualified: a cut by itself, of few numbers."""


def is_known_by_version(definition: Definition) -> bool:
    """Whether a number is answered by it: one of opportunities, each by what let its lead through."""
    form = definition.form
    return isinstance(form, Share) and (form.began, form.reached) == (Measure.OPPORTUNITY_OPENED, Measure.COHORT_WON)


SUMMED = (
    Count, PerDay, Ratio, Share, MoneyRatio, MoneyTotal, Cost, Return, PerCustomer, Satisfaction, Churn,
    PerVisitor, Due, DataQuality, Projected, Worth, Best, Weighted,
)  # fmt: skip
SPREAD = (Duration, Stay, Reach, MoneyMean, Velocity, Incidence, TimeToEvent, Ranking)
"""Forms that are made of sums, and those that know of sums and sketches."""

Bound = date | datetime | None
"""The edge of a window: a local day of each unit, a moment, or none."""


@dataclass(frozen=True, slots=True)
class Question:
    """One KPI over one window. Filters map a dimension to the values that pass; None among them is "unknown". `of` is the KPI
    that a target is for, where targets are asked about. It is `behind` where something was folded that `as_of` leaves out, and there is nothing from before the day `since` and, of days that are far `ahead`, on those alone; days are those of `zones`, of any where they are not said. With a `currency` amounts are wanted in it, at the rates of their days or,
    `restated`, at that of `as_of`. What was spent is that of `lag_days` before. `given_horizon_days` is the horizon where it was asked
    for, which goes before what policies say."""

    definition: Definition
    as_of: datetime
    horizon_days: int
    start: Bound = None
    end: Bound = None
    group_by: tuple[str, ...] = ()
    filters: Mapping[str, tuple[str | None, ...]] = field(default_factory=dict)
    calendars: Calendars = field(default_factory=Calendars)
    of: Definition | None = None
    lifetime_months: float = 60
    top: int = 10
    attribution: Attribution = Attribution.FIRST
    half_life_days: float = HALF_LIFE_DAYS
    stale_days: int = 60
    currency: str | None = None
    restated: bool = False
    lag_days: int = 0
    behind: bool | None = None
    since: date | None = None
    ahead: tuple[date, ...] = ()
    zones: tuple[ZoneInfo, ...] = ()
    given_horizon_days: int | None = None

    @property
    def cutoff(self) -> datetime:
        """Cohorts that began by then are older than the horizon."""
        return self.as_of - timedelta(days=self.horizon_days)

    @property
    def today(self) -> date:
        """The day of `as_of` where the one unit is that is asked about, or where the policy's defaults are."""
        return self.calendars.day(None, self.as_of)

    @property
    def dimension(self) -> str | None:
        """The one dimension that is cut or filtered by, where there is exactly one."""
        used = {name for name in (*self.group_by, *self.filters) if name in DIMENSIONS}
        return next(iter(used)) if len(used) == 1 else None

    @property
    def shares_out(self) -> bool:
        """Whether what was counted is to be shared out between touches. Where nothing is cut by what they name, all shares of a
        thing are in one place."""
        cut_by = {*self.group_by, *self.filters}
        return self.attribution is not Attribution.FIRST and not cut_by.isdisjoint(PLACES)

    def at_moment(self, as_of: datetime) -> Question:
        """The same of another moment."""
        return replace(self, as_of=as_of)

    def seen_from(self, latest: datetime | None, zones: Iterable[ZoneInfo] = ()) -> Question:
        """The same, knowing when the newest fact happened, and in which zones days are."""
        return replace(self, behind=latest is not None and latest > self.as_of, zones=tuple(zones))

    def local_days(self, at: datetime) -> tuple[date, date]:
        """The first and the last day that a moment is of where the units are."""
        days = [at.astimezone(zone).date() for zone in self.zones]
        days = days or [at.date() - A_DAY, at.date() + A_DAY]
        return min(days), max(days)

    def fits_rollups(self) -> bool:
        """Whether sums by local day answer this exactly: whole days, and at most one dimension."""
        form = self.definition.form
        if not isinstance(form, SUMMED + SPREAD):
            return False
        by_cohort = BY_COHORT.intersection(self.definition.measures) and not self.restated
        if self.currency is not None and (isinstance(form, SPREAD) or by_cohort):
            return False  # sums of cohorts and sketches do not know the days of amounts
        return self.is_plain

    @property
    def is_plain(self) -> bool:
        """Whether it is of whole days, and cut or filtered by one dimension at most, whose values are known."""
        if any(isinstance(bound, datetime) for bound in (self.start, self.end)):
            return False
        grouped = [name for name in self.group_by if name in DIMENSIONS]
        filtered = [name for name in self.filters if name in DIMENSIONS]
        if len(grouped) + len(filtered) > 1:
            return False
        return all(None not in self.filters[name] for name in filtered)
