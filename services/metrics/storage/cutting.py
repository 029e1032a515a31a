"""The window, the cuts and the filters of a question as SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from services.metrics.domain.answers import TOTAL, Group
from services.metrics.domain.entries import DIMENSIONS
from services.metrics.domain.questions import UNIT, Question

PERIOD_SQL = {
    "day": "to_char({day}, 'YYYY-MM-DD')",
    "week": "to_char(date_trunc('week', {day}), 'YYYY-MM-DD')",
    "month": "to_char({day}, 'YYYY-MM')",
    "quarter": "to_char({day}, 'YYYY-\"Q\"Q')",
    "year": "to_char({day}, 'YYYY')",
}
"""How a local day names its period; a week is named by its first day, a Monday."""

Where = tuple[list[str], dict[str, Any]]


def window(question: Question, day: str, at: str) -> Where:
    """The window on a day or moment column, and the filters. A snapshot has no window."""
    conditions: list[str] = []
    values: dict[str, Any] = {}
    bounds = () if question.definition.basis == "snapshot" else (("start", ">="), ("end", "<"))
    for name, operator in bounds:
        bound = getattr(question, name)
        if bound is not None:
            conditions.append(f"{at if isinstance(bound, datetime) else day} {operator} :{name}")
            values[name] = bound
    for number, (name, allowed) in enumerate(question.filters.items()):
        if name not in (UNIT, *DIMENSIONS):
            raise ValueError(f"no filter named {name}")
        known = [one for one in allowed if one is not None]
        either = [f"{name} = ANY(:filter{number})"] if known else []
        either += [f"{name} IS NULL"] if None in allowed else []
        conditions.append(f"({' OR '.join(either)})")
        if known:
            values[f"filter{number}"] = known
    return conditions, values


def cut_sql(name: str, day: str) -> str:
    if name in PERIOD_SQL:
        return PERIOD_SQL[name].format(day=day)
    if name not in (UNIT, *DIMENSIONS):
        raise ValueError(f"no cut named {name}")
    return name


def days_of(question: Question) -> tuple[str, str]:
    """The columns that decide the window."""
    return ("cohort_day", "cohort_at") if question.definition.basis == "cohort" else ("day", "at")


def grouping(question: Question, day: str, always: Sequence[str]) -> tuple[str, str]:
    """Select list and GROUP BY for every group and, in the same pass, the total."""
    cuts = [cut_sql(name, day) for name in question.group_by]
    if not cuts:
        return "true AS is_total", f"GROUP BY {', '.join(always)}" if always else ""
    select = f"grouping({cuts[0]}) = 1 AS is_total, " + ", ".join(f"{cut} AS g{i}" for i, cut in enumerate(cuts))
    return select, f"GROUP BY GROUPING SETS (({', '.join(always)}), ({', '.join([*always, *cuts])}))"


def group_of(question: Question, row: Any) -> Group | None:
    return TOTAL if row.is_total else tuple(getattr(row, f"g{i}") for i in range(len(question.group_by)))


HELD = "valid_from <= :as_of AND (valid_to IS NULL OR valid_to > :as_of)"
