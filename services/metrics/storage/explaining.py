"""What a change of a number is parted from: the numbers of both sides, what lies within groups, and what was learned between two
moments."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.metrics.domain.answers import Wait
from services.metrics.domain.counting import LIVES, counting, is_dated_ahead, is_due_later, measures_of
from services.metrics.domain.decomposing import Group
from services.metrics.domain.entries import Measure
from services.metrics.domain.facts import LINKS, Fact
from services.metrics.domain.forms import Incidence, TimeToEvent, Weighted
from services.metrics.domain.knowledge import Counts, Learned, Moments, Place, Sum, Sums, components
from services.metrics.domain.questions import UNIT, Question
from services.metrics.domain.rollups import Rules
from services.metrics.domain.statistics import Ages
from services.metrics.storage.answering import beyond_horizon, waits_of
from services.metrics.storage.cutting import A_ZONE, HELD, cut_sql, days_of, grouping, window
from services.metrics.storage.recounting import facts_of
from shared.kit.database import Database, Reader, Snapshot

MOST_DURATIONS = 200_000
MOST_PEOPLE = 20_000
PAGE_PEOPLE = 500
SKEW = timedelta(days=1)
"""No fact happens further from when it is learned, into the future."""
DATED_AHEAD = frozenset({Measure.RESPONSE_MET, Measure.RESPONSE_BREACHED})
"""What may count at another time than any fact's: when an answer was due."""
STAGES, NO_STAGES = (UNIT, "pipeline", "stage"), ("CAST(NULL AS text)",) * 3
"""By what else open deals are added up whose worth depends on their stage."""
POLICY_SEEN = timedelta(days=90)
"""Versions that qualified nobody for so long before a moment are new ones after it."""


class TooMuch(Exception):
    """More people learned something new about than are looked at while somebody waits."""

    def __init__(self, people: int) -> None:
        super().__init__(f"{people} people")
        self.people = people


async def durations(database: Database, question: Question, measure: Measure) -> dict[Group, list[float]] | None:
    """What was measured in each group, in order; None where that is more than is read at once."""
    day, at = days_of(question)
    conditions, values = window(question, day, at)
    select, _ = grouping(question, day, ())
    cuts = [f"g{place}" for place in range(len(question.group_by))]
    where = " AND ".join(["measure = :measure", "duration_seconds IS NOT NULL", HELD, *conditions])
    asked = {"measure": measure.value, "as_of": question.as_of, **values}
    (counted,) = await database.rows(f"SELECT count(*) AS n FROM metrics.entries WHERE {where}", **asked)
    if counted.n > MOST_DURATIONS:
        return None
    columns = select.split(" AS is_total, ", 1)[1] if cuts else "true AS whole"
    rows = await database.rows(
        f"""
        SELECT {columns}, array_agg(duration_seconds ORDER BY duration_seconds) AS seconds
        FROM metrics.entries WHERE {where} GROUP BY {", ".join(cuts) or "whole"}""",
        **asked,
    )
    return {tuple(getattr(row, cut) for cut in cuts): list(row.seconds) for row in rows}


async def cohorts(database: Database, question: Question, form: Incidence | TimeToEvent) -> dict[Group, Ages]:
    """How those of each group ended that began in the window."""
    waits = await waits_of(database, question, form)
    wanted = [one for one in waits if (one.group is None) == (not question.group_by)]
    return {one.group or (): one.ages for one in wanted}


class Known(NamedTuple):
    """What was learned between two moments, and what everybody else adds up to at each moment that it is counted at; of a curve,
    how they wait at either moment."""

    learned: Learned
    others: dict[datetime, Sums]
    waits: dict[datetime, list[Wait]]


@dataclass(frozen=True, slots=True)
class Looking:
    """A look at what was learned, over one database."""

    database: Database
    rules: Rules

    async def learned(self, question: Question, first: datetime, last: datetime) -> Known:
        """What was learned between two moments about the people that the question may be about. All in one snapshot. Raises
        `TooMuch`."""
        counts = counting(question, self.rules)
        async with self.database.engine.connect() as connection:
            await connection.execution_options(isolation_level="REPEATABLE READ")
            async with connection.begin():
                moments = Moments(first, last, await _versions(connection, first))
                people = await _people(connection, question, first)
                if len(people) > MOST_PEOPLE:
                    raise TooMuch(len(people))
                learned, seen = Learned((first, last) if is_due_later(question) else (last,)), set[UUID]()
                for start in range(0, len(people), PAGE_PEOPLE):
                    page = [one for one in people[start : start + PAGE_PEOPLE] if one not in seen]
                    facts = await _everything(connection, page, seen)
                    await asyncio.to_thread(_take, learned, facts, moments, self.rules, counts)
                form = question.definition.form
                if isinstance(form, Incidence | TimeToEvent):
                    waits = await _waits(Snapshot(connection), question, form, learned, sorted(seen), (first, last))
                    return Known(learned, {last: {}}, waits)
                others = {
                    moment: await _sums(connection, question, last, counted_at=moment) for moment in learned.counted_at
                }
        for moment, sums in others.items():
            for place, one in learned.today[moment].items():
                sums.setdefault(place, Sum()).add(one, -1)
        return Known(learned, others, {})


async def _waits(
    reader: Reader, question: Question, form: Incidence | TimeToEvent, learned: Learned, people: Sequence[UUID],
    moments: Sequence[datetime],
) -> dict[datetime, list[Wait]]:  # fmt: skip
    """How everybody waits of whom nothing was learned, told apart by the ages at which any of these people were decided, too."""
    places = (place for by_taken in learned.sums.values() for sums in by_taken.values() for place in sums)
    decided = {place.wait[1] or 0.0 for place in places if place.wait is not None and place.measure != form.began}
    alone = replace(question, group_by=())
    return {
        moment: await waits_of(
            reader, replace(alone, as_of=moment), form, without=people, beside=sorted(min(one, beyond_horizon(alone)) for one in decided)
        )
        for moment in moments
    }  # fmt: skip


def _take(learned: Learned, facts: dict[UUID, list[Fact]], moments: Moments, rules: Rules, counts: Counts) -> None:
    for together in components(facts):
        learned.take(together, moments, rules, counts)


async def _versions(connection: AsyncConnection, first: datetime) -> frozenset[str]:
    rows = await connection.scalars(
        text(
            """
            SELECT DISTINCT data ->> 'policy_version' FROM metrics.facts
            WHERE event = 'LeadQualified' AND recorded_at > :since AND recorded_at <= :first"""
        ),
        {"since": first - POLICY_SEEN, "first": first},
    )
    return frozenset(one for one in rows if one)


async def _people(connection: AsyncConnection, question: Question, first: datetime) -> Sequence[UUID]:
    """Those with a fact that was not known at the first moment, by their canonical id: who has nothing in the window counts in
    it neither way, unless who they are changed."""
    values: dict[str, Any] = {"first": first - SKEW, "most": MOST_PEOPLE + 1, "links": sorted(LINKS)}
    inside = []
    form = question.definition.form
    if (
        question.definition.basis != "snapshot"
        and not is_dated_ahead(form)
        and not DATED_AHEAD & set(question.definition.measures)
    ):
        for name, bound, operator, zone in (
            ("start", question.start, ">=", -A_ZONE),
            ("end", question.end, "<", A_ZONE),
        ):
            if bound is not None:
                inside.append(f"g.occurred_at {operator} :{name}")
                values[name] = _moment(bound) + zone
    near = f"""
        AND (f.event = ANY(:links) OR EXISTS (
            SELECT 1 FROM metrics.facts g JOIN metrics.leads m ON m.lead_id = g.lead_id
            WHERE (m.lead_id = l.root_id OR (m.root_id = l.root_id AND m.root_id <> m.lead_id))
                AND {" AND ".join(inside)}))"""
    rows = await connection.scalars(
        text(
            f"""
            SELECT DISTINCT l.root_id FROM metrics.facts f JOIN metrics.leads l USING (lead_id)
            WHERE f.recorded_at > :first {near if inside else ""} ORDER BY 1 LIMIT :most"""
        ),
        values,
    )
    return list(rows)


def _moment(bound: date | datetime) -> datetime:
    return bound if isinstance(bound, datetime) else datetime(bound.year, bound.month, bound.day, tzinfo=UTC)


async def _everything(connection: AsyncConnection, people: Iterable[UUID], seen: set[UUID]) -> dict[UUID, list[Fact]]:
    """The facts of these people and of all that ever were one person with them, by lead. Who was `seen` is not read again."""
    found: dict[UUID, list[Fact]] = {}
    wanted = set(people) - seen
    while wanted:
        seen |= wanted
        met: set[UUID] = set()
        for root, facts in (await facts_of(connection, sorted(wanted))).items():
            found.setdefault(root, [])
            for fact in facts:
                found.setdefault(fact.lead_id, []).append(fact)
                if fact.lead_id != root:
                    met.add(fact.lead_id)
                if fact.event == "LeadMerged":
                    met.add(UUID(str(fact.data["into_lead_id"])))
        roots = await connection.scalars(
            text("SELECT DISTINCT root_id FROM metrics.leads WHERE lead_id = ANY(:met)"), {"met": list(met)}
        )
        wanted = set(roots) - seen
    return {lead: facts for lead, facts in found.items() if facts}


async def _sums(connection: AsyncConnection, question: Question, as_of: datetime, *, counted_at: datetime) -> Sums:
    """What everything that is kept at a moment adds up to, of what counts by another."""
    asked = replace(question, as_of=as_of)
    conditions, values = window(asked, *days_of(asked))
    where = ["measure = ANY(:measures)", HELD, *conditions]
    if is_due_later(question):
        where.append("at <= :counted_at")
        values["counted_at"] = counted_at
    form = question.definition.form
    still_open = form.still_open if isinstance(form, Weighted) else None
    stages = STAGES if still_open is not None else NO_STAGES
    cuts = [f"{cut_sql(asked, name, 'day')} AS g{place}" for place, name in enumerate(asked.group_by)]
    own = STAGES if still_open is not None else ()
    groups = ", ".join(dict.fromkeys(["measure", "coalesce(currency, '')", *own, *asked.group_by]))
    at = "sum(CAST(extract(epoch FROM at) * 1000000 AS bigint))" if measures_of(question)[:3] == LIVES else "0"
    rows = await connection.execute(
        text(
            f"""
            SELECT {"".join(f"{cut}, " for cut in cuts)} measure, coalesce(currency, '') AS currency, {stages[0]} AS unit,
                {stages[1]} AS own_pipeline, {stages[2]} AS own_stage, count(*) AS n, count(duration_seconds) AS durations,
                coalesce(sum(CAST(round(duration_seconds * 1000000) AS bigint)), 0) AS microseconds,
                coalesce(sum(amount), 0) AS amount, count(*) FILTER (WHERE negative) AS negative, {at} AS at
            FROM metrics.entries WHERE {" AND ".join(where)} GROUP BY {groups}"""
        ),
        {"measures": [one.value for one in measures_of(question)], "as_of": as_of, **values},
    )
    found: Sums = {}
    for row in rows:
        group = tuple(getattr(row, f"g{place}") for place in range(len(cuts)))
        measure = Measure(row.measure)
        stage = (row.unit, row.own_pipeline, row.own_stage) if measure == still_open else None
        place = Place(group, measure, row.currency, stage)
        one = Sum(row.n, row.durations, int(row.microseconds), Decimal(row.amount), row.negative, int(row.at))
        found.setdefault(place, Sum()).add(one)
    return found
