"""How far each consumer is behind the end of the log."""

from __future__ import annotations

from collections.abc import Iterable

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from shared.cli.topics import TopicsFailed


async def lag_of_groups(bootstrap: str, groups: Iterable[str]) -> dict[str, int]:
    """Records between a group's committed offsets and the end of the log; groups that never committed are left out.

    Raises `TopicsFailed` when the cluster does not answer.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=5_000)
    reader = AIOKafkaConsumer(bootstrap_servers=bootstrap, request_timeout_ms=5_000)
    lags = {}
    try:
        await admin.start()
        await reader.start()
        for group in groups:
            committed = await admin.list_consumer_group_offsets(group)
            if committed:
                ends = await reader.end_offsets(list(committed))
                lags[group] = sum(max(0, ends[place] - max(0, at.offset)) for place, at in committed.items())
    except (KafkaError, OSError) as error:
        raise TopicsFailed(f"The cluster at {bootstrap} does not say how far its readers are: {error}") from error
    finally:
        await reader.stop()
        await admin.close()
    return lags
