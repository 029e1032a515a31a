"""The numbers that monitoring reads, as of the last commit, from sums only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from services.metrics.domain.entries import Measure
from services.metrics.storage.turning import CARRIED_OVER
from services.metrics.storage.unread import FOLDED_TO
from shared.kit.database import Database

FUNNEL = {
    Measure.LEAD_CREATED: "created",
    Measure.LEAD_QUALIFIED: "qualified",
    Measure.LEAD_CONVERTED: "converted",
    Measure.LEAD_CUSTOMER: "customer",
    Measure.LEAD_ARCHIVED: "archived",
}
OUTCOMES = (Measure.OPPORTUNITY_OPENED, Measure.OPPORTUNITY_OPEN, Measure.OPPORTUNITY_WON, Measure.OPPORTUNITY_LOST)
VALUED = (Measure.OPPORTUNITY_OPEN, Measure.OPPORTUNITY_WON, Measure.OPPORTUNITY_LOST)
LATELY = timedelta(minutes=2)
"""How late facts come is told of what was folded since then: a partition that is quiet says nothing of now."""
TIMED = (Measure.COHORT_CONVERTED, Measure.LEAD_CUSTOMER, Measure.OPPORTUNITY_WON)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Sums over all time: leads by (unit, measure, channel or None), those held out by (unit, mark), counts by (unit,
    measure), money by (unit, measure, currency), durations by (unit, measure, age in days) with their count and seconds; facts
    folded and the newest of them; how the last audit ended, by check, with how much it found different;
    and when all this was read, by the database's clock."""

    funnel: dict[tuple[str, str, str | None], int]
    marked: dict[tuple[str, str], int]
    totals: dict[tuple[str, str], int]
    money: dict[tuple[str, str, str], float]
    ages: dict[tuple[str, str, int], tuple[int, float]]
    audit: dict[str, int]
    audited_at: datetime | None
    facts: int
    newest_occurred_at: datetime | None
    newest_recorded_at: datetime | None
    delay_seconds: float | None
    read_at: datetime


async def snapshot(database: Database) -> Snapshot:
    """One consistent reading."""
    rows = await database.rows(
        f"""
        SELECT 'sum' AS what, business_unit, measure, dimension, value, 0 AS age_days,
            sum(count) AS n, CAST(0 AS numeric) AS microseconds, CAST(NULL AS timestamptz) AS occurred_at,
            CAST(NULL AS timestamptz) AS recorded_at, CAST(NULL AS double precision) AS delay
        FROM metrics.rollups
        WHERE (measure = ANY(:funnel) AND dimension IN ('', 'channel')) OR (measure = ANY(:outcomes) AND dimension = '')
            OR (measure = :marked AND dimension = 'reason')
        GROUP BY business_unit, measure, dimension, value
        UNION ALL
        SELECT 'age', business_unit, measure, '', '', age_days, sum(durations), sum(duration_microseconds) + sum({CARRIED_OVER}), NULL, NULL, NULL
        FROM metrics.rollups WHERE measure = ANY(:timed) AND dimension = '' AND age_days >= 0
        GROUP BY business_unit, measure, age_days
        UNION ALL
        SELECT 'money', business_unit, measure, currency, '', 0, sum(count), sum(amount), NULL, NULL, NULL
        FROM metrics.rollups WHERE measure = ANY(:valued) AND dimension = '' AND currency <> ''
        GROUP BY business_unit, measure, currency
        UNION ALL
        SELECT 'audit', '', "check", '', '', 0, different, 0, NULL, finished_at, NULL
        FROM metrics.audits WHERE audit_id = (SELECT audit_id FROM metrics.audits ORDER BY finished_at DESC LIMIT 1)
        UNION ALL
        SELECT 'progress', '', '', '', '', 0, coalesce(sum(facts), 0), 0, max(occurred_at), {FOLDED_TO},
            CASE WHEN count(*) > 0 THEN coalesce(max(CAST(extract(epoch FROM folded_at - recorded_at) AS double precision))
                FILTER (WHERE folded_at > :lately), 0) END
        FROM metrics.progress
        UNION ALL
        SELECT 'read', '', '', '', '', 0, 0, 0, NULL, clock_timestamp(), NULL""",
        lately=database.clock.now() - LATELY,
        funnel=[measure.value for measure in FUNNEL],
        outcomes=[measure.value for measure in OUTCOMES],
        marked=Measure.LEAD_MARKED.value,
        timed=[measure.value for measure in TIMED],
        valued=[measure.value for measure in VALUED],
    )
    funnel: dict[tuple[str, str, str | None], int] = {}
    marked: dict[tuple[str, str], int] = {}
    totals: dict[tuple[str, str], int] = {}
    ages: dict[tuple[str, str, int], tuple[int, float]] = {}
    money: dict[tuple[str, str, str], float] = {}
    audit: dict[str, int] = {}
    audited_at: datetime | None = None
    progress: Any = None
    read_at: Any = None
    for row in rows:
        if row.what == "progress":
            progress = row
        elif row.what == "read":
            read_at = row.recorded_at
        elif row.what == "audit":
            audit[row.measure], audited_at = int(row.n), row.recorded_at
        elif row.what == "money":
            money[row.business_unit, row.measure, row.dimension] = float(row.microseconds)
        elif row.what == "age":
            ages[row.business_unit, row.measure, row.age_days] = (int(row.n), float(row.microseconds) / 1_000_000)
        elif row.measure == Measure.LEAD_MARKED:
            marked[row.business_unit, row.value] = int(row.n)
        elif row.dimension == "":
            totals[row.business_unit, row.measure] = int(row.n)
        else:
            funnel[row.business_unit, row.measure, row.value] = int(row.n)
    for (unit, measure), total in totals.items():
        if measure in FUNNEL:
            known = sum(n for (u, m, _), n in funnel.items() if (u, m) == (unit, measure))
            if total != known:
                funnel[unit, measure, None] = total - known
    return Snapshot(
        funnel,
        marked,
        totals,
        money,
        ages,
        audit,
        audited_at,
        int(progress.n),
        progress.occurred_at,
        progress.recorded_at,
        progress.delay,
        read_at,
    )
