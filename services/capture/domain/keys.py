"""API keys: who a key belongs to, what it may do, until when. Of a key itself only its SHA-256 is ever kept."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

Scope = Literal["write", "backdate", "impersonate", "reconcile", "upload"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
MEANINGS: dict[Scope, str] = {
    "write": "send leads and interactions",
    "backdate": "send history, from which no rule fires",
    "impersonate": "send, and reconcile, for the sender named in Leadflow-Sender",
    "reconcile": "read what became of the sender's own leads, by hour and by id",
    "upload": "upload files of leads, and see what became of them",
}

SENDER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
"""What a sender may be called. The addresses of channels have a `/` in their names, so no key can pass for one."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One sender's key, known by its digest alone. A sender may have several, so that keys can be replaced. `prefix` is
    its public beginning; a key of the environment has none. Without `rate_per_second` the deployment's limit holds."""

    sender: str
    digest: str
    scopes: frozenset[str]
    prefix: str | None = None
    rate_per_second: float | None = None
    expires_at: datetime | None = None


def unknown_scopes(scopes: Collection[str]) -> list[str]:
    """Those of the scopes that there are not."""
    return sorted(set(scopes) - set(SCOPES))
