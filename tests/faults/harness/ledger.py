"""The ledger outside of the system: what was asked, and what was answered. It alone says what must be there afterwards."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import NamedTuple

TABLES = """
CREATE TABLE captured (
    record_id TEXT PRIMARY KEY, event_id TEXT, lead_id TEXT, sent_at REAL NOT NULL, accepted_at REAL, answers INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE command (
    key TEXT PRIMARY KEY, kind TEXT NOT NULL, target TEXT NOT NULL, sent_at REAL NOT NULL, status INTEGER
) WITHOUT ROWID;
"""


class Command(NamedTuple):
    """A command that was given, and the status of its answer; None where none came."""

    key: str
    kind: str
    target: str
    status: int | None


class Ledger:
    """An SQLite file, written by one task at a time."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = OFF")
        self._connection.executescript(TABLES)

    def close(self) -> None:
        self._connection.close()

    def sent(self, record_id: str) -> None:
        """A record goes out, perhaps again."""
        self._connection.execute(
            "INSERT INTO captured (record_id, sent_at) VALUES (?, ?) ON CONFLICT DO NOTHING", (record_id, time.time())
        )

    def accepted(self, record_id: str, event_id: str, lead_id: str) -> None:
        """A 202. Every further answer to the same record must name the same event and the same lead."""
        before = self._connection.execute(
            "SELECT event_id, lead_id FROM captured WHERE record_id = ? AND event_id IS NOT NULL", (record_id,)
        ).fetchone()
        assert before in (None, (event_id, lead_id)), f"{record_id} was answered {before}, then {(event_id, lead_id)}"
        self._connection.execute(
            """INSERT INTO captured (record_id, event_id, lead_id, sent_at, accepted_at, answers) VALUES (?1, ?2, ?3, ?4, ?4, 1)
               ON CONFLICT (record_id) DO UPDATE SET event_id = ?2, lead_id = ?3, accepted_at = ?4, answers = answers + 1""",
            (record_id, event_id, lead_id, time.time()),
        )

    def commanded(self, key: str, kind: str, target: str) -> None:
        """A command goes out for the first time."""
        self._connection.execute(
            "INSERT INTO command (key, kind, target, sent_at) VALUES (?, ?, ?, ?)", (key, kind, target, time.time())
        )

    def answered(self, key: str, status: int) -> None:
        """A command's definite answer."""
        self._connection.execute("UPDATE command SET status = ? WHERE key = ?", (status, key))

    def event_ids(self) -> list[str]:
        """Of everything that was accepted."""
        found = self._connection.execute("SELECT event_id FROM captured WHERE event_id IS NOT NULL").fetchall()
        return [row[0] for row in found]

    def lead_ids(self) -> list[str]:
        """Distinct leads as capture named them."""
        found = self._connection.execute("SELECT DISTINCT lead_id FROM captured WHERE lead_id IS NOT NULL").fetchall()
        return [row[0] for row in found]

    def commands(self) -> list[Command]:
        """Everything that was commanded."""
        found = self._connection.execute("SELECT key, kind, target, status FROM command").fetchall()
        return [Command(*row) for row in found]

    def count(self) -> int:
        """How many records were accepted."""
        found = self._connection.execute("SELECT count(*) FROM captured WHERE event_id IS NOT NULL").fetchone()
        return int(found[0])
