"""Rows by group, of no more groups than anybody reads: more of them would be made into an answer by the process that folds, and
take its memory and its time from everybody else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from services.metrics.domain.answers import Group, Values
from services.metrics.domain.questions import Question
from shared.kit.database import Reader
from shared.kit.errors import Rejected

TOO_MANY = "too-many-groups"
MOST_GROUPS = 100_000
"""A year of days by more than 270 campaigns, or ten years by 27."""
CURRENCIES = 2
"""So many lines at most, on average, has what is told of a group in amounts."""
MOST_ROWS = 500_000
"""Many groups may have many lines each, as the best customers of each have: together they are no more than these."""


async def grouped(
    database: Reader, question: Question, statement: str, *, each: int = 1, **values: Any
) -> Sequence[Any]:
    """The rows of a statement, which ends with what it is grouped by and has about `each` of a group. Raises `Rejected` for too many
    groups or rows."""
    if not question.group_by:
        return await database.rows(statement, **values)
    most = min(MOST_GROUPS * each * CURRENCIES, MOST_ROWS)
    rows = await database.rows(f"{statement} LIMIT {most + 1}", **values)
    if len(rows) > MOST_ROWS:
        raise _too_many(f"in more than {MOST_ROWS:,} lines, of which a group may have several, as of `top` customers")
    if len(rows) > most or (len(rows) > MOST_GROUPS and _how_many(question, rows) > MOST_GROUPS):
        raise _too_many(f"in more than {MOST_GROUPS:,} groups")
    return rows


def of_so_many(found: dict[Group | None, Values]) -> dict[Group | None, Values]:
    """What was worked out, of rows that were fewer. Raises `Rejected` for too many groups."""
    if len(found) > MOST_GROUPS + 1:
        raise _too_many(f"in more than {MOST_GROUPS:,} groups")
    return found


def _how_many(question: Question, rows: Sequence[Any]) -> int:
    names = [f"g{place}" for place in range(len(question.group_by))]
    return len({tuple(getattr(row, name) for name in names) for row in rows if not getattr(row, "is_total", False)})


def _too_many(how: str) -> Rejected:
    return Rejected(
        f"It would be answered {how}.", code=TOO_MANY, field="group_by",
        fix="Cut by fewer things or by a longer period, ask about a shorter window with `from` and `to`, or name what you mean with "
        "filters.",
    )  # fmt: skip
