"""Every KPI from lines, by its sentence in the catalogue: pick those of the window and the group, then count."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from tests.integration.metrics.naive import customer_numbers, spending
from tests.integration.metrics.naive.asked import DAY_SECONDS, PERIODS, Asked, Group, Number
from tests.integration.metrics.naive.calendars import period_name
from tests.integration.metrics.naive.intervals import FEW, bounds, of_few
from tests.integration.metrics.naive.line import Line, Lines, sums_of, weight_of
from tests.integration.metrics.naive.records import records

COUNTS = {
    "leads_created": "created", "leads_marked": "marked", "leads_qualified": "qualified", "leads_archived": "archived",
    "activities": "activities", "opportunities_opened": "opened", "opportunities_won": "won", "opportunities_lost": "lost",
    "opportunities_open": "open", "leads_open": "standing", "orders": "orders",
}  # fmt: skip
SHARES = {
    "qualification_rate_decided": ("qualified", ("qualified", "turned down")),
    "created_to_qualified_cohort": ("of cohort: qualified", ("created",)),
    "lead_to_opportunity_cohort": ("of cohort: converted", ("created",)),
    "lead_to_opportunity_period": ("converted", ("created",)),
    "lead_to_customer_cohort": ("of cohort: customers", ("created",)),
    "sla_attainment": ("kept", ("kept", "broken")),
    "opportunity_to_won_cohort": ("of cohort: won", ("opened",)),
    "win_rate_count": ("won", ("won", "lost")),
    "stage_conversion": ("advanced", ("entered",)),
    "stage_drop_off": ("dropped", ("entered",)),
    "repeat_purchase_rate": ("repeated", ("new customers",)),
    "renewal_rate": ("renewed", ("due",)),
}
COHORTS = frozenset(
    {
        "created_to_qualified_cohort", "lead_to_opportunity_cohort", "lead_to_customer_cohort", "opportunity_to_won_cohort",
        "stage_conversion", "stage_drop_off", "speed_to_lead", "lead_to_opportunity_incidence", "lead_to_customer_incidence",
        "time_to_convert", "score_quality", "repeat_purchase_rate", "clv_revenue", "clv_observed", "clv_projected",
        "clv_projected_revenue", "ltv_to_cac", "payback", "top_customers", "cost_per_customer", "source_romi", "source_roi",
        "cost_per_lead",
    }
)  # fmt: skip
TO_BUY = ("created", ("of cohort: customers", "of cohort: failed"))
MATURING: dict[str, tuple[str, tuple[str, ...]]] = {
    "created_to_qualified_cohort": ("created", ("of cohort: qualified", "of cohort: turned down")),
    **dict.fromkeys(
        ("lead_to_opportunity_cohort", "lead_to_opportunity_incidence", "time_to_convert"),
        ("created", ("of cohort: converted", "of cohort: archived")),
    ),
    "opportunity_to_won_cohort": ("opened", ("of cohort: won", "of cohort: lost")),
    **dict.fromkeys(("stage_conversion", "stage_drop_off"), ("entered", ("advanced", "failed"))),
    "speed_to_lead": ("created", ("of cohort: contacted",)),
    **dict.fromkeys(
        ("lead_to_customer_cohort", "lead_to_customer_incidence", "cost_per_customer", "source_romi", "source_roi"),
        TO_BUY,
    ),
    **dict.fromkeys(
        (
            "clv_revenue",
            "clv_observed",
            "clv_projected",
            "clv_projected_revenue",
            "ltv_to_cac",
            "payback",
            "top_customers",
        ),
        ("new customers", ()),
    ),
    "repeat_purchase_rate": ("new customers", ("repeated",)),
    "cost_per_lead": ("created", ("created",)),
    "score_quality": ("told a score", ()),
}
"""Of which cohort numbers are, and what decides one of it."""
OF_A_LIFETIME, POLICY_DAYS = ("clv_projected", "clv_projected_revenue", "ltv_to_cac", "payback"), 90
"""Of which a horizon that is asked for is how long customers stay; they are as old as the policy wants them."""
TIMES = {
    "time_in_stage": "stays", "time_in_lead_status": "stood", "sales_cycle_from_lead": "customers", "sales_cycle_from_opportunity": "won",
    "speed_to_lead": "of cohort: contacted",
}  # fmt: skip
CURVES = {
    "lead_to_opportunity_incidence": ("of cohort: converted", "of cohort: archived"),
    "lead_to_customer_incidence": ("of cohort: customers", "of cohort: failed"),
    "time_to_convert": ("of cohort: converted", "of cohort: archived"),
}
SNAPSHOTS = ("opportunities_open", "leads_open")
TOTALS = {"sales_volume": "won", "order_volume": "orders", "order_refunds": "refunds"}
MONEY = ("average_deal_value", "win_rate_value", "sales_velocity")
OTHERS: dict[str, Callable[[Asked, Lines, Lines], Number]] = {**customer_numbers.NUMBERS, **spending.NUMBERS}
WHOLE: dict[str, Callable[[Asked], dict[Group | None, Number]]] = {
    "churn_rate": customer_numbers.churn, "data_quality": records,
}  # fmt: skip
KPIS = (
    *COUNTS, *SHARES, *TIMES, *CURVES, *TOTALS, *MONEY, *OTHERS, *WHOLE, "lead_generation_rate", "score_quality", "weighted_forecast",
)  # fmt: skip
SPENDING = ("cost_per_lead", "cost_per_customer", "cac", "source_romi", "source_roi")
PUT_DOWN = (
    *(kpi for kpi in COUNTS if kpi not in (*SNAPSHOTS, "activities")), "lead_to_opportunity_period", "lead_generation_rate", *TOTALS, *SPENDING,
)  # fmt: skip
"""What can be put down to touches."""
OF_MONEY = (
    *TOTALS, *MONEY, "weighted_forecast", "cost_per_lead", "cost_per_customer", "cac", "source_romi", "source_roi", "clv_revenue",
    "clv_observed", "clv_projected", "clv_projected_revenue", "ltv_to_cac", "payback", "top_customers",
)  # fmt: skip
"""What is made with amounts, and so can be told in one currency."""
BY_PLACE = (*SPENDING, "ltv_to_cac", "payback", "visitors", "visitor_to_lead")
"""What is known by unit, channel, source, campaign and period alone."""


def answer(asked: Asked, kpi: str) -> dict[Group | None, Number]:
    """The number of the total and of every group."""
    if kpi in WHOLE:
        return WHOLE[kpi](asked)
    groups = asked.groups(by_cohort=kpi in COHORTS, of_now=kpi in SNAPSHOTS)
    if kpi == "lead_generation_rate":
        return {group: _per_day(asked, group, lines) for group, lines in groups.items()}
    return {
        group: {**_number(asked, kpi, lines, groups[None]), **_maturity(asked, kpi, lines)}
        for group, lines in groups.items()
    }


def _maturity(asked: Asked, kpi: str, lines: Lines) -> Number:
    """The share of a cohort that is decided or older than the horizon, by first touch."""
    if kpi not in MATURING or asked.attribution != "first":
        return {}
    began, decided = MATURING[kpi]
    told = [line for line in lines["created"] if line.score is not None]
    cohort = told if began == "told a score" else lines[began]
    old = asked.as_of - timedelta(days=POLICY_DAYS if kpi in OF_A_LIFETIME else asked.horizon_days)
    young = [line for what in decided for line in lines[what] if line.began > old]
    n, grown = len(cohort), sum(line.began <= old for line in cohort) + len(young)
    return {"maturity": grown / n if n else None}


def _number(asked: Asked, kpi: str, lines: Lines, whole: Lines) -> Number:
    if kpi in COUNTS:
        return {"value": weight_of(lines[COUNTS[kpi]])}
    if kpi in SHARES:
        above, below = SHARES[kpi]
        n, reached = sum(weight_of(lines[what]) for what in below), weight_of(lines[above])
        found = {"value": reached / n if n else None, "numerator": reached, "denominator": n}
        return found if kpi == "lead_to_opportunity_period" else {**found, **of_few(reached, n)}
    if kpi in TIMES:
        return _times([line.seconds for line in lines[TIMES[kpi]]])
    if kpi in CURVES:
        return _curve(asked, kpi, lines)
    if kpi == "score_quality":
        return {"value": _auc(asked, lines)}
    if kpi in OTHERS:
        return OTHERS[kpi](asked, lines, whole)
    if kpi in TOTALS:
        return {"money": sums_of(lines[TOTALS[kpi]])}
    if kpi == "weighted_forecast":
        return _weighted(lines)
    return {"money": _velocity(lines) if kpi == "sales_velocity" else _money(kpi, lines)}


def _per_day(asked: Asked, group: Group | None, lines: Lines) -> Number:
    """For each day of the window that is of the group's periods, as much of it as has passed: in the unit where that is most."""
    own = dict(zip(asked.cuts, group or (), strict=group is not None))
    periods = {name: value for name, value in own.items() if name in PERIODS}
    units = (
        [own["business_unit"]] if own.get("business_unit") else (asked.filters or {}).get("business_unit", asked.zones)
    )
    longest = 0.0
    for unit in units:
        zone = asked.zones[unit or ""]
        passed, day = 0.0, asked.start.astimezone(zone).date() if isinstance(asked.start, datetime) else asked.start
        start, end = (_moment(bound, zone) for bound in (asked.start, asked.end))
        until = min(end, asked.as_of.timestamp())
        while (begins := max(_midnight(day, zone), start)) < until:
            after = day + timedelta(days=1)
            if all(period_name(name, day, asked.calendars[unit or ""]) == value for name, value in periods.items()):
                passed += min(_midnight(after, zone), until) - begins
            day = after
        longest = max(longest, passed / DAY_SECONDS)
    n = weight_of(lines["created"])
    return {"value": n / longest if longest else None, "denominator": longest}


def _moment(bound: date, zone: ZoneInfo) -> float:
    return bound.timestamp() if isinstance(bound, datetime) else _midnight(bound, zone)


def _midnight(day: date, zone: ZoneInfo) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()


def _curve(asked: Asked, kpi: str, lines: Lines) -> Number:
    """At each age the outcomes among those still at risk, weighed by the share that nothing had happened to before."""
    outcome, competing = CURVES[kpi]
    reached = lines[outcome]
    if kpi == "time_to_convert":
        reached = [line for line in reached if line.seconds is not None]
    outcomes = [line.seconds or 0.0 for line in reached]
    others = [line.seconds or 0.0 for line in lines[competing]]
    waiting = [(asked.as_of - line.began).total_seconds() for line in lines["created"]]
    n = len(waiting)
    for line in [*lines[outcome], *lines[competing]]:
        waiting.remove((asked.as_of - line.began).total_seconds())
    horizon = asked.horizon_days * DAY_SECONDS
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
    return {"value": share if n else None, **_of_decided(asked, kpi, lines, share, n)}


def _of_decided(asked: Asked, kpi: str, lines: Lines, share: float, n: int) -> Number:
    """The interval of a curve of few: that of as many as are decided or older than the horizon, and all where nobody is."""
    if n >= FEW or not n:
        return {"interval": None} if not n else {}
    grown = n * _maturity(replace(asked, attribution="first"), kpi, lines)["maturity"]
    return {"interval": dict(zip(("low", "high"), bounds(share * grown, grown) if grown else (0.0, 1.0), strict=True))}


def _auc(asked: Asked, lines: Lines) -> float | None:
    """How often one that converted was told more than one that did not, over all pairs, of leads as old as the horizon."""
    old = asked.as_of - timedelta(days=asked.horizon_days)
    told = [line for line in lines["created"] if line.score is not None and line.began <= old]
    converted = [
        line.score
        for line in lines["of cohort: converted"]
        if line.score is not None and line.began <= old and line.at <= line.began + timedelta(days=asked.horizon_days)
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
    if kpi == "average_deal_value":
        return {currency: sum(amounts) / len(amounts) for currency, amounts in won.items()}
    found: dict[str, float | None] = {}
    for currency in {*won, *lost}:
        below = sum(won.get(currency, [])) + sum(lost.get(currency, []))
        found[currency] = sum(won.get(currency, [])) / below if below else None
    return found


def _weighted(lines: Lines) -> Number:
    """What was won, and what is expected to close by how likely it is."""
    means, variances = sums_of(lines["won"]), dict.fromkeys(sums_of(lines["won"]), 0.0)
    for line in lines["expected"]:
        if line.amount is not None and line.currency and line.chance is not None:
            means[line.currency] = means.get(line.currency, 0.0) + line.amount * line.chance
            spread = line.amount**2 * line.chance * (1 - line.chance)
            variances[line.currency] = variances.get(line.currency, 0.0) + spread
    return {"money": means, "sd": {currency: variance**0.5 for currency, variance in variances.items()}}


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
