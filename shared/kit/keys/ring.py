"""The keys that work, held in memory: those that are given, and those of the database as it was last seen.

No request waits for the database. A task looks every second whether keys were changed, and reads them where they were: a new
key works, and a revoked one stops working, within two seconds in every process (`refresh_seconds` and the time of one query).
An expiry needs nobody to look: the clock decides at each request. While the database is away the keys that were seen last are
used; after a start without it those that are given, and those of the snapshot where there is one. A key that is not known then
is not called wrong: it may be new.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from prometheus_client import CollectorRegistry, Gauge

from shared.kit.background import running
from shared.kit.clock import Clock
from shared.kit.database import Database
from shared.kit.keys.table import KeyTable
from shared.kit.logs import log
from shared.kit.transient import name_of

READ_ANYWAY_SECONDS = 60.0
"""How often keys are read although nothing says that they were changed; as often it is noted which were used."""

STALE_SECONDS = 10.0
START_SECONDS = 2.0


class Held(Protocol):
    """What is asked of any key. One that is not of the database has no prefix."""

    @property
    def digest(self) -> str:
        """By what it is found."""
        ...

    @property
    def prefix(self) -> str | None:
        """Its public beginning."""
        ...


K = TypeVar("K", bound=Held)


class Snapshot(Protocol[K]):
    """Keys kept for starts without a database."""

    def read(self) -> list[K]:
        """What was kept."""
        ...

    def write(self, keys: list[K]) -> None:
        """Keeps them."""
        ...


class KeyInstruments:
    """The keys a process holds."""

    def __init__(self, service: str, registry: CollectorRegistry) -> None:
        self.keys = Gauge(
            f"leadflow_{service}_keys",
            "API keys that are held, by where they come from.",
            ["origin"],
            registry=registry,
        )
        self.looked = Gauge(
            f"leadflow_{service}_keys_looked_timestamp_seconds",
            "Unix time when the database was last asked for keys. Old means that new and revoked ones are not seen.",
            registry=registry,
        )


class KeyRing(Generic[K]):
    """Finds a key by its digest, without waiting for anything. `noted` is told of keys that were used."""

    def __init__(
        self,
        fixed: Mapping[str, K],
        table: KeyTable[K],
        database: Database | None,
        clock: Clock,
        instruments: KeyInstruments,
        *,
        noted: Callable[[tuple[str, datetime]], object],
        refresh_seconds: float,
        snapshot: Snapshot[K] | None = None,
    ) -> None:
        self.fixed = dict(fixed)
        self._keys = dict(fixed)
        self._table = table
        self._database = database
        self._clock = clock
        self._instruments = instruments
        self._noted = noted
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

    def find(self, digest: str) -> K | None:
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
            self._take(self._snapshot.read())
        async with running(self._run(self._database), f"{self._database.schema}-keys"):
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
        changes = await self._table.changes(database)
        if changes != self._changes or self._read_at is None or _now() - self._read_at > READ_ANYWAY_SECONDS:
            keys = await self._table.live(database, self._clock.now())
            if self._take(keys) and self._snapshot is not None:
                await asyncio.to_thread(self._snapshot.write, keys)
            self._changes = changes
            self._read_at = _now()
        self._looked_at = _now()
        self._instruments.looked.set_to_current_time()

    def _take(self, stored: Iterable[K]) -> bool:
        """Holds these, and those that are given before them. Whether that is any different."""
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
            self._noted((prefix, now))


def _now() -> float:
    return asyncio.get_running_loop().time()
