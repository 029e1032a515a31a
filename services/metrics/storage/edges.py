"""What sums by the day cannot tell of a day that a moment parts: the entries of that day, and of its neighbours in other zones, do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

from services.metrics.domain.answers import Cell
from services.metrics.domain.attributing import put_together
from services.metrics.domain.questions import Question
from services.metrics.storage.cutting import HELD, of_sums, window
from services.metrics.storage.turning import sums_of
from shared.kit.database import Reader

Cells = Callable[[Reader, Question], Awaitable[list[Cell]]]
A_DAY = timedelta(days=1)


async def first_moment(database: Reader, question: Question) -> datetime | None:
    """When the first one of a window was counted, by `as_of`: on the first day of which any are left, or, where units are in
    several zones, on the day after."""
    asked = replace(question, group_by=())
    sums = of_sums(asked)
    table, turned = sums_of(asked)
    where = ["measure = ANY(:measures)", "dimension = ANY(:dimensions)", *sums.conditions]
    measures = [measure.value for measure in question.definition.measures]
    given: dict[str, Any] = {**sums.values, **turned, "measures": measures}
    rows = await database.rows(
        f"""
        SELECT day FROM {table} WHERE {" AND ".join(where)} GROUP BY day HAVING sum(count) > 0 ORDER BY day LIMIT 1""",
        dimensions=sums.kept_as,
        **given,
    )
    if not rows:
        return None
    conditions, values = window(asked, "day", "at")
    near = "day BETWEEN :first_day AND :last_day"
    (row,) = await database.rows(
        f"""
        SELECT min(at) AS at FROM metrics.entries
        WHERE {" AND ".join(["measure = ANY(:measures)", HELD, near, *conditions])}""",
        **{**values, "measures": measures, "as_of": question.as_of},
        first_day=rows[0].day,
        last_day=rows[0].day + A_DAY,
    )
    found: datetime | None = row.at
    return found


async def up_to_now(database: Reader, question: Question, *, rolled: Cells, exact: Cells) -> list[Cell]:
    """What was counted by `as_of` of things that are known before their time, as when an order runs out: whole days from sums,
    the day of `as_of` from entries."""
    first, last = question.local_days(question.as_of)
    after = last + A_DAY
    start, end = question.start, question.end
    assert not isinstance(start, datetime)
    assert not isinstance(end, datetime)
    found: list[Cell] = []
    before, around = _earlier(end, first), (_later(start, first), _earlier(end, after))
    if start is None or start < before:
        found += await rolled(database, replace(question, end=before))
    if around[0] < around[1]:
        found += await exact(database, replace(question, start=around[0], end=around[1]))
    return put_together(found)


def _earlier(bound: date | None, day: date) -> date:
    return day if bound is None else min(bound, day)


def _later(bound: date | None, day: date) -> date:
    return day if bound is None else max(bound, day)
