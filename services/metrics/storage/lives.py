"""How long customers have been customers: by when they became ones, left and came back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime

from services.metrics.domain.answers import Cell, Group
from services.metrics.domain.customer_answers import Lives
from services.metrics.domain.entries import Measure
from services.metrics.domain.forms import Form, Ratio
from services.metrics.domain.questions import Question
from services.metrics.domain.rollups import MICROSECOND
from services.metrics.storage.cutting import days_of, group_of, grouping, held, ungrouped, window
from services.metrics.storage.grouped import grouped
from shared.kit.database import Database

Cells = Callable[[Question], Awaitable[list[Cell]]]
"""Asks for the cells of a question, of sums or of entries."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LEFT = Ratio(Measure.CUSTOMER_GONE, (Measure.CUSTOMER,), proportion=False)


def asking(question: Question, form: Form) -> Question:
    """The same window and cuts of another form."""
    return replace(question, definition=replace(question.definition, form=form))


async def lives_of(database: Database, question: Question, cells: Cells, *, rolled: bool) -> dict[Group | None, Lives]:
    """How long the customers of a cohort have been customers, leaving out when they were none, and how often one left. Who came back
    is not in the sums of their cohort, and is looked up: they are few."""
    found = await cells(asking(question, LEFT)) if rolled else []
    returned = [Measure.CUSTOMER_RETURNED]
    if rolled and all(cell.durations == cell.n for cell in found):
        found += await _looked_up(database, question, returned)
    else:  # sums from before they kept when do not know it of all that they count
        found = await _looked_up(database, question, [Measure.CUSTOMER, Measure.CUSTOMER_GONE, *returned])
    return _added_up(question, found)


def _added_up(question: Question, cells: Iterable[Cell]) -> dict[Group | None, Lives]:
    until = (question.as_of - EPOCH) // MICROSECOND
    found: dict[Group | None, list[int]] = defaultdict(lambda: [0, 0, 0])
    for cell in cells:
        own, is_gone = found[cell.group], cell.measure is Measure.CUSTOMER_GONE
        own[0] += cell.n if cell.measure is Measure.CUSTOMER else 0
        own[1] += cell.n if is_gone else 0
        own[2] += (cell.n * until - cell.microseconds) * (-1 if is_gone else 1)
    return {group: Lives(n, lost, microseconds / 1_000_000) for group, (n, lost, microseconds) in found.items()}


async def _looked_up(database: Database, question: Question, measures: Iterable[Measure]) -> list[Cell]:
    """How many entries there are in each group, and when they were, as sums say it; added up by day before days are named."""
    day, at = days_of(question)
    conditions, values = window(question, day, at)
    select, group_by = grouping(question, "day", ("measure",))
    of_a_day, columns = ungrouped(question, day, ("measure",))
    rows = await grouped(
        database,
        question,
        f"""
        SELECT {select}, measure, sum(n) AS n, sum(microseconds) AS microseconds
        FROM (
            SELECT {of_a_day} count(*) AS n, sum(extract(epoch FROM at)) * 1000000 AS microseconds
            FROM metrics.entries
            WHERE {" AND ".join(["measure = ANY(:measures)", held(question), *conditions])}
            GROUP BY {columns}
        ) AS alike {group_by}""",
        measures=[measure.value for measure in measures],
        as_of=question.as_of,
        **values,
    )
    return [
        Cell(group_of(question, row), Measure(row.measure), n=int(row.n), microseconds=int(row.microseconds))
        for row in rows
    ]
