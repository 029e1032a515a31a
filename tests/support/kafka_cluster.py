"""Apache Kafka for tests, of one node or several, that can be killed, stopped, paused and started again."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shared.cli.local.apache import ApacheKafka, has_group_coordinators, metadata, new_id, ready_jars
from shared.cli.local.kafka_jars import Say
from shared.cli.local.ports import free_port
from tests.support.patience import eventually
from tests.support.processes import own_folder

STOP_WITHIN_SECONDS = 30.0
START_ATTEMPTS = 3
FOR_TESTS = {
    "log.index.size.max.bytes": "1048576",
    # Static group members of tests may be fast to leave, and slow to be missed.
    "group.min.session.timeout.ms": "1000",
}


@dataclass(slots=True)
class KafkaCluster:
    """Nodes by number, from 0: the number a node has in Kafka's own metadata too. A node keeps its ports and its data."""

    nodes: tuple[ApacheKafka, ...]
    processes: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def bootstrap(self) -> str:
        """Every node, for clients."""
        return ",".join(node.bootstrap for node in self.nodes)

    def start(self, node: int) -> None:
        """Starts a node that does not run; `in_sync` says when it is back."""
        if self.alive(node):
            raise RuntimeError(f"node {node} runs already")
        with self._log(node).open("ab") as output:
            self.processes[node] = subprocess.Popen(
                self.nodes[node].command(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd="/",
            )

    def alive(self, node: int) -> bool:
        """Whether a node has a process that has not ended."""
        process = self.processes.get(node)
        return process is not None and process.poll() is None

    def pid(self, node: int) -> int:
        """The process id of a node."""
        return self.processes[node].pid

    def kill(self, node: int) -> None:
        """kill -9."""
        self._end(node, signal.SIGKILL)

    def stop(self, node: int) -> None:
        """SIGTERM: the node moves its leaderships away first. Returns when it has ended."""
        self._end(node, signal.SIGTERM)

    def pause(self, node: int) -> None:
        """SIGSTOP: its ports are open and nothing answers."""
        self.processes[node].send_signal(signal.SIGSTOP)

    def resume(self, node: int) -> None:
        """SIGCONT."""
        self.processes[node].send_signal(signal.SIGCONT)

    def log(self, node: int) -> str:
        """What a node has written."""
        return self._log(node).read_text(errors="replace")

    def end(self) -> None:
        """Ends every node at once; nobody needs its data."""
        for process in self.processes.values():
            process.kill()
        for process in self.processes.values():
            process.wait()

    def _log(self, node: int) -> Path:
        return self.nodes[node].directory / "log"

    def _end(self, node: int, how: signal.Signals) -> None:
        process = self.processes[node]
        process.send_signal(how)
        try:
            process.wait(STOP_WITHIN_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    async def in_sync(self, within_seconds: float = 60.0) -> float:
        """Waits until every node says that all nodes are there and every partition is on all of its replicas; how long
        that took. Raises `AssertionError` with what is missing, and the end of the log of a node that has died."""
        began = time.monotonic()
        await eventually(self._is_in_sync, within_seconds=within_seconds, every_seconds=0.1)
        return time.monotonic() - began

    async def _is_in_sync(self) -> bool:
        for number in range(len(self.nodes)):
            assert self.alive(number), f"node {number} does not run:\n{self.log(number)[-2_000:]}"
        for number, said in enumerate(await asyncio.gather(*(self.metadata(node) for node in self.nodes))):
            assert said is not None, f"node {number} does not answer"
            known = sorted(broker["node_id"] for broker in said["brokers"])
            assert known == list(range(len(self.nodes))), f"node {number} knows only nodes {known}"
            behind = [
                f"{topic['topic']}/{one['partition']}"
                for topic in said["topics"]
                for one in topic["partitions"]
                if sorted(one["isr"]) != sorted(one["replicas"]) or one["leader"] < 0
            ]
            assert not behind, f"node {number} sees partitions that are not on all replicas: {behind[:10]}"
        return True

    async def leader(self, topic: str, partition: int) -> int:
        """The node that leads a partition, as the first node that answers sees it; -1 when nobody does."""
        for number, node in enumerate(self.nodes):
            said = await self.metadata(node) if self.alive(number) else None
            if said is not None:
                for one in said["topics"]:
                    for found in one["partitions"] if one["topic"] == topic else ():
                        if found["partition"] == partition:
                            return int(found["leader"])
        return -1

    async def metadata(self, node: ApacheKafka) -> dict[str, Any] | None:
        """What one node itself says about the cluster; None when it does not answer."""
        return await metadata(node.bootstrap)


@contextmanager
def running_kafka_cluster(
    nodes: int = 1,
    *,
    quick: bool = True,
    heap_megabytes: int = 256,
    settings: Mapping[str, str] | None = None,
    say: Say = print,
) -> Iterator[KafkaCluster]:
    """Apache Kafka with an empty log, gone at the end. Raises `LocalRunError` where it cannot run.

    With three nodes every partition is on three, and a write is acknowledged once it is on two. `quick=False` is for
    measurements: full compilation, and the collector that Kafka's own scripts choose.
    """
    jars = ready_jars(say)
    for attempt in range(1, START_ATTEMPTS + 1):
        with own_folder("kafka") as folder:
            voters = {number: free_port() for number in range(nodes)}
            cluster_id = new_id()
            cluster = KafkaCluster(
                tuple(
                    ApacheKafka(
                        jars,
                        folder / f"node-{number}",
                        free_port(),
                        voters[number],
                        node_id=number,
                        voters=voters,
                        cluster_id=cluster_id,
                        heap_megabytes=heap_megabytes,
                        quick=quick,
                        settings={**FOR_TESTS, **(settings or {})},
                    )
                    for number in range(nodes)
                )
            )
            try:
                for number, node in enumerate(cluster.nodes):
                    node.prepare()
                    cluster.start(number)
                failure = _first_start(cluster)
                if failure is None:
                    yield cluster
                    return
                if attempt == START_ATTEMPTS or not _lost_a_port(cluster):
                    raise RuntimeError(f"Apache Kafka did not start: {failure}")
            finally:
                cluster.end()


def _first_start(cluster: KafkaCluster) -> BaseException | None:
    """Waits for a new cluster, in a thread, since the caller may stand in an event loop; what went wrong, if anything."""
    failure: list[BaseException] = []

    def wait() -> None:
        try:
            asyncio.run(_ready_for_clients(cluster))
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(0.2)
        if _lost_a_port(cluster):
            return RuntimeError("another process took a port")
    return failure[0] if failure else None


async def _ready_for_clients(cluster: KafkaCluster) -> None:
    await cluster.in_sync(90)
    await eventually(lambda: has_group_coordinators(cluster.nodes[0].bootstrap), within_seconds=60)
    await cluster.in_sync(60)


def _lost_a_port(cluster: KafkaCluster) -> bool:
    return any(
        not cluster.alive(number) and "Address already in use" in cluster.log(number)
        for number in range(len(cluster.nodes))
    )
