"""How webhooks are signed, in and out: Standard Webhooks, version `v1`.

What is signed is the message's id, the Unix time at which it was sent and the body, so that neither can be exchanged for another.
A receiver that was shown a `whsec_` secret finds its key in base64 behind it.
"""

from __future__ import annotations

import hmac
from base64 import b64decode, b64encode
from collections.abc import Iterable

ID = "webhook-id"
TIMESTAMP = "webhook-timestamp"
SIGNATURE = "webhook-signature"

SECRET_PREFIX = "whsec_"  # noqa: S105
VERSION = "v1"


def signed_text(message_id: str, timestamp: str, body: bytes) -> bytes:
    """What a signature is made over."""
    return b".".join((message_id.encode(), timestamp.encode(), body))


def signing_key(secret: str) -> bytes:
    """The key in a secret; one without the prefix is the key itself. Raises `ValueError`, which does not say the secret, where
    the prefix has no key behind it: taken for text it would sign what nobody else does, and an empty key signs for anybody."""
    if not secret.startswith(SECRET_PREFIX):
        return secret.encode()
    try:
        key = b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except ValueError:
        key = b""
    if not key:
        raise ValueError(f"has no key in base64 behind {SECRET_PREFIX}; copy the secret whole, with each = at its end")
    return key


def secret_of(key: bytes) -> str:
    """A key as its owner is shown it."""
    return SECRET_PREFIX + b64encode(key).decode()


def base64_signature(key: bytes, message: bytes) -> str:
    """HMAC-SHA256 in base64."""
    return b64encode(hmac.digest(key, message, "sha256")).decode()


def signed_headers(secrets: Iterable[str], message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers of a message that each of the secrets signs: whoever has one of them can tell where it comes from."""
    at = str(timestamp)
    text = signed_text(message_id, at, body)
    signatures = [f"{VERSION},{base64_signature(signing_key(secret), text)}" for secret in secrets]
    return {ID: message_id, TIMESTAMP: at, SIGNATURE: " ".join(signatures)}
