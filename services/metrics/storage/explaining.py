"""What a change of a number is parted from: the numbers of both sides, what lies within groups, and what was learned between two
moments."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.metrics.domain.decomposing import Group
from services.metrics.domain.entries import Entry, Measure
from services.metrics.domain.facts import LINKS, Fact
from services.metrics.domain.forms import Incidence, TimeToEvent
from services.metrics.domain.knowledge import Learned, Moments, Sum, Sums, components
from services.metrics.domain.questions import UNIT, Question
from services.metrics.domain.rollups import Rules, local_day
from services.metrics.domain.statistics import Ages
from services.metrics.storage.answering import waits_of
from services.metrics.storage.cutting import A_ZONE, HELD, days_of, grouping, window
from services.metrics.storage.recounting import facts_of
from shared.kit.database import Database

MOST_DURATIONS = 200_000
MOST_PEOPLE = 20_000
PAGE_PEOPLE = 500
SKEW = timedelta(days=1)
"""No fact happens further from when it is learned, into the future."""
DATED_AHEAD = frozenset({Measure.RESPONSE_MET, Measure.RESPONSE_BREACHED})
"""What may count at another time than any fact's: when an answer was due."""
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
    """What was learned between two moments, and what everybody else adds up to."""

    learned: Learned
    others: Sums


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
                learned, seen = Learned(), set[UUID]()
                for start in range(0, len(people), PAGE_PEOPLE):
                    page = [one for one in people[start : start + PAGE_PEOPLE] if one not in seen]
                    facts = await _everything(connection, page, seen)
                    await asyncio.to_thread(_take, learned, facts, moments, self.rules, counts)
                others = await _sums(connection, question, last)
        for place, one in learned.today.items():
            others.setdefault(place, Sum()).add(one, -1)
        return Known(learned, others)


def _take(learned: Learned, facts: dict[UUID, list[Fact]], moments: Moments, rules: Rules, counts: Any) -> None:
    for together in components(facts):
        learned.take(together, moments, rules, counts)


def counting(question: Question, rules: Rules) -> Callable[[Entry], bool]:
    """Whether an entry is one of those that a question counts."""
    measures = frozenset(question.definition.measures)
    cohort, snapshot = question.definition.basis == "cohort", question.definition.basis == "snapshot"
    filters = {name: frozenset(allowed) for name, allowed in question.filters.items()}

    def counts(entry: Entry) -> bool:
        if entry.measure not in measures:
            return False
        for name, allowed in filters.items():
            own = entry.dims._asdict() if name not in (UNIT, "stage", "reason") else {name: getattr(entry, name)}
            if own[name] not in allowed:
                return False
        at = entry.cohort_at if cohort else entry.at
        zone = rules(entry.business_unit).zone
        for bound, after in () if snapshot else ((question.start, True), (question.end, False)):
            if bound is not None:
                own_place = at if isinstance(bound, datetime) else local_day(at, zone)
                if (own_place >= bound) != after:
                    return False
        return True

    return counts


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
    if question.definition.basis != "snapshot" and not DATED_AHEAD & set(question.definition.measures):
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


async def _sums(connection: AsyncConnection, question: Question, as_of: datetime) -> Sums:
    """What everything that is kept adds up to at a moment."""
    asked = replace(question, as_of=as_of, group_by=())
    conditions, values = window(asked, *days_of(asked))
    rows = await connection.execute(
        text(
            f"""
            SELECT measure, coalesce(currency, '') AS currency, count(*) AS n, count(duration_seconds) AS durations,
                CAST(coalesce(sum(CAST(round(duration_seconds * 1000000) AS bigint)), 0) AS bigint) AS microseconds,
                coalesce(sum(amount), 0) AS amount, count(*) FILTER (WHERE negative) AS negative
            FROM metrics.entries WHERE {" AND ".join(["measure = ANY(:measures)", HELD, *conditions])}
            GROUP BY measure, currency"""
        ),
        {"measures": [one.value for one in asked.definition.measures], "as_of": as_of, **values},
    )
    return {
        (Measure(row.measure), row.currency): Sum(row.n, row.durations, row.microseconds, Decimal(row.amount), row.negative)
        for row in rows
    }  # fmt: skip
