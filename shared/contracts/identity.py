"""Who is who: the frozen rules, version 1, that turn what a sender knows into a lead's id. A change here is a version 2
beside it, never an edit: ids already given out must stay what they were."""

from __future__ import annotations

import hashlib
import hmac
import re
import unicodedata
from collections.abc import Iterable
from uuid import UUID, SafeUUID, uuid5

from shared.contracts.capture_events import Identity, IdentityKind

STRENGTH: tuple[IdentityKind, ...] = ("email", "phone", "external", "visitor")
"""Identity kinds, strongest first: the strongest one present decides the lead's id."""

ROLE_LOCAL_PARTS = frozenset(
    {
        "abuse",
        "accounting",
        "accounts",
        "admin",
        "administrator",
        "billing",
        "bookings",
        "career",
        "careers",
        "contact",
        "customerservice",
        "donotreply",
        "enquiries",
        "enquiry",
        "feedback",
        "finance",
        "hello",
        "help",
        "helpdesk",
        "hostmaster",
        "hr",
        "info",
        "information",
        "inquiries",
        "inquiry",
        "invoices",
        "it",
        "jobs",
        "legal",
        "mail",
        "mailer-daemon",
        "marketing",
        "media",
        "newsletter",
        "no-reply",
        "noc",
        "noreply",
        "office",
        "orders",
        "postmaster",
        "press",
        "privacy",
        "purchasing",
        "reception",
        "recruitment",
        "registrar",
        "root",
        "sales",
        "secretary",
        "security",
        "service",
        "spam",
        "subscribe",
        "support",
        "sysadmin",
        "team",
        "tech",
        "test",
        "unsubscribe",
        "webmaster",
        "welcome",
    }
)
"""Mailboxes that many people share. They are kept as contact data and are never an identity."""

SENDERS_NAMESPACE = UUID("6f1d6e62-8a52-5c0e-9d0b-5d1c8f0a7b31")
_SENDERS_NAMESPACE_BYTES = SENDERS_NAMESPACE.bytes
# The two highest bits of this digit say that a UUID is laid out as RFC 9562 has it.
_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}

_BLOCK_BYTES = 64
"""Of SHA-256."""

_REPEATED_DIGIT = re.compile(r"^\+?(\d)\1+$")
MADE_UP_ENDINGS = frozenset(
    {digit * 7 for digit in "0123456789"} | {"2345678", "3456789", "4567890", "6543210", "7654321", "8765432"}
)
"""How numbers end that are typed instead of one's own: 06 1234 5678, 555 000 0000, 0912 345 6789. Such a number can be dialled, so it is no
fault, and it is nobody's: it recognises no one. Version 1, beside `phone_identity`, which stays as it is."""

_E164 = re.compile(r"^\+[1-9]\d{6,14}$")


def email_identity(address: str) -> str | None:
    """The value that recognises a person by e-mail address, or None for a role address or a malformed one.

    Lower case, compatibility-normalised, without a `+tag`. Dots stay: only one provider ignores them.
    """
    plain = address if address.isascii() else unicodedata.normalize("NFKC", address)
    folded = plain.strip().lower()
    local, at, domain = folded.rpartition("@")
    local = local.partition("+")[0]
    if not at or not local or "." not in domain or local in ROLE_LOCAL_PARTS:
        return None
    return f"{local}@{domain}"


def phone_identity(e164: str) -> str | None:
    """The value that recognises a person by telephone number in E.164 form, or None for a number no one person has."""
    if not _E164.match(e164) or _REPEATED_DIGIT.match(e164[3:]):
        return None
    return e164


def external_identity(sender: str, external_id: str) -> str:
    """The value that recognises a record of another system: its sender and the id it has there."""
    return f"{sender}\x1f{external_id.strip()}"


def identity(secret: bytes, business_unit: str, kind: IdentityKind, value: str) -> Identity:
    """A normalised value as its keyed hash. Units never share identities. `secret` is the deployment's, at least 16 bytes."""
    message = f"{business_unit}\x1f{kind}\x1f{value}".encode()
    return Identity(kind=kind, token=hmac.digest(secret, message, "sha256")[:16].hex())


class Tokens:
    """The tokens of `identity` under one secret. HMAC is a hash within a hash (RFC 2104), and each begins with a block that
    is made of the secret: both blocks are hashed once, here, and not for each token. That is half of what a token costs."""

    def __init__(self, secret: bytes) -> None:
        if len(secret) > _BLOCK_BYTES:
            secret = hashlib.sha256(secret).digest()
        block = secret.ljust(_BLOCK_BYTES, b"\0")
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block))
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in block))

    def token(self, business_unit: str, kind: IdentityKind, value: str) -> str:
        """The token of a normalised value."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(f"{business_unit}\x1f{kind}\x1f{value}".encode())
        outer.update(inner.digest())
        return outer.hexdigest()[:32]


def strongest(identities: Iterable[Identity]) -> Identity | None:
    """The identity that decides the lead's id, or None where there is none."""
    by_kind: dict[str, Identity] = {}
    for one in identities:
        by_kind.setdefault(one.kind, one)
    return next((by_kind[kind] for kind in STRENGTH if kind in by_kind), None)


def lead_id_from(identities: Iterable[Identity], event_id: UUID) -> UUID:
    """The lead's id: made from its strongest identity, so that every event of one person lands on one lead without a
    look-up; from the event's own id where nothing identifies it, so that a retry still gets the same answer."""
    strong = strongest(identities)
    if strong is None:
        digest = hashlib.blake2b(event_id.bytes, digest_size=16, person=b"leadflow-lead-1").digest()
    else:
        digest = bytes.fromhex(strong.token)
    return UUID(bytes=digest, version=5)


def lead_id_text(token: str) -> str:
    """The id, as it is written, of the lead whose strongest identity has this token."""
    return _version_5_text(token)


def event_id_from(sender: str, key: str) -> UUID:
    """The id of an event its sender named: the same sender and key give the same event, however often it is sent."""
    return uuid5(SENDERS_NAMESPACE, f"{sender}\x1f{key}")


def event_id_text(sender: str, key: str) -> str:
    """The same id, as it is written."""
    named = _SENDERS_NAMESPACE_BYTES + f"{sender}\x1f{key}".encode()
    return _version_5_text(hashlib.sha1(named, usedforsecurity=False).hexdigest())


def _version_5_text(digits: str) -> str:
    """What `str(UUID(hex=digits[:32], version=5))` is, at a fifth of its cost: intake writes two such ids for each lead."""
    variant = _VARIANT[digits[16]]
    return f"{digits[:8]}-{digits[8:12]}-5{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:32]}"


def derived_event_id(cause: UUID, what: str) -> UUID:
    """The id of an event that follows from another, so that deciding it again names the same event."""
    digest = _DERIVED.copy()
    digest.update(cause.bytes + what.encode())
    return _version_5(digest.digest())


_DERIVED = hashlib.blake2b(digest_size=16, person=b"leadflow-event-1")
_VERSION_AND_VARIANT = (0xF << 76) | (0x3 << 62)
_VERSION_5 = (0x5 << 76) | (0x2 << 62)


def _version_5(digest: bytes) -> UUID:
    """What `UUID(bytes=digest, version=5)` is, at a quarter of its cost: every fact's id is made so."""
    made = UUID.__new__(UUID)
    object.__setattr__(made, "int", int.from_bytes(digest, "big") & ~_VERSION_AND_VARIANT | _VERSION_5)
    object.__setattr__(made, "is_safe", SafeUUID.unknown)
    return made
