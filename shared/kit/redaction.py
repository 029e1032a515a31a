"""Dead letters keep what a record said, and not for ever: after a time, or when asked, what may not be kept goes, and what is
left can still be tried again. `<schema>.erased` has the names, with a moment each, of what may not be kept at all."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Row

from shared.kit.background import again_and_again
from shared.kit.database import Database, Transaction
from shared.kit.records import content_of

Redacted = Mapping[str, Callable[[bytes], bytes | None]]
"""By topic, what may be kept of a record's bytes, None where nothing can."""

EVERY_SECONDS = 60.0
AT_ONCE = 500
EVER = datetime(1970, 1, 1, tzinfo=UTC)
LOOK_BACK = timedelta(minutes=10)
"""Longer than a batch takes from its beginning to its commit."""

_NAMES = re.compile(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?<![0-9a-f-])[0-9a-f]{32}(?![0-9a-f-])")
_COLUMNS = "id, topic, record_timestamp, key, value, status"


async def letters_naming(
    source: Database | Transaction, names: Collection[str], redacted: Redacted, until: datetime | None = None
) -> list[Row[Any]]:
    """The dead letters whose bytes have one of these names in them, that still say more than may be kept, and that were
    recorded up to a moment."""
    if not names:
        return []
    rows = await source.rows(
        f"""
        SELECT {_COLUMNS} FROM {source.schema}.dead_letters
        WHERE value IS NOT NULL AND topic = ANY(:topics) AND EXISTS (
            SELECT 1 FROM unnest(CAST(:names AS text[])) AS name
            WHERE position(convert_to(name, 'UTF8') IN value) > 0 OR key = convert_to(name, 'UTF8'))
        ORDER BY id""",
        topics=list(redacted),
        names=list(names),
    )
    return [
        row
        for row in rows
        if redacted[row.topic](bytes(row.value)) != bytes(row.value) and (until is None or _recorded_at(row) <= until)
    ]


async def redact_naming(tx: Transaction, names: Collection[str], until: datetime, redacted: Redacted) -> int:
    """Leaves of these dead letters what may be kept; how many there were."""
    found = await letters_naming(tx, names, redacted, until)
    held = await _locked(tx, [row.id for row in found]) if found else []
    return await _redact(tx, [row for row in held if row.value is not None], redacted)


def _recorded_at(row: Row[Any]) -> datetime:
    """When a record says that it was recorded; where that is not to be read, when the log got it."""
    try:
        said = datetime.fromisoformat(content_of(row.value)["recorded_at"])
        return said if said.tzinfo is not None else said.replace(tzinfo=UTC)
    except (ValueError, TypeError, KeyError):
        at: datetime = row.record_timestamp
        return at


async def _redact(tx: Transaction, rows: Collection[Row[Any]], redacted: Redacted) -> int:
    kept = {row.id: redacted[row.topic](bytes(row.value)) for row in rows}
    changed = [row.id for row in rows if kept[row.id] != bytes(row.value)]
    if changed:
        # Of what nobody can read nothing can be kept, and so nothing can be tried again.
        await tx.execute(
            f"""
            UPDATE {tx.schema}.dead_letters AS letter SET value = left_of.value, headers = '[]',
                key = CASE WHEN left_of.value IS NULL THEN NULL ELSE key END,
                settled_at = CASE WHEN left_of.value IS NULL THEN coalesce(settled_at, :now) ELSE settled_at END,
                status = CASE WHEN left_of.value IS NULL AND status = 'open' THEN 'dropped' ELSE status END
            FROM unnest(CAST(:ids AS bigint[]), CAST(:kept AS bytea[])) AS left_of (id, value)
            WHERE letter.id = left_of.id""",
            {"ids": changed, "kept": [kept[one] for one in changed], "now": tx.now},
        )
    return len(changed)


class Redaction:
    """Looks once a minute, for as long as the process runs: at letters whose time is over, and at new ones that have a
    name of `<schema>.erased` in them, as a record may that was under way when its person was erased."""

    def __init__(self, database: Database, redacted: Redacted, *, keep: timedelta) -> None:
        self._database = database
        self._redacted = redacted
        self._keep = keep
        self._seen_until = EVER
        self._forgotten_before = EVER

    async def run(self) -> None:
        """Goes on until it is cancelled. While the database is away, nothing is due."""
        await again_and_again(self.once, EVERY_SECONDS, "letters_not_redacted")

    async def once(self) -> int:
        """Everything that is due now; how many letters it left less of."""
        now = self._database.clock.now()
        before = now - self._keep
        done = await self._old(before)
        done += await self._named()
        self._seen_until, self._forgotten_before = now - LOOK_BACK, before
        return done

    async def _old(self, before: datetime) -> int:
        """What has grown old since the last look, and what was old when it came."""
        done, after = 0, 0
        while True:
            rows = await self._database.rows(
                f"""
                SELECT id FROM {self._database.schema}.dead_letters
                WHERE value IS NOT NULL AND topic = ANY(:topics) AND record_timestamp < :before AND id > :after
                    AND (record_timestamp >= :done_before OR recorded_at >= :since)
                ORDER BY id LIMIT :limit""",
                topics=list(self._redacted),
                before=before,
                done_before=self._forgotten_before,
                since=self._seen_until,
                after=after,
                limit=AT_ONCE,
            )
            if not rows:
                return done
            after = rows[-1].id
            ids = [row.id for row in rows]

            async def work(tx: Transaction, ids: Collection[int] = ids) -> int:
                return await _redact(tx, await _locked(tx, ids), self._redacted)

            done += await self._database.run(work)

    async def _named(self) -> int:
        async def work(tx: Transaction) -> int:
            rows = await tx.rows(
                f"""
                SELECT {_COLUMNS} FROM {tx.schema}.dead_letters
                WHERE value IS NOT NULL AND topic = ANY(:topics) AND recorded_at >= :since
                ORDER BY id FOR UPDATE SKIP LOCKED""",
                topics=list(self._redacted),
                since=self._seen_until,
            )
            named = {row.id: {name.decode() for name in _NAMES.findall(bytes(row.value))} for row in rows}
            erased = await tx.rows(
                f"SELECT name, until FROM {tx.schema}.erased WHERE name = ANY(:names)",
                names=sorted(set().union(*named.values())),
            )
            until = {row.name: row.until for row in erased}
            due = [
                row for row in rows if any(name in until and _recorded_at(row) <= until[name] for name in named[row.id])
            ]
            return await _redact(tx, due, self._redacted)

        return await self._database.run(work)


async def _locked(tx: Transaction, ids: Collection[int]) -> list[Row[Any]]:
    return await tx.rows(
        f"SELECT {_COLUMNS} FROM {tx.schema}.dead_letters WHERE id = ANY(:ids) ORDER BY id FOR UPDATE", ids=list(ids)
    )
