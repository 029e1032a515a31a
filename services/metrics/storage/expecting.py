"""Open deals by when they are expected to close and how likely their stages say they are won, and what was won."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime
from typing import Any

from services.metrics.domain.answers import TOTAL, Group, Values
from services.metrics.domain.entries import DIMENSIONS
from services.metrics.domain.expecting import Deal, Expected, Moments, expected_values
from services.metrics.domain.forms import Weighted
from services.metrics.domain.questions import UNIT, Question
from services.metrics.storage import chances, expected_sums, open_deals
from services.metrics.storage.cutting import cut_sql, far_ahead, group_of, grouping, held, ungrouped, window
from services.metrics.storage.expected_sums import EXPECTED
from services.metrics.storage.grouped import grouped
from services.metrics.storage.open_deals import POWERS
from services.metrics.storage.rates import known as known_rates
from shared.contracts.policy import Policy
from shared.kit.database import Database, Reader

FEW = 2_000
"""So many open deals are looked at one by one; of more, their moments are."""

HAPPENED = ("day", "at")
"""The day that counts of a won deal."""


Rated = Callable[[str, date | None], tuple[str, float]]
"""The currency in which an amount of another one and a day is told, and by how much it counts there."""

RATED_DAY, NO_DAY = "CASE WHEN NOT is_open AND currency <> :in_currency THEN day END", "CAST(NULL AS date)"
"""The day whose rate an amount counts at: of what was won its own, of what is open that of the answer."""

DAYS = 5
"""So many of these, on average, have groups at most where there are as many of these as are answered."""


async def in_one(database: Reader, question: Question) -> Rated:
    """How amounts are told; what has no rate stays as it is."""
    if question.currency is None:
        return lambda currency, day: (currency, 1.0)
    rates, into, today = await known_rates(database), question.currency, question.today

    def rated(currency: str, day: date | None) -> tuple[str, float]:
        rate = rates.at(currency, into, day or today)
        return (currency, 1.0) if rate is None else (into, float(rate))

    return rated


async def with_days_ahead(database: Reader, question: Question) -> Question:
    """The same, knowing the days years ahead on which deals are to close, where their periods have to be named."""
    after = far_ahead(question)
    if after is None:
        return question
    rows = await database.rows(
        "SELECT DISTINCT expected_day AS day FROM metrics.entries WHERE expected_day > :after ORDER BY 1", after=after
    )
    return replace(question, ahead=tuple(row.day for row in rows))


async def values_of(database: Database, policy: Policy, question: Question) -> dict[Group | None, Values]:
    """The weighted forecast of every group and in total, of sums and deals of one moment."""
    async with database.snapshot() as one_moment:
        return await values_at(one_moment, policy, question)


async def values_at(database: Reader, policy: Policy, question: Question) -> dict[Group | None, Values]:
    """The same from what is read at one moment."""
    form = question.definition.form
    assert isinstance(form, Weighted)
    question = await with_days_ahead(database, question)
    known = await chances.at(database, policy, question.as_of)
    deals, of_deals = _deals(question, form)
    from_sums = question.fits_rollups() and await open_deals.agree(database)
    in_one_currency = await in_one(database, question)
    rated = RATED_DAY if question.currency is not None and not question.restated else NO_DAY
    select, group_by = grouping(question, "day", ("currency", "rated_day"))
    if from_sums:
        alike, of_alike = expected_sums.alike_sql(question, form)
        alike = f"SELECT *, {rated} AS rated_day FROM ({alike}) AS of_sums"
    else:
        columns, places = ungrouped(question, "day", (*PLACE, "currency", "is_open", f"{rated} AS rated_day"))
        alike, of_alike = f"SELECT {columns} {SUMS} FROM ({deals}) AS deals GROUP BY {places}", dict(of_deals)
    of_alike |= {"in_currency": question.currency} if rated is RATED_DAY else {}
    of_both = {**known.values, "as_of": question.as_of}
    rows = await grouped(
        database,
        question,
        f"""
        WITH {chances.CHANCES}, alike AS ({alike})
        SELECT {select}, currency, rated_day, CAST(sum(n) AS bigint) AS n,
            CAST(coalesce(sum(n) FILTER (WHERE is_open), 0) AS bigint) AS open_n,
            coalesce(sum(total) FILTER (WHERE is_open), 0) AS in_full,
            coalesce(sum(total) FILTER (WHERE NOT is_open), 0) AS won,
            CAST(coalesce(sum(past) FILTER (WHERE is_open), 0) AS bigint) AS overdue,
            CAST(coalesce(sum(n) FILTER (WHERE is_open AND chance IS NULL), 0) AS bigint) AS without_chance,
            {_moments()}
        FROM alike LEFT JOIN chances ON {chances.CHANCE_OF} {group_by} HAVING sum(n) <> 0""",
        each=DAYS if rated is RATED_DAY else 1,
        **{**of_both, **of_alike},
    )
    few = sum(row.open_n for row in rows if row.is_total) <= FEW
    each: dict[tuple[Group | None, str], list[Deal]] = defaultdict(list)
    if few:
        cuts = [cut_sql(question, name, "day") for name in question.group_by]
        for row in await database.rows(
            f"""
            WITH {chances.CHANCES}, deals AS ({deals})
            SELECT {"".join(f"{cut} AS g{place}, " for place, cut in enumerate(cuts))} currency,
                CAST(amount AS double precision) AS amount, chance
            FROM deals JOIN chances ON {chances.CHANCE_OF} WHERE is_open AND amount IS NOT NULL AND chance > 0""",
            **{**of_both, **of_deals},
        ):
            groups = (TOTAL, tuple(getattr(row, f"g{place}") for place in range(len(cuts))))
            currency, rate = in_one_currency(row.currency, None)
            for group in groups if cuts else groups[:1]:
                each[group, currency].append(Deal(row.amount * rate, row.chance))
    found: dict[tuple[Group | None, str], Expected] = {}
    without: dict[Group | None, int] = {}
    for row in sorted(rows, key=lambda one: (str(one.currency), str(one.rated_day))):
        group = group_of(question, row)
        if row.currency is None:
            without[group] = without.get(group, 0) + row.n
            continue
        currency, rate = in_one_currency(row.currency, row.rated_day)
        own = found.setdefault((group, currency), Expected(deals=sorted(each[group, currency]) if few else None))
        own.won += float(row.won) * rate
        own.won_n += row.n - row.open_n
        own.open_n += row.open_n
        own.in_full += float(row.in_full) * rate
        own.overdue_n += row.overdue
        own.without_chance += row.without_chance
        own.moments = own.moments.plus(
            Moments(row.mean * rate, row.variance * rate**2, row.third * rate**3, row.least * rate, row.most * rate)
        )
    left_out = expected_sums.left_out if from_sums else _left_out
    beside = {"policy_version": known.policy_version, "left_out": await left_out(database, question, form)}
    return expected_values(found, without, beside)


def _deals(question: Question, form: Weighted) -> tuple[str, dict[str, Any]]:
    """Deals with their day as `day`: the open ones and those won."""
    values: dict[str, Any] = {"still_open": form.still_open.value, "was_won": form.won.value}
    parts = []
    for (day, at), measure in ((EXPECTED, "still_open"), (HAPPENED, "was_won")):
        conditions, given = window(question, day, at)
        values.update(given)
        parts.append(
            f"""
            SELECT {", ".join((UNIT, *DIMENSIONS))}, pipeline, {day} AS day, {at} AS at, amount, currency,
                measure = :still_open AS is_open
            FROM metrics.entries WHERE {" AND ".join([f"measure = :{measure}", held(question), *conditions])}"""
        )
    return " UNION ALL ".join(parts), values


PLACE = (UNIT, "pipeline", "stage")
"""Deals of one place have one chance."""

SUMS = f"""
    count(*) AS n, count(*) FILTER (WHERE at < :as_of) AS past, {", ".join(f"sum({power}) AS {name}" for name, power in POWERS.items())}"""


def _moments() -> str:
    """The moments of what open deals bring, from the powers of those that have one chance; numerics add up to the same in any order."""
    p = "CAST(chance AS numeric)"
    sums = {
        "mean": f"total * {p}",
        "variance": f"squares * {p} * (1 - {p})",
        "third": f"cubes * {p} * (1 - {p}) * (1 - 2 * {p})",
        "least": f"CASE WHEN {p} = 1 THEN total ELSE below END",
        "most": f"CASE WHEN {p} = 1 THEN total ELSE above END",
    }
    return ", ".join(
        f"CAST(coalesce(sum({sql}) FILTER (WHERE is_open AND chance > 0), 0) AS double precision) AS {name}"
        for name, sql in sums.items()
    )


async def _left_out(database: Reader, question: Question, form: Weighted) -> Values:
    """Open deals that this window does not have and no later one will: those of which nobody said when they close, and those
    that should have closed before it and before now."""
    conditions, values = window(replace(question, start=None, end=None, group_by=()), *EXPECTED)
    start = question.start
    before = "false"
    if start is not None:
        before = f"{EXPECTED[isinstance(start, datetime)]} < :start AND expected_close < :as_of"
        values["start"] = start
    dated = start is not None or question.end is not None
    (row,) = await database.rows(
        f"""
        SELECT count(*) FILTER (WHERE expected_day IS NULL) AS undated, count(*) FILTER (WHERE {before}) AS overdue
        FROM metrics.entries WHERE {" AND ".join(["measure = :still_open", held(question), *conditions])}""",
        still_open=form.still_open.value,
        as_of=question.as_of,
        **values,
    )
    return {"without_expected_close": row.undated if dated else 0, "overdue": row.overdue}
