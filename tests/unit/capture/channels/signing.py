"""How each sender proves itself, written from its documentation: the headers of a delivery it would send."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable

from tests.unit.capture.fakes import NOW

AT = int(NOW.timestamp())
Sign = Callable[[bytes, str], dict[str, str]]


def _mac(secret: bytes, message: bytes) -> hmac.HMAC:
    return hmac.new(secret, message, hashlib.sha256)


def standard_webhooks(
    body: bytes, secret: str, *, at: int = AT, identifier: str = "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W"
) -> dict[str, str]:
    """Three headers; `whsec_` secrets are base64."""
    key = base64.b64decode(secret.removeprefix("whsec_")) if secret.startswith("whsec_") else secret.encode()
    signature = base64.b64encode(_mac(key, f"{identifier}.{at}.".encode() + body).digest()).decode()
    return {"webhook-id": identifier, "webhook-timestamp": str(at), "webhook-signature": f"v1,{signature}"}


def meta(body: bytes, secret: str) -> dict[str, str]:
    """Hexadecimal, over the body."""
    return {"x-hub-signature-256": f"sha256={_mac(secret.encode(), body).hexdigest()}"}


def linkedin(body: bytes, secret: str) -> dict[str, str]:
    """Hexadecimal, over `hmacsha256=` and the body."""
    return {"x-li-signature": _mac(secret.encode(), b"hmacsha256=" + body).hexdigest()}


def typeform(body: bytes, secret: str) -> dict[str, str]:
    """Base64, over the body."""
    return {"typeform-signature": f"sha256={base64.b64encode(_mac(secret.encode(), body).digest()).decode()}"}


def calendly(body: bytes, secret: str, *, at: int = AT) -> dict[str, str]:
    """Hexadecimal, over the time, a dot and the body."""
    mac = _mac(secret.encode(), f"{at}.".encode() + body).hexdigest()
    return {"calendly-webhook-signature": f"t={at},v1={mac}"}


def google_body(secret: str, **fields: object) -> bytes:
    """Google signs nothing: its key stands in the body."""
    return json.dumps({"google_key": secret, "lead_id": "lead-1", "user_column_data": [], **fields}).encode()
