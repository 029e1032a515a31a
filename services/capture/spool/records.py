"""How events lie on disk, so that each is found whole, beside damage too.

A record is a mark, the CRC-32 of everything behind it, the time it was kept, three lengths, then topic, key and value.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple
from zlib import crc32

MARK = b"\xf5LS1"
"""No text in UTF-8 has the first of these bytes, so no key or value looks as if a record began in it."""

_BEGINNING = struct.Struct(">4sI")
_LENGTHS = struct.Struct(">QHHI")
_HEAD_BYTES = _BEGINNING.size + _LENGTHS.size


class Record(NamedTuple):
    """An event as it waits, and since when, in milliseconds of Unix time."""

    topic: str
    key: bytes
    value: bytes
    kept_at_ms: int


class Found(NamedTuple):
    """What lies at a place, a record or a stretch that cannot be read, and where it ends."""

    record: Record | None
    end: int


def encode(records: Iterable[Record]) -> bytes:
    """The records' bytes, one behind the other."""
    parts: list[bytes] = []
    for topic, key, value, kept_at_ms in records:
        name = topic.encode()
        checked = b"".join((_LENGTHS.pack(kept_at_ms, len(name), len(key), len(value)), name, key, value))
        parts += (_BEGINNING.pack(MARK, crc32(checked)), checked)
    return b"".join(parts)


def find(data: bytes, start: int = 0) -> Iterator[Found]:
    """Everything from `start` on. What cannot be read is one stretch, up to the next whole record or the end."""
    at = start
    while at < len(data):
        whole = _whole(data, at)
        if whole is None:
            at = _next_whole(data, at + 1)
            yield Found(None, at)
        else:
            yield whole
            at = whole.end


def _whole(data: bytes, at: int) -> Found | None:
    """The record that begins here, if one does and all of it is as it was written."""
    body = at + _HEAD_BYTES
    if body > len(data):
        return None
    mark, checksum = _BEGINNING.unpack_from(data, at)
    if mark != MARK:
        return None
    kept_at_ms, topic, key, value = _LENGTHS.unpack_from(data, at + _BEGINNING.size)
    end = body + topic + key + value
    if end > len(data) or crc32(memoryview(data)[at + _BEGINNING.size : end]) != checksum:
        return None
    key_at, value_at = body + topic, body + topic + key
    return Found(Record(data[body:key_at].decode(), data[key_at:value_at], data[value_at:end], kept_at_ms), end)


def _next_whole(data: bytes, start: int) -> int:
    at = data.find(MARK, start)
    while at >= 0 and _whole(data, at) is None:
        at = data.find(MARK, at + 1)
    return len(data) if at < 0 else at
