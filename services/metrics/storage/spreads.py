"""How many there are of what, in each group and apart by bucket or day: the queries over sketches and sums that answers are made
from. What is not known of a dimension is what the known leaves of the whole."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from services.metrics.domain.answers import TOTAL, Group
from services.metrics.domain.calendars import periods
from services.metrics.domain.entries import Measure
from services.metrics.domain.questions import Question
from services.metrics.domain.sketches import AMOUNT, DURATION, PROBABILITY, SCORE, blocks_of
from services.metrics.storage.cutting import of_sums
from services.metrics.storage.sketches import day_sql
from shared.contracts.policy.calendar import PERIODS, Calendar
from shared.kit.database import Reader

A_DAY = timedelta(days=1)

Groups = dict[Group | None, dict[tuple[Any, ...], list[Any]]]
"""By group, and by whatever the numbers are told apart by, the numbers."""


async def by_day(database: Reader, question: Question) -> Groups:
    """How many each cohort day has of each measure. Days older than any horizon are one."""
    oldest = (question.cutoff - 3 * A_DAY).date()
    return await _grouped(
        database, question, "metrics.rollups", ("measure", "greatest(day, :oldest)"),
        ("count", "durations", "duration_microseconds"), {"oldest": oldest},
    )  # fmt: skip


async def spread(
    database: Reader, question: Question, kind: str, measures: Sequence[Measure], *beside: str,
    without: tuple[date, date] | None = None, values: Mapping[str, Any] | None = None,
) -> Groups:  # fmt: skip
    """The cells of a scale by group, told apart by measure, by what is named beside, and by bucket. Days `without` are left
    out, both included."""
    first, after = await _days(database, question)
    bounds = [one for calendar in _calendars(question) for one in _period_firsts(question, calendar, first, after)]
    spans = (
        [(first, after)]
        if without is None
        else [(first, min(after, without[0])), (max(first, without[1] + A_DAY), after)]
    )
    blocks = [block for begin, end in spans if begin < end for block in blocks_of(begin, end, bounds)]
    dimension = question.dimension or ""
    bucket = {DURATION: "duration_bucket", AMOUNT: "amount_bucket", SCORE: "score", PROBABILITY: "permille"}[kind]
    age = "age_days" if kind in (SCORE, PROBABILITY) else "-1"
    numbers = "count, total, squares" if kind == PROBABILITY else "count, 0 AS total, 0 AS squares"
    cuts = f"(VALUES ('', ''), ('{dimension}', {dimension}))" if dimension else "(VALUES ('', ''))"
    left_out = "AND NOT day BETWEEN :without_first AND :without_last" if without else ""
    source = f"""(
        SELECT measure, dimension, value, business_unit, currency, bucket, age_days, {day_sql("block")} AS day,
            count, total, squares
        FROM metrics.sketches
        WHERE measure = ANY(:measures) AND kind = :kind AND dimension = ANY(:dimensions) AND block = ANY(:blocks)
        UNION ALL
        SELECT measure, dimension, value, business_unit, {"currency" if kind == AMOUNT else "''"}, {bucket}, {age}, day, {numbers}
        FROM metrics.sketch_changes CROSS JOIN LATERAL {cuts} AS cut (dimension, value)
        WHERE measure = ANY(:measures) AND {bucket} IS NOT NULL AND (dimension = '' OR value <> '') {left_out}
    ) AS cells"""
    given = {"kind": kind, "blocks": blocks, **(values or {})}
    if without:
        given.update(without_first=without[0], without_last=without[1])
    return await _grouped(
        database, question, source, ("measure", *beside, "bucket"), ("count", "total", "squares"), given, measures
    )


async def _grouped(
    database: Reader, question: Question, source: str, apart: Sequence[str], numbers: Sequence[str],
    given: Mapping[str, Any], measures: Sequence[Measure] | None = None,
) -> Groups:  # fmt: skip
    """Numbers by group and by what they are told apart by. What is not known of the dimension that is cut by is what the known
    leaves of the whole."""
    sums = of_sums(question)
    dimension, grouped, cuts, conditions, values = sums
    names = [*(f"g{i}" for i in range(len(cuts))), "whole", *(f"k{i}" for i in range(len(apart)))]
    columns = [*cuts, "dimension = ''", *apart]
    rows = await database.rows(
        f"""
        SELECT {", ".join(f"{column} AS {name}" for column, name in zip(columns, names, strict=True))},
            {", ".join(f"CAST(sum({one}) AS bigint) AS n{i}" for i, one in enumerate(numbers))}
        FROM {source}
        WHERE {" AND ".join(["measure = ANY(:measures)", "dimension = ANY(:dimensions)", *conditions])}
        GROUP BY {", ".join(map(str, range(1, len(names) + 1)))}""",
        measures=[measure.value for measure in measures or question.definition.measures],
        dimensions=sums.kept_as,
        **given,
        **values,
    )
    found: Groups = defaultdict(lambda: defaultdict(lambda: [0] * len(numbers)))
    found[TOTAL] = defaultdict(lambda: [0] * len(numbers))
    at = question.group_by.index(dimension) if grouped else -1
    width = len(cuts)
    for row in rows:
        columns_of = tuple(row)
        group, whole, key, told = (
            columns_of[:width], columns_of[width], columns_of[width + 1 : len(names)], columns_of[len(names) :],
        )  # fmt: skip
        rest = (*group[:at], None, *group[at + 1 :]) if grouped else group
        places: list[tuple[Group | None, int]] = [(TOTAL, 1)] if whole or not grouped else []
        if question.group_by:
            places.append((rest if whole else group, 1))
            if grouped and not whole:
                places.append((rest, -1))
        for place, sign in places:
            kept = found[place][key]
            for i, number in enumerate(told):
                kept[i] += sign * number
    return {
        group: cells
        for group, told in found.items()
        if (cells := {key: kept for key, kept in told.items() if any(kept)}) or group is TOTAL
    }


async def _days(database: Reader, question: Question) -> tuple[date, date]:
    """From which day to before which there is anything that is asked about."""
    (row,) = await database.rows(
        """
        SELECT min(first) AS first, max(last) AS last
        FROM unnest(CAST(:measures AS text[])) AS of (measure), LATERAL (
            SELECT (SELECT min(day) FROM metrics.rollups AS r WHERE r.measure = of.measure AND dimension = '') AS first,
                (SELECT max(day) FROM metrics.rollups AS r WHERE r.measure = of.measure AND dimension = '') AS last
        ) AS days""",
        measures=[measure.value for measure in question.definition.measures],
    )
    today = question.as_of.date()
    first, last = row.first or today, row.last or today
    start, end = question.start, question.end
    assert not isinstance(start, datetime)
    assert not isinstance(end, datetime)
    first, after = max(first, start or first), min(last + A_DAY, end or last + A_DAY)
    return first, max(first, after)


def _calendars(question: Question) -> list[Calendar]:
    return [question.calendars.default, *question.calendars.others]


def _period_firsts(question: Question, calendar: Calendar, first: date, after: date) -> Iterable[date]:
    for period in PERIODS:
        if period in question.group_by:
            yield from periods(calendar, period, first, after).firsts
