"""How good the records are: what sums tell of them, how late they came, and how the last audit ended."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import orjson

from services.metrics.domain.answers import TOTAL, Group
from services.metrics.domain.entries import Measure
from services.metrics.domain.forms import Duration
from services.metrics.domain.quality_answers import Accounts, Records, Standing, place_of, records
from services.metrics.domain.questions import Question
from services.metrics.domain.sketches import DURATION, SECONDS, neighbours
from services.metrics.storage.cutting import at_once, days_of, group_of, grouping, held, window
from services.metrics.storage.grouped import grouped
from services.metrics.storage.sketched import FEW, Cells
from services.metrics.storage.spreads import spread
from shared.kit.database import Database, Reader


async def records_of(
    database: Reader, question: Question, counted: Cells, *, sketched: bool
) -> dict[Group | None, Records]:
    """The leads of the window by what their records have and lack, in total and by group, as they are `counted`. Delays are looked
    at for those groups alone whose 95th percentile lies among the late ones."""
    numbers: dict[Group | None, dict[Measure, int]] = {TOTAL: {}}
    for cell in await counted(database, question):
        of_group = numbers.setdefault(cell.group, {})
        of_group[cell.measure] = of_group.get(cell.measure, 0) + cell.n
    found = {group: records(of_group) for group, of_group in numbers.items()}
    wanted = {
        group: math.floor(place) for group, one in found.items() if (place := place_of(one.created, one.late)) >= 0
    }
    if not wanted:
        return found
    around = await _around_in_sketches(database, question, wanted, found[TOTAL].late) if sketched else None
    if around is None:
        around = await _around(database, question, wanted)
    return {group: one._replace(around=around.get(group)) for group, one in found.items()}


Around = dict[Group | None, tuple[float, float]]
"""By group, the two delays between which the one that is asked for lies."""


async def _around_in_sketches(
    database: Reader, question: Question, wanted: Mapping[Group | None, int], late: int
) -> Around | None:
    """From sketches, where very many are late; None where there are few, or the books do not agree."""
    if late <= FEW:
        return None
    delays = replace(question, definition=replace(question.definition, form=Duration(Measure.LEAD_LATE)))
    told = await spread(database, delays, (DURATION,), (Measure.LEAD_LATE,))
    late_ones = (Measure.LEAD_LATE.value,)
    if sum(buckets.n for buckets in told[TOTAL].values()) != late:
        return None
    return {
        group: neighbours(told[group][late_ones].told(SECONDS), below)
        for group, below in wanted.items()
        if told.get(group)
    }


async def _around(database: Reader, question: Question, wanted: Mapping[Group | None, int]) -> Around:
    """From entries: of those of a group, in their order, the one at its place and the next."""
    day, at = days_of(question)
    conditions, values = window(question, day, at)
    select, group_by = grouping(question, day, ())
    columns = ", ".join(("is_total", *(f"g{place}" for place in range(len(question.group_by)))))
    rows = await database.rows(
        f"""
        SELECT {columns}, delays[below + 1] AS low, delays[least(below + 2, cardinality(delays))] AS high
        FROM (
            SELECT {select}, array_agg(duration_seconds ORDER BY duration_seconds) AS delays
            FROM metrics.entries WHERE {" AND ".join(["measure = :late", held(question), *conditions])} {group_by}
        ) AS told
        JOIN json_to_recordset(CAST(:wanted AS json)) AS wanted (key jsonb, below integer)
            ON wanted.key = jsonb_build_array({columns})""",
        late=Measure.LEAD_LATE.value,
        as_of=question.as_of,
        wanted=orjson.dumps([
            {"key": [group is TOTAL, *(group or [None] * len(question.group_by))], "below": below}
            for group, below in wanted.items()
        ]).decode(),
        **values,
    )  # fmt: skip
    return {group_of(question, row): (row.low, row.high) for row in rows if row.low is not None}


async def standing_of(database: Database, question: Question, since: datetime) -> dict[Group | None, Standing] | None:
    """The leads that are open at `as_of`, and how many of them have stood where they stand since before a moment. None where the
    question is cut by periods."""
    if (now := at_once(question)) is None:
        return None
    rows = await grouped(
        database,
        question,
        f"""
        SELECT {now.select}, count(*) AS n, count(*) FILTER (WHERE at <= :since) AS stale FROM metrics.entries
        WHERE {now.where} {now.group_by}""",
        open=Measure.LEAD_OPEN.value,
        since=since,
        **now.values,
    )
    return {group_of(question, row): Standing(row.n, row.stale) for row in rows}


async def accounts_of(database: Database, as_of: datetime) -> Accounts | None:
    """How the last audit by a moment ended with the log; None where there was none."""
    rows: list[Any] = list(
        await database.rows(
            """
            SELECT began_at, finished_at, checked, different FROM metrics.audits
            WHERE "check" = 'log' AND finished_at <= :as_of ORDER BY finished_at DESC LIMIT 1""",
            as_of=as_of,
        )
    )
    return Accounts(rows[0].finished_at, rows[0].checked, rows[0].different, rows[0].began_at) if rows else None
