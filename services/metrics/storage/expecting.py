"""Open deals by when they are expected to close and how likely their stages say they are won, and what was won."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from datetime import datetime
from typing import Any

from services.metrics.domain.answers import TOTAL, Group, Values
from services.metrics.domain.entries import DIMENSIONS
from services.metrics.domain.expecting import Deal, Expected, Moments, expected_values
from services.metrics.domain.forms import Weighted
from services.metrics.domain.questions import UNIT, Question
from services.metrics.storage import chances
from services.metrics.storage.cutting import HELD, cut_sql, group_of, grouping, window
from shared.contracts.policy import Policy
from shared.kit.database import Database

FEW = 2_000
"""So many open deals are looked at one by one; of more, their moments are."""

EXPECTED, HAPPENED = ("expected_day", "expected_close"), ("day", "at")
"""The days that count: of an open deal when it is expected to close, of a won one when it was won."""


async def values_of(database: Database, policy: Policy, question: Question) -> dict[Group | None, Values]:
    """The weighted forecast of every group and in total."""
    form = question.definition.form
    assert isinstance(form, Weighted)
    known = await chances.at(database, policy, question.as_of)
    deals, values = _deals(question, form)
    values = {**values, **known.values, "as_of": question.as_of}
    select, group_by = grouping(question, "day", ("currency",))
    rows = await database.rows(
        f"""
        WITH {chances.CHANCES}, deals AS ({deals})
        SELECT {select}, currency, count(*) AS n,
            count(*) FILTER (WHERE is_open) AS open_n,
            coalesce(sum(amount) FILTER (WHERE is_open), 0) AS in_full,
            coalesce(sum(amount) FILTER (WHERE NOT is_open), 0) AS won,
            count(*) FILTER (WHERE is_open AND at < :as_of) AS overdue,
            count(*) FILTER (WHERE is_open AND chance IS NULL) AS without_chance,
            {_moments()}
        FROM deals {group_by}""",
        **values,
    )
    few = max((row.open_n for row in rows if row.is_total), default=0) <= FEW
    each: dict[tuple[Group | None, str], list[Deal]] = defaultdict(list)
    if few:
        cuts = [cut_sql(question, name, "day") for name in question.group_by]
        for row in await database.rows(
            f"""
            WITH {chances.CHANCES}, deals AS ({deals})
            SELECT {"".join(f"{cut} AS g{place}, " for place, cut in enumerate(cuts))} currency,
                CAST(amount AS double precision) AS amount, chance
            FROM deals WHERE is_open AND amount IS NOT NULL AND chance > 0""",
            **values,
        ):
            groups = (TOTAL, tuple(getattr(row, f"g{place}") for place in range(len(cuts))))
            for group in groups if cuts else groups[:1]:
                each[group, row.currency].append(Deal(row.amount, row.chance))
    found: dict[tuple[Group | None, str], Expected] = {}
    without: dict[Group | None, int] = {}
    for row in rows:
        group = group_of(question, row)
        if row.currency is None:
            without[group] = without.get(group, 0) + row.n
            continue
        deals_of = sorted(each[group, row.currency]) if few else None
        found[group, row.currency] = Expected(
            float(row.won), row.n - row.open_n, row.open_n, float(row.in_full), row.overdue, row.without_chance,
            Moments(row.mean, row.variance, row.third, row.least, row.most), deals_of,
        )  # fmt: skip
    beside = {"policy_version": known.policy_version, "left_out": await _left_out(database, question, form)}
    return expected_values(found, without, beside)


def _deals(question: Question, form: Weighted) -> tuple[str, dict[str, Any]]:
    """Deals with their day as `day`: the open ones with their chance, those won as certain."""
    values: dict[str, Any] = {"still_open": form.still_open.value, "was_won": form.won.value}
    parts = []
    for (day, at), measure, chance, joined in (
        (EXPECTED, "still_open", "chance", f"LEFT JOIN chances ON {chances.CHANCE_OF}"),
        (HAPPENED, "was_won", "CAST(1 AS double precision) AS chance", ""),
    ):
        conditions, given = window(question, day, at)
        values.update(given)
        parts.append(
            f"""
            SELECT {", ".join((UNIT, *DIMENSIONS))}, {day} AS day, {at} AS at, amount, currency, {chance},
                measure = :still_open AS is_open
            FROM metrics.entries {joined} WHERE {" AND ".join([f"measure = :{measure}", HELD, *conditions])}"""
        )
    return " UNION ALL ".join(parts), values


def _moments() -> str:
    """The moments of what open deals bring; numerics add up to the same in any order."""
    a, p = "CAST(amount AS numeric)", "CAST(chance AS numeric)"
    sums = {
        "mean": f"{a} * {p}",
        "variance": f"{a} * {a} * {p} * (1 - {p})",
        "third": f"{a} * {a} * {a} * {p} * (1 - {p}) * (1 - 2 * {p})",
        "least": f"CASE WHEN {p} = 1 THEN {a} ELSE least({a}, 0) END",
        "most": f"CASE WHEN {p} = 1 THEN {a} ELSE greatest({a}, 0) END",
    }
    return ", ".join(
        f"CAST(coalesce(sum({sql}) FILTER (WHERE is_open AND chance > 0), 0) AS double precision) AS {name}"
        for name, sql in sums.items()
    )


async def _left_out(database: Database, question: Question, form: Weighted) -> Values:
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
        FROM metrics.entries WHERE {" AND ".join(["measure = :still_open", HELD, *conditions])}""",
        still_open=form.still_open.value,
        as_of=question.as_of,
        **values,
    )
    return {"without_expected_close": row.undated if dated else 0, "overdue": row.overdue}
