"""Which numbers are told together: reports by name, for whom, how and when they are sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, model_validator

from shared.contracts.envelope import Name
from shared.contracts.policy.calendar import Period, System
from shared.contracts.policy.section import Section, refuse_twice

ReportName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,59}$")]
KpiId = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,79}$")]
Language = Literal["en", "fa", "he"]
File = Literal["html", "pdf", "csv", "json"]
Value = Annotated[str, Field(max_length=200)]
ClockTime = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]


class Cut(Section):
    """Numbers side by side, a line for each value of a dimension."""

    by: Name
    kpis: Annotated[tuple[KpiId, ...], Field(min_length=1, max_length=8)]


class Delivery(Section):
    """Where a report goes and when: at a time of the day, so many days after its period is over, in the unit's zone and calendar.
    `folder` is one below METRICS_REPORTS_DIR; what is posted is signed with the secret that METRICS_REPORT_SECRETS names."""

    delivery: ReportName
    at: ClockTime = "08:00"
    days_after: Annotated[int, Field(ge=0, le=60)] = 0
    formats: Annotated[tuple[File, ...], Field(min_length=1)] = ("html",)
    folder: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]{0,99}$")] | None = None
    webhook: Annotated[str, Field(max_length=2000)] | None = None
    secret: Name | None = None

    @model_validator(mode="after")
    def _leads_to_one_place(self) -> Delivery:
        if (self.folder is None) == (self.webhook is None):
            raise ValueError(f"delivery {self.delivery!r} needs either folder or webhook")
        if (self.webhook is None) != (self.secret is None):
            raise ValueError(f"delivery {self.delivery!r}: a webhook, and nothing else, has a secret that signs it")
        return self


class Report(Section):
    """What one report tells. A period that is not over is told by asking for it; by itself the last whole one is. `filters` narrow all of
    its numbers, by channel, owner and whatever else leads are known by (an empty value is what is not known); `horizon_days` is how
    long leads are given in curves, in place of their unit's."""

    title: Annotated[str, Field(min_length=1, max_length=120)] | None = None
    period: Period = "month"
    headlines: Annotated[tuple[KpiId, ...], Field(max_length=16)] = ()
    funnel: bool = True
    forecast: bool = True
    findings: bool = True
    charts: Annotated[tuple[KpiId, ...], Field(max_length=8)] = ()
    durations: Annotated[tuple[KpiId, ...], Field(max_length=8)] = ()
    cuts: Annotated[tuple[Cut, ...], Field(max_length=10)] = ()
    business_units: tuple[Name, ...] = ()
    filters: Annotated[
        Mapping[Name, Annotated[tuple[Value, ...], Field(min_length=1, max_length=50)]], Field(max_length=5)
    ] = {}
    horizon_days: Annotated[int, Field(ge=1, le=3650)] | None = None
    language: Language = "en"
    calendar: System | None = None
    deliveries: Annotated[tuple[Delivery, ...], Field(max_length=10)] = ()

    @model_validator(mode="after")
    def _tells_something_once(self) -> Report:
        if not (self.headlines or self.funnel or self.forecast or self.charts or self.durations or self.cuts):
            raise ValueError("a report needs headlines, charts, durations, cuts, the funnel or the forecast")
        refuse_twice("the delivery", (one.delivery for one in self.deliveries))
        return self

    @property
    def kpis(self) -> tuple[str, ...]:
        """Every number it names, each once."""
        cut = (kpi for one in self.cuts for kpi in one.kpis)
        return tuple(dict.fromkeys((*self.headlines, *self.charts, *self.durations, *cut)))
