"""By what a delivery is trusted. Signatures are made over the raw body, compared in constant time, and hold within the
endpoint's replay window where the sender signs a time; any of the live secrets will do, so that they can be replaced."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from services.capture.domain.channels.terms import Delivery, Forged, Verified
from shared.contracts import standard_webhooks as standard
from shared.contracts.policy import Endpoint
from shared.contracts.standard_webhooks import base64_signature


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
        delivery.headers.get(name, "") for name in (standard.ID, standard.TIMESTAMP, standard.SIGNATURE)
    )
    if not (identifier and at and header):
        return Forged("it lacks webhook-id, webhook-timestamp or webhook-signature")
    late = stale(at, now, endpoint.replay_window_seconds)
    if late is not None:
        return late
    signed = standard.signed_text(identifier, at, delivery.body)
    parts = (part.partition(",") for part in header.split())
    given = [signature for version, _, signature in parts if version == standard.VERSION]
    return proven(secrets, given, lambda secret: base64_signature(standard.signing_key(secret), signed))
