"""A broker and a database in containers, where a Docker engine answers and has, or can fetch, their images."""

from __future__ import annotations

import os
import secrets
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import docker
from docker.errors import DockerException, ImageNotFound

from shared.cli.local.apache import new_id, takes_work
from shared.cli.local.ports import LOOPBACK, free_port
from tests.support.choice import NotHere
from tests.support.patience import eventually_blocking

KAFKA_IMAGE = "LEADFLOW_TEST_KAFKA_IMAGE"
POSTGRES_IMAGE = "LEADFLOW_TEST_POSTGRES_IMAGE"
DEFAULT_IMAGES = {KAFKA_IMAGE: "apache/kafka:4.1.2", POSTGRES_IMAGE: "postgres:17"}
ENGINE_ANSWERS_WITHIN_SECONDS = 3
PULLED_WITHIN_SECONDS = 180.0
READY_WITHIN_SECONDS = 60.0


def image_of(variable: str) -> str:
    """The image that a variable names, or the one compose uses."""
    return os.environ.get(variable) or DEFAULT_IMAGES[variable]


@cache
def _engine() -> docker.DockerClient:
    try:
        engine = docker.from_env(timeout=ENGINE_ANSWERS_WITHIN_SECONDS)
        engine.ping()
    except (DockerException, OSError):
        raise NotHere("no Docker engine answers") from None
    return engine


def have_image(variable: str) -> str:
    """The image, fetched if need be. Raises `NotHere` with what is missing."""
    name = image_of(variable)
    engine = _engine()
    try:
        engine.images.get(name)
    except ImageNotFound:
        _pull(name)
    except DockerException as error:
        raise NotHere(f"the Docker engine failed: {type(error).__name__}") from None
    return name


def _pull(name: str) -> None:
    failures: list[str] = []

    def pull() -> None:
        try:
            docker.from_env(timeout=int(PULLED_WITHIN_SECONDS)).images.pull(name)
        except (DockerException, OSError) as error:
            failures.append(str(getattr(error, "explanation", None) or type(error).__name__))

    thread = threading.Thread(target=pull, daemon=True)
    thread.start()
    thread.join(PULLED_WITHIN_SECONDS)
    if thread.is_alive():
        raise NotHere(f"the image {name} was not pulled within {PULLED_WITHIN_SECONDS:.0f} s")
    if failures:
        raise NotHere(f"the image {name} is not here and cannot be pulled: {failures[0][:200]}")


@contextmanager
def _started(container: object) -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            container.start()  # type: ignore[attr-defined]
        except Exception as error:
            raise NotHere(f"the container did not start: {error}") from error
    try:
        yield
    finally:
        container.stop()  # type: ignore[attr-defined]


def _without_reaper_unless_here() -> None:
    """Testcontainers ends containers of killed runs with a container of its own, which must not be fetched for that."""
    from testcontainers.core.config import testcontainers_config

    try:
        _engine().images.get(testcontainers_config.ryuk_image)
    except DockerException:
        testcontainers_config.ryuk_disabled = True


@contextmanager
def kafka_container() -> Iterator[str]:
    """The bootstrap address of an Apache Kafka of one node with an empty log. Raises `NotHere`."""
    image = have_image(KAFKA_IMAGE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from testcontainers.core.container import DockerContainer

        _without_reaper_unless_here()
        port = free_port()
        container = DockerContainer(image).with_bind_ports(9092, port)
    for name, value in {
        "CLUSTER_ID": new_id(),
        "KAFKA_NODE_ID": "1",
        "KAFKA_PROCESS_ROLES": "broker,controller",
        "KAFKA_LISTENERS": "PLAINTEXT://:9092,CONTROLLER://:9093",
        "KAFKA_ADVERTISED_LISTENERS": f"PLAINTEXT://{LOOPBACK}:{port}",
        "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
        "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS": "4",
        "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
        "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
        "KAFKA_GROUP_MIN_SESSION_TIMEOUT_MS": "1000",
        "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
    }.items():
        container.with_env(name, value)
    with _started(container):
        bootstrap = f"{LOOPBACK}:{port}"
        try:
            eventually_blocking(lambda: takes_work(bootstrap), within_seconds=READY_WITHIN_SECONDS)
        except TimeoutError:
            raise NotHere(f"{image} started, and took no writes within {READY_WITHIN_SECONDS:.0f} s") from None
        yield bootstrap


@contextmanager
def postgres_container() -> Iterator[str]:
    """The URL of a PostgreSQL that trades durability for speed. Raises `NotHere`."""
    image = have_image(POSTGRES_IMAGE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from testcontainers.community.postgres import PostgresContainer

        _without_reaper_unless_here()
        container = PostgresContainer(
            image, username="leadflow", password=secrets.token_hex(8), dbname="leadflow", driver=None
        )
    container.with_env("LANG", "C.UTF-8").with_env("POSTGRES_INITDB_ARGS", "--encoding=UTF8 --locale=C.UTF-8")
    container.with_command(
        "postgres -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=300"
    )
    with _started(container):
        yield str(container.get_connection_url())
