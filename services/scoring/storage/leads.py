"""The leads: locked as whole groups, written back, and found when time has caught up with them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Row

from services.scoring.domain import Assessment, Lead, Person, Score, contribution, reason
from services.scoring.storage.ledger import ledgers
from shared.contracts.scoring_events import Reason
from shared.kit.database import Transaction, as_array
from shared.kit.errors import Retryable


class GroupChanged(Retryable):
    """Another transaction changed a group between our look and our lock. Trying again sees it."""


LEAD_FIELDS = (
    "root_id uuid, known boolean, merged_into uuid, merge_version bigint, merge_occurred_at timestamptz, score integer, "
    "grade text, fit integer, engagement integer, reasons jsonb, policy_version text, probability double precision, contributions jsonb, model_version text, "
    "scored_occurred_at timestamptz, scored_at timestamptz, rating text, temperature text, historical boolean, due_at timestamptz, "
    "word text, word_version bigint, customer_probability double precision, customer_contributions jsonb, customer_model_version text"
)
LEAD_COLUMNS = [part.split()[0] for part in LEAD_FIELDS.split(", ")]

MEMBERS = """
    WITH roots AS (SELECT DISTINCT root_id FROM scoring.leads WHERE lead_id = ANY(CAST(:ids AS uuid[])))
    SELECT root_id AS lead_id FROM roots
    UNION ALL
    SELECT member.lead_id FROM scoring.leads member
    WHERE member.root_id = ANY(ARRAY(SELECT root_id FROM roots)) AND member.root_id <> member.lead_id"""

LOCK_LEADS = f"""
    SELECT lead_id, business_unit, {", ".join(LEAD_COLUMNS)} FROM scoring.leads
    WHERE lead_id = ANY(CAST(:ids AS uuid[])) ORDER BY lead_id FOR UPDATE"""

READ_GROUPS = f"""
    SELECT lead_id, business_unit, {", ".join(LEAD_COLUMNS)} FROM scoring.leads
    WHERE lead_id = ANY(CAST(:ids AS uuid[]))
    UNION ALL
    SELECT lead_id, business_unit, {", ".join(LEAD_COLUMNS)} FROM scoring.leads
    WHERE root_id = ANY(CAST(:ids AS uuid[])) AND root_id <> lead_id"""

STRANGERS = """
    SELECT lead_id FROM scoring.leads
    WHERE root_id = ANY(CAST(:roots AS uuid[])) AND root_id <> lead_id
        AND NOT lead_id = ANY(CAST(:held AS uuid[])) LIMIT 1"""


async def locked_groups(tx: Transaction, lead_ids: Collection[UUID]) -> dict[UUID, Lead]:
    """The leads that exist of those named, with everybody in their groups, locked in the order of their ids. Others are waited
    for once in a transaction: what is named after that is taken where nobody has it. Raises `GroupChanged` where somebody has, or
    where a group was joined or parted while its locks were waited for."""
    if not lead_ids:
        return {}
    members = {row.lead_id for row in await tx.rows(MEMBERS, ids=as_array(lead_ids))}
    if not members:
        return {}
    waits = tx.may_wait_for("leads")
    found = await tx.rows(LOCK_LEADS if waits else f"{LOCK_LEADS} SKIP LOCKED", ids=as_array(members))
    if not waits and len(found) < len(members):
        raise GroupChanged("Somebody else has what is needed besides.", retry_after_seconds=0.05)
    leads = {row.lead_id: _lead(row) for row in found}
    roots = {lead.root_id for lead in leads.values()}
    strangers = await tx.rows(STRANGERS, roots=as_array(roots), held=as_array(leads))
    if strangers or not roots <= leads.keys():
        raise GroupChanged("A group changed while its locks were waited for.", retry_after_seconds=0.05)
    return leads


async def hold_groups(tx: Transaction, lead_ids: Collection[UUID]) -> None:
    """Waits for all that is to be taken one after the other."""
    if tx.may_wait_for("leads"):
        members = {row.lead_id for row in await tx.rows(MEMBERS, ids=as_array(lead_ids))}
        await tx.rows(LOCK_LEADS, ids=as_array(members))


async def in_snapshot(tx: Transaction) -> None:
    """Everything this transaction reads is of one moment, and it writes nothing. To be its first words."""
    await tx.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")


async def people(tx: Transaction, after: UUID | None, limit: int) -> tuple[list[Person], UUID | None]:
    """A page of all leads that are nobody else's, with their groups and ledgers, unlocked; and where the next page begins,
    None after the last. To be read in a snapshot."""
    roots, following = await roots_after(tx, after, limit)
    return await groups(tx, roots), following


async def roots_after(tx: Transaction, after: UUID | None, limit: int) -> tuple[list[UUID], UUID | None]:
    """The ids of such a page, and where the next begins."""
    rows = await tx.rows(
        """
        SELECT lead_id FROM scoring.leads WHERE root_id = lead_id AND (:after IS NULL OR lead_id > :after)
        ORDER BY lead_id LIMIT :limit
        """.replace(":after", "CAST(:after AS uuid)"),
        after=after,
        limit=limit,
    )
    roots = [row.lead_id for row in rows]
    return roots, roots[-1] if len(roots) == limit else None


async def groups(tx: Transaction, roots: Collection[UUID]) -> list[Person]:
    """These leads with everybody merged into them, and everything they did, unlocked."""
    if not roots:
        return []
    members: dict[UUID, list[Lead]] = {root: [] for root in roots}
    for row in await tx.rows(READ_GROUPS, ids=as_array(roots)):
        lead = _lead(row)
        members[lead.root_id].append(lead)
    known = [lead for group in members.values() for lead in group]
    did = await ledgers(tx, [lead.lead_id for lead in known])
    leads = {lead.lead_id: lead for lead in known}
    return [Person.of(leads[root], group, did) for root, group in members.items() if root in leads]


async def root_of(tx: Transaction, lead_id: UUID) -> UUID | None:
    """Who a lead is counted as, None for one nobody has met."""
    rows = await tx.rows("SELECT root_id FROM scoring.leads WHERE lead_id = :lead_id", lead_id=lead_id)
    return rows[0].root_id if rows else None


async def due_leads(tx: Transaction, limit: int) -> list[Row[Any]]:
    """The leads that time has caught up with, those that waited longest first. None while another replica looks."""
    [mine] = await tx.rows("SELECT pg_try_advisory_xact_lock(hashtext('leadflow-scoring-sweep')) AS locked")
    if not mine.locked:
        return []
    return await tx.rows(
        """
        SELECT lead_id, due_at FROM scoring.leads
        WHERE due_at <= :now AND (postponed_until IS NULL OR postponed_until <= :now) ORDER BY due_at, lead_id LIMIT :limit
        """,
        now=tx.now,
        limit=limit,
    )


async def postpone(tx: Transaction, lead_id: UUID) -> None:
    """Lets a lead wait for another day. When it was due stays as it is: that belongs to its score."""
    await tx.execute(
        "UPDATE scoring.leads SET postponed_until = :until WHERE lead_id = :lead_id",
        {"lead_id": lead_id, "until": tx.now + timedelta(days=1)},
    )


async def save_leads(tx: Transaction, leads: Sequence[Lead]) -> None:
    """Writes new and changed leads."""
    unmet = sorted((lead for lead in leads if not lead.stored), key=lambda lead: lead.lead_id.int)
    new = [_row(lead) for lead in unmet]
    await tx.copy("scoring.leads", ("lead_id", "business_unit", *LEAD_COLUMNS), new)
    await tx.set_wise(
        f"""
        UPDATE scoring.leads SET {", ".join(f"{name} = changed.{name}" for name in LEAD_COLUMNS)}, postponed_until = NULL
        FROM json_to_recordset(CAST(:rows AS json)) AS changed (lead_id uuid, {LEAD_FIELDS})
        WHERE leads.lead_id = changed.lead_id
        """,
        [_changes(lead) for lead in leads if lead.stored and lead.changed],
    )


def _lead(row: Row[Any]) -> Lead:
    score = None
    if row.score is not None:
        reasons = tuple(reason(one["rule"], one["points"], one["group"]) for one in row.reasons)
        score = Score(row.score, row.grade, row.fit, row.engagement, reasons, row.rating, row.temperature)
    return Lead(
        lead_id=row.lead_id,
        business_unit=row.business_unit,
        root_id=row.root_id,
        known=row.known,
        merged_into=row.merged_into,
        merge_version=row.merge_version,
        merge_occurred_at=row.merge_occurred_at,
        score=score,
        assessment=_assessment(row.probability, row.contributions, row.model_version),
        customer=_assessment(row.customer_probability, row.customer_contributions, row.customer_model_version),
        policy_version=row.policy_version,
        scored_occurred_at=row.scored_occurred_at,
        scored_at=row.scored_at,
        historical=bool(row.historical),
        due_at=row.due_at,
        word=row.word,
        word_version=row.word_version or 0,
        stored=True,
    )


def _assessment(probability: float | None, reasons: Any, model_version: str) -> Assessment | None:
    if probability is None:
        return None
    contributions = tuple(contribution(one["feature"], one["words"], one["log_odds"]) for one in reasons or ())
    return Assessment(probability, contributions, model_version)


def _row(lead: Lead) -> tuple[Any, ...]:
    score = lead.score
    verdict: tuple[Any, ...] = (None,) * 5
    called: tuple[Any, ...] = (None,) * 2
    if score is not None:
        verdict = score.score, score.grade, score.fit, score.engagement, _reasons(score.reasons)
        called = score.rating, score.temperature
    return (
        lead.lead_id, lead.business_unit, lead.root_id, lead.known, lead.merged_into, lead.merge_version,
        lead.merge_occurred_at, *verdict, lead.policy_version, *_assessed(lead.assessment), lead.scored_occurred_at, lead.scored_at,
        *called, lead.historical, lead.due_at, lead.word, lead.word_version or None, *_assessed(lead.customer),
    )  # fmt: skip


def _changes(lead: Lead) -> dict[str, Any]:
    changes = dict(zip(("lead_id", "business_unit", *LEAD_COLUMNS), _row(lead), strict=True))
    for document in ("reasons", "contributions", "customer_contributions"):
        if changes[document] is not None:
            changes[document] = orjson.Fragment(changes[document])
    return changes


def _assessed(assessment: Assessment | None) -> tuple[Any, ...]:
    if assessment is None:
        return None, None, None
    contributions = orjson.dumps(
        [{"feature": one.feature, "words": one.words, "log_odds": one.log_odds} for one in assessment.contributions]
    ).decode()
    return assessment.probability, contributions, assessment.model_version


def _reasons(reasons: Iterable[Reason]) -> str:
    return orjson.dumps([{"rule": one.rule, "points": one.points, "group": one.group} for one in reasons]).decode()
