"""Secrets that senders put into what they send: taken out before any of it is kept."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from services.capture.quarantine import encoded
from shared.kit.errors import LeadflowError

_ESCAPED = re.compile(rb"\\u00([0-7][0-9a-fA-F])")


def without_proof(body: bytes, name: str, parse: Callable[[bytes], object]) -> bytes:
    """The body without its fields of that name. Of what is no JSON they are cut out as text; where they may be hidden in it,
    nothing is left."""
    try:
        try:
            content = parse(body)
        except LeadflowError:
            # Words and sizes that are no numbers to intake can be read here, and so the field be found.
            return json.dumps(_without(json.loads(body), name)).encode()
        left = _without(content, name)
        return body if left == content else encoded(left) or b""
    except (ValueError, RecursionError):
        return _cut(body, name.encode())


def _without(content: object, name: str) -> object:
    if isinstance(content, dict):
        return {other: _without(value, name) for other, value in content.items() if other != name}
    return [_without(value, name) for value in content] if isinstance(content, list) else content


def _cut(body: bytes, name: bytes) -> bytes:
    plain = _ESCAPED.sub(lambda found: bytes([int(found[1], 16)]), body)
    if b"\x00" in body or (name in plain and name not in body):
        return b""
    left = re.sub(rb'"%s"\s*:\s*("(\\.|[^"\\])*("|\\?\Z)|[^,\]}]*),?' % re.escape(name), b"", body)
    return b"" if name in left else left
