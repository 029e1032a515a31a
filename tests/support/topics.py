"""Topics on a test's broker."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import for_code

from shared.contracts.topics import TOPICS

BROKERS_DEFAULT = -1


async def create_topics(
    bootstrap: str, names: Iterable[str] = tuple(TOPICS), *, partitions: int = 4, replicas: int = BROKERS_DEFAULT
) -> None:
    """Creates topics, by default every topic of the contracts, on as many replicas as the broker does by default, and waits until
    the broker tells of them: on a busy machine it says for a moment after that there are none of these names.

    Raises `RuntimeError` naming those the broker refused.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        wanted = [NewTopic(name, partitions, 1) for name in names]
        for topic in wanted:
            topic.replication_factor = replicas  # the client's own check does not know of a broker's default
        answer = await admin.create_topics(wanted)
        refused = [f"{name}: {for_code(code).__name__}" for name, code, *_ in answer.topic_errors if code]
        if refused:
            raise RuntimeError(f"topics were not created: {', '.join(refused)}")
        while any(topic["error_code"] for topic in await admin.describe_topics([topic.name for topic in wanted])):  # noqa: ASYNC110 (only the broker knows when)
            await asyncio.sleep(0.05)
    finally:
        await admin.close()
