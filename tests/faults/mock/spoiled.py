"""Batches as a broken disk, network card or client leaves them in the log."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from aiokafka import AIOKafkaProducer
from aiokafka.record.util import calc_crc32c

Spoil = Callable[[bytes], bytes]

CHECKSUM = slice(17, 21)
CODEC_BYTE = 22
AFTER_CHECKSUM = slice(21, None)
UNKNOWN_CODEC = 7


def corrupt(batch: bytes) -> bytes:
    """A bit of the last record is another, and the checksum tells."""
    return batch[:-1] + bytes([batch[-1] ^ 1])


def with_unknown_codec(batch: bytes) -> bytes:
    """Compressed in a way that nobody knows, with a checksum that is right."""
    changed = bytearray(batch)
    changed[CODEC_BYTE] |= UNKNOWN_CODEC
    changed[CHECKSUM] = calc_crc32c(bytes(changed[AFTER_CHECKSUM])).to_bytes(4, "big")
    return bytes(changed)


SPOILED: dict[str, Spoil] = {"a corrupt batch": corrupt, "an unknown codec": with_unknown_codec}


async def send_batch(bootstrap: str, topic: str, partition: int, values: Sequence[bytes], spoil: Spoil = bytes) -> None:
    """Puts one batch into a partition, spoiled on the way. The mock cluster takes it as it is."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all")
    await producer.start()
    try:
        batch = producer.create_batch()
        for value in values:
            batch.append(key=b"k", value=value, timestamp=None)
        batch._buffer = spoil(bytes(batch._build()))
        await (await producer.send_batch(batch, topic, partition=partition))
    finally:
        await producer.stop()
