"""Every KPI from lines, by its sentence in the catalogue: pick those of the window and the group, then count."""

from __future__ import annotations

import statistics
from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tests.integration.metrics.naive.calendars import Calendar, period_name
from tests.integration.metrics.naive.lines import Line, Lines

Number = dict[str, Any]
Group = tuple[str | None, ...]
PERIODS = ("day", "week", "month", "quarter", "half_year", "year")
DAY_SECONDS = 86_400

COUNTS = {
    "leads_created": "created", "leads_marked": "marked", "leads_qualified": "qualified", "leads_archived": "archived",
    "activities": "attempts", "opportunities_opened": "opened", "opportunities_won": "won", "opportunities_lost": "lost",
    "opportunities_open": "open", "leads_open": "standing",
}  # fmt: skip
SHARES = {
    "qualification_rate_decided": ("qualified", ("qualified", "archived")),
    "created_to_qualified_cohort": ("of cohort: qualified", ("created",)),
    "lead_to_opportunity_cohort": ("of cohort: converted", ("created",)),
    "lead_to_opportunity_period": ("converted", ("created",)),
    "lead_to_customer_cohort": ("of cohort: customers", ("created",)),
    "sla_attainment": ("kept", ("kept", "broken")),
    "opportunity_to_won_cohort": ("of cohort: won", ("opened",)),
    "win_rate_count": ("won", ("won", "lost")),
    "stage_conversion": ("advanced", ("entered",)),
    "stage_drop_off": ("dropped", ("entered",)),
}
COHORTS = frozenset(
    {
        "created_to_qualified_cohort", "lead_to_opportunity_cohort", "lead_to_customer_cohort", "opportunity_to_won_cohort",
        "stage_conversion", "stage_drop_off", "speed_to_lead", "lead_to_opportunity_incidence", "lead_to_customer_incidence",
        "time_to_convert", "score_quality",
    }
)  # fmt: skip
TIMES = {
    "time_in_stage": "stays", "time_in_lead_status": "stood", "sales_cycle_from_lead": "customers", "sales_cycle_from_opportunity": "won",
    "speed_to_lead": "of cohort: contacted",
}  # fmt: skip
CURVES = {
    "lead_to_opportunity_incidence": ("of cohort: converted", "of cohort: archived"),
    "lead_to_customer_incidence": ("of cohort: customers", "of cohort: failed"),
    "time_to_convert": ("of cohort: converted", "of cohort: archived"),
}
MONEY = ("sales_volume", "average_deal_value", "win_rate_value")
KPIS = (*COUNTS, *SHARES, *TIMES, *CURVES, *MONEY, "sales_velocity", "lead_generation_rate", "score_quality")


@dataclass
class Asked:
    """One question: which lines count for which group."""

    lines: Lines
    zones: dict[str, ZoneInfo]
    calendars: dict[str, Calendar]
    as_of: datetime
    start: date
    end: date
    horizon_days: int
    cuts: tuple[str, ...] = ()
    filters: dict[str, tuple[str | None, ...]] | None = None

    def groups(self, kpi: str) -> dict[Group | None, Lines]:
        """The lines of the total (None) and of every group."""
        found: dict[Group | None, Lines] = defaultdict(lambda: defaultdict(list))
        found[None] = defaultdict(list)
        for what, lines in self.lines.items():
            for line in lines:
                at = line.began if kpi in COHORTS else line.at
                day = at.astimezone(self.zones[line.unit]).date()
                if kpi not in ("opportunities_open", "leads_open") and not self.start <= day < self.end:
                    continue
                held = {**line.cuts, "business_unit": line.unit}
                if any(held[name] not in allowed for name, allowed in (self.filters or {}).items()):
                    continue
                key = tuple(
                    period_name(cut, day, self.calendars[line.unit]) if cut in PERIODS else held[cut]
                    for cut in self.cuts
                )
                found[None][what].append(line)
                if self.cuts:
                    found[key][what].append(line)
        return found

    def answer(self, kpi: str) -> dict[Group | None, Number]:
        """The number of the total and of every group."""
        return {group: self._number(kpi, lines) for group, lines in self.groups(kpi).items()}

    def _number(self, kpi: str, lines: Lines) -> Number:
        if kpi in COUNTS:
            return {"value": len(lines[COUNTS[kpi]])}
        if kpi in SHARES:
            above, below = SHARES[kpi]
            n = sum(len(lines[what]) for what in below)
            return {"value": len(lines[above]) / n if n else None, "numerator": len(lines[above]), "denominator": n}
        if kpi in TIMES:
            return _times([line.seconds for line in lines[TIMES[kpi]]])
        if kpi in CURVES:
            return self._curve(kpi, lines)
        if kpi == "lead_generation_rate":
            days = (min(self._moment(self.end), self.as_of) - self._moment(self.start)).total_seconds() / DAY_SECONDS
            return {"value": len(lines["created"]) / days if days > 0 else None}
        if kpi == "score_quality":
            return {"value": self._auc(lines)}
        return {"money": _velocity(lines) if kpi == "sales_velocity" else _money(kpi, lines)}

    def _moment(self, day: date) -> datetime:
        return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo("UTC"))

    def _curve(self, kpi: str, lines: Lines) -> Number:
        """At each age the outcomes among those still at risk, weighed by the share that nothing had happened to before."""
        outcome, competing = CURVES[kpi]
        reached = lines[outcome]
        if kpi == "time_to_convert":
            reached = [line for line in reached if line.seconds is not None]
        outcomes = [line.seconds or 0.0 for line in reached]
        others = [line.seconds or 0.0 for line in lines[competing]]
        waiting = [(self.as_of - line.began).total_seconds() for line in lines["created"]]
        for line in [*lines[outcome], *lines[competing]]:
            waiting.remove((self.as_of - line.began).total_seconds())
        horizon = self.horizon_days * DAY_SECONDS
        ages = [*outcomes, *others, *waiting]
        untouched, share, curve = 1.0, 0.0, []
        for age in sorted({*outcomes, *others}):
            if age > horizon:
                break
            share += untouched * outcomes.count(age) / sum(one >= age for one in ages)
            untouched *= 1 - (outcomes.count(age) + others.count(age)) / sum(one >= age for one in ages)
            curve.append((age, share))
        if kpi == "time_to_convert":
            reach = [age for age, so_far in curve if so_far >= share / 2 - 1e-12]
            return {"value": reach[0] if share > 0 else None}
        return {"value": share if outcomes or others or waiting else None}

    def _auc(self, lines: Lines) -> float | None:
        """How often one that converted was told more than one that did not, over all pairs, of leads as old as the horizon."""
        old = self.as_of - timedelta(days=self.horizon_days)
        told = [line for line in lines["created"] if line.score is not None and line.began <= old]
        converted = [
            line.score
            for line in lines["of cohort: converted"]
            if line.score is not None
            and line.began <= old
            and line.at <= line.began + timedelta(days=self.horizon_days)
        ]
        others = [line.score for line in told]
        for score in converted:
            others.remove(score)
        pairs = [(a > b) + (a == b) / 2 for a in converted for b in others if a is not None and b is not None]
        return sum(pairs) / len(pairs) if pairs else None


def _times(measured: list[float | None]) -> Number:
    known = [one for one in measured if one is not None]
    if not known:
        return {"value": None, "n": 0}
    quantiles = statistics.quantiles(known, n=100, method="inclusive") if len(known) > 1 else known * 99
    return {"value": quantiles[49], "n": len(known), "mean": statistics.fmean(known), "p90": quantiles[89]}


def _money(kpi: str, lines: Lines) -> dict[str, float | None]:
    won, lost = _by_currency(lines["won"]), _by_currency(lines["lost"])
    if kpi == "sales_volume":
        return {currency: sum(amounts) for currency, amounts in won.items()}
    if kpi == "average_deal_value":
        return {currency: sum(amounts) / len(amounts) for currency, amounts in won.items()}
    found: dict[str, float | None] = {}
    for currency in {*won, *lost}:
        below = sum(won.get(currency, [])) + sum(lost.get(currency, []))
        found[currency] = sum(won.get(currency, [])) / below if below else None
    return found


def _velocity(lines: Lines) -> dict[str, float | None]:
    """Opened × the share won × what one is worth ÷ the mean days from opened to won."""
    won = lines["won"]
    took = [line.seconds for line in won if line.seconds is not None]
    days = statistics.fmean(took) / DAY_SECONDS if took else 0.0
    valued = [line for line in won if line.amount is not None]
    flow = len(lines["opened"]) * len(won) / (len(won) + len(lines["lost"])) if won else 0.0
    return {
        currency: flow * sum(amounts) / len(valued) / days if days else None
        for currency, amounts in _by_currency(won).items()
    }


def _by_currency(lines: list[Line]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = defaultdict(list)
    for line in lines:
        if line.amount is not None and line.currency:
            found[line.currency].append(line.amount)
    return found
