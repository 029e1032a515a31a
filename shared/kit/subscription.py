"""How FastStream is asked for raw batches: nothing acknowledged, nothing parsed, nothing refused on its own account."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable
from typing import Any

from aiokafka import ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from faststream import AckPolicy
from faststream.kafka import KafkaBroker, KafkaMessage
from faststream.kafka.message import FAKE_CONSUMER

from shared.kit.logs import log
from shared.kit.positions import Place
from shared.kit.settings import ServiceSettings

LOOK_FOR_PARTITIONS_MILLISECONDS = 10_000
"""How often the client asks which partitions there are: senders may know of new ones, or of a new topic, before it does."""


class Rebalances(ConsumerRebalanceListener):  # type: ignore[misc]
    """Lets the batch in flight finish before its partitions go elsewhere, and begins new ones where this service stands;
    the fence holds where either cannot."""

    def __init__(
        self,
        busy: asyncio.Lock,
        patience_seconds: float,
        leave: Callable[[], None],
        begin: Callable[[Collection[Place]], Awaitable[None]],
    ) -> None:
        self._busy = busy
        self._patience_seconds = patience_seconds
        self._leave = leave
        self._begin = begin

    async def on_partitions_revoked(self, revoked: list[TopicPartition]) -> None:
        self._leave()
        try:
            async with asyncio.timeout(self._patience_seconds), self._busy:
                pass
        except TimeoutError:
            log().warning("rebalance_did_not_wait", count=len(revoked))

    async def on_partitions_assigned(self, assigned: list[TopicPartition]) -> None:
        log().info("partitions_assigned", count=len(assigned))
        try:
            async with asyncio.timeout(self._patience_seconds):
                await self._begin([(one.topic, one.partition) for one in assigned])
        except Exception as error:
            log().info("stored_offsets_not_sought", error_type=type(error).__name__)


async def _as_it_came(batch: tuple[ConsumerRecord, ...], _: Any) -> KafkaMessage:
    """Bypasses the stock parser, which refuses a whole batch for one header that is not text."""
    first = batch[0]
    return KafkaMessage(
        body=b"",
        raw_message=batch,
        headers={},
        message_id=f"{first.topic}-{first.partition}-{first.offset}",
        correlation_id="",
        consumer=FAKE_CONSUMER,
    )


async def _raw_records(message: Any, _: Any = None) -> Any:
    """Hands the handler the records themselves."""
    return message.raw_message


def subscribe(
    settings: ServiceSettings, group: str, topics: Iterable[str], rebalances: Rebalances
) -> tuple[KafkaBroker, Any]:
    """A broker and its one subscriber, not connected yet."""
    broker = KafkaBroker(
        settings.kafka_bootstrap.split(","),
        client_id=f"leadflow-{group}",
        consumer_only=True,
        allow_auto_create_topics=False,
        metadata_max_age_ms=LOOK_FOR_PARTITIONS_MILLISECONDS,
        apply_types=False,
        graceful_timeout=settings.shutdown_timeout_seconds,
        logger=None,
    )
    subscriber = broker.subscriber(
        *topics,
        batch=True,
        group_id=group,
        group_instance_id=settings.group_instance_id,
        ack_policy=AckPolicy.MANUAL,
        auto_offset_reset="earliest",
        batch_timeout_ms=10,
        max_records=settings.batch_max_records,
        session_timeout_ms=int(settings.session_timeout_seconds * 1000),
        heartbeat_interval_ms=int(settings.session_timeout_seconds * 1000 / 3),
        rebalance_timeout_ms=int(settings.rebalance_timeout_seconds * 1000),
        max_poll_interval_ms=300_000,
        fetch_max_wait_ms=100,
        listener=rebalances,
        parser=_as_it_came,
        decoder=_raw_records,
    )
    return broker, subscriber
