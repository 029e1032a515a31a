"""How many there are of what, in each group and apart by bucket or day: the queries over sketches and sums that answers are made
from. What is not known of a dimension is what the known leaves of the whole."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from services.metrics.domain.answers import TOTAL, Group
from services.metrics.domain.buckets import Buckets, Part, cells_of, together
from services.metrics.domain.calendars import periods
from services.metrics.domain.entries import Measure
from services.metrics.domain.questions import Question
from services.metrics.domain.rollups import CARRIED_SECONDS
from services.metrics.domain.sketches import BLOCK_EPOCH, PROBABILITY, blocks_of, first_day_of
from services.metrics.storage.cutting import of_sums
from services.metrics.storage.sketches import CHANGE_COLUMNS, PARTS, SCALES, day_sql, parameters_of, turned_sql
from services.metrics.storage.turning import TURNS, sums_of
from shared.contracts.policy.calendar import PERIODS, Calendar
from shared.kit.database import Reader

A_DAY = timedelta(days=1)

Spreads = dict[Group | None, dict[tuple[Any, ...], Buckets]]
"""By group, and by whatever is told apart, how many there are in which bucket or on which day."""

COUNT = ("count",)
TIMES = (
    "count", "durations", f"duration_microseconds / 1000000 + duration_carried * {CARRIED_SECONDS}",
    "duration_microseconds % 1000000",
)  # fmt: skip
"""Whole seconds apart from what is left: together they are more than an array adds up where days beyond the horizon are one."""


async def by_day(database: Reader, question: Question) -> Spreads:
    """How many each cohort day has of each measure, how many of them were timed and how long these took. Days older than any horizon
    are one."""
    oldest = (question.cutoff - 3 * A_DAY).date()
    table, turned = sums_of(question)
    return await _grouped(
        database, question, table, ("measure",), f"greatest(day, :oldest) - DATE '{BLOCK_EPOCH}'", TIMES,
        {"oldest": oldest, **turned},
    )  # fmt: skip


async def counts_of_days(database: Reader, question: Question) -> dict[Group | None, dict[date, int]]:
    """How many of what is counted each day has, by group."""
    table, turned = sums_of(question)
    found = await _grouped(database, question, table, (), f"day - DATE '{BLOCK_EPOCH}'", COUNT, turned)
    return {
        group: {first_day_of(day): n for day, n in zip(days.at.tolist(), days.counts.tolist(), strict=True) if n}
        for group, of_group in found.items()
        for days in of_group.values()
    }


async def spread(
    database: Reader, question: Question, kinds: Sequence[str], measures: Sequence[Measure], *beside: str,
    bounds: Iterable[date] = (), values: Mapping[str, Any] | None = None,
) -> Spreads:  # fmt: skip
    """The cells of scales by group, told apart by measure and by what is named beside; days before and after any of the bounds are
    apart too."""
    first, after = await _days(database, question)
    blocks = blocks_of(first, after, [*bounds, *bounds_of(question, first, after)])
    dimension = question.dimension or ""
    cuts = f"(VALUES ('', ''), ('{dimension}', {dimension}))" if dimension else "(VALUES ('', ''))"
    source = f"""(
        SELECT measure, kind, dimension, value, business_unit, currency, bucket, age_days, {day_sql("block")} AS day,
            count, total, squares
        FROM metrics.sketches
        WHERE measure = ANY(:measures) AND kind = ANY(:kinds) AND dimension = ANY(:dimensions) AND block = ANY(:blocks)
        UNION ALL
        SELECT measure, kind, dimension, value, business_unit, in_currency, bucket, in_age, day, count, in_total, in_squares
        FROM {_changes(question, measures)} CROSS JOIN LATERAL {SCALES} CROSS JOIN LATERAL {cuts} AS cut (dimension, value)
        WHERE measure = ANY(:measures) AND kind = ANY(:kinds) AND bucket IS NOT NULL AND (dimension = '' OR value <> '')
    ) AS cells"""
    given = {"kinds": list(kinds), "blocks": blocks, **(values or {})}
    if question.behind:
        given.update(as_of=question.as_of)
        for measure in measures:
            given.update({name: value for name, value in parameters_of(measure).items() if name != "measure"})
    numbers = PARTS if PROBABILITY in kinds else COUNT
    return await _grouped(database, question, source, ("measure", *beside), "bucket", numbers, given, measures)


def _changes(question: Question, measures: Sequence[Measure]) -> str:
    """What batches left to be merged; behind the newest fact, with what counts otherwise at `as_of`."""
    if not question.behind:
        return "metrics.sketch_changes"
    columns = ", ".join(CHANGE_COLUMNS)
    turned = [turned_sql(measure, held, sign) for measure in measures for held, sign in TURNS]
    return f"({' UNION ALL '.join([f'SELECT {columns} FROM metrics.sketch_changes', *turned])}) AS changes"


async def _grouped(
    database: Reader, question: Question, source: str, apart: Sequence[str], bucket: str, numbers: Sequence[str],
    given: Mapping[str, Any], measures: Sequence[Measure] | None = None,
) -> Spreads:  # fmt: skip
    """Numbers by bucket, of each group and whatever is told apart. PostgreSQL sends one row for each of these, with all of its cells as
    bytes: the driver needs as long for one number of a row as is needed here for a hundred. What is not known of the dimension that is
    cut by is what the known leaves of the whole."""
    sums = of_sums(question)
    dimension, grouped, cuts, conditions, values = sums
    names = [*(f"g{i}" for i in range(len(cuts))), "whole", *(f"k{i}" for i in range(len(apart)))]
    columns = [*cuts, "dimension = ''", *apart]
    sent = [f"string_agg(int4send({bucket}), '')", *(f"string_agg(int8send({one}), '')" for one in numbers)]
    rows = await database.rows(
        f"""
        SELECT {", ".join(f"{column} AS {name}" for column, name in zip(columns, names, strict=True))},
            {", ".join(f"{one} AS n{i}" for i, one in enumerate(sent))}
        FROM {source}
        WHERE {" AND ".join(["measure = ANY(:measures)", "dimension = ANY(:dimensions)", *conditions])}
        GROUP BY {", ".join(map(str, range(1, len(names) + 1)))}""",
        measures=[measure.value for measure in measures or question.definition.measures],
        dimensions=sums.kept_as,
        **given,
        **values,
    )
    parts: dict[Group | None, dict[tuple[Any, ...], list[Part]]] = defaultdict(lambda: defaultdict(list))
    at = question.group_by.index(dimension) if grouped else -1
    width = len(cuts)
    for row in rows:
        columns_of = tuple(row)
        group, whole, key = columns_of[:width], columns_of[width], columns_of[width + 1 : len(names)]
        cells = cells_of(*columns_of[len(names) :])
        rest = (*group[:at], None, *group[at + 1 :]) if grouped else group
        if whole or not grouped:
            parts[TOTAL][key].append((1, cells))
        if question.group_by:
            parts[rest if whole else group][key].append((1, cells))
            if grouped and not whole:
                parts[rest][key].append((-1, cells))
    found = {
        group: {key: together(cells) for key, cells in of_group.items()}
        for group, of_group in {TOTAL: {}, **parts}.items()
    }
    return {
        group: known
        for group, of_group in found.items()
        if (known := {key: cells for key, cells in of_group.items() if len(cells.at)}) or group is TOTAL
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


async def first_day(database: Reader) -> date | None:
    """The first day of which anything was ever told: of facts, of deals that are to come, of visits, spending and what could not be
    taken in."""
    (row,) = await database.rows(
        """
        SELECT least(
            (SELECT min(first) FROM unnest(CAST(:measures AS text[])) AS of (measure), LATERAL (
                SELECT min(day) AS first FROM metrics.rollups AS r WHERE r.measure = of.measure AND dimension = ''
            ) AS days),
            (SELECT min(expected_day) FROM metrics.entries WHERE expected_day IS NOT NULL),
            (SELECT min(day) FROM metrics.visitors), (SELECT min(day) FROM metrics.quarantined),
            (SELECT min(first_day) FROM metrics.spending)
        ) AS first""",
        measures=[measure.value for measure in Measure],
    )
    found: date | None = row.first
    return found


def bounds_of(question: Question, first: date, after: date) -> list[date]:
    """Days on which a period begins that the question is cut by, in any unit's calendar."""
    return [one for calendar in _calendars(question) for one in _period_firsts(question, calendar, first, after)]


def _calendars(question: Question) -> list[Calendar]:
    return [question.calendars.default, *question.calendars.others]


def _period_firsts(question: Question, calendar: Calendar, first: date, after: date) -> Iterable[date]:
    for period in PERIODS:
        if period in question.group_by:
            yield from periods(calendar, period, first, after).firsts
