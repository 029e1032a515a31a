"""Open deals and what was won by what they are alike in, from sums. Which of those expected today should have closed before now, the
entries of that one day tell."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any, NamedTuple

from services.metrics.domain.answers import Values
from services.metrics.domain.forms import Weighted
from services.metrics.domain.questions import Question
from services.metrics.storage.cutting import Where, held, of_sums, window
from services.metrics.storage.open_deals import NO_DAY, POWERS, deals_of
from services.metrics.storage.turning import sums_of
from shared.kit.database import Reader

EXPECTED = ("expected_day", "expected_close")
"""When an open deal counts."""

STAGE = "stage"
"""The dimension that every sum of open deals is of."""


class Parted(NamedTuple):
    """How sums are read that are cut by a dimension: what is not known of it is what the known leaves of the whole."""

    joined: str = ""
    condition: str = "true"
    known: str = "NULL"
    sign: str = ""


WHOLE = Parted()
BY_VALUE = Parted(
    "CROSS JOIN LATERAL (VALUES (1, nullif(value, '')), (-1, NULL)) AS part (sign, known)", "(sign = 1 OR dimension <> '')",
    "known", "sign * ",
)  # fmt: skip


def alike_sql(question: Question, form: Weighted) -> tuple[str, dict[str, Any]]:
    """How many deals are alike in day, unit, pipeline, stage, currency and the one dimension that is cut by, how many of them are
    `past`, and the powers of their amounts."""
    cut = question.dimension if question.dimension in question.group_by else ""
    deals, won = BY_VALUE if cut and cut != STAGE else WHOLE, BY_VALUE if cut else WHOLE
    known = f"{{}} AS {cut}, " if deals is BY_VALUE else ""
    of_deals, values = _of_deals(question)
    of_entries, _ = window(question, *EXPECTED)
    of_won = of_sums(question)
    sums, turned = sums_of(question)
    none = ", ".join("0" for _ in POWERS)
    return (
        f"""
        SELECT business_unit, nullif(expected_day, {NO_DAY}) AS day, {known.format(deals.known)}nullif(pipeline, '') AS pipeline,
            nullif(stage, '') AS stage, nullif(currency, '') AS currency, true AS is_open, {deals.sign}count AS n,
            CASE WHEN {_IS_PAST} THEN {deals.sign}count ELSE 0 END AS past,
            {", ".join(f"{deals.sign}{name} AS {name}" for name in POWERS)}
        FROM {deals_of(question)} {deals.joined} WHERE {" AND ".join([deals.condition, *of_deals])}
        UNION ALL
        SELECT business_unit, expected_day, {known.format(cut)}pipeline, stage, currency, true, 0, 1, {none}
        FROM metrics.entries WHERE {" AND ".join([_OF_TODAY, held(question), *of_entries])}
        UNION ALL
        SELECT business_unit, day, {known.format(won.known)}NULL, {won.known if cut == STAGE else "NULL"}, nullif(currency, ''),
            false, {won.sign}count, 0, {won.sign}amount, {none.removeprefix("0, ")}
        FROM {sums} {won.joined}
        WHERE measure = :was_won AND dimension = ANY(:of_won) AND {" AND ".join([won.condition, *of_won.conditions])}""",
        {
            **values, **of_won.values, **turned, **_moment(question), "still_open": form.still_open.value,
            "was_won": form.won.value, "of_won": of_won.kept_as,
        },
    )  # fmt: skip


async def left_out(database: Reader, question: Question, form: Weighted) -> Values:
    """Open deals that this window does not have and no later one will: those of which nobody said when they close, and those
    that should have closed before it and before now."""
    start, every = question.start, replace(question, start=None, end=None, group_by=())
    if start is None and question.end is None:
        return {"without_expected_close": 0, "overdue": 0}
    of_deals, values = _of_deals(every)
    of_entries, _ = window(every, *EXPECTED)
    (row,) = await database.rows(
        f"""
        SELECT coalesce(sum(count) FILTER (WHERE expected_day = {NO_DAY}), 0) AS undated,
            coalesce(sum(count) FILTER (WHERE {_IS_PAST} AND expected_day < :start), 0) + (
                SELECT count(*) FROM metrics.entries
                WHERE {" AND ".join([_OF_TODAY, "expected_day < :start", held(question), *of_entries])}
            ) AS overdue
        FROM {deals_of(every)} WHERE {" AND ".join(of_deals)}""",
        **values,
        **_moment(question),
        still_open=form.still_open.value,
        start=start or date.min,
    )
    return {"without_expected_close": int(row.undated), "overdue": int(row.overdue)}


_IS_PAST = f"expected_day < :first_day AND expected_day > {NO_DAY}"
_OF_TODAY = "measure = :still_open AND expected_day BETWEEN :first_day AND :last_day AND expected_close < :as_of"


def _moment(question: Question) -> dict[str, Any]:
    first_day, last_day = question.local_days(question.as_of)
    return {"as_of": question.as_of, "first_day": first_day, "last_day": last_day}


def _of_deals(question: Question) -> Where:
    """The window and the filters of a question on sums of open deals."""
    conditions, values = window(question, *EXPECTED)
    dimension = question.dimension
    kept_as = [""] if dimension in (None, STAGE) else [dimension]
    if dimension in question.group_by:
        kept_as = list(dict.fromkeys(["", *kept_as]))
    elif dimension not in (None, STAGE):
        conditions = [one.replace(f"({dimension} =", "(value =") for one in conditions]
    if question.start is not None or question.end is not None:
        conditions.append(f"expected_day > {NO_DAY}")
    return ["dimension = ANY(:of_deals)", *conditions], {**values, "of_deals": kept_as}
