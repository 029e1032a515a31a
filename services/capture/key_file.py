"""Keys kept in a file, for starts without a database: digests and what belongs to them, never a key."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from services.capture.disks import PRIVATE_FILE
from services.capture.domain.keys import ApiKey
from shared.kit.logs import log


@dataclass(frozen=True, slots=True)
class KeyFile:
    """The file, as the ring of keys uses it."""

    path: Path

    def read(self) -> list[ApiKey]:
        """What was kept."""
        return read_snapshot(self.path)

    def write(self, keys: list[ApiKey]) -> None:
        """Keeps these."""
        write_snapshot(self.path, keys)


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
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE), "wb") as file:
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
