"""Who is to be looked at, under which keyed hashes people are found, and who was found to be probably one."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Row

from services.pipeline.domain.access import Units
from services.pipeline.domain.matching.proposals import Proposal
from services.pipeline.storage.places import of_units
from shared.contracts.policy import Matching
from shared.kit.database import Database, Transaction, as_array

Source = Database | Transaction


async def stand_alone(transaction: Transaction) -> bool:
    """Whether this transaction is the only one that looks: of two at once neither would see the other's people."""
    rows = await transaction.rows("SELECT pg_try_advisory_xact_lock(hashtext('leadflow-pipeline-matching')) AS alone")
    return bool(rows[0].alone)


async def enqueue(transaction: Transaction, lead_ids: Iterable[UUID]) -> None:
    """Asks for these leads to be looked at. Only ever added to, so that nobody waits for whoever looks."""
    await transaction.copy("pipeline.match_queue", ("lead_id",), [(one,) for one in dict.fromkeys(lead_ids)])


async def queued(transaction: Transaction, limit: int) -> Sequence[Row[Any]]:
    """What was asked for first."""
    return await transaction.rows(
        "SELECT place, lead_id FROM pipeline.match_queue ORDER BY place LIMIT :limit", limit=limit
    )


async def dequeue(transaction: Transaction, places: Collection[int]) -> None:
    """What was looked at."""
    await transaction.execute(
        "DELETE FROM pipeline.match_queue WHERE place = ANY(CAST(:places AS bigint[]))", {"places": list(places)}
    )


async def units_begun(transaction: Transaction) -> set[str]:
    """Units in which everybody who was there before has been asked for."""
    return {row.business_unit for row in await transaction.rows("SELECT business_unit FROM pipeline.match_units")}


async def begin_unit(transaction: Transaction, business_unit: str) -> None:
    """Asks for everybody of a unit in which nobody was looked for until now."""
    await transaction.execute(
        "INSERT INTO pipeline.match_units (business_unit, begun_at) VALUES (:unit, :now)",
        {"unit": business_unit, "now": transaction.now},
    )
    await transaction.execute(
        "INSERT INTO pipeline.match_queue (lead_id) SELECT lead_id FROM pipeline.leads WHERE business_unit = :unit",
        {"unit": business_unit},
    )


async def follow(transaction: Transaction, business_unit: str, rules: Matching) -> None:
    """Holds what is open against the rules of now: what is not sure enough any more is dropped, what need not be asked about
    is not."""
    await transaction.execute(
        """
        DELETE FROM pipeline.merge_candidates
        WHERE business_unit = :unit AND status = 'open' AND confidence < :review_from""",
        {"unit": business_unit, "review_from": rules.review_from},
    )
    await transaction.execute(
        """
        UPDATE pipeline.merge_candidates SET automatic = NOT automatic
        WHERE business_unit = :unit AND status = 'open'
            AND automatic <> (:automatic AND NOT contradicted AND confidence >= :merge_from)""",
        {"unit": business_unit, "automatic": rules.automatic, "merge_from": rules.merge_from},
    )


async def end_unit(transaction: Transaction, business_unit: str) -> None:
    """Forgets what was derived of a unit's people. What somebody decided stays."""
    for statement in (
        "DELETE FROM pipeline.match_keys k USING pipeline.leads l WHERE l.lead_id = k.lead_id AND l.business_unit = :unit",
        "DELETE FROM pipeline.merge_candidates WHERE business_unit = :unit AND status = 'open'",
        "DELETE FROM pipeline.match_units WHERE business_unit = :unit",
    ):
        await transaction.execute(statement, {"unit": business_unit})


async def groups(transaction: Transaction, lead_ids: Collection[UUID]) -> Sequence[Row[Any]]:
    """Everybody who is one person with one of these, each with what is known of that id, oldest knowledge first."""
    return await transaction.rows(
        """
        WITH roots AS MATERIALIZED
            (SELECT DISTINCT root_id FROM pipeline.leads WHERE lead_id = ANY(CAST(:ids AS uuid[]))),
        members AS (
            SELECT root_id AS lead_id FROM roots
            UNION ALL
            SELECT lead_id FROM pipeline.leads
            WHERE root_id = ANY(ARRAY(SELECT root_id FROM roots)) AND root_id <> lead_id
        )
        SELECT l.lead_id, l.root_id, l.business_unit, l.personal, l.mark FROM members JOIN pipeline.leads l USING (lead_id)
        ORDER BY l.personal_at NULLS FIRST, l.lead_id""",
        ids=as_array(lead_ids),
    )


async def replace_keys(transaction: Transaction, keys: Mapping[UUID, Collection[UUID]]) -> None:
    """Under what these leads are found from now on."""
    rows = [{"lead_id": lead_id, "token": token} for lead_id, tokens in keys.items() for token in sorted(tokens)]
    await transaction.execute(
        "DELETE FROM pipeline.match_keys WHERE lead_id = ANY(CAST(:ids AS uuid[]))", {"ids": as_array(keys)}
    )
    await transaction.set_wise(
        """
        INSERT INTO pipeline.match_keys (token, lead_id)
        SELECT token, lead_id FROM json_to_recordset(CAST(:rows AS json)) AS r(token uuid, lead_id uuid)""",
        rows,
    )


async def blocks(transaction: Transaction, lead_ids: Collection[UUID], largest: int) -> list[list[UUID]]:
    """For each key of these leads: the lead, then all who share the key. None for a key that more than `largest` share."""
    rows = await transaction.rows(
        """
        SELECT mine.lead_id, block.others FROM pipeline.match_keys mine
        CROSS JOIN LATERAL (
            SELECT array_agg(sharing.lead_id) AS others FROM (
                SELECT k.lead_id FROM pipeline.match_keys k WHERE k.token = mine.token LIMIT :most
            ) sharing HAVING count(*) BETWEEN 2 AND :largest
        ) block
        WHERE mine.lead_id = ANY(CAST(:ids AS uuid[]))""",
        ids=as_array(lead_ids),
        largest=largest,
        most=largest + 1,
    )
    return [[row.lead_id, *row.others] for row in rows]


async def apart(transaction: Transaction, lead_ids: Collection[UUID]) -> set[frozenset[UUID]]:
    """Who of these was taken apart by a person, and from whom."""
    rows = await transaction.rows(
        "SELECT lead_id, other_id FROM pipeline.never_merge WHERE lead_id = ANY(CAST(:ids AS uuid[]))",
        ids=as_array(lead_ids),
    )
    return {frozenset((row.lead_id, row.other_id)) for row in rows}


async def save(transaction: Transaction, proposals: Sequence[Proposal], looked_at: Collection[UUID]) -> int:
    """Keeps what was found of these leads and drops what is not found any more; how many are new. What somebody decided
    stays decided for as long as nothing else is known of either."""
    await transaction.execute(
        """
        DELETE FROM pipeline.merge_candidates WHERE status = 'open'
            AND (lead_id = ANY(CAST(:ids AS uuid[])) OR other_id = ANY(CAST(:ids AS uuid[])))
            AND candidate_id <> ALL(CAST(:kept AS uuid[]))""",
        {"ids": as_array(looked_at), "kept": as_array(one.candidate_id for one in proposals)},
    )
    rows = await transaction.set_wise(
        """
        INSERT INTO pipeline.merge_candidates AS c (candidate_id, lead_id, other_id, business_unit, confidence, bits,
            contradicted, automatic, parts, content, status, found_at)
        SELECT candidate_id, lead_id, other_id, business_unit, confidence, bits, contradicted, automatic, parts, content,
            'open', :now
        FROM json_to_recordset(CAST(:rows AS json)) AS r(candidate_id uuid, lead_id uuid, other_id uuid, business_unit text,
            confidence double precision, bits double precision, contradicted boolean, automatic boolean, parts jsonb,
            content text)
        ON CONFLICT (candidate_id) DO UPDATE SET (confidence, bits, contradicted, automatic, parts, content, status,
            found_at, decided_at, actor) = (excluded.confidence, excluded.bits, excluded.contradicted, excluded.automatic,
            excluded.parts, excluded.content, 'open', excluded.found_at, NULL, NULL)
        WHERE c.content <> excluded.content OR c.status = 'open' AND c.automatic <> excluded.automatic
        RETURNING candidate_id""",
        [_row(one) for one in sorted(proposals, key=lambda one: one.candidate_id)],
        now=transaction.now,
    )
    return len(rows)


async def to_merge(source: Source, limit: int) -> Sequence[Row[Any]]:
    """What is sure enough to be merged without asking."""
    return await source.rows(
        """
        SELECT candidate_id, lead_id, other_id FROM pipeline.merge_candidates
        WHERE status = 'open' AND automatic ORDER BY bits DESC, candidate_id LIMIT :limit""",
        limit=limit,
    )


async def ask(transaction: Transaction, candidate_id: UUID) -> None:
    """Leaves a candidate to somebody: seen again, it is not sure enough."""
    await transaction.execute(
        "UPDATE pipeline.merge_candidates SET automatic = false WHERE candidate_id = :id", {"id": candidate_id}
    )


async def candidate(source: Source, candidate_id: UUID) -> Row[Any] | None:
    """The candidate of an id."""
    rows = await source.rows("SELECT * FROM pipeline.merge_candidates WHERE candidate_id = :id", id=candidate_id)
    return rows[0] if rows else None


async def decide(transaction: Transaction, candidate_id: UUID, status: str, actor: str) -> bool:
    """Puts on record how an open candidate was decided. False where it was not open."""
    rows = await transaction.rows(
        """
        UPDATE pipeline.merge_candidates SET status = :status, decided_at = :now, actor = :actor, automatic = false
        WHERE candidate_id = :id AND status = 'open' RETURNING 1""",
        id=candidate_id,
        status=status,
        actor=actor,
        now=transaction.now,
    )
    return bool(rows)


async def candidates(
    source: Source, *, units: Units, status: str, after: tuple[float, UUID] | None, limit: int
) -> Sequence[Row[Any]]:
    """A page of candidates, best first, under the canonical ids of now. An open one whose leads were joined otherwise
    meanwhile, or of which one is held out, is not shown."""
    kept, parameters = of_units("c.business_unit", units)
    conditions = ["c.status = :status", *kept]
    parameters |= {"status": status, "limit": limit}
    if status == "open":
        conditions += ["one.root_id <> other.root_id", "root.mark IS NULL", "other_root.mark IS NULL"]
    if after is not None:
        conditions.append("(c.bits, c.candidate_id) < (:bits, :after_id)")
        parameters |= {"bits": after[0], "after_id": after[1]}
    return await source.rows(
        f"""
        SELECT c.*, one.root_id, other.root_id AS other_root_id
        FROM pipeline.merge_candidates c
        JOIN pipeline.leads one ON one.lead_id = c.lead_id JOIN pipeline.leads other ON other.lead_id = c.other_id
        JOIN pipeline.leads root ON root.lead_id = one.root_id
        JOIN pipeline.leads other_root ON other_root.lead_id = other.root_id
        WHERE {" AND ".join(conditions)} ORDER BY c.bits DESC, c.candidate_id DESC LIMIT :limit""",
        **parameters,
    )


async def candidates_of(source: Source, lead_ids: Collection[UUID]) -> Sequence[Row[Any]]:
    """All that was found about these leads, without the other lead, which may be somebody else."""
    return await source.rows(
        """
        SELECT CASE WHEN lead_id = ANY(CAST(:ids AS uuid[])) THEN lead_id ELSE other_id END AS lead_id, business_unit,
            status, confidence, parts, found_at, decided_at, actor FROM pipeline.merge_candidates
        WHERE lead_id = ANY(CAST(:ids AS uuid[])) OR other_id = ANY(CAST(:ids AS uuid[])) ORDER BY found_at, candidate_id""",
        ids=as_array(lead_ids),
    )


async def forget(transaction: Transaction, lead_ids: Collection[UUID]) -> None:
    """Deletes what was derived of who these leads are: their keys, and whom they were taken for."""
    for table, condition in (
        ("match_keys", "lead_id = ANY(CAST(:ids AS uuid[]))"),
        ("merge_candidates", "lead_id = ANY(CAST(:ids AS uuid[])) OR other_id = ANY(CAST(:ids AS uuid[]))"),
    ):
        await transaction.execute(f"DELETE FROM pipeline.{table} WHERE {condition}", {"ids": as_array(lead_ids)})


def _row(one: Proposal) -> dict[str, Any]:
    parts = [part._asdict() for part in one.judgement.parts]
    return {
        "candidate_id": one.candidate_id,
        "lead_id": one.lead_id,
        "other_id": one.other_id,
        "business_unit": one.business_unit,
        "confidence": one.judgement.confidence,
        "bits": one.judgement.bits,
        "contradicted": one.judgement.is_contradicted,
        "automatic": one.is_automatic,
        "parts": orjson.Fragment(orjson.dumps(parts)),
        "content": one.content,
    }
