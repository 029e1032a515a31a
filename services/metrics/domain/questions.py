"""What is asked of a KPI, and whether rollups can tell or entries have to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

from services.metrics.domain.calendars import Calendars
from services.metrics.domain.entries import BY_COHORT, DIMENSIONS
from services.metrics.domain.forms import (
    Churn,
    Cost,
    Count,
    Definition,
    Duration,
    Incidence,
    MoneyMean,
    MoneyRatio,
    MoneyTotal,
    PerCustomer,
    PerDay,
    PerVisitor,
    Ranking,
    Ratio,
    Reach,
    Return,
    Satisfaction,
    Share,
    Stay,
    TimeToEvent,
    Velocity,
)
from services.metrics.domain.touches import HALF_LIFE_DAYS, PLACES, Attribution
from shared.contracts.policy.calendar import PERIODS

UNIT = "business_unit"
CUTS: tuple[str, ...] = (UNIT, *DIMENSIONS, *PERIODS)
"""Everything an answer can be grouped by."""

SUMMED = (
    Count, PerDay, Ratio, Share, MoneyRatio, MoneyTotal, Cost, Return, PerCustomer, Satisfaction, Churn,
    PerVisitor,
)  # fmt: skip
SPREAD = (Duration, Stay, Reach, MoneyMean, Velocity, Incidence, TimeToEvent, Ranking)
"""Forms that are made of sums, and those that know of sums and sketches."""

Bound = date | datetime | None
"""The edge of a window: a local day of each unit, a moment, or none."""


@dataclass(frozen=True, slots=True)
class Question:
    """One KPI over one window. Filters map a dimension to the values that pass; None among them is "unknown". `of` is the KPI
    that a target is for, where targets are asked about. With a `currency` amounts are wanted in it, at the rates of their days or,
    `restated`, at that of `as_of`."""

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

    @property
    def cutoff(self) -> datetime:
        """Cohorts that began by then are older than the horizon."""
        return self.as_of - timedelta(days=self.horizon_days)

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

    def fits_rollups(self, latest: datetime | None) -> bool:
        """Whether sums by local day answer this exactly: whole days, at most one dimension, and nothing folded that
        `as_of` would leave out (`latest` is the newest fact's time)."""
        form = self.definition.form
        if not isinstance(form, SUMMED + SPREAD):
            return False
        if self.currency is not None and (isinstance(form, SPREAD) or BY_COHORT.intersection(self.definition.measures)):
            return False  # sums of cohorts and sketches do not know the days of amounts
        if isinstance(form, PerDay) and self.start is None:
            return False  # the window begins with the first one counted, whose moment only entries have
        if any(isinstance(bound, datetime) for bound in (self.start, self.end)):
            return False
        if latest is not None and latest > self.as_of:
            return False
        grouped = [name for name in self.group_by if name in DIMENSIONS]
        filtered = [name for name in self.filters if name in DIMENSIONS]
        if len(grouped) + len(filtered) > 1:
            return False
        return all(None not in self.filters[name] for name in filtered)
