"""What an event is called that its sender has named, itself or by the request or delivery that it came in."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from hashlib import blake2b

import orjson

from services.capture.domain.terms import Kind
from shared.contracts.identity import event_id_text
from shared.contracts.tokens import clean_token

_DIGEST_BYTES = 16


def named_event(business_unit: str, sender: str, kind: Kind, key: str) -> str:
    """The event's id. A sender numbers its leads and its interactions apart, and its units apart, so one key may mean
    several."""
    return event_id_text(f"{business_unit}\x1f{sender}", f"{kind}\x1f{key}")


class ItemNames:
    """What the items of a batch are called that came under one key: by what each says, so that one that comes again alone, or
    among others, is known. Those that say the same are told apart by which of them it is."""

    def __init__(self, key: str) -> None:
        self._key = key
        self._said: Counter[str] = Counter()
        self._place = -1

    def name(self, item: object) -> str:
        """The next item's name; where a `record_id` of its own goes before it, only its place."""
        self._place += 1
        if isinstance(item, dict) and _is_named(item.get("record_id")):
            return f"{self._key}:{self._place}"
        said = digest(item if isinstance(item, bytes) else _written(item))
        earlier = self._said[said]
        self._said[said] += 1
        return f"{self._key}:{said}:{earlier}" if earlier else f"{self._key}:{said}"


def delivery_names(body: bytes) -> Callable[[int], str]:
    """What the records of a delivery are called that have no id of their own, by place: the same bytes again are the same
    delivery."""
    said = digest(body)
    return lambda place: f"delivery:{said}:{place}"


def digest(said: bytes) -> str:
    """A short one of what was said."""
    return blake2b(said, digest_size=_DIGEST_BYTES).hexdigest()


def _is_named(record_id: object) -> bool:
    if isinstance(record_id, str):
        return clean_token(record_id) != ""
    return isinstance(record_id, int) and not isinstance(record_id, bool)


def _written(item: object) -> bytes:
    try:
        return orjson.dumps(item, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:
        pass
    try:
        return json.dumps(item, sort_keys=True).encode()
    except RecursionError:
        return b""
