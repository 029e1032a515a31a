"""The keys that work, held in memory: those of the environment, and those of the database as it was last seen.

No request waits for the database. A task looks every second whether keys were changed, and reads them where they were: a new
key works, and a revoked one stops working, within two seconds in every process (`CAPTURE_KEYS_REFRESH_SECONDS` and the time of
one query). An expiry needs nobody to look: the clock decides at each request. While the database is away the keys that were
seen last are used; after a start without it those of the environment, and of the snapshot where one is configured. A key that
is not known then is not called wrong: it may be new.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from services.capture import storage
from services.capture.bookkeeping import Book
from services.capture.domain.keys import ApiKey
from services.capture.instruments import KeyInstruments
from shared.kit.background import running
from shared.kit.clock import Clock
from shared.kit.database import Database
from shared.kit.logs import log
from shared.kit.transient import name_of

READ_ANYWAY_SECONDS = 60.0
"""How often keys are read although nothing says that they were changed; as often it is noted which were used."""

STALE_SECONDS = 10.0
START_SECONDS = 2.0


class KeyRing:
    """Finds a key by its digest, without waiting for anything."""

    def __init__(
        self,
        fixed: Mapping[str, ApiKey],
        database: Database | None,
        clock: Clock,
        instruments: KeyInstruments,
        *,
        used: Book[tuple[str, datetime]],
        refresh_seconds: float,
        snapshot: Path | None,
    ) -> None:
        self.fixed = dict(fixed)
        self._keys = dict(fixed)
        self._database = database
        self._clock = clock
        self._instruments = instruments
        self._noted = used
        self._refresh_seconds = refresh_seconds
        self._snapshot = snapshot
        self._changes: int | None = None
        self._read_at: float | None = None
        self._looked_at: float | None = None
        self._used: set[str] = set()
        self._used_noted_at = 0.0
        self._look = asyncio.Event()
        self._tried = asyncio.Event()
        instruments.keys.labels("environment").set(len(self.fixed))

    def find(self, digest: str) -> ApiKey | None:
        """The key, expired or not; None for one that is not known."""
        key = self._keys.get(digest)
        if key is not None and key.prefix is not None:
            self._used.add(key.prefix)
        return key

    @property
    def knows_all(self) -> bool:
        """Whether a key that is not known here is known nowhere: the database was asked a moment ago, or there is none."""
        if self._database is None:
            return True
        return self._looked_at is not None and _now() - self._looked_at < STALE_SECONDS + self._refresh_seconds

    def look_now(self) -> None:
        """Somebody has changed a key in this process: it need not wait for the next look."""
        self._look.set()

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Looks for changes while the block runs. The first look is waited for, briefly."""
        if self._database is None:
            yield
            return
        if self._snapshot is not None:
            self._take(read_snapshot(self._snapshot))
        async with running(self._run(self._database), "capture-keys"):
            with suppress(TimeoutError):
                async with asyncio.timeout(START_SECONDS):
                    await self._tried.wait()
            yield
        self._note_used()

    async def _run(self, database: Database) -> None:
        told = False
        while True:
            self._look.clear()
            try:
                await self._refresh(database)
                told = False
            except Exception as error:
                if not told:
                    log().warning("keys_not_read", error_type=name_of(error))
                told = True
            self._tried.set()
            if _now() - self._used_noted_at > READ_ANYWAY_SECONDS:
                self._note_used()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._refresh_seconds):
                    await self._look.wait()

    async def _refresh(self, database: Database) -> None:
        """Reads the keys where there is anything new. The number of changes is read before them: what comes in between is
        seen with the next look."""
        changes = await storage.key_changes(database)
        if changes != self._changes or self._read_at is None or _now() - self._read_at > READ_ANYWAY_SECONDS:
            keys = await storage.live_keys(database, self._clock.now())
            if self._take(keys) and self._snapshot is not None:
                await asyncio.to_thread(write_snapshot, self._snapshot, keys)
            self._changes = changes
            self._read_at = _now()
        self._looked_at = _now()
        self._instruments.looked.set_to_current_time()

    def _take(self, stored: Iterable[ApiKey]) -> bool:
        """Holds these, and those of the environment before them. Whether that is any different."""
        keys = {**{key.digest: key for key in stored}, **self.fixed}
        self._instruments.keys.labels("database").set(len(keys) - len(self.fixed))
        changed = keys != self._keys
        self._keys = keys
        return changed

    def _note_used(self) -> None:
        used, self._used = self._used, set()
        self._used_noted_at = _now()
        now = self._clock.now()
        for prefix in used:
            self._noted.note((prefix, now))


def _now() -> float:
    return asyncio.get_running_loop().time()


def write_snapshot(path: Path, keys: Iterable[ApiKey]) -> None:
    """Keeps digests and what belongs to them where only this account can read it. What cannot be written is told."""
    rows = [
        {
            "sender": key.sender,
            "digest": key.digest,
            "scopes": sorted(key.scopes),
            "prefix": key.prefix,
            "rate_per_second": key.rate_per_second,
            "expires_at": key.expires_at,
        }
        for key in keys
    ]
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(orjson.dumps(rows))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError as error:
        log().warning("keys_snapshot_not_written", error_type=type(error).__name__)


def read_snapshot(path: Path) -> list[ApiKey]:
    """The keys that were kept; none where there is no file, or where it cannot be understood."""
    try:
        rows: list[dict[str, Any]] = orjson.loads(path.read_bytes())
        return [
            ApiKey(
                row["sender"],
                row["digest"],
                frozenset(row["scopes"]),
                row["prefix"],
                row["rate_per_second"],
                None if row["expires_at"] is None else datetime.fromisoformat(row["expires_at"]),
            )
            for row in rows
        ]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError) as error:
        log().warning("keys_snapshot_not_read", error_type=type(error).__name__)
        return []
