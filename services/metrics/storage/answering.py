"""A question as SQL: over entries in general, over rollups where they tell the same."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from services.metrics.domain import visiting
from services.metrics.domain.answers import TOTAL, Cell, Group, Values, Wait, from_cells, from_waits
from services.metrics.domain.attributing import put_together
from services.metrics.domain.elapsed import DaysPassed
from services.metrics.domain.entries import DIMENSIONS, KEPT_WHEN, Measure
from services.metrics.domain.forms import (
    Cost,
    Count,
    DataQuality,
    Due,
    Duration,
    Incidence,
    MoneyMean,
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
from services.metrics.domain.quality_answers import Standing, in_whole, with_parts
from services.metrics.domain.questions import UNIT, VERSION, Question
from services.metrics.domain.rankings import from_entries, from_ranked
from services.metrics.domain.rollups import DAY_SECONDS
from services.metrics.domain.spending import from_spent
from services.metrics.domain.statistics import QUANTILES, Ages
from services.metrics.domain.stays import MANY, with_stays
from services.metrics.storage.around import are_few, around, mature_of
from services.metrics.storage.attributing import moved
from services.metrics.storage.customers import CUSTOMER_FORMS, customer_values
from services.metrics.storage.cutting import HELD, days_of, group_of, grouping, held, of_sums, window
from services.metrics.storage.edges import first_moment, up_to_now
from services.metrics.storage.grouped import grouped
from services.metrics.storage.open_stays import open_by_day
from services.metrics.storage.quality import accounts_of, records_of, standing_of
from services.metrics.storage.quarantine import held_of
from services.metrics.storage.ranking import ranked
from services.metrics.storage.rates import ENTRIES, source
from services.metrics.storage.sketched import from_sketches, is_sketched
from services.metrics.storage.spending import spent
from services.metrics.storage.stays import still_open, totals
from services.metrics.storage.turning import CARRIED_OVER, SUM_COLUMNS, sums_of
from services.metrics.storage.unread import FOLDED_TO
from services.metrics.storage.versions import cohort_by_version
from services.metrics.storage.visitors import visitors_of
from shared.contracts.policy.calendar import PERIODS
from shared.kit.database import Database, Reader


class Progress(NamedTuple):
    """How far the log is folded: when the newest fact was learned, or since when a partition has anything unread, and when the newest
    one happened."""

    folded_to: datetime | None
    latest: datetime | None


async def progress(database: Database) -> Progress:
    """How far the log is folded."""
    (row,) = await database.rows(f"SELECT {FOLDED_TO} AS folded, max(occurred_at) AS latest FROM metrics.progress")
    return Progress(row.folded, row.latest)


async def values_of(
    database: Database, question: Question, zone: ZoneInfo, *, rollups: bool
) -> dict[Group | None, Values]:
    """The values of every group and of the total. `zone` is where it is noon, when stays are taken to begin that are told by the day."""
    form = question.definition.form
    if VERSION in question.group_by:
        return from_cells(question, await cohort_by_version(database, question))
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
        return from_ranked(question, from_entries(await ranked(database, question, form)))
    if isinstance(form, Visitors):
        return visiting.counted(await visitors_of(database, question))
    if isinstance(form, DataQuality):
        standing = await _standing(database, question)
        quarantined = await held_of(database, question)
        accounts = await accounts_of(database, question.as_of)
        async with database.snapshot() as one_moment:
            add_up = _from_rollups if rollups else _from_entries
            records = await records_of(one_moment, question, add_up, sketched=rollups)
        return with_parts(records, standing, accounts, quarantined)
    if isinstance(form, PerVisitor):
        leads = replace(question, definition=replace(question.definition, form=Count(form.measure)))
        cells = await (_from_rollups if rollups else _from_entries)(database, leads)
        return visiting.for_each(await visitors_of(database, question), cells)
    if isinstance(form, Stay):
        ended = replace(question, definition=replace(question.definition, form=Duration(form.ended)))
        found = await values_of(database, ended, zone, rollups=rollups)
        if rollups and await _are_many(database, ended, form):
            goes_on, each = await open_by_day(database, question, form, zone), None
        else:
            goes_on, each = await still_open(database, question, form), await totals(database, question)
        return with_stays(found, goes_on, each, of_periods=any(name in PERIODS for name in question.group_by))
    if isinstance(form, CUSTOMER_FORMS):
        ask = partial(_from_rollups if rollups else _from_entries, database)
        return await customer_values(database, question, ask, rolled=rollups)
    if isinstance(form, Cost | Return):
        cells = await _cells(database, question, rollups=rollups)
        return from_spent(form, cells, await spent(database, question, form.kinds))
    if isinstance(form, Due) and rollups:
        return from_cells(question, await up_to_now(database, question, rolled=_from_rollups, exact=_from_entries))
    cells = await _cells(database, question, rollups=rollups)
    if isinstance(form, PerDay):
        if rollups and question.start is None and cells:
            first_at = await first_moment(database, question)
            cells = [replace(cells[0], first_at=first_at), *cells[1:]]
        return from_cells(question, cells, DaysPassed(question, cells).of)
    return from_cells(question, cells)


async def _from_sketches(database: Database, question: Question, zone: ZoneInfo) -> dict[Group | None, Values] | None:
    """Sums and sketches of one moment: with batches folded between them they would never agree while the stream flows."""
    async with database.snapshot() as one_moment:
        return await from_sketches(one_moment, question, zone, rolled=_from_rollups, exact=_from_entries)


async def _cells(database: Database, question: Question, *, rollups: bool) -> list[Cell]:
    """What was counted, by first touch, and from there to where else it is put down."""
    cells = await (_from_rollups if rollups else _from_entries)(database, question)
    return put_together([*cells, *await moved(database, question)]) if question.shares_out else cells


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
    where = ["measure = ANY(:measures)", held(question), *conditions]
    values.update(measures=[measure.value for measure in question.definition.measures], as_of=question.as_of)
    own = await source(database, question, ENTRIES, where, values)
    rows = await grouped(
        database,
        question,
        f"""
        SELECT {select}, measure, {"NULL" if duration else "currency"} AS currency, count(*) AS n,
            coalesce(sum(amount), 0) AS amount, count(*) FILTER (WHERE cohort_at <= :cutoff) AS mature,
            count(*) FILTER (WHERE negative) AS negative, count(duration_seconds) AS durations,
            coalesce(sum(CAST(round(duration_seconds * 1000000) AS bigint)), 0) AS microseconds,
            min(at) AS first_at, {extra}
        FROM {own.table}
        WHERE {" AND ".join(where)}
        {group_by}""",
        each=len(question.definition.measures),
        cutoff=question.cutoff,
        **values,
        **own.values,
    )
    return [
        Cell(
            group_of(question, row), Measure(row.measure), row.currency or "", row.n, row.amount, row.mature,
            row.negative, row.durations, int(row.microseconds), _mean(row), None if row.quantiles is None else tuple(row.quantiles),
            None if row.median_amount is None else Decimal(row.median_amount), row.first_at,
        )
        for row in rows
    ]  # fmt: skip


async def _are_many(database: Reader, ended: Question, form: Stay) -> bool:
    """Whether stays that ended in the window, or that go on, are more than can be looked at one by one."""
    definition = ended.definition
    there = [
        replace(ended, group_by=(), definition=replace(definition, form=Count(form.ended))),
        replace(ended, group_by=(), definition=replace(definition, form=Count(form.open), basis="snapshot")),
    ]
    return any([sum(cell.n for cell in await _from_rollups(database, one)) > MANY for one in there])


async def _standing(database: Database, question: Question) -> dict[Group | None, Standing] | None:
    """The leads that are open, and those of them that have long stood where they stand: from sums, with the day that "long" ends on as
    maturity has it."""
    if not question.is_plain or any(name in PERIODS for name in question.group_by):
        return await standing_of(database, question, question.as_of - timedelta(days=question.stale_days))
    stood = Share(Measure.LEAD_OPEN, Measure.LEAD_OPEN, ())
    definition = replace(question.definition, form=stood, basis="snapshot")
    found: dict[Group | None, tuple[int, float]] = {}
    for cell in await _from_rollups(
        database, replace(question, definition=definition, horizon_days=question.stale_days)
    ):
        n, stale = found.get(cell.group, (0, 0))
        found[cell.group] = n + cell.n, stale + cell.mature
    return in_whole(found)


def _mean(row: Any) -> float | None:
    return int(row.microseconds) / row.durations / 1_000_000 if row.durations else None


SINCE_1970 = " + count * extract(epoch FROM day) * 1000000"
"""What sums that say when something was lack, since they say it of a day of their own."""


async def _from_rollups(database: Reader, question: Question) -> list[Cell]:
    """The same from sums by local day. Values not known are what the known ones leave of the whole; maturity, which
    turns on a moment, looks at the entries of the days around that moment where these are few."""
    asked = of_sums(question)
    dimension, is_cut, cuts, conditions, values = asked
    where = ["measure = ANY(:measures)", "dimension = ANY(:dimensions)", *conditions]
    values.update(
        measures=[measure.value for measure in question.definition.measures],
        dimensions=asked.kept_as,
    )
    table, turned = sums_of(question)
    values.update(turned)
    own = await source(database, question, (table, SUM_COLUMNS), where, values)
    horizon = around(question)
    since = SINCE_1970 if KEPT_WHEN.issuperset(question.definition.measures) else ""
    rows = await grouped(
        database,
        question,
        f"""
        SELECT {"".join(f"{cut} AS g{i}, " for i, cut in enumerate(cuts))} dimension = '' AS whole,
            measure, currency, CAST(sum(count) AS bigint) AS n, sum(amount) AS amount, CAST(sum(durations) AS bigint) AS durations,
            sum(duration_microseconds{since}) + sum({CARRIED_OVER}) AS microseconds, {horizon.columns}
        FROM {own.table}
        WHERE {" AND ".join(where)}
        GROUP BY {", ".join([*cuts, "whole", "measure", "currency"])} HAVING sum(count) <> 0""",
        each=len(question.definition.measures),
        **horizon.values,
        **values,
        **own.values,
    )
    sums: dict[tuple[Group | None, str, str], list[Any]] = defaultdict(lambda: [0, Decimal(0), 0, 0, 0, 0, 0])
    at = question.group_by.index(dimension) if is_cut else -1
    for row in rows:
        *group_parts, whole, measure, currency = row[: len(cuts) + 3]
        group, numbers = tuple(group_parts), row[len(cuts) + 3 :]
        rest = (*group[:at], None, *group[at + 1 :]) if is_cut else group
        if whole or not is_cut:
            _add(sums[TOTAL, measure, currency], numbers)
        if question.group_by:
            _add(sums[rest if whole else group, measure, currency], numbers)
            if is_cut and not whole:
                _add(sums[rest, measure, currency], [-number for number in numbers])
    near = sum(told[5] for (group, *_), told in sums.items() if group is TOTAL)
    few = are_few(question, near)
    cells = [
        Cell(
            group,
            Measure(measure),
            currency,
            n,
            amount,
            mature if few else mature + mature_of(parts),
            durations=durations,
            microseconds=int(microseconds),
        )
        for (group, measure, currency), (n, amount, durations, microseconds, mature, _, parts) in sums.items()
        if n
    ]
    if few and near:
        each = await _from_entries(database, question, days=question.local_days(question.cutoff))
        cells += [Cell(cell.group, cell.measure, cell.currency, mature=cell.mature) for cell in each]
    return cells


def _add(found: list[Any], numbers: Sequence[Any]) -> None:
    for place, number in enumerate(numbers):
        found[place] += number


async def waits_of(
    database: Reader,
    question: Question,
    form: Incidence | TimeToEvent,
    *,
    without: Sequence[UUID] = (),
    beside: Sequence[float] = (),
) -> list[Wait]:
    """The cohort as ages, `without` some people, whose ages at an outcome stand `beside` it. Those past the horizon are alike: one age just beyond it stands for all of them. Those that wait
    count at the last age before their own at which anything was decided: a curve asks only then who still waited, and
    there are as many rows as different outcomes, not as leads."""
    day, at = days_of(question)
    conditions, values = window(question, day, at)
    select, group_by = grouping(question, day, ("measure", "negative", "age", "age_now"))
    inner = ", ".join(dict.fromkeys(["measure", "negative", UNIT, *DIMENSIONS, day, "at", "cohort_at"]))
    age = "least(coalesce(duration_seconds, 0), :beyond)"
    if without:
        conditions.append("root_id <> ALL(:without)")
        values["without"] = list(without)
    held = " AND ".join([HELD, *conditions])
    rows = await database.rows(
        f"""
        WITH decided AS (
            SELECT array_agg(DISTINCT age ORDER BY age) AS ages
            FROM (
                SELECT {age} AS age FROM metrics.entries WHERE measure = ANY(:outcomes) AND {held}
                UNION ALL SELECT unnest(CAST(:beside AS double precision[]))
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
        beyond=beyond_horizon(question),
        beside=[0.0, *beside],
        **values,
    )
    by_group: dict[Group | None, list[Any]] = defaultdict(list)
    for row in rows:
        by_group[group_of(question, row)].append(row)
    skip = isinstance(form, TimeToEvent)
    return [wait_of(group, found, form, leave_out_negative=skip) for group, found in by_group.items()]


def beyond_horizon(question: Question) -> float:
    """The age that stands for all beyond the horizon."""
    return float(question.horizon_days * DAY_SECONDS + 1)


def wait_of(
    group: Group | None, rows: Sequence[Any], form: Incidence | TimeToEvent, *, leave_out_negative: bool
) -> Wait:
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
