"""The servers of one test run: decided and started once, when the first test needs them, and ended with the run."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack

import psycopg

from shared.cli.local.apache import ready_jars, takes_work
from shared.cli.local.errors import LocalRunError
from shared.cli.local.kafka_jars import INSTEAD
from tests.support.choice import NotHere, Server, Unusable, Way, asked_for, choose
from tests.support.containers import KAFKA_IMAGE, POSTGRES_IMAGE, image_of, kafka_container, postgres_container
from tests.support.servers import running_kafka_cluster

BROKER = "LEADFLOW_TEST_BROKER"
BROKER_ADDRESS = "LEADFLOW_TEST_KAFKA_BOOTSTRAP"
DATABASE = "LEADFLOW_TEST_DATABASE"
DATABASE_ADDRESS = "LEADFLOW_TEST_DATABASE_URL"
REAL_KAFKA = ("environment", "testcontainers", "apache")
"""The ways that lead to Apache Kafka; an address from the environment is taken to be one."""

Say = Callable[[str], None]


class Provision:
    """Hands out the run's servers. Not for two threads at once."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._stack = ExitStack()
        self._made: dict[str, Server | Unusable] = {}

    def ask(self, what: str) -> Server:
        """The run's `broker`, `database`, or `jars` of Apache Kafka. Raises `Unusable`, the same for everybody."""
        if what not in self._made:
            try:
                self._made[what] = {"broker": self._broker, "database": self._database, "jars": self._jars}[what]()
            except (NotHere, Unusable) as reason:
                self._made[what] = Unusable(str(reason))
        found = self._made[what]
        if isinstance(found, Unusable):
            raise found
        return found

    def close(self) -> None:
        """Ends what was started."""
        self._stack.close()

    def said(self) -> list[str]:
        """What this run used, and why nothing that comes before it."""
        lines = []
        for what in ("broker", "database"):
            found = self._made.get(what)
            if found is None:
                lines.append(f"{what}: none was needed")
            elif isinstance(found, Unusable):
                lines.append(f"{what}: {found}")
            else:
                lines += [f"{what}: {found.spoken}", *(f"  not {reason}" for reason in found.passed_over)]
        return lines

    def _broker(self) -> Server:
        ways = [
            Way("environment", _given_broker),
            Way("testcontainers", _contained_broker),
            Way("apache", self._apache),
            Way("embedded", lambda _: Server("embedded", "the embedded broker, one for each worker")),
        ]
        return choose("broker", ways, asked_for(os.environ, BROKER), self._stack)

    def _database(self) -> Server:
        ways = [
            Way("environment", _given_database),
            Way("testcontainers", _contained_database),
            Way("embedded", lambda _: Server("embedded", "the embedded PostgreSQL, one for each worker")),
        ]
        return choose("database", ways, asked_for(os.environ, DATABASE), self._stack)

    def _apache(self, stack: ExitStack) -> Server:
        jars = self._jars()
        cluster = stack.enter_context(running_kafka_cluster(say=self._say))
        return Server("apache", f"Apache {jars.spoken}, one node for everybody", cluster.bootstrap)

    def _jars(self) -> Server:
        if asked_for(os.environ, BROKER) == "embedded":
            raise NotHere(f"{BROKER}=embedded was asked for")
        try:
            return Server("jars", f"Kafka {ready_jars(self._say).version} from its jars")
        except LocalRunError as error:
            raise NotHere(" ".join(str(error).replace(INSTEAD, "").split())) from None


def _given_broker(_: ExitStack) -> Server:
    address = os.environ.get(BROKER_ADDRESS, "")
    if not address:
        raise NotHere(f"{BROKER_ADDRESS} is not set")
    if not takes_work(address.partition(",")[0]):
        raise Unusable(f"no Kafka answers at {address}, which {BROKER_ADDRESS} names")
    return Server("environment", f"the one at {address}, from {BROKER_ADDRESS}", address)


def _contained_broker(stack: ExitStack) -> Server:
    address = stack.enter_context(kafka_container())
    return Server("testcontainers", f"{image_of(KAFKA_IMAGE)} in a container, one for everybody", address)


def _given_database(_: ExitStack) -> Server:
    url = os.environ.get(DATABASE_ADDRESS, "")
    if not url:
        raise NotHere(f"{DATABASE_ADDRESS} is not set")
    try:
        with psycopg.connect(url, connect_timeout=5) as connection:
            may_create = connection.execute(
                "SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user"
            ).fetchone()
            where = f"{connection.info.host}:{connection.info.port}"
    except psycopg.Error:
        raise Unusable(f"the PostgreSQL that {DATABASE_ADDRESS} names does not let us in") from None
    if may_create != (True,):
        raise Unusable(f"the account in {DATABASE_ADDRESS} may not create databases: ALTER ROLE … CREATEDB")
    return Server("environment", f"the PostgreSQL at {where}, from {DATABASE_ADDRESS}", url)


def _contained_database(stack: ExitStack) -> Server:
    url = stack.enter_context(postgres_container())
    return Server("testcontainers", f"{image_of(POSTGRES_IMAGE)} in a container, one for everybody", url)
