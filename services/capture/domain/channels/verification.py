"""By what a delivery is trusted. Signatures are made over the raw body, compared in constant time, and hold within the
endpoint's replay window where the sender signs a time; any of the live secrets will do, so that they can be replaced."""

from __future__ import annotations

import binascii
import hmac
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from services.capture.domain.channels.terms import Delivery, Forged, Verified
from shared.contracts.policy import Endpoint


def proven(secrets: Sequence[str], given: Iterable[str], sign: Callable[[str], str]) -> Verified | Forged:
    """Whether one of the given signatures is what one of the secrets signs. Every pair is compared, so that the time it
    takes says nothing."""
    signatures = [one.encode("utf-8", "replace") for one in given]
    proof: Verified | None = None
    for place, secret in enumerate(secrets):
        expected = sign(secret).encode()
        for signature in signatures:
            if hmac.compare_digest(signature, expected) and proof is None:
                proof = Verified(place)
    return proof or Forged("the signature does not fit the body")


def hex_signature(secret: str, message: bytes) -> str:
    """HMAC-SHA256 in hexadecimal digits."""
    return hmac.digest(secret.encode(), message, "sha256").hex()


def base64_signature(secret: bytes, message: bytes) -> str:
    """HMAC-SHA256 in base64."""
    return b64encode(hmac.digest(secret, message, "sha256")).decode()


def stale(seconds: str, now: datetime, window_seconds: int) -> Forged | None:
    """Why a signed time in Unix seconds is not near enough to now, or None."""
    if not (seconds.isascii() and seconds.isdigit() and len(seconds) <= 12):
        return Forged("the signed time is no Unix time in seconds")
    if abs(now.timestamp() - int(seconds)) > window_seconds:
        return Forged(f"the signed time is more than {window_seconds} s from now: a replay, or a clock that is wrong")
    return None


def verify_standard_webhook(
    delivery: Delivery, secrets: Sequence[str], endpoint: Endpoint, now: datetime
) -> Verified | Forged:
    """`webhook-id`, `webhook-timestamp` and `webhook-signature`: each `v1,` signature is over id, time and body."""
    identifier, at, header = (
        delivery.headers.get(name, "") for name in ("webhook-id", "webhook-timestamp", "webhook-signature")
    )
    if not (identifier and at and header):
        return Forged("it lacks webhook-id, webhook-timestamp or webhook-signature")
    late = stale(at, now, endpoint.replay_window_seconds)
    if late is not None:
        return late
    signed = b".".join((identifier.encode(), at.encode(), delivery.body))
    given = [signature for version, _, signature in (part.partition(",") for part in header.split()) if version == "v1"]
    return proven(secrets, given, lambda secret: base64_signature(_symmetric_key(secret), signed))


def _symmetric_key(secret: str) -> bytes:
    """The key in a `whsec_` secret, which is base64; a secret that is none is the key itself."""
    if not secret.startswith("whsec_"):
        return secret.encode()
    try:
        return b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        return secret.encode()
