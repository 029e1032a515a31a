"""A second set of the tables that facts make, filled from a source beside the one that is used, held against it, and put in its
place in one transaction."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import CursorResult, Executable, TextClause, text

from services.metrics.domain.facts import Fact, link_of
from services.metrics.domain.folding import fold
from services.metrics.domain.rollups import Rules
from services.metrics.storage import folding, sketches
from services.metrics.storage.folding import ENTRY_COLUMNS, FACT_TEXT, read_fact
from shared.kit.database import Transaction
from shared.kit.errors import Rejected

SHADOW, OLD = "metrics_shadow", "metrics_old"
TABLES = ("leads", "facts", "entries", "rollups", "open_deals", "sketches", "sketch_changes")
"""In the order in which a batch touches them, so that whoever takes all waits for batches and not they for it."""

MADE_OF_FACTS = re.compile(rf"\bmetrics\.({'|'.join(TABLES)})\b")
SHOWN = 20
AT_ONCE = 2_000
AT_MOST_WHILE_HELD = 4_000
"""What is left to take over while nobody can fold."""

OVERLAP = "interval '10 minutes'"
"""Facts recorded so long before a shadow began may have been folded after it."""

UNKNOWN = f"NOT EXISTS (SELECT 1 FROM {SHADOW}.facts AS known WHERE known.lead_id = f.lead_id AND known.event_id = f.event_id)"
MISSING = f"""
    FROM metrics.facts AS f CROSS JOIN {SHADOW}.state AS s
    WHERE f.recorded_at >= s.began_at - {OVERLAP} AND {UNKNOWN}"""


class ShadowTransaction(Transaction):
    """A transaction whose statements mean the second set where they name the first."""

    def __init__(self, of: Transaction) -> None:
        super().__init__(of.connection, of.schema, of.now)
        self._waited = of._waited

    async def _run(
        self, statement: Executable, parameters: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None
    ) -> CursorResult[Any]:
        assert isinstance(statement, TextClause)
        return await super()._run(text(MADE_OF_FACTS.sub(rf"{SHADOW}.\1", statement.text)), parameters)

    async def copy(self, table: str, columns: Iterable[str], rows: Sequence[Sequence[Any]]) -> None:
        await super().copy(MADE_OF_FACTS.sub(rf"{SHADOW}.\1", table), columns, rows)


async def state(tx: Transaction) -> dict[str, Any] | None:
    """The shadow that is being filled, None where there is none."""
    (there,) = await tx.rows(f"SELECT to_regclass('{SHADOW}.state') IS NOT NULL AS is_there")
    if not there.is_there:
        return None
    (row,) = await tx.rows(
        f"SELECT source, began_at, (SELECT count(*) FROM {SHADOW}.facts) AS facts FROM {SHADOW}.state"
    )
    return {"source": row.source, "began_at": row.began_at, "facts": row.facts}


async def begin(tx: Transaction, source: str) -> dict[str, Any]:
    """Makes empty tables like those that are used. Asked while there are some, it is those, of one source."""
    await tx.execute("SELECT pg_advisory_xact_lock(hashtext('leadflow-metrics-shadow'))")
    there = await state(tx)
    if there is not None:
        if there["source"] != source:
            raise Rejected(
                f"Another rebuild, from {there['source']}, has begun.", status=409, code="rebuild-going-on",
                fix="Finish it, or give it up: DELETE /v1/shadow.",
            )  # fmt: skip
        return there
    await tx.execute(f"CREATE SCHEMA {SHADOW}")
    for table in TABLES:
        await tx.execute(
            f"CREATE TABLE {SHADOW}.{table} (LIKE metrics.{table} INCLUDING DEFAULTS INCLUDING IDENTITY INCLUDING STORAGE)"
        )
        for statement in await _again(tx, table):
            await tx.execute(text(statement.replace(":", r"\:")))
    await tx.execute(
        f"CREATE TABLE {SHADOW}.state (source text NOT NULL, began_at timestamptz NOT NULL, revision text NOT NULL)"
    )
    await tx.execute(
        f"INSERT INTO {SHADOW}.state SELECT :source, :now, version_num FROM metrics.schema_history",
        {"source": source, "now": tx.now},
    )
    return {"source": source, "began_at": tx.now, "facts": 0}


async def _again(tx: Transaction, table: str) -> list[str]:
    """The statements that give a table's copy its keys, indexes and settings under the same names."""
    keys = await tx.rows(
        f"""
        SELECT conname, pg_get_constraintdef(oid) AS definition FROM pg_constraint
        WHERE conrelid = CAST('metrics.{table}' AS regclass) AND contype = 'p'"""
    )
    indexes = await tx.rows(
        f"SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'metrics' AND tablename = '{table}'"
    )
    (settings,) = await tx.rows(f"SELECT reloptions FROM pg_class WHERE oid = CAST('metrics.{table}' AS regclass)")
    named = {row.conname for row in keys}
    found = [f"ALTER TABLE {SHADOW}.{table} ADD CONSTRAINT {row.conname} {row.definition}" for row in keys]
    found += [
        row.indexdef.replace(f" ON metrics.{table} ", f" ON {SHADOW}.{table} ")
        for row in indexes
        if row.indexname not in named
    ]
    if settings.reloptions:
        found.append(f"ALTER TABLE {SHADOW}.{table} SET ({', '.join(settings.reloptions)})")
    return found


async def add(tx: Transaction, facts: Sequence[Fact], rules: Rules) -> int:
    """Folds facts into the shadow; how many of them it did not know. Twice is the same as once."""
    shadow = ShadowTransaction(tx)
    links = [link for link in map(link_of, facts) if link is not None]
    people = {fact.lead_id for fact in facts} | {link.parent_id for link in links if link.parent_id is not None}
    new = await folding.meet(shadow, people)
    groups = await folding.lock_groups(shadow, people - new)
    known = await folding.known_of(shadow, groups, new)
    there = {(fact.lead_id, fact.event_id) for fact in known.facts}
    fresh = {(fact.lead_id, fact.event_id): fact for fact in facts if (fact.lead_id, fact.event_id) not in there}
    await folding.add_facts(shadow, fresh.values())
    await folding.save(shadow, fold(known, fresh.values(), rules), rules)
    return len(fresh)


async def catch_up(tx: Transaction, rules: Rules, most: int = AT_ONCE) -> int:
    """Takes over what has been folded beside it since it began; how much that was: less than `most`, where all of it was."""
    rows = await tx.rows(f"SELECT {FACT_TEXT.replace('lead_id', 'f.lead_id', 1)} {MISSING} LIMIT {most}")
    if rows:
        await add(tx, [read_fact(row) for row in rows], rules)
    return len(rows)


async def merge(tx: Transaction) -> int:
    """Merges what filling left of sketches."""
    return await sketches.merge(ShadowTransaction(tx))


async def comparison(tx: Transaction) -> dict[str, Any]:
    """What differs between the two sets, and why: other facts, or the same facts counted otherwise."""
    await tx.execute("SET LOCAL statement_timeout = 0")
    (facts,) = await tx.rows(
        f"""
        SELECT count(*) FILTER (WHERE only_rebuilt) AS only_rebuilt, count(*) FILTER (WHERE only_used) AS only_used,
            count(*) FILTER (WHERE to_come) AS to_come,
            (array_agg(DISTINCT lead_id) FILTER (WHERE only_rebuilt OR only_used))[1:{SHOWN}] AS leads
        FROM (
            SELECT lead_id, f.event IS NULL AS only_rebuilt,
                s.event IS NULL AND f.recorded_at < began_at - {OVERLAP} AS only_used,
                s.event IS NULL AND f.recorded_at >= began_at - {OVERLAP} AS to_come
            FROM (metrics.facts AS f FULL JOIN {SHADOW}.facts AS s USING (lead_id, event_id)) CROSS JOIN {SHADOW}.state
            WHERE f.event IS DISTINCT FROM s.event) AS differing"""
    )
    place = ("root_id", "key", "valid_from")
    others = [name for name in ENTRY_COLUMNS if name not in place]
    differs = " OR ".join(f"u.{name} IS DISTINCT FROM s.{name}" for name in others)
    entries = await tx.rows(
        f"""
        WITH different AS (
            SELECT coalesce(u.measure, s.measure) AS measure, root_id,
                u.measure IS NULL AS only_rebuilt, s.measure IS NULL AS only_used
            FROM metrics.entries AS u FULL JOIN {SHADOW}.entries AS s USING ({", ".join(place)}) WHERE {differs}
        ), because AS (
            SELECT DISTINCT coalesce(lu.root_id, ls.root_id) AS root_id
            FROM metrics.facts AS f FULL JOIN {SHADOW}.facts AS s USING (lead_id, event_id)
            LEFT JOIN metrics.leads AS lu ON lu.lead_id = f.lead_id LEFT JOIN {SHADOW}.leads AS ls ON ls.lead_id = s.lead_id
            WHERE f.event IS DISTINCT FROM s.event
        )
        SELECT measure, count(*) AS n, count(*) FILTER (WHERE only_rebuilt) AS only_rebuilt,
            count(*) FILTER (WHERE only_used) AS only_used, count(b.root_id) AS because_of_facts,
            (array_agg(DISTINCT d.root_id))[1:{SHOWN}] AS leads
        FROM different AS d LEFT JOIN because AS b USING (root_id) GROUP BY measure ORDER BY measure"""
    )
    return {
        "facts": {
            "only_rebuilt": facts.only_rebuilt,
            "only_used": facts.only_used,
            "to_come": facts.to_come,
            "leads": facts.leads or [],
        },
        "entries": [
            {
                "measure": row.measure,
                "different": row.n,
                "only_rebuilt": row.only_rebuilt,
                "only_used": row.only_used,
                "because_of_facts": row.because_of_facts,
                "counted_otherwise": row.n - row.because_of_facts,
                "leads": row.leads,
            }
            for row in entries
        ],
    }


async def swap(
    tx: Transaction, rules: Rules, began_at: datetime | None = None, *, lose: bool = False
) -> dict[str, Any]:
    """Puts the shadow in the place of what is used, which is kept as it is in another schema. Batches wait meanwhile and go on
    with the new tables, whoever asks sees the one or the other. Asked again for the one that began at a moment, whose answer
    was lost, it is told how that ended. Raises `Rejected` where too much is left to take over, and where facts would be lost that are
    not to be: what was recorded long ago may have been folded since anybody looked."""
    await tx.execute("SELECT pg_advisory_xact_lock(hashtext('leadflow-metrics-shadow'))")
    there = await state(tx)
    if there is None or began_at not in (None, there["began_at"]):
        if began_at is not None and (done := await _swapped(tx, began_at)) is not None:
            return done
        raise Rejected(
            "There is nothing to put in place.", status=409, code="no-rebuild", fix="Begin one: POST /v1/shadow."
        )
    await tx.execute("SET LOCAL lock_timeout = '3s'")
    await tx.execute("SET LOCAL statement_timeout = 0")
    await tx.execute(f"SELECT pg_advisory_xact_lock({sketches.LOCK})")
    for table in TABLES:
        await tx.execute(f"LOCK TABLE metrics.{table} IN EXCLUSIVE MODE")
    await _is_of_this_schema(tx)
    (left,) = await tx.rows(f"SELECT count(*) AS n {MISSING}")
    if left.n > AT_MOST_WHILE_HELD:
        raise Rejected(
            f"{left.n} facts came meanwhile.",
            status=409,
            code="rebuild-behind",
            fix="Catch up first: POST /v1/shadow/catch-up.",
        )
    while await catch_up(tx, rules):
        pass
    (lost,) = await tx.rows(f"SELECT count(*) AS n FROM metrics.facts AS f WHERE {UNKNOWN}")
    if lost.n and not lose:
        raise Rejected(
            f"{lost.n} facts would be lost that are used and that the source did not have.", status=409, code="facts-lost",
            fix="Read the source again, in which they may be by now; or say `lose`, where they are to go.",
        )  # fmt: skip
    (before,) = await tx.rows("SELECT count(*) AS n FROM metrics.facts")
    (after,) = await tx.rows(f"SELECT count(*) AS n FROM {SHADOW}.facts")
    await tx.execute(f"DROP SCHEMA IF EXISTS {OLD} CASCADE")
    await tx.execute(f"CREATE SCHEMA {OLD}")
    await tx.execute(
        f"CREATE TABLE {OLD}.swap (began_at timestamptz NOT NULL, facts bigint NOT NULL, facts_before bigint NOT NULL)"
    )
    await tx.execute(
        f"INSERT INTO {OLD}.swap VALUES (:began_at, :facts, :before)",
        {"began_at": there["began_at"], "facts": after.n, "before": before.n},
    )
    for table in TABLES:
        await tx.execute(f"ALTER TABLE metrics.{table} SET SCHEMA {OLD}")
        await tx.execute(f"ALTER TABLE {SHADOW}.{table} SET SCHEMA metrics")
    await tx.execute(f"DROP SCHEMA {SHADOW} CASCADE")
    await _tell_progress(tx, after.n - before.n)
    return {"facts": after.n, "facts_before": before.n}


async def _swapped(tx: Transaction, began_at: datetime) -> dict[str, Any] | None:
    """How the last swap ended, where it was of the shadow that began at this moment and what it kept is still there."""
    (there,) = await tx.rows(f"SELECT to_regclass('{OLD}.swap') IS NOT NULL AS is_there")
    if not there.is_there:
        return None
    rows = await tx.rows(f"SELECT facts, facts_before FROM {OLD}.swap WHERE began_at = :began_at", began_at=began_at)
    return {"facts": rows[0].facts, "facts_before": rows[0].facts_before} if rows else None


async def _is_of_this_schema(tx: Transaction) -> None:
    """Refuses a shadow that lacks what a migration has brought since it began."""
    (row,) = await tx.rows(
        f"SELECT to_jsonb(s) ->> 'revision' = h.version_num AS same FROM {SHADOW}.state AS s, metrics.schema_history AS h"
    )
    if not row.same:
        raise Rejected(
            "The tables have changed since this rebuild began.", status=409, code="rebuild-outdated",
            fix="Give it up (DELETE /v1/shadow) and begin again.",
        )  # fmt: skip


async def _tell_progress(tx: Transaction, more: int) -> None:
    """How many facts there are is told by partition, and what a rebuild found besides is nobody's: it counts with the first."""
    if more:
        await tx.execute(
            """
            INSERT INTO metrics.progress AS old (partition, facts, recorded_at, occurred_at, folded_at)
            SELECT coalesce((SELECT min(partition) FROM metrics.progress), 0), :more, max(recorded_at), max(occurred_at), :now
            FROM metrics.facts HAVING count(*) > 0
            ON CONFLICT (partition) DO UPDATE SET facts = old.facts + excluded.facts,
                recorded_at = greatest(old.recorded_at, excluded.recorded_at),
                occurred_at = greatest(old.occurred_at, excluded.occurred_at)""",
            {"more": more, "now": tx.now},
        )


async def drop(tx: Transaction) -> list[str]:
    """Gives up a shadow, and what a swap kept of the tables before; which of these there were."""
    rows = await tx.rows(
        "SELECT nspname FROM pg_namespace WHERE nspname = ANY(:names) ORDER BY nspname", names=[SHADOW, OLD]
    )
    for row in rows:
        await tx.execute(f"DROP SCHEMA {row.nspname} CASCADE")
    return [str(row.nspname) for row in rows]
