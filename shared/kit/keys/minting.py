"""How a key is made and when it ends. Of a key itself only its SHA-256 is ever kept."""

from __future__ import annotations

from base64 import b32encode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

MINT_BYTES = 37
_PREFIX_BYTES = 5
BEGINS_WITH = "lf_"


@dataclass(frozen=True, slots=True)
class Minted:
    """A new key, in the only moment in which it is known."""

    key: str
    prefix: str
    digest: str


def mint(chance: bytes) -> Minted:
    """A key made of `MINT_BYTES` random bytes. It begins with its prefix, so that one that is found somewhere can be told
    from others, and revoked, by who must not know it."""
    prefix = f"{BEGINS_WITH}{b32encode(chance[:_PREFIX_BYTES]).decode().lower()}"
    key = f"{prefix}_{urlsafe_b64encode(chance[_PREFIX_BYTES:MINT_BYTES]).decode().rstrip('=')}"
    return Minted(key, prefix, digest_of(key))


def digest_of(key: str) -> str:
    """By what a key is known."""
    return sha256(key.encode()).hexdigest()


def overlap_end(now: datetime, overlap: timedelta, expires_at: datetime | None) -> datetime:
    """Until when a key that is being replaced goes on: never longer than it would have."""
    end = now + overlap
    return end if expires_at is None else min(end, expires_at)


def successor_expiry(now: datetime, created_at: datetime, expires_at: datetime | None) -> datetime | None:
    """When a key that replaces another expires: it lives as long as that one was made for."""
    return None if expires_at is None else now + (expires_at - created_at)
