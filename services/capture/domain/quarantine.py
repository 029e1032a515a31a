"""What is kept of a payload that could not be taken: how it is shown, how it is mended, what names its entry."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Literal
from uuid import UUID

from services.capture.domain.faults import describe
from services.capture.domain.values import unknown_field_flag

Reason = Literal["invalid", "unreadable", "conflict"]
REASONS: tuple[Reason, ...] = ("invalid", "unreadable", "conflict")

MAX_SHOWN_DEPTH = 32


def redacted(value: object, depth: int = 0) -> object:
    """A JSON value without what it says: its fields, and of which kind and length each value is. Names that could be
    somebody's data are not shown either."""
    if isinstance(value, str):
        return f"text of {len(value)}"
    if depth >= MAX_SHOWN_DEPTH and isinstance(value, dict | list):
        return describe(value)
    if isinstance(value, dict):
        shown: dict[str, object] = {}
        for place, (name, inner) in enumerate(value.items()):
            plain = unknown_field_flag(name) != "unknown_field"
            shown[name if plain else f"name {place} of {len(name)}"] = redacted(inner, depth + 1)
        return shown
    if isinstance(value, list):
        return [redacted(inner, depth + 1) for inner in value]
    return value if value is None else describe(value)


def merge_patch(target: object, patch: object) -> object:
    """The target after a JSON merge patch (RFC 7396): null removes a field, an object goes into what is there, anything
    else takes its place."""
    if not isinstance(patch, Mapping):
        return patch
    merged = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged


def entry_id(sender: str, kind: str, key: str, payload: bytes) -> UUID:
    """The id of an entry whose sender names it: the same sent again, as machines do, is one entry."""
    said = blake2b(digest_size=16, person=b"leadflow-quarant")
    for part in (sender.encode(), kind.encode(), key.encode("utf-8", "surrogatepass"), payload):
        said.update(len(part).to_bytes(8, "big"))
        said.update(part)
    return UUID(bytes=said.digest(), version=5)
