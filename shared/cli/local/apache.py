"""Apache Kafka itself, from its own jars: nodes that are broker and controller at once (KRaft), on loopback."""

from __future__ import annotations

import asyncio
import base64
import os
import shutil
import subprocess
import tempfile
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiokafka.conn import create_conn
from aiokafka.errors import KafkaError
from aiokafka.protocol.coordination import FindCoordinatorRequest
from aiokafka.protocol.metadata import MetadataRequest

from shared.cli.local.kafka_jars import POM, KafkaJars, Say, alone, kafka_jars
from shared.cli.local.ports import LOOPBACK, answers, free_port

LOGGING = POM.with_name("log4j2.properties")
ARCHIVE_WITHIN_SECONDS = 60.0


def new_id() -> str:
    """A random id in the form Kafka gives clusters and directories."""
    while True:
        text = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not text.startswith("-"):
            return text


@dataclass(frozen=True, slots=True)
class ApacheKafka:
    """One node: where its files are, where it listens, with whom it votes, how it is started.

    `quick` starts sooner and computes slower; it is for tests. `settings` are added to, or replace, those below.
    """

    jars: KafkaJars
    directory: Path
    port: int
    controller_port: int
    node_id: int = 0
    voters: Mapping[int, int] = field(default_factory=dict)
    cluster_id: str = ""
    heap_megabytes: int = 384
    quick: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def bootstrap(self) -> str:
        return f"{LOOPBACK}:{self.port}"

    @property
    def properties(self) -> Path:
        return self.directory / "server.properties"

    def prepare(self) -> bool:
        """Writes the configuration, and makes an empty log unless there is one; True when it was made."""
        data = self.directory / "data"
        data.mkdir(parents=True, exist_ok=True)
        self.properties.write_text("".join(f"{name}={value}\n" for name, value in self._configuration().items()))
        if (data / "meta.properties").exists():
            return False
        shutil.copyfile(self.jars.bootstrap, data / self.jars.bootstrap.name)
        unfinished = data / "meta.properties.new"
        unfinished.write_text(
            f"version=1\ncluster.id={self.cluster_id or new_id()}\nnode.id={self.node_id}\ndirectory.id={new_id()}\n"
        )
        unfinished.replace(data / "meta.properties")
        return True

    def _configuration(self) -> dict[str, str]:
        voters = self.voters or {self.node_id: self.controller_port}
        replicas = str(min(3, len(voters)))
        in_sync = str(min(2, len(voters)))
        missed_after, heartbeat = ("3000", "500") if len(voters) == 1 else ("6000", "1000")
        return {
            "node.id": str(self.node_id),
            "process.roles": "broker,controller",
            "controller.quorum.voters": ",".join(f"{node}@{LOOPBACK}:{port}" for node, port in voters.items()),
            "controller.listener.names": "CONTROLLER",
            "listeners": f"PLAINTEXT://{LOOPBACK}:{self.port},CONTROLLER://{LOOPBACK}:{self.controller_port}",
            "advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{self.port}",
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
            "log.dirs": str(self.directory / "data").replace("\\", "\\\\"),
            "auto.create.topics.enable": "false",
            "unclean.leader.election.enable": "false",
            "default.replication.factor": replicas,
            "min.insync.replicas": in_sync,
            "offsets.topic.replication.factor": replicas,
            "offsets.topic.num.partitions": "4",
            "transaction.state.log.replication.factor": replicas,
            "transaction.state.log.min.isr": in_sync,
            "transaction.state.log.num.partitions": "4",
            "group.initial.rebalance.delay.ms": "0",
            # A node that died may not come back before it is missed; one that is paused loses its leaderships then.
            "broker.session.timeout.ms": missed_after,
            "broker.heartbeat.interval.ms": heartbeat,
            "num.network.threads": "2",
            "num.io.threads": "4",
            "log.cleaner.dedupe.buffer.size": "4194304",  # by default half of this heap
            **self.settings,
        }

    def command(self) -> list[str]:
        """The node in the foreground. SIGTERM moves its leaderships away, saves everything and stops it."""
        archive = self.jars.class_archive
        return [
            *(str(self.jars.java), f"-Xms{self.heap_megabytes // 2}m", f"-Xmx{self.heap_megabytes}m"),
            *(("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1") if self.quick else ("-XX:+UseG1GC",)),
            *((f"-XX:SharedArchiveFile={archive}", "-Xlog:disable", "-Xlog:all=error") if archive.exists() else ()),
            *("-XX:+ExitOnOutOfMemoryError", "-Djava.awt.headless=true"),
            *(f"-Dlog4j2.configurationFile={LOGGING.as_uri()}", "-cp", self.jars.class_path),
            *("kafka.Kafka", str(self.properties)),
        ]


async def metadata(bootstrap: str) -> dict[str, Any] | None:
    """What one node itself says about the cluster, in the protocol's own words; None when it does not answer."""
    return await _answer(bootstrap, MetadataRequest(None))


async def has_group_coordinators(bootstrap: str) -> bool:
    """True when a consumer group could be formed; until somebody asks for the first time there are no coordinators."""
    said = await _answer(bootstrap, FindCoordinatorRequest("first", 0))
    return said is not None and said["error_code"] == 0


def takes_work(bootstrap: str) -> bool:
    """True when a node answers, counts itself or another among the living, so that it makes topics, and knows groups."""

    async def both() -> bool:
        said = await metadata(bootstrap)
        return said is not None and bool(said["brokers"]) and await has_group_coordinators(bootstrap)

    return asyncio.run(both())


async def _answer(bootstrap: str, request: Any) -> dict[str, Any] | None:
    host, _, port = bootstrap.rpartition(":")
    try:
        async with asyncio.timeout(3):
            connection = await create_conn(host, int(port), request_timeout_ms=2_000)
            try:
                answer = await connection.send(request)
            finally:
                connection.close()
    except (KafkaError, OSError, TimeoutError):
        return None
    said: dict[str, Any] = answer.to_object()
    return said


def ready_jars(say: Say) -> KafkaJars:
    """Everything a node is started from, fetched and prepared if this is the first time. Raises `LocalRunError`."""
    jars = kafka_jars(say)
    if not jars.class_archive.exists() and os.access(jars.folder, os.W_OK):
        with alone(jars, say):
            if not jars.class_archive.exists():
                _keep_classes(jars, say)
    return jars


def _keep_classes(jars: KafkaJars, say: Say) -> None:
    """Makes the class archive by starting a node that nobody uses. Without it nodes start more slowly, and that is all:
    when this fails there is nothing to mend."""
    say("Noting which classes Apache Kafka loads at start, once")
    with tempfile.TemporaryDirectory(prefix="leadflow-kafka-") as folder:
        node = ApacheKafka(jars, Path(folder), free_port(), free_port(), quick=True)
        node.prepare()
        fresh = jars.class_archive.with_name(f"{jars.class_archive.name}.{os.getpid()}")
        command = node.command()
        command.insert(1, f"-XX:ArchiveClassesAtExit={fresh}")
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/"
        )
        try:
            give_up_at = time.monotonic() + ARCHIVE_WITHIN_SECONDS
            while process.poll() is None and time.monotonic() < give_up_at and not answers(node.port):
                time.sleep(0.05)
            process.terminate()
            process.wait(ARCHIVE_WITHIN_SECONDS)
            fresh.replace(jars.class_archive)
        except (OSError, subprocess.TimeoutExpired):
            fresh.unlink(missing_ok=True)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
