"""What has to be asked for a report: each question once, as the KPI API takes it, so that anybody can ask it again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple
from urllib.parse import urlencode

from services.metrics.domain.definitions import BY_ID
from services.metrics.domain.maturing import is_given_a_lifetime
from services.metrics.reporting.periods import Window
from shared.contracts.policy.calendar import Calendar, Period, System
from shared.contracts.policy.reports import Cut, Report

FUNNEL = ("leads_created", "created_to_qualified_cohort", "lead_to_opportunity_cohort", "lead_to_customer_cohort")
"""All leads created, and how many of them came how far."""

TARGETS = ("target_attainment", "pace")


class Ask(NamedTuple):
    """A question to the KPI API."""

    kpi: str
    parameters: tuple[tuple[str, str], ...]

    @property
    def path(self) -> str:
        """Where it is asked."""
        return f"/v1/kpis/{self.kpi}?{urlencode(self.parameters)}"

    @property
    def leads_path(self) -> str:
        """Where the leads behind it are."""
        kept = [(name, value) for name, value in self.parameters if name != "compare"]
        return f"/v1/kpis/{self.kpi}/leads?{urlencode(kept)}"


@dataclass(frozen=True, slots=True)
class Scope:
    """What one telling of a report is about, by `filters` too. `calendar` is that of the units, `system` is named to the API where it is not theirs."""

    window: Window
    units: tuple[str, ...]
    calendar: Calendar
    as_of: datetime
    trend: tuple[Period, date | None, date]
    system: System | None = None
    by: str | None = None
    horizon_days: int | None = None
    filters: tuple[tuple[str, str], ...] = ()

    def ask(self, kpi: str, *, by: str | None = None, compare: str | None = None) -> Ask:
        """A number of the window."""
        return self._ask(kpi, self.window.start, self.window.end, group_by=by, compare=compare)

    def ask_target(self, kpi: str, target: str = "target_attainment") -> Ask:
        """How much of what a number is wanted to be is there."""
        asked = self.ask(target)
        kept = [one for one in asked.parameters if one[0] != "horizon_days" or not is_given_a_lifetime(BY_ID[kpi].form)]
        return asked._replace(parameters=(("of", kpi), *kept))

    def ask_trend(self, kpi: str) -> Ask:
        """A number over time."""
        period, start, end = self.trend
        return self._ask(kpi, start, end, group_by=period)

    def _ask(self, kpi: str, start: date | None, end: date | None, **more: str | None) -> Ask:
        given = {
            "from": start.isoformat() if start else None,
            "to": end.isoformat() if end else None,
            **more,
            "as_of": self.as_of.isoformat(),
            "horizon_days": str(self.horizon_days)
            if self.horizon_days and not is_given_a_lifetime(BY_ID[kpi].form)
            else None,
            "calendar": self.system,
        }
        found = [(name, value) for name, value in given.items() if value is not None]
        return Ask(kpi, (*found, *(("business_unit", unit) for unit in self.units), *self.filters))


def cuts_of(report: Report, scope: Scope) -> tuple[Cut, ...]:
    """By what the numbers are cut: what somebody asks for goes before what the report has."""
    if scope.by is None:
        return report.cuts
    named = tuple(kpi for kpi in report.headlines if BY_ID[kpi].basis != "snapshot")[:8]
    return (Cut(by=scope.by, kpis=named or FUNNEL), *(cut for cut in report.cuts if cut.by in ("stage", "reason")))


def asks(report: Report, scope: Scope) -> Iterator[Ask]:
    """Everything that a report needs."""
    comparable = scope.window.is_closed
    for kpi in dict.fromkeys((*report.headlines, *(BY_ID[kpi].counter_kpi for kpi in report.headlines))):
        yield scope.ask(kpi)
        if comparable and BY_ID[kpi].basis != "snapshot":
            yield scope.ask(kpi, compare="previous")
            if kpi in report.headlines:
                yield scope.ask(kpi, compare="last_year")
                yield from (scope.ask_target(kpi, target) for target in TARGETS)
    for kpi in dict.fromkeys((*report.headlines, *report.charts)):
        if BY_ID[kpi].basis != "snapshot":
            yield scope.ask_trend(kpi)
    for kpi in (*(FUNNEL if report.funnel else ()), *report.durations):
        yield scope.ask(kpi)
    for cut in cuts_of(report, scope):
        for kpi in cut.kpis:
            yield scope.ask(kpi, by=cut.by)
