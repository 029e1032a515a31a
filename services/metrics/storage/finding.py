"""What findings are made of: stays, losses and counts of the days before a moment."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from services.metrics.domain.changing import Stays
from services.metrics.domain.entries import Measure
from services.metrics.domain.findings import Windows
from services.metrics.domain.rollups import DAY_SECONDS
from services.metrics.storage.cutting import HELD
from shared.kit.database import Database

MOST_STAYS = 50_000
LEVELS = {
    Measure.LEAD_CREATED: "leads_created",
    Measure.LEAD_QUALIFIED: "leads_qualified",
    Measure.LEAD_CONVERTED: "lead_to_opportunity_period",
    Measure.OPPORTUNITY_WON: "opportunities_won",
}
"""What rises and falls, and the KPI that has it (conversions above its line)."""

STAYS = {
    "time_in_stage": (Measure.STAGE_SPELL, Measure.OPPORTUNITY_OPEN),
    "time_in_lead_status": (Measure.STATUS_SPELL, Measure.LEAD_OPEN),
}
"""What ends a stay, and what goes on."""


class StaysOf(NamedTuple):
    """The stays in one stage before and lately; None where they are more than are looked at."""

    kpi: str
    stage: str
    sides: tuple[Stays, Stays] | None


async def units(database: Database, since: date) -> list[str]:
    """The business units of which anything was counted lately."""
    rows = await database.rows(
        "SELECT DISTINCT business_unit FROM metrics.rollups WHERE measure = ANY(:measures) AND dimension = '' AND day >= :since",
        measures=[Measure.LEAD_CREATED.value, Measure.OPPORTUNITY_OPENED.value],
        since=since,
    )
    return sorted(row.business_unit for row in rows)


async def stays(database: Database, unit: str, windows: Windows, as_of: datetime) -> list[StaysOf]:
    """Stays in each stage by when they began."""
    (recent, today), (usual, middle) = windows.dwell
    found: list[StaysOf] = []
    for kpi, (ended, lasting) in STAYS.items():
        of = f"""(
            SELECT stage, cohort_day AS began, duration_seconds AS seconds, true AS is_over FROM metrics.entries
            WHERE measure = :ended AND {HELD} AND cohort_day >= :usual AND cohort_day < :today AND business_unit = :unit
                AND duration_seconds IS NOT NULL
            UNION ALL
            SELECT stage, day, CAST(extract(epoch FROM CAST(:as_of AS timestamptz) - at) AS double precision), false
            FROM metrics.entries
            WHERE measure = :lasting AND {HELD} AND day >= :usual AND day < :today AND business_unit = :unit
        ) AS stay"""
        values = {
            "ended": ended.value, "lasting": lasting.value, "unit": unit, "as_of": as_of, "usual": usual, "today": today,
        }  # fmt: skip
        counted = await database.rows(
            f"SELECT stage, count(*) AS n FROM {of} WHERE stage IS NOT NULL GROUP BY stage ORDER BY stage", **values
        )
        few = [row.stage for row in counted if row.n <= MOST_STAYS]
        rows = await database.rows(
            f"""
            SELECT stage,
                array_agg(seconds) FILTER (WHERE is_over AND began < :middle) AS before_ended,
                array_agg(seconds) FILTER (WHERE NOT is_over AND began < :middle) AS before_lasting,
                array_agg(seconds) FILTER (WHERE is_over AND began >= :recent) AS after_ended,
                array_agg(seconds) FILTER (WHERE NOT is_over AND began >= :recent) AS after_lasting
            FROM {of} WHERE stage = ANY(:few) GROUP BY stage""",
            middle=middle, recent=recent, few=few, **values,
        )  # fmt: skip
        sides = {
            row.stage: (
                Stays(row.before_ended or (), row.before_lasting or ()),
                Stays(row.after_ended or (), row.after_lasting or ()),
            )
            for row in rows
        }
        found += [StaysOf(kpi, row.stage, sides.get(row.stage)) for row in counted]
    return found


async def losses(
    database: Database, unit: str, windows: Windows, as_of: datetime
) -> list[tuple[str, tuple[int, int], tuple[int, int]]]:
    """Of each stage: how many were lost from it within the time that all had, of how many that entered it, before and lately."""
    (recent, end), (usual, middle) = windows.drop_off
    rows = await database.rows(
        f"""
        SELECT stage,
            count(*) FILTER (WHERE measure = :dropped AND cohort_day < :middle) AS lost_before,
            count(*) FILTER (WHERE measure = :entered AND cohort_day < :middle) AS came_before,
            count(*) FILTER (WHERE measure = :dropped AND cohort_day >= :recent) AS lost_after,
            count(*) FILTER (WHERE measure = :entered AND cohort_day >= :recent) AS came_after
        FROM metrics.entries
        WHERE measure = ANY(:measures) AND {HELD} AND cohort_day >= :usual AND cohort_day < :end AND business_unit = :unit
            AND (measure = :entered OR duration_seconds <= :within) AND stage IS NOT NULL
        GROUP BY stage ORDER BY stage""",
        measures=[Measure.STAGE_ENTERED.value, Measure.STAGE_DROPPED.value],
        entered=Measure.STAGE_ENTERED.value, dropped=Measure.STAGE_DROPPED.value, unit=unit, as_of=as_of, usual=usual,
        middle=middle, recent=recent, end=end, within=float(windows.followed_days * DAY_SECONDS),
    )  # fmt: skip
    return [(row.stage, (row.lost_before, row.came_before), (row.lost_after, row.came_after)) for row in rows]


Days = dict[tuple[Measure, str | None], dict[date, int]]


async def daily(
    database: Database, unit: str, first: date, end: date, as_of: datetime, channels: Sequence[str]
) -> Days:
    """How many there were each day; of leads created by the channels that are named, too."""
    rows: Sequence[Any] = await database.rows(
        f"""
        SELECT measure, day, CASE WHEN measure = :created AND channel = ANY(:channels) THEN channel END AS channel, count(*) AS n
        FROM metrics.entries
        WHERE measure = ANY(:measures) AND {HELD} AND day >= :first AND day < :end AND business_unit = :unit
        GROUP BY 1, 2, 3""",
        measures=[measure.value for measure in LEVELS], created=Measure.LEAD_CREATED.value, channels=list(channels),
        first=first, end=end, as_of=as_of, unit=unit,
    )  # fmt: skip
    found: Days = {(measure, None): {} for measure in LEVELS}
    for row in rows:
        measure = Measure(row.measure)
        whole = found[measure, None]
        whole[row.day] = whole.get(row.day, 0) + row.n
        if row.channel is not None:
            found.setdefault((measure, row.channel), {})[row.day] = row.n
    return found
