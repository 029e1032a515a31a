"""A mock Kafka cluster under a scenario's hand: brokers that go and come, errors for any request, leaders that move.

It keeps its log in memory, checks no sequence numbers and forgets everything at the end, so it shows how our clients
behave towards a cluster's answers; what a real cluster does by itself is tried on Apache Kafka.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from ctypes import c_int, c_size_t, c_void_p, create_string_buffer
from enum import IntEnum

from shared.contracts.topics import TOPICS
from tests.faults.mock.library import librdkafka

NO_LEADER = -1
TRANSPORT_FAILURE = -195
"""Pushed as an error, it makes the broker close the connection instead of answering."""


class Request(IntEnum):
    """The requests a scenario may have refused, by their number in Kafka's protocol."""

    PRODUCE = 0
    FETCH = 1
    LIST_OFFSETS = 2
    METADATA = 3
    OFFSET_COMMIT = 8
    OFFSET_FETCH = 9
    FIND_COORDINATOR = 10
    JOIN_GROUP = 11
    HEARTBEAT = 12
    SYNC_GROUP = 14
    INIT_PRODUCER_ID = 22


class RefusedByTheMock(RuntimeError):
    """The mock cluster does not know the broker, topic or partition it was told about."""


class MockCluster:
    """`brokers` brokers with ids from 1, all up, without topics."""

    def __init__(self, brokers: int) -> None:
        self._library = librdkafka()
        fault = create_string_buffer(512)
        configuration = self._library.rd_kafka_conf_new()
        # The library speaks of its own client's troubles, which is never connected: only alerts are of interest.
        for name, value in ((b"log_level", b"1"), (b"log.configuration.warnings", b"false")):
            self._library.rd_kafka_conf_set(configuration, name, value, fault, len(fault))
        self._client = self._library.rd_kafka_new(0, configuration, fault, len(fault))
        if not self._client:
            raise RefusedByTheMock(fault.value.decode())
        self._cluster = self._library.rd_kafka_mock_cluster_new(self._client, brokers)
        self._library.rd_kafka_mock_group_initial_rebalance_delay_ms(self._cluster, 100)
        self._library.rd_kafka_mock_start_request_tracking(self._cluster)
        self.brokers = range(1, brokers + 1)
        self.bootstrap: str = self._library.rd_kafka_mock_cluster_bootstraps(self._cluster).decode()

    def close(self) -> None:
        """Ends the brokers."""
        self._library.rd_kafka_mock_cluster_destroy(self._cluster)
        self._library.rd_kafka_destroy(self._client)

    def create_topics(self, names: Iterable[str] = tuple(TOPICS), *, partitions: int = 4) -> None:
        """Creates topics, by default every topic of the contracts, replicated to all brokers."""
        for name in names:
            self._done(
                self._library.rd_kafka_mock_topic_create(self._cluster, name.encode(), partitions, len(self.brokers))
            )

    def down(self, *brokers: int) -> None:
        """Ends all connections of these brokers, all when none is named, and lets nobody in."""
        for broker in brokers or self.brokers:
            self._done(self._library.rd_kafka_mock_broker_set_down(self._cluster, broker))

    def up(self, *brokers: int) -> None:
        """Lets clients in again."""
        for broker in brokers or self.brokers:
            self._done(self._library.rd_kafka_mock_broker_set_up(self._cluster, broker))

    def answer_after(self, seconds: float, *brokers: int) -> None:
        """Makes these brokers, all when none is named, take so long for every answer."""
        for broker in brokers or self.brokers:
            self._done(self._library.rd_kafka_mock_broker_set_rtt(self._cluster, broker, int(seconds * 1000)))

    def refuse(self, request: Request, codes: Sequence[int]) -> None:
        """The next requests of this kind are answered with these error codes, one each, by whichever broker; 0 lets
        one through."""
        errors = (c_int * len(codes))(*codes)
        self._library.rd_kafka_mock_push_request_errors_array(self._cluster, request, len(codes), errors)

    def refuse_at(self, broker: int, request: Request, codes: Sequence[int], *, after_seconds: float = 0.0) -> None:
        """As `refuse`, at one broker, which takes so long for each of these answers."""
        after = int(after_seconds * 1000)
        pairs = [c_int(number) for code in codes for number in (code, after)]
        self._done(
            self._library.rd_kafka_mock_broker_push_request_error_rtts(
                self._cluster, broker, request, len(codes), *pairs
            )
        )

    def refuse_no_more(self, request: Request) -> None:
        """Takes back the errors nobody has met yet."""
        self._library.rd_kafka_mock_clear_request_errors(self._cluster, request)

    def lead(self, topic: str, partition: int, broker: int) -> None:
        """Makes a broker the leader of a partition, or nobody with `NO_LEADER`."""
        self._done(self._library.rd_kafka_mock_partition_set_leader(self._cluster, topic.encode(), partition, broker))

    def coordinate(self, group: str, broker: int) -> None:
        """Makes a broker the coordinator of a group."""
        self._done(self._library.rd_kafka_mock_coordinator_set(self._cluster, b"group", group.encode(), broker))

    def requests(self) -> Counter[Request]:
        """How many requests of each kind the cluster has got since it was last asked."""
        count = c_size_t()
        found = self._library.rd_kafka_mock_get_requests(self._cluster, count)
        keys = [self._library.rd_kafka_mock_request_api_key(c_void_p(found[n])) for n in range(count.value)]
        self._library.rd_kafka_mock_request_destroy_array(found, count)
        self._library.rd_kafka_mock_clear_requests(self._cluster)
        known = {int(one) for one in Request}
        return Counter(Request(key) for key in keys if key in known)

    def _done(self, code: int) -> None:
        if code != 0:
            raise RefusedByTheMock(f"The mock cluster answered {code}.")


@contextmanager
def running_mock_cluster(brokers: int = 1, *, partitions: int = 4) -> Iterator[MockCluster]:
    """A mock cluster with every topic of the contracts, gone at the end."""
    cluster = MockCluster(brokers)
    try:
        cluster.create_topics(partitions=partitions)
        yield cluster
    finally:
        cluster.close()
