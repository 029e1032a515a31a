"""Topics on a test's broker."""

from __future__ import annotations

from collections.abc import Iterable

from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from shared.contracts.topics import TOPICS


async def create_topics(bootstrap: str, names: Iterable[str] = tuple(TOPICS), *, partitions: int = 4) -> None:
    """Creates topics, by default every topic of the contracts."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, partitions, 1) for name in names])
    finally:
        await admin.close()
