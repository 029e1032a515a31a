"""By which version of the policy leads were qualified, as SQL over entries and the facts that they are of."""

from __future__ import annotations

from services.metrics.domain.answers import Cell
from services.metrics.domain.entries import Measure
from services.metrics.domain.questions import Question
from services.metrics.storage.cutting import HELD, days_of, group_of, held, window
from shared.kit.database import Reader
from shared.kit.errors import Rejected

MOST_QUALIFIED = 100_000
"""Of so many the facts are looked up, one by one, while somebody waits."""

_HELD_OUT = """coalesce(
    (SELECT m.data ->> 'mark' IS NOT NULL FROM metrics.facts m WHERE m.lead_id = f.lead_id AND m.event = 'LeadMarked'
        ORDER BY m.version DESC LIMIT 1),
    (SELECT bool_and(m.data ->> 'mark' IS NOT NULL) FROM metrics.facts m WHERE m.lead_id = f.lead_id
        AND (m.event = 'LeadCreated' OR m.event = 'LeadTouched' AND m.data ->> 'kind' = 'captured')),
    false)"""
"""Whether what an id did is left out of what counts of its person, as `shared.contracts.marks` has it."""


def _version(root_id: str, at: str) -> str:
    """Which version qualified a person at a moment, for the first time."""
    return f"""(
        SELECT f.data ->> 'policy_version' FROM metrics.leads l JOIN metrics.facts f ON f.lead_id = l.lead_id
        WHERE (l.lead_id = {root_id} OR (l.root_id = {root_id} AND l.root_id <> l.lead_id))
            AND f.event = 'LeadQualified' AND f.occurred_at = {at} AND NOT {_HELD_OUT}
        ORDER BY f.version, f.lead_id, f.event_id LIMIT 1)"""


async def qualified_by(database: Reader, question: Question, measure: Measure) -> dict[str | None, int] | None:
    """How many of the window each version qualified; None of these is a person, or a version that nobody told. None where that is
    more than is looked up at once."""
    day, at = days_of(question)
    conditions, values = window(question, day, at)
    where = " AND ".join(["measure = :measure", HELD, *conditions])
    asked = {"measure": measure.value, "as_of": question.as_of, **values}
    (counted,) = await database.rows(f"SELECT count(*) AS n FROM metrics.entries WHERE {where}", **asked)
    if counted.n > MOST_QUALIFIED:
        return None
    rows = await database.rows(
        f"""
        SELECT version, count(*) AS n FROM (
            SELECT {_version("own.root_id", "own.at")} AS version
            FROM (SELECT root_id, at FROM metrics.entries WHERE {where}) AS own
        ) AS each GROUP BY version""",
        **asked,
    )
    return {row.version: row.n for row in rows}


async def cohort_by_version(database: Reader, question: Question) -> list[Cell]:
    """A cohort of opportunities by the version that had qualified their leads by the time they were opened; None is a person, a
    version that nobody told, or nobody at all. Raises `Rejected` for more than are looked up at once."""
    day, at = days_of(question)
    conditions, values = window(question, day, at)
    where = " AND ".join([held(question), *conditions])
    asked = {"as_of": question.as_of, **values}
    (counted,) = await database.rows(
        f"SELECT count(*) AS n FROM metrics.entries WHERE measure = :opened AND {where}",
        opened=Measure.OPPORTUNITY_OPENED.value,
        **asked,
    )
    if counted.n > MOST_QUALIFIED:
        raise Rejected(
            f"Of more than {MOST_QUALIFIED:,} it is not looked up which version qualified their leads.", code="too-many",
            field="group_by", fix="Ask about a shorter window, or fewer of them with filters.",
        )  # fmt: skip
    rows = await database.rows(
        f"""
        SELECT grouping(version) = 1 AS is_total, version AS g0, measure, count(*) AS n,
            count(*) FILTER (WHERE cohort_at <= :cutoff) AS mature
        FROM (
            SELECT own.cohort_at, array_agg(own.measure) AS measures, (
                SELECT {_version("own.root_id", "one.at")} FROM metrics.entries AS one
                WHERE one.root_id = own.root_id AND one.measure = :qualified AND {held(question)} AND one.at <= own.cohort_at
            ) AS version
            FROM (SELECT root_id, measure, cohort_at FROM metrics.entries WHERE measure = ANY(:measures) AND {where}) AS own
            GROUP BY own.root_id, own.cohort_at
        ) AS each CROSS JOIN unnest(measures) AS measure GROUP BY GROUPING SETS ((measure), (measure, version))""",
        measures=[measure.value for measure in question.definition.measures],
        qualified=Measure.LEAD_QUALIFIED.value,
        cutoff=question.cutoff,
        **asked,
    )
    return [Cell(group_of(question, row), Measure(row.measure), n=row.n, mature=row.mature) for row in rows]
