"""A question as SQL: over entries in general, over rollups where they tell the same."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from services.metrics.domain import visiting
from services.metrics.domain.answers import TOTAL, Cell, Group, Values, Wait, from_cells, from_waits
from services.metrics.domain.attributing import put_together
from services.metrics.domain.entries import DIMENSIONS, Measure
from services.metrics.domain.forms import (
    Cost,
    Count,
    DataQuality,
    Due,
    Duration,
    Incidence,
    MoneyMean,
    MoneyTotal,
    PerDay,
    PerVisitor,
    Ranking,
    Reach,
    Return,
    Share,
    Stay,
    TimeToEvent,
    Visitors,
)
from services.metrics.domain.quality_answers import with_parts
from services.metrics.domain.questions import UNIT, Question
from services.metrics.domain.rankings import from_ranked
from services.metrics.domain.rollups import DAY_SECONDS
from services.metrics.domain.spending import from_spent
from services.metrics.domain.statistics import QUANTILES, Ages
from services.metrics.domain.stays import with_stays
from services.metrics.storage.attributing import moved
from services.metrics.storage.customers import CUSTOMER_FORMS, customer_values
from services.metrics.storage.cutting import HELD, days_of, group_of, grouping, of_sums, window
from services.metrics.storage.quality import accounts_of, records_of, standing_of
from services.metrics.storage.ranking import ranked
from services.metrics.storage.rates import ENTRIES, ROLLUPS, source
from services.metrics.storage.sketched import from_sketches, is_sketched
from services.metrics.storage.spending import spent
from services.metrics.storage.stays import still_open, totals
from services.metrics.storage.visitors import visitors_of
from shared.kit.database import Database, Reader


class Progress(NamedTuple):
    """How far the log is folded: when the newest fact was learned, and when the newest one happened."""

    folded_to: datetime | None
    latest: datetime | None


async def progress(database: Database) -> Progress:
    """How far the log is folded."""
    (row,) = await database.rows("SELECT max(recorded_at) AS folded, max(occurred_at) AS latest FROM metrics.progress")
    return Progress(row.folded, row.latest)


async def values_of(
    database: Database, question: Question, zone: ZoneInfo, *, rollups: bool
) -> dict[Group | None, Values]:
    """The values of every group and of the total. `zone` is where the days of a rate per day are counted."""
    form = question.definition.form
    if is_sketched(form):
        found = await _from_sketches(database, question, zone) if rollups else None
        if found is not None:
            return found
        rollups = False
    if isinstance(form, Incidence | TimeToEvent):
        share = Share(form.began, form.reached, (form.reached, form.competing))
        mature = replace(question, definition=replace(question.definition, form=share))
        maturity = from_cells(mature, await _from_entries(database, mature))
        return from_waits(question, await waits_of(database, question, form), maturity)
    if isinstance(form, Ranking):
        return from_ranked(question, await ranked(database, question, form))
    if isinstance(form, Visitors):
        return visiting.counted(await visitors_of(database, question))
    if isinstance(form, DataQuality):
        standing = await standing_of(database, question, question.as_of - timedelta(days=question.stale_days))
        return with_parts(await records_of(database, question), standing, await accounts_of(database, question.as_of))
    if isinstance(form, PerVisitor):
        leads = replace(question, definition=replace(question.definition, form=Count(form.measure)))
        cells = await (_from_rollups if rollups else _from_entries)(database, leads)
        return visiting.for_each(await visitors_of(database, question), cells)
    if isinstance(form, Stay):
        ended = replace(question, definition=replace(question.definition, form=Duration(form.ended)))
        found = await values_of(database, ended, zone, rollups=rollups)
        if rollups and await _are_many(database, ended, form):
            return with_stays(found, None, {})
        return with_stays(found, await still_open(database, question, form), await totals(database, question))
    if isinstance(form, CUSTOMER_FORMS):
        return await customer_values(database, question, partial(_from_rollups if rollups else _from_entries, database))
    if isinstance(form, Cost | Return):
        counts = Count(form.measure) if isinstance(form, Cost) else MoneyTotal(form.revenue)
        counted = replace(question, definition=replace(question.definition, form=counts))
        cells = await _cells(database, counted, rollups=rollups)
        return from_spent(form, cells, await spent(database, question, form.kinds))
    cells = await _cells(database, question, rollups=rollups)
    if isinstance(form, PerDay):
        return from_cells(question, cells, elapsed_days(question, cells, zone))
    return from_cells(question, cells)


async def _from_sketches(database: Database, question: Question, zone: ZoneInfo) -> dict[Group | None, Values] | None:
    """Sums and sketches of one moment: with batches folded between them they would never agree while the stream flows."""
    async with database.snapshot() as one_moment:
        return await from_sketches(one_moment, question, zone, rolled=_from_rollups, exact=_from_entries)


async def _cells(database: Database, question: Question, *, rollups: bool) -> list[Cell]:
    """What was counted, by first touch, and from there to where else it is put down."""
    cells = await (_from_rollups if rollups else _from_entries)(database, question)
    return put_together([*cells, *await moved(database, question)]) if question.shares_out else cells


def elapsed_days(question: Question, cells: Sequence[Cell], zone: ZoneInfo) -> float | None:
    """Days of the window that have passed; without a beginning it begins on the day of the first one counted."""

    def moment(bound: date | datetime) -> datetime:
        return bound if isinstance(bound, datetime) else datetime(bound.year, bound.month, bound.day, tzinfo=zone)

    firsts = [cell.first_at for cell in cells if cell.first_at]
    start = question.start or (min(firsts).astimezone(zone).date() if firsts else None)
    if start is None:
        return None
    end = min(moment(question.end), question.as_of) if question.end else question.as_of
    return max((end.astimezone(UTC) - moment(start).astimezone(UTC)).total_seconds() / DAY_SECONDS, 0.0)


async def _from_entries(database: Reader, question: Question, *, days: tuple[date, date] | None = None) -> list[Cell]:
    """What entries that held at `as_of` add up to; `days` narrows to cohorts of those days, both included."""
    day, at = days_of(question)
    conditions, values = window(question, day, at)
    if days is not None:
        conditions.append("cohort_day BETWEEN :first_day AND :last_day")
        values.update(first_day=days[0], last_day=days[1])
    form = question.definition.form
    if isinstance(form, Due):
        conditions.append("at <= :as_of")  # what is due later is known already, and not decided
    duration = isinstance(form, Duration | Reach)
    extra = "NULL AS quantiles, NULL AS median_amount"
    if duration:
        extra = (
            f"percentile_cont(ARRAY{list(QUANTILES)}) WITHIN GROUP (ORDER BY duration_seconds) AS quantiles, "
            "NULL AS median_amount"
        )
    elif isinstance(form, MoneyMean):
        extra = "NULL AS quantiles, percentile_cont(0.5) WITHIN GROUP (ORDER BY amount) AS median_amount"
    # In whole microseconds, so that the mean does not depend on the order in which rows are met.
    select, group_by = grouping(question, day, ("measure",) if duration else ("measure", "currency"))
    where = ["measure = ANY(:measures)", HELD, *conditions]
    values.update(measures=[measure.value for measure in question.definition.measures], as_of=question.as_of)
    own = await source(database, question, ENTRIES, where, values)
    rows = await database.rows(
        f"""
        SELECT {select}, measure, {"NULL" if duration else "currency"} AS currency, count(*) AS n,
            coalesce(sum(amount), 0) AS amount, count(*) FILTER (WHERE cohort_at <= :cutoff) AS mature,
            count(*) FILTER (WHERE negative) AS negative, count(duration_seconds) AS durations,
            CAST(coalesce(sum(CAST(round(duration_seconds * 1000000) AS bigint)), 0) AS bigint) AS microseconds,
            min(at) AS first_at, {extra}
        FROM {own.table}
        WHERE {" AND ".join(where)}
        {group_by}""",
        cutoff=question.cutoff,
        **values,
        **own.values,
    )
    return [
        Cell(
            group_of(question, row), Measure(row.measure), row.currency or "", row.n, row.amount, row.mature,
            row.negative, row.durations, row.microseconds, _mean(row), None if row.quantiles is None else tuple(row.quantiles),
            None if row.median_amount is None else Decimal(row.median_amount), row.first_at,
        )
        for row in rows
    ]  # fmt: skip


MANY = 100_000
"""So many stays are not looked at one by one while somebody waits."""


async def _are_many(database: Reader, ended: Question, form: Stay) -> bool:
    """Whether stays that ended in the window, or that go on, are more than can be looked at one by one."""
    definition = ended.definition
    there = [
        replace(ended, group_by=(), definition=replace(definition, form=Count(form.ended))),
        replace(ended, group_by=(), definition=replace(definition, form=Count(form.open), basis="snapshot")),
    ]
    return any([sum(cell.n for cell in await _from_rollups(database, one)) > MANY for one in there])


def _mean(row: Any) -> float | None:
    return row.microseconds / row.durations / 1_000_000 if row.durations else None


async def _from_rollups(database: Reader, question: Question) -> list[Cell]:
    """The same from sums by local day. Values not known are what the known ones leave of the whole; maturity, which
    turns on a moment, looks at the entries of the days around that moment only."""
    asked = of_sums(question)
    dimension, grouped, cuts, conditions, values = asked
    edge = question.cutoff.date()
    first_day, last_day = edge - timedelta(days=1), edge + timedelta(days=1)
    where = ["measure = ANY(:measures)", "dimension = ANY(:dimensions)", *conditions]
    values.update(
        measures=[measure.value for measure in question.definition.measures],
        dimensions=asked.kept_as,
    )
    own = await source(database, question, ROLLUPS, where, values)
    rows = await database.rows(
        f"""
        SELECT {"".join(f"{cut} AS g{i}, " for i, cut in enumerate(cuts))} dimension = '' AS whole,
            measure, currency, sum(count) AS n, sum(amount) AS amount,
            sum(durations) AS durations, sum(duration_microseconds) AS microseconds,
            coalesce(sum(count) FILTER (WHERE day < :first_day), 0) AS mature
        FROM {own.table}
        WHERE {" AND ".join(where)}
        GROUP BY {", ".join([*cuts, "whole", "measure", "currency"])} HAVING sum(count) <> 0""",
        first_day=first_day,
        **values,
        **own.values,
    )
    sums: dict[tuple[Group | None, str, str], list[Any]] = defaultdict(lambda: [0, Decimal(0), 0, 0, 0])

    def add(group: Group | None, row: Any, sign: int) -> None:
        found = sums[group, row.measure, row.currency]
        for place, amount in enumerate((row.n, row.amount, row.mature, row.durations, row.microseconds)):
            found[place] += sign * amount

    at = question.group_by.index(dimension) if grouped else -1
    for row in rows:
        group = tuple(getattr(row, f"g{i}") for i in range(len(cuts)))
        rest = (*group[:at], None, *group[at + 1 :]) if grouped else group
        if row.whole or not grouped:
            add(TOTAL, row, 1)
        if question.group_by:
            add(rest if row.whole else group, row, 1)
            if grouped and not row.whole:
                add(rest, row, -1)
    cells = [
        Cell(
            group,
            Measure(measure),
            currency,
            int(n),
            Decimal(amount),
            int(mature),
            durations=int(durations),
            microseconds=int(microseconds),
        )
        for (group, measure, currency), (n, amount, mature, durations, microseconds) in sums.items()
        if n
    ]
    if isinstance(question.definition.form, Share):
        around = await _from_entries(database, question, days=(first_day, last_day))
        cells += [Cell(cell.group, cell.measure, cell.currency, mature=cell.mature) for cell in around]
    return cells


async def waits_of(database: Database, question: Question, form: Incidence | TimeToEvent) -> list[Wait]:
    """The cohort as ages. Those past the horizon are alike: one age just beyond it stands for all of them. Those that wait
    count at the last age before their own at which anything was decided: a curve asks only then who still waited, and
    there are as many rows as different outcomes, not as leads."""
    day, at = days_of(question)
    conditions, values = window(question, day, at)
    select, group_by = grouping(question, day, ("measure", "negative", "age", "age_now"))
    inner = ", ".join(dict.fromkeys(["measure", "negative", UNIT, *DIMENSIONS, day, "at", "cohort_at"]))
    age = "least(coalesce(duration_seconds, 0), :beyond)"
    held = " AND ".join([HELD, *conditions])
    rows = await database.rows(
        f"""
        WITH decided AS (
            SELECT array_agg(DISTINCT age ORDER BY age) AS ages
            FROM (
                SELECT {age} AS age FROM metrics.entries WHERE measure = ANY(:outcomes) AND {held}
                UNION ALL SELECT CAST(0 AS double precision)
            ) AS one
        )
        SELECT {select}, measure, negative, age, age_now, count(*) AS n,
            sum(CAST(seconds AS numeric)) AS seconds
        FROM (
            SELECT {inner}, duration_seconds AS seconds, {age} AS age,
                (SELECT ages FROM decided)[greatest(1, width_bucket(
                    least(CAST(extract(epoch FROM CAST(:as_of AS timestamptz) - cohort_at) AS double precision), :beyond),
                    (SELECT ages FROM decided)))] AS age_now
            FROM metrics.entries WHERE measure = ANY(:measures) AND {held}
        ) AS cohort
        {group_by}""",
        measures=[measure.value for measure in question.definition.measures],
        outcomes=[form.reached.value, form.competing.value],
        as_of=question.as_of,
        beyond=float(question.horizon_days * DAY_SECONDS + 1),
        **values,
    )
    by_group: dict[Group | None, list[Any]] = defaultdict(list)
    for row in rows:
        by_group[group_of(question, row)].append(row)
    skip = isinstance(form, TimeToEvent)
    return [_wait(group, found, form, leave_out_negative=skip) for group, found in by_group.items()]


def _wait(group: Group | None, rows: Sequence[Any], form: Incidence | TimeToEvent, *, leave_out_negative: bool) -> Wait:
    """Those still waiting are the whole cohort but for those that were decided, each at its age now. An outcome dated
    before the beginning counts at age 0, and not at all where durations are asked for."""
    outcome: dict[float, int] = defaultdict(int)
    competing: dict[float, int] = defaultdict(int)
    waiting: dict[float, int] = defaultdict(int)
    negative, reached, seconds = 0, 0, Decimal(0)  # decimals add up to the same in any order
    for row in rows:
        if row.measure == form.began:
            waiting[row.age_now] += row.n
            continue
        waiting[row.age_now] -= row.n
        if row.measure == form.reached and row.negative:
            negative += row.n
            if leave_out_negative:
                continue
        if row.measure == form.reached:
            outcome[row.age] += row.n
            reached, seconds = reached + (0 if row.negative else row.n), seconds + (row.seconds or 0)
        else:
            competing[row.age] += row.n
    ages = Ages(outcome, competing, {age: n for age, n in waiting.items() if n})
    return Wait(group, ages, negative, float(seconds / reached) if reached else None)
