"""The entries behind a number, a page of leads at a time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from services.metrics.domain.answers import Group
from services.metrics.domain.drilling import Counted
from services.metrics.domain.entries import Measure
from services.metrics.domain.forms import Churn, Weighted
from services.metrics.domain.questions import Question
from services.metrics.storage import chances, expecting
from services.metrics.storage.attributing import WHOLE, shared_out
from services.metrics.storage.customers import had_been_there
from services.metrics.storage.cutting import HELD, cut_sql, days_of, window
from services.metrics.storage.rates import ENTRIES, source
from shared.contracts.policy import Policy
from shared.kit.database import Database


class Page(NamedTuple):
    """What was counted of some leads, and the last of these where there are more."""

    counted: list[Counted]
    last: UUID | None


async def counted_behind(
    database: Database,
    policy: Policy,
    question: Question,
    *,
    group: Group | None,
    after: UUID | None,
    limit: int,
    only: Measure | None = None,
) -> Page:
    """What a number, or one group of it, is made of, or `only` one measure of it: all of the first `limit` leads after one. They come
    in the order of their ids, each whole, so that what is counted meanwhile moves nobody from one page to another."""
    forecast = isinstance(question.definition.form, Weighted)
    question = await expecting.with_days_ahead(database, question)
    measures = question.definition.measures if only is None else (only,)
    day, at = days_of(question)
    conditions, values = window(question, day, at)
    conditions += ["measure = ANY(:measures)", HELD]
    values.update(measures=[measure.value for measure in measures], as_of=question.as_of)
    rated = replace(question, currency=None) if forecast else question
    own = await source(database, rated, ENTRIES, conditions[-2:], values)
    table, units = own.table, str(WHOLE)
    values.update(own.values)
    if question.shares_out:
        table, conditions, shared = shared_out(question, everybody=True, entries=own.table)
        values, units = {**values, **shared}, "units"
    cuts = [cut_sql(question, name, day) for name in question.group_by]
    if isinstance(question.definition.form, Churn):
        conditions.append(had_been_there(question))
    if group is not None:
        for place, (cut, part) in enumerate(zip(cuts, group, strict=True)):
            conditions.append(f"{cut} IS NULL" if part is None else f"{cut} = :group{place}")
            values.update({} if part is None else {f"group{place}": part})
    where = " AND ".join([*conditions, "true"])
    beyond = {} if after is None else {"after": after}
    leads = await database.rows(
        f"""
        SELECT DISTINCT root_id FROM {table} WHERE {where} {"AND root_id > :after" if beyond else ""}
        ORDER BY root_id LIMIT :limit""",
        limit=limit + 1,
        **beyond,
        **values,
    )
    asked = [row.root_id for row in leads[:limit]]
    rows = await database.rows(
        f"""
        SELECT {"".join(f"{cut} AS g{place}, " for place, cut in enumerate(cuts))} root_id, key, measure, at, cohort_at, stage,
            reason, duration_seconds, negative, amount, currency, score, {units} AS units
            {", business_unit, pipeline, day" if forecast else ""}
        FROM {table} WHERE root_id = ANY(:roots) AND {where}""",
        roots=asked,
        **values,
    )
    counted = _counted(rows, len(cuts))
    if forecast:
        counted = await _as_forecast(database, policy, question, zip(rows, counted, strict=True))
    return Page(counted, asked[-1] if len(leads) > limit else None)


def _counted(rows: Sequence[Any], cuts: int) -> list[Counted]:
    return [
        Counted(
            tuple(getattr(row, f"g{place}") for place in range(cuts)), row.root_id, row.key, Measure(row.measure), row.at,
            row.cohort_at, row.stage, row.reason, row.duration_seconds, row.negative, row.amount, row.currency, row.score,
            Decimal(row.units) / WHOLE,
        )
        for row in rows
    ]  # fmt: skip


async def _as_forecast(
    database: Database, policy: Policy, question: Question, counted: Iterable[tuple[Any, Counted]]
) -> list[Counted]:
    """Deals as the forecast counts them: open ones with their chance, and at the rate of `as_of` in another currency."""
    known = await chances.at(database, policy, question.as_of)
    in_one = await expecting.in_one(database, question)
    found = []
    for row, one in counted:
        is_open = one.measure is Measure.OPPORTUNITY_OPEN
        if one.amount is not None and one.currency is not None:
            currency, rate = in_one(one.currency, None if is_open or question.restated else row.day)
            one = one._replace(amount=one.amount * Decimal(str(rate)), currency=currency)
        found.append(one._replace(chance=known.of((row.business_unit, row.pipeline, row.stage))) if is_open else one)
    return found
