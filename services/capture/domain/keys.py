"""API keys: who a key belongs to, what it may do, until when. Of a key itself only its SHA-256 is ever kept."""

from __future__ import annotations

import re
from base64 import b32encode, urlsafe_b64encode
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
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

MINT_BYTES = 37
_PREFIX_BYTES = 5


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


@dataclass(frozen=True, slots=True)
class Minted:
    """A new key, in the only moment in which it is known."""

    key: str
    prefix: str
    digest: str


def mint(chance: bytes) -> Minted:
    """A key made of `MINT_BYTES` random bytes. It begins with its prefix, so that one that is found somewhere can be told
    from others, and revoked, by who must not know it."""
    prefix = f"lf_{b32encode(chance[:_PREFIX_BYTES]).decode().lower()}"
    key = f"{prefix}_{urlsafe_b64encode(chance[_PREFIX_BYTES:MINT_BYTES]).decode().rstrip('=')}"
    return Minted(key, prefix, sha256(key.encode()).hexdigest())


def unknown_scopes(scopes: Collection[str]) -> list[str]:
    """Those of the scopes that there are not."""
    return sorted(set(scopes) - set(SCOPES))


def overlap_end(now: datetime, overlap: timedelta, expires_at: datetime | None) -> datetime:
    """Until when a key that is being replaced goes on: never longer than it would have."""
    end = now + overlap
    return end if expires_at is None else min(end, expires_at)


def successor_expiry(now: datetime, created_at: datetime, expires_at: datetime | None) -> datetime | None:
    """When a key that replaces another expires: it lives as long as that one was made for."""
    return None if expires_at is None else now + (expires_at - created_at)
