"""Apache Kafka's jars are fetched once, by one process, completely or not at all; what is missing is named."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from shared.cli.local.errors import LocalRunError
from shared.cli.local.kafka_jars import KafkaJars, kafka_jars, wanted_version

JAVA = """#!/bin/sh
case "$*" in
  -version) echo 'openjdk version "VERSION" 2025-04-15' >&2 ;;
  *StorageTool*) for last; do :; done; folder=$(sed -n 's/^log.dirs=//p' "$last"); mkdir -p "$folder"; echo records >"$folder/bootstrap.checkpoint" ;;
esac
"""
MAVEN = """#!/bin/sh
echo fetched >>"$COUNTER"
for word; do case $word in -DoutputDirectory=*) folder=${word#*=} ;; esac; done
mkdir -p "$folder"; sleep 0.3; touch "$folder/kafka_2.13-x.jar" "$folder/other.jar"
"""


def program(folder: Path, name: str, text: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    (folder / name).chmod(0o755)


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A path on which only what a test puts there can be found, and what a shell needs."""
    tools = tmp_path / "tools"
    tools.mkdir()
    system = tmp_path / "system"
    system.mkdir()
    for name in ("sh", "sed", "mkdir", "touch", "sleep"):
        (system / name).symlink_to(f"/bin/{name}" if Path(f"/bin/{name}").exists() else f"/usr/bin/{name}")
    monkeypatch.setenv("PATH", f"{tools}:{system}")
    monkeypatch.setenv("LEADFLOW_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COUNTER", str(tmp_path / "counter"))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    return tools


def fetched(tools: Path) -> int:
    counter = tools.parent / "counter"
    return len(counter.read_text().splitlines()) if counter.exists() else 0


def test_without_java_the_message_says_what_to_install_and_what_to_do_instead(tools: Path) -> None:
    with pytest.raises(LocalRunError, match=r"none is on the path: apt-get install openjdk-17.*--broker embedded"):
        kafka_jars(print)


@pytest.mark.parametrize("version", ["1.8.0_402", "11.0.22"])
def test_a_java_that_is_too_old_is_named(tools: Path, version: str) -> None:
    program(tools, "java", JAVA.replace("VERSION", version))
    with pytest.raises(
        LocalRunError, match=rf"needs Java 17 or newer, and {tools}/java is Java {version.split('.')[0]}"
    ):
        kafka_jars(print)


def test_a_java_home_without_java_is_named_and_the_path_is_not_searched(
    tools: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tools, "java", JAVA.replace("VERSION", "17.0.1"))
    monkeypatch.setenv("JAVA_HOME", "/nowhere")
    with pytest.raises(LocalRunError, match="JAVA_HOME=/nowhere holds none"):
        kafka_jars(print)


def test_without_maven_the_message_says_what_to_install(tools: Path) -> None:
    program(tools, "java", JAVA.replace("VERSION", "17.0.1"))
    with pytest.raises(LocalRunError, match=r"no `mvn` here: apt-get install maven.*--broker embedded"):
        kafka_jars(print)


def test_when_maven_fails_its_reason_is_told_and_the_cache_stays_empty(tools: Path) -> None:
    program(tools, "java", JAVA.replace("VERSION", "17.0.1"))
    program(tools, "mvn", "#!/bin/sh\necho '[ERROR] Could not transfer artifact'; exit 1\n")
    with pytest.raises(LocalRunError, match=r"(?s)\[ERROR\] Could not transfer artifact.*--broker embedded"):
        kafka_jars(print)
    assert [path.name for path in (tools.parent / "cache").iterdir() if path.is_dir()] == []


def test_a_cache_that_cannot_be_written_is_named(tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tools, "java", JAVA.replace("VERSION", "17.0.1"))
    (tools.parent / "file").touch()
    monkeypatch.setenv("LEADFLOW_CACHE", str(tools.parent / "file" / "cache"))
    with pytest.raises(LocalRunError, match="set LEADFLOW_CACHE"):
        kafka_jars(print)


def test_the_second_time_nothing_is_fetched_and_maven_is_not_needed(tools: Path) -> None:
    program(tools, "java", JAVA.replace("VERSION", "21.0.2"))
    program(tools, "mvn", MAVEN)
    said: list[str] = []
    first = kafka_jars(said.append)
    assert "Fetching Apache Kafka" in said[0]
    assert "Fetched 2 jars" in said[-1]
    (tools / "mvn").unlink()
    said.clear()
    again = kafka_jars(said.append)
    assert (again, said, fetched(tools)) == (first, [], 1)
    assert first.bootstrap.read_text() == "records\n"
    assert first.class_path.split(":") == [f"{first.folder}/jars/kafka_2.13-x.jar", f"{first.folder}/jars/other.jar"]


def test_of_two_processes_at_once_one_fetches_and_the_other_waits_for_it(tools: Path) -> None:
    program(tools, "java", JAVA.replace("VERSION", "17.0.1"))
    program(tools, "mvn", MAVEN)
    code = "from shared.cli.local.kafka_jars import kafka_jars; print(kafka_jars(print).folder)"
    both = [
        subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[3], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [process.communicate(timeout=60)[0].splitlines() for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert said[0][-1] == said[1][-1]
    assert fetched(tools) == 1


def test_what_a_killed_fetch_has_left_does_not_count(tools: Path) -> None:
    program(tools, "java", JAVA.replace("VERSION", "17.0.1"))
    program(tools, "mvn", MAVEN.replace("sleep 0.3", "sleep 9"))
    code = "from shared.cli.local.kafka_jars import kafka_jars; kafka_jars(print)"
    process = subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[3], stdout=subprocess.DEVNULL)
    give_up_at = time.monotonic() + 30
    while not fetched(tools) and time.monotonic() < give_up_at:
        time.sleep(0.02)
    process.kill()
    process.wait()
    program(tools, "mvn", MAVEN)
    jars = kafka_jars(print)
    assert isinstance(jars, KafkaJars)
    assert fetched(tools) == 2
    assert [path for path in jars.folder.parent.iterdir() if path.is_dir()] == [jars.folder]


def test_the_release_is_the_one_that_the_pom_names() -> None:
    assert wanted_version().startswith("4.1.")
