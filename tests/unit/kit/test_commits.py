"""What Kafka is told of a consumer's place, and when it is better told nothing."""

from __future__ import annotations

from typing import Any, cast

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import CommitFailedError
from prometheus_client import CollectorRegistry

from shared.kit.commits import Commits
from shared.kit.instruments import ConsumerInstruments

ONE = TopicPartition("capture.leads", 0)


class Client:
    """Has one partition, and remembers what was said of it."""

    def __init__(self) -> None:
        self.told: list[dict[TopicPartition, int]] = []
        self.refuses: Exception | None = None

    def assignment(self) -> set[TopicPartition]:
        return {ONE}

    async def commit(self, offsets: dict[TopicPartition, int]) -> None:
        if self.refuses is not None:
            raise self.refuses
        self.told.append(offsets)


def commits_of(client: Client, settle_seconds: float = 0.0) -> Commits:
    instruments = ConsumerInstruments(CollectorRegistry())
    return Commits(lambda: cast(AIOKafkaConsumer, cast(Any, client)), instruments, settle_seconds=settle_seconds)


async def test_the_last_place_of_each_partition_is_told_once() -> None:
    client = Client()
    commits = commits_of(client)
    commits.done((ONE.topic, 0), 5)
    commits.done((ONE.topic, 0), 7)
    await commits.tell()
    await commits.tell()
    assert client.told == [{ONE: 7}]


async def test_nothing_is_told_while_the_group_is_joined_anew_and_nothing_is_forgotten() -> None:
    client = Client()
    commits = commits_of(client)
    commits.done((ONE.topic, 0), 5)
    commits.leaves()
    await commits.tell()
    assert client.told == []
    commits.joined()
    await commits.tell()
    assert client.told == [{ONE: 5}]


async def test_what_cost_this_member_its_place_is_told_once_the_group_has_settled() -> None:
    client = Client()
    client.refuses = CommitFailedError("another generation")
    commits = commits_of(client, settle_seconds=0.0)
    commits.done((ONE.topic, 0), 5)
    await commits.tell()
    client.refuses = None
    await commits.tell()
    assert client.told == [], "said again at once, it would cost it once more"
    commits.leaves()
    commits.joined()
    await commits.tell()
    assert client.told == [{ONE: 5}]
