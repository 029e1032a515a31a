"""How many leads came, became opportunities or were put aside, from sums by day: where leads are very many they are not read one by
one to learn how long they take."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from services.metrics.domain.entries import AGED, BY_COHORT, Measure
from services.metrics.domain.rollups import DAY_SECONDS
from services.metrics.storage.turning import TURNS
from shared.kit.database import Reader

FEW = 20_000
"""Up to so many leads are looked at one by one, exactly."""

Counts = dict[str, dict[int, int]]
"""By measure and then by days or weeks, how many."""

NOON = "((day + TIME '12:00') AT TIME ZONE 'UTC')"
"""When what came on a day is taken to have come."""

AGE = f"greatest(floor(extract(epoch FROM CAST(:as_of AS timestamptz) - {NOON}) / {{}}), 0)"


async def are_many(database: Reader, units: Sequence[str], as_of: datetime, since: datetime) -> bool:
    """Whether more leads came since then than are looked at."""
    (row,) = await database.rows(
        f"SELECT coalesce(sum(count), 0) AS n FROM ({_days(units)}) AS days WHERE {NOON} >= :since",
        **_values([Measure.LEAD_CREATED], units, as_of, since),
    )
    return int(row.n) > FEW


async def how_long(
    database: Reader, measures: Sequence[Measure], units: Sequence[str], as_of: datetime, since: datetime
) -> tuple[Counts, Counts]:
    """What began since then, by how many days it took and by how many days ago it began."""
    rows = await database.rows(
        f"""
        SELECT measure, greatest(age_days, 0) AS took, CAST({AGE.format(DAY_SECONDS)} AS integer) AS age,
            CAST(sum(count) AS bigint) AS n
        FROM ({await _of(database, units, as_of)}) AS days WHERE {NOON} >= :since
        GROUP BY 1, 2, 3 HAVING sum(count) <> 0""",
        **_values(measures, units, as_of, since),
    )
    took: Counts = defaultdict(lambda: defaultdict(int))
    ages: Counts = defaultdict(lambda: defaultdict(int))
    for row in rows:
        took[row.measure][row.took] += row.n
        ages[row.measure][row.age] += row.n
    return took, ages


async def by_week(
    database: Reader, measures: Sequence[Measure], units: Sequence[str], as_of: datetime, since: datetime
) -> Counts:
    """How much came in each week that is so many weeks ago."""
    rows = await database.rows(
        f"""
        SELECT measure, CAST({AGE.format(7 * DAY_SECONDS)} AS integer) AS week, CAST(sum(count) AS bigint) AS n
        FROM ({await _of(database, units, as_of)}) AS days WHERE {NOON} > :since
        GROUP BY 1, 2 HAVING sum(count) <> 0""",
        **_values(measures, units, as_of, since),
    )
    found: Counts = defaultdict(dict)
    for row in rows:
        found[row.measure][row.week] = row.n
    return found


async def _of(database: Reader, units: Sequence[str], as_of: datetime) -> str:
    """The sums by day; behind the newest fact with what counted otherwise then."""
    (row,) = await database.rows(
        "SELECT coalesce(max(occurred_at) > :as_of, false) AS behind FROM metrics.progress", as_of=as_of
    )
    return _days(units, TURNS if row.behind else ())


def _days(units: Sequence[str], turns: Sequence[tuple[str, int]] = ()) -> str:
    unit = "AND business_unit = ANY(:units)" if units else ""
    day = "CASE WHEN measure = ANY(:by_cohort) THEN cohort_day ELSE day END"
    age = f"CASE WHEN measure = ANY(:aged) THEN CAST(ceil(duration_seconds / {DAY_SECONDS}) AS integer) END"
    kept = f"SELECT measure, day, age_days, count FROM metrics.rollups WHERE measure = ANY(:measures) AND dimension = '' {unit}"
    turned = [
        f"SELECT measure, {day}, {age}, {sign} FROM metrics.entries WHERE measure = ANY(:measures) AND {held} {unit}"
        for held, sign in turns
    ]
    return " UNION ALL ".join([kept, *turned])


def _values(measures: Sequence[Measure], units: Sequence[str], as_of: datetime, since: datetime) -> dict[str, Any]:
    return {
        "measures": [one.value for one in measures],
        "by_cohort": [one.value for one in measures if one in BY_COHORT],
        "aged": [one.value for one in measures if one in AGED],
        "as_of": as_of,
        "since": since,
        **({"units": list(units)} if units else {}),
    }
