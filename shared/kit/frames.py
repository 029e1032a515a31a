"""Many outgoing messages as one byte string, so that a transaction leaves one outbox row."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import cramjam

MAX_MESSAGE_BYTES = 900_000
"""The largest message: below the brokers' default limit of one mebibyte, with room for key, headers and batch."""

COMPRESSED = b"\x01"
"""How a compressed frame begins; one as it was packed begins with the length of a topic's name, below 256: a zero."""

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
    """The messages of a frame, stored compressed or as it was packed. Raises `ValueError` on one that is damaged."""
    for topic, key, value in _messages(_plain(frame)):
        yield Outgoing(topic.decode(), key, value)


def _messages(frame: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
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
        yield frame[at:key_at], frame[key_at:value_at], frame[value_at:end]
        at = end


def by_topic(frames: Iterable[bytes]) -> dict[str, list[tuple[bytes, bytes]]]:
    """The messages of some frames as (key, value), in order, by topic. Raises `ValueError` on a frame that is damaged."""
    found: dict[bytes, list[tuple[bytes, bytes]]] = {}
    for frame in frames:
        for topic, key, value in _messages(_plain(frame)):
            found.setdefault(topic, []).append((key, value))
    return {topic.decode(): messages for topic, messages in found.items()}


def compressed(frame: bytes) -> bytes:
    """A frame as it is stored. Events resemble each other: it takes a fifth, and what is stored is written twice, to the
    table and to the write-ahead log."""
    return COMPRESSED + bytes(cramjam.lz4.compress_block(frame))


def _plain(stored: bytes) -> bytes:
    if not stored.startswith(COMPRESSED):
        return stored
    try:
        return bytes(cramjam.lz4.decompress_block(stored[1:]))
    except cramjam.DecompressionError as error:
        raise ValueError("an outbox frame ends within its compressed bytes") from error
