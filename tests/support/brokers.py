"""Brokers of a test's own, of the kind the run uses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.choice import Server, Unusable
from tests.support.containers import kafka_container
from tests.support.desk import ask
from tests.support.provision import REAL_KAFKA
from tests.support.servers import running_broker, running_kafka_cluster

NEEDS_APACHE = "needs Apache Kafka"


@contextmanager
def fresh_broker(run: Server) -> Iterator[str]:
    """The address of a broker with an empty log, gone at the end. Nobody's own broker is emptied for that: where the
    run's address came from the environment, this is one from jars, else the embedded one."""
    if run.way == "testcontainers":
        with kafka_container() as bootstrap:
            yield bootstrap
    elif run.way == "apache" or (run.way == "environment" and _have_jars()):
        with running_kafka_cluster() as cluster:
            yield cluster.bootstrap
    else:
        with running_broker() as broker:
            yield broker.bootstrap


def _have_jars() -> bool:
    try:
        return bool(ask("jars"))
    except Unusable:
        return False


def why_not_apache() -> str:
    """Why this run's broker is not Apache Kafka; empty when it is one."""
    run = ask("broker")
    if run.way in REAL_KAFKA:
        return ""
    return "; ".join([f"this run uses {run.spoken}", *run.passed_over])
