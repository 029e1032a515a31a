"""How good the records are, as SQL over entries, and how the last audit ended."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from services.metrics.domain.answers import Group
from services.metrics.domain.entries import Measure
from services.metrics.domain.quality_answers import P95, Accounts, Records, Standing
from services.metrics.domain.questions import Question
from services.metrics.storage.cutting import HELD, days_of, group_of, grouping, window
from shared.contracts.policy.calendar import PERIODS
from shared.kit.database import Database


async def records_of(database: Database, question: Question) -> dict[Group | None, Records]:
    """The leads of the window by what their records have and lack, in total and by group. Of the delays only the two around the
    95th percentile leave the database: after an outage all are late."""
    day, at = days_of(question)
    conditions, values = window(question, day, at)
    select, group_by = grouping(question, day, ())
    groups = ("is_total", *(f"g{place}" for place in range(len(question.group_by))))
    wanted = ", ".join((*groups, *Records._fields[:-1]))
    rows = await database.rows(
        f"""
        SELECT {wanted}, delays[greatest(below, 0) + 1] AS low, delays[least(below + 2, late)] AS high
        FROM (SELECT *, CAST(floor((created - 1) * CAST(:share AS double precision) - (created - late)) AS integer) AS below
        FROM (SELECT *, coalesce(cardinality(delays), 0) AS late FROM (
        SELECT {select}, count(*) FILTER (WHERE measure = :created) AS created,
            count(*) FILTER (WHERE measure = :created AND source IS NOT NULL) AS sourced,
            count(*) FILTER (WHERE measure = :lacking AND reason = 'not told') AS untold,
            count(*) FILTER (WHERE measure = :lacking AND reason LIKE '%email%') AS without_email,
            count(*) FILTER (WHERE measure = :lacking AND reason LIKE '%phone%') AS without_phone,
            count(*) FILTER (WHERE measure = :lacking AND reason IN ('not told', 'email,phone') AND source IS NOT NULL) AS sourced_only,
            count(*) FILTER (WHERE measure = :repeated) AS repeated,
            array_agg(duration_seconds ORDER BY duration_seconds) FILTER (WHERE measure = :late) AS delays
        FROM metrics.entries
        WHERE {" AND ".join(["measure = ANY(:measures)", HELD, *conditions])} {group_by}
        ) AS counted) AS of_them) AS placed""",
        share=P95,
        measures=[measure.value for measure in question.definition.measures],
        created=Measure.LEAD_CREATED.value,
        lacking=Measure.LEAD_LACKING.value,
        repeated=Measure.LEAD_REPEATED.value,
        late=Measure.LEAD_LATE.value,
        as_of=question.as_of,
        **values,
    )
    return {
        group_of(question, row): Records(
            row.created, row.sourced, row.untold, row.without_email, row.without_phone, row.sourced_only, row.repeated,
            row.late, (row.low, row.high) if row.late else None,
        )
        for row in rows
    }  # fmt: skip


async def standing_of(database: Database, question: Question, since: datetime) -> dict[Group | None, Standing] | None:
    """The leads that are open at `as_of`, and how many of them have stood where they stand since before a moment. None where the
    question is cut by periods."""
    if any(name in PERIODS for name in question.group_by):
        return None
    now = replace(question, definition=replace(question.definition, basis="snapshot"))
    day, at = days_of(now)
    conditions, values = window(now, day, at)
    select, group_by = grouping(now, day, ())
    rows = await database.rows(
        f"""
        SELECT {select}, count(*) AS n, count(*) FILTER (WHERE at <= :since) AS stale FROM metrics.entries
        WHERE {" AND ".join(["measure = :open", HELD, *conditions])} {group_by}""",
        open=Measure.LEAD_OPEN.value,
        as_of=question.as_of,
        since=since,
        **values,
    )
    return {group_of(now, row): Standing(row.n, row.stale) for row in rows}


async def accounts_of(database: Database, as_of: datetime) -> Accounts | None:
    """How the last audit by a moment ended with the log; None where there was none."""
    rows: list[Any] = list(
        await database.rows(
            """
            SELECT finished_at, checked, different FROM metrics.audits
            WHERE "check" = 'log' AND finished_at <= :as_of ORDER BY finished_at DESC LIMIT 1""",
            as_of=as_of,
        )
    )
    return Accounts(rows[0].finished_at, rows[0].checked, rows[0].different) if rows else None
