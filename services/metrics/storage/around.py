"""Who was there by a moment, of the days that it parts: each is looked at where they are few; of more, as many are taken as of the
day has passed."""

from __future__ import annotations

from typing import Any, NamedTuple

from services.metrics.domain.forms import Share
from services.metrics.domain.parted_days import WHOLE, parted
from services.metrics.domain.questions import UNIT, Question

FEW = 1_000
"""So many entries of the days around the horizon are looked at one by one."""


class Around(NamedTuple):
    """What sums tell of the moment that a question's horizon ends at, as columns with their parameters: how many are `mature` by
    whole days, how many there are `around` it, and how many parts of them are taken to be mature."""

    columns: str
    values: dict[str, Any]


NOBODY = Around("0 AS mature, 0 AS around, 0 AS parts", {})


def around(question: Question) -> Around:
    """The columns for a question; nobody where nothing is said of how mature it is."""
    if not isinstance(question.definition.form, Share):
        return NOBODY
    first, last = question.local_days(question.cutoff)
    values: dict[str, Any] = {"first_around": first, "last_around": last}
    near = "FILTER (WHERE day BETWEEN :first_around AND :last_around)"
    parts = "0"
    if question.zones:
        told = []
        for place, (units, day, passed) in enumerate(parted(question, question.cutoff)):
            of_day = (
                f"CASE WHEN day < :parted{place} THEN {WHOLE} WHEN day = :parted{place} THEN :passed{place} ELSE 0 END"
            )
            told.append(of_day if units is None else f"WHEN {UNIT} = ANY(:units_parted{place}) THEN {of_day}")
            values.update({f"parted{place}": day, f"passed{place}": passed})
            if units is not None:
                values[f"units_parted{place}"] = list(units)
        parts = f"CASE {' '.join(told[:-1])} ELSE {told[-1]} END" if told[1:] else told[0]
    columns = [
        "CAST(coalesce(sum(count) FILTER (WHERE day < :first_around), 0) AS bigint) AS mature",
        f"CAST(coalesce(sum(count) {near}, 0) AS bigint) AS around",
        f"CAST(coalesce(sum(count * {parts}) {near}, 0) AS bigint) AS parts",
    ]
    return Around(", ".join(columns), values)


def are_few(question: Question, n: int) -> bool:
    """Whether so many around the horizon are looked at one by one, as they always are where nobody says when a day begins."""
    return n <= FEW or not question.zones


def mature_of(parts: int) -> float:
    """How many are mature by the parts of their day."""
    return parts / WHOLE
