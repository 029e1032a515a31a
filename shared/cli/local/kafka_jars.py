"""Apache Kafka's jars, fetched once by Maven into a folder that every clone and every run of this user shares."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from shared.cli.local.errors import LocalRunError

POM = Path(__file__).resolve().parents[3] / "deploy" / "local" / "pom.xml"
LEAST_JAVA = 17
FETCH_WITHIN_SECONDS = 900
BOOTSTRAP = "bootstrap.checkpoint"
CLASS_ARCHIVE = "classes.jsa"
INSTEAD = "Or do without it: leadflow up --broker embedded"

Say = Callable[[str], None]
"""Tells the operator about one step."""


@dataclass(frozen=True, slots=True)
class KafkaJars:
    """A complete set of jars, and the Java that runs them."""

    version: str
    folder: Path
    java: Path

    @property
    def class_path(self) -> str:
        return os.pathsep.join(str(path) for path in sorted((self.folder / "jars").glob("*.jar")))

    @property
    def bootstrap(self) -> Path:
        """The first records of a new cluster's metadata, as this version's own tool writes them."""
        return self.folder / BOOTSTRAP

    @property
    def class_archive(self) -> Path:
        """Classes as Java keeps them in memory: with these a node starts in two thirds of the time."""
        return self.folder / CLASS_ARCHIVE


def wanted_version() -> str:
    """The release that `deploy/local/pom.xml` names. Raises `LocalRunError` when this is not a clone."""
    try:
        found = re.search(r"<kafka\.version>([^<]+)</kafka\.version>", POM.read_text(encoding="utf-8"))
    except OSError:
        raise LocalRunError(
            f"There is no {POM}: Apache Kafka runs from a clone of the project only. {INSTEAD}"
        ) from None
    assert found is not None, f"{POM} names no kafka.version"
    return found.group(1)


def cache_folder() -> Path:
    """`LEADFLOW_CACHE`, else `leadflow` in the user's folder for caches."""
    given = os.environ.get("LEADFLOW_CACHE")
    if given:
        return Path(given).absolute()
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").absolute() / "leadflow"
    except RuntimeError:
        raise LocalRunError("This user has no home directory; set LEADFLOW_CACHE to where jars may be kept.") from None


def java() -> Path:
    """A Java that can run the broker: `JAVA_HOME`'s, else the one on the path. Raises `LocalRunError`."""
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=str(Path(home) / "bin")) if home else shutil.which("java")
    if found is None:
        where = f"JAVA_HOME={home} holds none" if home else "none is on the path"
        raise LocalRunError(
            f"Apache Kafka needs Java {LEAST_JAVA} or newer, and {where}: apt-get install openjdk-17-jre-headless, "
            f"or set JAVA_HOME. {INSTEAD}"
        )
    said = subprocess.run([found, "-version"], capture_output=True, text=True, timeout=60)
    version = re.search(r'version "(\d+)', said.stderr + said.stdout)
    if version is None or int(version.group(1)) < LEAST_JAVA:
        is_one = f"is Java {version.group(1)}" if version else "does not say its version"
        raise LocalRunError(
            f"Apache Kafka needs Java {LEAST_JAVA} or newer, and {found} {is_one}: apt-get install "
            f"openjdk-17-jre-headless, or set JAVA_HOME. {INSTEAD}"
        )
    return Path(found)


def kafka_jars(say: Say) -> KafkaJars:
    """The jars, fetched if this is the first time. Raises `LocalRunError` with what to install or what to do instead."""
    version = wanted_version()
    folder = cache_folder() / f"kafka-{version}-{hashlib.sha256(POM.read_bytes()).hexdigest()[:8]}"
    jars = KafkaJars(version, folder, java())
    if not folder.is_dir():
        with alone(jars, say):
            if not folder.is_dir():
                _fetch(jars, say)
    return jars


@contextmanager
def alone(jars: KafkaJars, say: Say) -> Iterator[None]:
    """One process at a time adds to a set of jars; the others find what it has brought."""
    lock = jars.folder.with_name(f"{jars.folder.name}.lock")
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        handle = lock.open("w")
    except OSError as error:
        raise LocalRunError(
            f"{lock.parent} cannot be written ({error.strerror}); set LEADFLOW_CACHE to where jars may be kept."
        ) from None
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            say("Another process is fetching Apache Kafka; waiting for it")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _fetch(jars: KafkaJars, say: Say) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise LocalRunError(
            f"Apache Kafka {jars.version} is fetched by Maven, and there is no `mvn` here: apt-get install maven. {INSTEAD}"
        )
    say(f"Fetching Apache Kafka {jars.version} with Maven into {jars.folder}: about 45 MB, once")
    began = time.monotonic()
    for unfinished in jars.folder.parent.glob(f"{jars.folder.name}-*"):  # of a fetch that was killed
        shutil.rmtree(unfinished, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=jars.folder.parent, prefix=f"{jars.folder.name}-") as made:
        fresh = KafkaJars(jars.version, Path(made) / "complete", jars.java)
        _run_maven(maven, fresh, say)
        _write_bootstrap(fresh, Path(made))
        fresh.folder.rename(jars.folder)
    say(f"Fetched {len(list(jars.folder.glob('jars/*.jar')))} jars in {time.monotonic() - began:.0f} s")


def _run_maven(maven: str, jars: KafkaJars, say: Say) -> None:
    command = [
        *(maven, "--batch-mode", "--quiet", "--strict-checksums", "--file", str(POM)),
        *("dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={jars.folder / 'jars'}"),
    ]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    began = time.monotonic()
    try:
        while True:
            try:
                said = process.communicate(timeout=20)[0].decode(errors="replace")
                break
            except subprocess.TimeoutExpired:
                seconds = time.monotonic() - began
                if seconds > FETCH_WITHIN_SECONDS:
                    raise LocalRunError(
                        f"Maven has not fetched Apache Kafka {jars.version} within {seconds:.0f} s. {INSTEAD}"
                    ) from None
                say(f"Maven is still at it, after {seconds:.0f} s")
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    if process.returncode != 0 or not list(jars.folder.glob("jars/kafka_*.jar")):
        lines = [line for line in re.sub(r"\x1b\[[0-9;]*m", "", said).splitlines() if line.strip()]
        raise LocalRunError(
            f"Maven could not fetch Apache Kafka {jars.version}:\n"
            + "\n".join(lines[:4])
            + f"\nIs a Maven repository within reach, or a mirror named in ~/.m2/settings.xml? {INSTEAD}"
        )


def _write_bootstrap(jars: KafkaJars, folder: Path) -> None:
    """Kafka's own tool formats one throw-away node; the records it writes are the same for every node."""
    properties = folder / "format.properties"
    properties.write_text(
        "node.id=0\nprocess.roles=broker,controller\ncontroller.listener.names=CONTROLLER\n"
        "listeners=PLAINTEXT://127.0.0.1:1,CONTROLLER://127.0.0.1:2\ncontroller.quorum.voters=0@127.0.0.1:2\n"
        f"listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT\nlog.dirs={folder / 'formatted'}\n"
    )
    tool = [str(jars.java), "-Xmx128m", "-XX:TieredStopAtLevel=1", "-cp", jars.class_path, "kafka.tools.StorageTool"]
    done = subprocess.run(
        [*tool, "format", "--cluster-id", "AAAAAAAAAAAAAAAAAAAAAA", "--config", str(properties)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )
    written = folder / "formatted" / BOOTSTRAP
    if done.returncode != 0 or not written.exists():
        raise LocalRunError(f"Apache Kafka's storage tool failed:\n{(done.stdout + done.stderr).strip()[-1500:]}")
    shutil.copyfile(written, jars.bootstrap)
