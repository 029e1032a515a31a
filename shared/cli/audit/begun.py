"""Which audit the kept state is of: of which system, since when; and that one goes on with it at a time."""

from __future__ import annotations

import fcntl
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from shared.cli.http import CommandFailed

OLDEST = timedelta(days=1)
"""What was found out before that is no answer to a question of today."""


@dataclass(frozen=True, slots=True)
class Begun:
    """An audit: what it is called, the moment of which it speaks, and of the log and the services at which addresses."""

    audit_id: str
    began: datetime
    system: Mapping[str, str]


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """One audit at a time in a folder. Raises `CommandFailed` while there is another."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise CommandFailed(
                f"Another audit is at work in {folder}.", "Wait for it, or stop it: this one goes on where it was."
            ) from None
        yield


def begun(folder: Path, system: Mapping[str, str], now: datetime) -> tuple[Begun, str | None]:
    """The audit to go on with, or a new one, and what is to be said of it: why one that was stopped is not gone on with."""
    place = folder / "begun.json"
    found = _read(place)
    if found is not None and found.system == system and timedelta() <= now - found.began <= OLDEST:
        return found, f"Going on with the audit that began {found.began:%Y-%m-%d %H:%M} UTC."
    why = None
    if found is not None:
        why = (
            f"The audit that was stopped began {found.began:%Y-%m-%d %H:%M} UTC, which is too long ago: a new one begins."
            if found.system == system
            else "The audit that was stopped is of another system: a new one begins."
        )
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    new = Begun(str(uuid4()), now.astimezone(UTC), dict(system))
    place.write_text(json.dumps({"audit_id": new.audit_id, "began": new.began.isoformat(), "system": new.system}))
    return new, why


def _read(place: Path) -> Begun | None:
    try:
        kept = json.loads(place.read_bytes())
        return Begun(str(kept["audit_id"]), datetime.fromisoformat(kept["began"]), dict(kept["system"]))
    except (OSError, ValueError, TypeError, KeyError):
        return None
