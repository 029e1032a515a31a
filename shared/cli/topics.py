"""Makes the topics of the contracts on whatever cluster the environment names."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, for_code

from shared.contracts.topics import TOPICS, Topic
from shared.kit.errors import LeadflowError

FOR_EVER = "-1"
SEGMENT_MS = str(24 * 60 * 60 * 1000)
WAIT_SECONDS = 60.0


class TopicsFailed(LeadflowError):
    """The cluster does not have the topics as the contracts need them. Says what the broker said."""


@dataclass(frozen=True, slots=True)
class TopicPlan:
    """How topics are made on this cluster."""

    partitions: int
    replication_factor: int


def plan_from_environment() -> TopicPlan:
    """`LEADFLOW_KAFKA_PARTITIONS` (12 unless set) and `LEADFLOW_KAFKA_REPLICATION_FACTOR` (1 unless set)."""
    try:
        return TopicPlan(
            partitions=int(os.environ.get("LEADFLOW_KAFKA_PARTITIONS") or 12),
            replication_factor=int(os.environ.get("LEADFLOW_KAFKA_REPLICATION_FACTOR") or 1),
        )
    except ValueError:
        raise TopicsFailed(
            "LEADFLOW_KAFKA_PARTITIONS and LEADFLOW_KAFKA_REPLICATION_FACTOR must be whole numbers."
        ) from None


def retention_ms(topic: Topic) -> str:
    """How long the broker keeps a topic's records, as it wants to be told."""
    return FOR_EVER if topic.retention is None else str(int(topic.retention.total_seconds() * 1000))


def settings_of(topic: Topic, plan: TopicPlan) -> dict[str, str]:
    """A topic's broker-side settings. With three replicas a write is safe on two before it is acknowledged."""
    settings = {"cleanup.policy": "delete", "retention.ms": retention_ms(topic), "retention.bytes": FOR_EVER}
    if topic.retention is not None:
        # A segment goes when all of it is old, so a record stays for as long as its segment takes records besides.
        settings["segment.ms"] = SEGMENT_MS
    if plan.replication_factor > 1:
        settings["min.insync.replicas"] = str(min(2, plan.replication_factor))
        settings["unclean.leader.election.enable"] = "false"
    return settings


async def create_topics(bootstrap: str, plan: TopicPlan, *, wait_seconds: float = WAIT_SECONDS) -> list[str]:
    """Creates what is missing; the names of those it created.

    A topic that exists stays as it is: with other partitions a lead's records would change their place and lose their
    order, and its settings may be its operator's. Raises `TopicsFailed` when the cluster does not answer within `wait_seconds` or refuses.
    """
    admin = await _connected(bootstrap, wait_seconds)
    try:
        existing = set(await admin.list_topics())
        missing = [topic for topic in TOPICS.values() if topic.name not in existing]
        if missing:
            answer = await admin.create_topics(
                [
                    NewTopic(
                        topic.name, plan.partitions, plan.replication_factor, topic_configs=settings_of(topic, plan)
                    )
                    for topic in missing
                ]
            )
            for name, code, *message in answer.topic_errors:
                error = for_code(code)
                if code and error.__name__ != "TopicAlreadyExistsError":
                    said = message[0] if message and message[0] else error.description
                    raise TopicsFailed(f"Topic {name} cannot be made on {bootstrap}: {said}")
    except KafkaError as error:
        raise TopicsFailed(f"The cluster at {bootstrap} refused: {error}") from error
    finally:
        await admin.close()
    return [topic.name for topic in missing]


async def _connected(bootstrap: str, wait_seconds: float) -> AIOKafkaAdminClient:
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + wait_seconds
    while True:
        admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=10_000)
        try:
            await admin.start()
            return admin
        except (KafkaError, OSError) as error:
            await admin.close()
            if loop.time() > give_up_at:
                raise TopicsFailed(
                    f"No Kafka broker answers at {bootstrap} (LEADFLOW_KAFKA_BOOTSTRAP); is it running?"
                ) from error
            await asyncio.sleep(0.2)


@dataclass(frozen=True, slots=True)
class ExistingTopic:
    """A topic of the contracts as the cluster has it; `retention_ms` is None where the broker does not say."""

    partitions: int
    retention_ms: str | None


async def existing_topics(bootstrap: str, *, wait_seconds: float = 5.0) -> dict[str, ExistingTopic]:
    """The topics of the contracts that exist. Raises `TopicsFailed`."""
    admin = await _connected(bootstrap, wait_seconds)
    try:
        names = sorted(set(await admin.list_topics()) & set(TOPICS))
        described = await admin.describe_topics(names) if names else []
        partitions = {str(one["topic"]): len(one["partitions"]) for one in described}
        resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
        answers = await admin.describe_configs(resources) if names else []
        retention = {
            entry[3]: str(setting[1])
            for answer in answers
            for entry in answer.resources
            for setting in entry[4]
            if setting[0] == "retention.ms"
        }
        return {name: ExistingTopic(count, retention.get(name)) for name, count in partitions.items()}
    except KafkaError as error:
        raise TopicsFailed(f"The cluster at {bootstrap} refused: {error}") from error
    finally:
        await admin.close()
