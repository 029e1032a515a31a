"""What forecasts are made from, read as of a moment: how long things took, what is open, what comes in, what was won."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from services.metrics.domain.entries import Measure
from services.metrics.domain.forecasting import Experience, Lag, OpenDeals, Worth, lag_of, unevenness
from services.metrics.domain.rates import Rates
from services.metrics.storage import chances, forecast_sums
from services.metrics.storage.cutting import HELD
from services.metrics.storage.rates import known as known_rates
from shared.contracts.policy import Policy
from shared.kit.database import Database

M = Measure
DAYS_SEEN = 730
"""How far back experience goes: what began before that is another business."""
DAYS_OF_ARRIVALS = 182
"""Over how many days it is counted how much comes in: half a year of whole weeks."""
BLOCK_DAYS, BLOCKS = 28, 13
"""How uneven arrivals are is seen between blocks of four weeks, a year of them: what swings by the week says less of a quarter."""
DAYS_OF_WORTH = 365
LONGEST = 1_461

Owner = str | None


@dataclass(frozen=True, slots=True)
class Scope:
    """Of whom it is: of some units, in one currency, by owner, team or unit where it is parted."""

    units: tuple[str, ...]
    currency: str
    by: str | None
    as_of: datetime

    @property
    def values(self) -> dict[str, Any]:
        """The parameters that every query has."""
        return {"as_of": self.as_of, **({"units": list(self.units)} if self.units else {})}

    @property
    def condition(self) -> str:
        """What every query asks for."""
        return f"{HELD} {'AND business_unit = ANY(:units)' if self.units else ''}"

    @property
    def cut(self) -> str:
        """The column that groups are made by."""
        return self.by or "CAST(NULL AS text)"


class Ground(NamedTuple):
    """Everything that forecasts as of one moment rest on. `won` is what was won by group and day, `share` each group's part of
    what comes. Amounts are in one currency: those won at the rate of their day, open ones at that of the moment; what has no rate
    is not in it, and `without_rate` names its currencies."""

    experience: Experience
    deals: Mapping[Owner, Sequence[OpenDeals]]
    won: Mapping[Owner, Mapping[date, float]]
    share: Mapping[Owner, float]
    policy_version: str
    other_currencies: tuple[str, ...]
    without_rate: tuple[str, ...]


class InOne:
    """Rates into the currency that is forecast; which others are met, and which of them had no rate."""

    def __init__(self, rates: Rates, into: str, today: date) -> None:
        self._rates = rates
        self._into = into
        self._today = today
        self.met: set[str] = set()
        self.without_rate: set[str] = set()

    def rate(self, currency: str, day: date | None) -> float | None:
        """What one of a currency is on a day, today's for None."""
        if currency == self._into:
            return 1.0
        self.met.add(currency)
        found = self._rates.at(currency, self._into, day or self._today)
        if found is None:
            self.without_rate.add(currency)
        return None if found is None else float(found)


async def ground(database: Database, policy: Policy, scope: Scope, since: date, today: date) -> Ground:
    """Reads it: experience of all units together, deals and wins (from `since` on) by group."""
    many = await forecast_sums.are_many(database, scope.units, scope.as_of, scope.as_of - timedelta(days=DAYS_SEEN))
    deals, leads, waiting = await _lags(database, scope, many=many)
    arrivals, later, seen, unevenness = await _arrivals(database, scope, many=many)
    in_one = InOne(await known_rates(database), scope.currency, today)
    worth, share = await _worth(database, scope, in_one)
    open_deals, version = await _open(database, policy, scope, today, in_one)
    won = await _won(database, scope, since, in_one)
    known = Experience(deals, leads, arrivals, seen, unevenness, later, worth, waiting)
    return Ground(known, open_deals, won, share, version, tuple(sorted(in_one.met)), tuple(sorted(in_one.without_rate)))


OF_DEALS = (M.OPPORTUNITY_OPENED, M.COHORT_WON, M.COHORT_LOST)
OF_LEADS = (M.LEAD_CREATED, M.COHORT_CONVERTED, M.ARCHIVED_BEFORE_CONVERTED)
"""What begins, and how it ends."""


async def _lags(database: Database, scope: Scope, *, many: bool) -> tuple[Lag, Lag, dict[int, int]]:
    """How long deals and leads took that began in the last two years, and the ages of leads that wait; of very many leads by the day."""
    since = scope.as_of - timedelta(days=DAYS_SEEN)
    one_by_one = OF_DEALS if many else (*OF_DEALS, *OF_LEADS)
    rows = await database.rows(
        f"""
        SELECT measure, false AS is_age, CAST(ceil(coalesce(duration_seconds, 0) / 86400) AS integer) AS days, count(*) AS n
        FROM metrics.entries WHERE measure = ANY(:outcomes) AND cohort_at >= :since AND {scope.condition} GROUP BY 1, 2, 3
        UNION ALL
        SELECT measure, true, CAST(floor(extract(epoch FROM CAST(:as_of AS timestamptz) - cohort_at) / 86400) AS integer), count(*)
        FROM metrics.entries WHERE measure = ANY(:all) AND cohort_at >= :since AND {scope.condition} GROUP BY 1, 2, 3""",
        outcomes=[one for one in one_by_one if one not in (M.OPPORTUNITY_OPENED, M.LEAD_CREATED)],
        all=list(one_by_one),
        since=since,
        **scope.values,
    )
    took: dict[str, dict[int, int]] = defaultdict(dict)
    ages: dict[str, dict[int, int]] = defaultdict(dict)
    for row in rows:
        (ages if row.is_age else took)[row.measure][row.days] = row.n
    if many:
        took_by_day, ages_by_day = await forecast_sums.how_long(database, OF_LEADS, scope.units, scope.as_of, since)
        took |= took_by_day
        ages |= ages_by_day
    waiting = _left(ages, M.LEAD_CREATED, M.COHORT_CONVERTED, M.ARCHIVED_BEFORE_CONVERTED)
    still_open = _left(ages, M.OPPORTUNITY_OPENED, M.COHORT_WON, M.COHORT_LOST)
    return (
        lag_of(took[M.COHORT_WON], took[M.COHORT_LOST], still_open, LONGEST),
        lag_of(took[M.COHORT_CONVERTED], took[M.ARCHIVED_BEFORE_CONVERTED], waiting, LONGEST),
        waiting,
    )


def _left(ages: Mapping[str, Mapping[int, int]], began: Measure, *ended: Measure) -> dict[int, int]:
    """Those that wait, by age."""
    found = {age: n - sum(ages.get(one, {}).get(age, 0) for one in ended) for age, n in ages.get(began, {}).items()}
    return {age: n for age, n in sorted(found.items()) if n > 0}


COMING = (M.LEAD_CREATED, M.LEAD_CONVERTED, M.OPPORTUNITY_OPENED)


async def _arrivals(database: Database, scope: Scope, *, many: bool) -> tuple[float, float, int, float]:
    """Leads a day, further deals a day of those who had one, leads seen, and how uneven their weeks are."""
    since = scope.as_of - timedelta(days=BLOCK_DAYS * BLOCKS)
    if many:
        counts = await forecast_sums.by_week(database, COMING, scope.units, scope.as_of, since)
    else:
        counts = await _by_week(database, scope, since)
    first = max((max(weeks) for weeks in counts.values() if weeks), default=0)
    weeks = min(first + 1, DAYS_OF_ARRIVALS // 7)

    def lately(measure: Measure) -> int:
        return sum(counts[measure].get(week, 0) for week in range(weeks))

    later = max(lately(M.OPPORTUNITY_OPENED) - lately(M.LEAD_CONVERTED), 0)
    each = BLOCK_DAYS // 7
    blocks = [
        sum(counts[M.LEAD_CREATED].get(week, 0) for week in range(start, start + each))
        for start in range(0, (first + 1) // each * each, each)
    ]
    leads = lately(M.LEAD_CREATED)
    return leads / (7 * weeks), later / (7 * weeks), leads, unevenness(blocks)


async def _by_week(database: Database, scope: Scope, since: datetime) -> dict[str, dict[int, int]]:
    """How much came in each week that is so many weeks ago, to the moment."""
    rows = await database.rows(
        f"""
        SELECT measure, CAST(floor(extract(epoch FROM CAST(:as_of AS timestamptz) - at) / 604800) AS integer) AS week, count(*) AS n
        FROM metrics.entries
        WHERE measure = ANY(:measures) AND at > :since AND at <= :as_of AND {scope.condition} GROUP BY 1, 2""",
        measures=list(COMING),
        since=since,
        **scope.values,
    )
    counts: dict[str, dict[int, int]] = defaultdict(dict)
    for row in rows:
        counts[row.measure][row.week] = row.n
    return counts


RATED_DAY = "CASE WHEN currency <> :currency THEN day END"
"""The day of an amount whose rate matters."""


async def _worth(database: Database, scope: Scope, in_one: InOne) -> tuple[Worth, dict[Owner, float]]:
    """What a win of the last year brought, and each group's share of what all did."""
    rows = await database.rows(
        f"""
        SELECT {scope.cut} AS owner, currency, {RATED_DAY} AS rated_day, count(*) AS n,
            CAST(coalesce(sum(amount), 0) AS double precision) AS amount,
            CAST(coalesce(sum(amount * amount), 0) AS double precision) AS squares,
            CAST(coalesce(sum(amount * amount * amount), 0) AS double precision) AS cubes
        FROM metrics.entries WHERE measure = :won AND at > :since AND at <= :as_of AND {scope.condition} GROUP BY 1, 2, 3""",
        won=M.OPPORTUNITY_WON,
        currency=scope.currency,
        since=scope.as_of - timedelta(days=DAYS_OF_WORTH),
        **scope.values,
    )
    if not (n := sum(row.n for row in rows)):
        return Worth(), {}
    sums: dict[Owner, list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
    for row in sorted(rows, key=lambda one: (str(one.owner), str(one.currency), str(one.rated_day))):
        rate = in_one.rate(row.currency, row.rated_day) if row.currency else None
        for place, amount in enumerate((row.amount, row.squares, row.cubes) if rate is not None else ()):
            sums[row.owner][place] += amount * (rate or 0.0) ** (place + 1)
        sums[row.owner]  # a group that won nothing of worth is a group
    amount, squares, cubes = (math.fsum(own[place] for own in sums.values()) for place in range(3))
    share = {owner: own[0] / amount if amount else 0.0 for owner, own in sums.items()}
    return Worth(n, amount / n, squares / n, cubes / n), share


async def _open(
    database: Database, policy: Policy, scope: Scope, today: date, in_one: InOne
) -> tuple[dict[Owner, list[OpenDeals]], str]:
    """Open deals with an amount, those together that are alike."""
    known = await chances.at(database, policy, scope.as_of)
    rows = await database.rows(
        f"""
        WITH {chances.CHANCES}
        SELECT {scope.cut} AS owner, currency, expected_day, chance,
            CAST(floor(extract(epoch FROM CAST(:as_of AS timestamptz) - cohort_at) / 86400) AS integer) AS age, count(*) AS n,
            CAST(sum(amount) AS double precision) AS amount, CAST(sum(amount * amount) AS double precision) AS squares,
            CAST(sum(amount * amount * amount) AS double precision) AS cubes
        FROM metrics.entries LEFT JOIN chances ON {chances.CHANCE_OF}
        WHERE measure = :still_open AND amount IS NOT NULL AND {scope.condition} GROUP BY 1, 2, 3, 4, 5""",
        still_open=M.OPPORTUNITY_OPEN,
        **known.values,
        **scope.values,
    )
    found: dict[Owner, list[OpenDeals]] = defaultdict(list)
    for row in sorted(rows, key=lambda one: (one.age, str(one.expected_day), one.chance or 0, one.currency)):
        rate = in_one.rate(row.currency, None)
        if rate is not None:
            closes = None if row.expected_day is None else (row.expected_day - today).days
            worth = row.amount * rate, row.squares * rate**2, row.cubes * rate**3
            found[row.owner].append(OpenDeals(max(row.age, 0), closes, row.chance, row.n, *worth))
    return dict(found), known.policy_version


async def _won(database: Database, scope: Scope, since: date, in_one: InOne) -> dict[Owner, dict[date, float]]:
    """What was won by group and day from a day on."""
    rows = await database.rows(
        f"""
        SELECT {scope.cut} AS owner, day, currency, CAST(sum(amount) AS double precision) AS amount
        FROM metrics.entries WHERE measure = :won AND day >= :since AND currency IS NOT NULL AND {scope.condition}
        GROUP BY 1, 2, 3""",
        won=M.OPPORTUNITY_WON,
        since=since,
        **scope.values,
    )
    found: dict[Owner, dict[date, float]] = defaultdict(lambda: defaultdict(float))
    for row in sorted(rows, key=lambda one: (str(one.owner), one.day, one.currency)):
        rate = in_one.rate(row.currency, row.day)
        if rate is not None:
            found[row.owner][row.day] += row.amount * rate
    return {owner: dict(days) for owner, days in found.items()}
