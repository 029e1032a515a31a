"""What a node of Apache Kafka is told, and how it is started."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.cli.local.apache import ApacheKafka, new_id
from shared.cli.local.kafka_jars import KafkaJars


@pytest.fixture
def jars(tmp_path: Path) -> KafkaJars:
    folder = tmp_path / "cache"
    (folder / "jars").mkdir(parents=True)
    (folder / "jars" / "kafka.jar").touch()
    (folder / "bootstrap.checkpoint").write_text("records")
    return KafkaJars("4.1.2", folder, Path("/usr/bin/java"))


def configuration(node: ApacheKafka) -> dict[str, str]:
    return dict(line.split("=", 1) for line in node.properties.read_text().splitlines())


def test_one_node_votes_alone_and_keeps_one_copy(jars: KafkaJars, tmp_path: Path) -> None:
    node = ApacheKafka(jars, tmp_path / "node", 20001, 20002)
    assert node.prepare()
    told = configuration(node)
    assert told["controller.quorum.voters"] == "0@127.0.0.1:20002"
    assert told["default.replication.factor"] == told["min.insync.replicas"] == "1"
    assert told["listeners"] == "PLAINTEXT://127.0.0.1:20001,CONTROLLER://127.0.0.1:20002"


def test_of_three_nodes_each_record_is_on_three_and_safe_on_two(jars: KafkaJars, tmp_path: Path) -> None:
    node = ApacheKafka(jars, tmp_path / "node", 1, 2, node_id=1, voters={0: 10, 1: 2, 2: 12}, cluster_id=new_id())
    node.prepare()
    told = configuration(node)
    assert told["controller.quorum.voters"] == "0@127.0.0.1:10,1@127.0.0.1:2,2@127.0.0.1:12"
    for name in ("default.replication.factor", "offsets.topic.replication.factor"):
        assert told[name] == "3"
    for name in ("min.insync.replicas", "transaction.state.log.min.isr"):
        assert told[name] == "2"
    assert told["unclean.leader.election.enable"] == told["auto.create.topics.enable"] == "false"


def test_a_log_is_made_once_and_kept_when_the_ports_change(jars: KafkaJars, tmp_path: Path) -> None:
    first = ApacheKafka(jars, tmp_path / "node", 20001, 20002)
    assert first.prepare()
    identity = (first.directory / "data" / "meta.properties").read_text()
    assert (first.directory / "data" / "bootstrap.checkpoint").read_text() == "records"
    moved = ApacheKafka(jars, tmp_path / "node", 20003, 20004)
    assert not moved.prepare()
    assert (moved.directory / "data" / "meta.properties").read_text() == identity
    assert "20003" in configuration(moved)["listeners"]


def test_settings_of_the_caller_win(jars: KafkaJars, tmp_path: Path) -> None:
    node = ApacheKafka(jars, tmp_path / "node", 1, 2, settings={"num.io.threads": "1", "log.segment.bytes": "1048576"})
    node.prepare()
    assert configuration(node)["num.io.threads"] == "1"
    assert configuration(node)["log.segment.bytes"] == "1048576"


def test_quick_nodes_compile_less_and_others_fully(jars: KafkaJars, tmp_path: Path) -> None:
    assert "-XX:TieredStopAtLevel=1" in ApacheKafka(jars, tmp_path, 1, 2, quick=True).command()
    assert "-XX:TieredStopAtLevel=1" not in ApacheKafka(jars, tmp_path, 1, 2).command()


def test_the_class_archive_is_used_once_it_is_there(jars: KafkaJars, tmp_path: Path) -> None:
    node = ApacheKafka(jars, tmp_path, 1, 2, heap_megabytes=300)
    assert not any("SharedArchiveFile" in word for word in node.command())
    jars.class_archive.touch()
    assert f"-XX:SharedArchiveFile={jars.class_archive}" in node.command()
    assert "-Xmx300m" in node.command()


def test_an_id_is_one_that_kafka_takes() -> None:
    made = {new_id() for _ in range(200)}
    assert len(made) == 200
    assert all(len(one) == 22 and not one.startswith("-") for one in made)
