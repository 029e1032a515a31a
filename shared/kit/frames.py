"""Many outgoing messages as one byte string, so that a transaction leaves one outbox row."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple

MAX_MESSAGE_BYTES = 900_000
"""The largest message: below the brokers' default limit of one mebibyte, with room for key, headers and batch."""

_LENGTHS = struct.Struct(">HHI")


class Outgoing(NamedTuple):
    """A message for the log."""

    topic: str
    key: bytes
    value: bytes


def pack(messages: Iterable[Outgoing]) -> bytes:
    """The messages, in order, each as three lengths and three byte strings."""
    parts: list[bytes] = []
    for topic, key, value in messages:
        name = topic.encode()
        parts += (_LENGTHS.pack(len(name), len(key), len(value)), name, key, value)
    return b"".join(parts)


def unpack(frame: bytes) -> Iterator[Outgoing]:
    """The messages of a frame. Raises `ValueError` on a frame that is cut short."""
    at = 0
    while at < len(frame):
        if at + _LENGTHS.size > len(frame):
            raise ValueError("an outbox frame ends within its lengths")
        name_length, key_length, value_length = _LENGTHS.unpack_from(frame, at)
        at += _LENGTHS.size
        end = at + name_length + key_length + value_length
        if end > len(frame):
            raise ValueError("an outbox frame ends within a message")
        key_at = at + name_length
        value_at = key_at + key_length
        yield Outgoing(frame[at:key_at].decode(), frame[key_at:value_at], frame[value_at:end])
        at = end
