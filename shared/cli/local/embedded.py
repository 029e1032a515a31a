"""The embedded run as a whole: everything `leadflow up` starts and `leadflow down` ends."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from shared.cli.local.apache import ApacheKafka, ready_jars, takes_work
from shared.cli.local.broker import EmbeddedBroker
from shared.cli.local.broker_choice import BrokerKind, choose_broker, remember_broker, remembered_broker
from shared.cli.local.credentials import (
    API_TOKEN,
    DATABASE_PASSWORD,
    IDENTITY_SECRET,
    capture_keys,
    ensure_credentials,
    read_credentials,
)
from shared.cli.local.errors import LocalRunError
from shared.cli.local.kafka_jars import KafkaJars
from shared.cli.local.leftovers import end_leftovers
from shared.cli.local.ports import LOOPBACK, answers, free_port, holder_of, is_free
from shared.cli.local.postgres import DATABASE, EmbeddedPostgres
from shared.cli.local.preparation import (
    CODE,
    ensure_database,
    keep_fingerprint,
    migrated_fingerprint,
    migrations_fingerprint,
    run_migrations,
    wait_for_postgres,
)
from shared.cli.local.readiness import wait_until_ready
from shared.cli.local.run_directory import SERVICES, RunDirectory, project_root
from shared.cli.local.supervision import RUN_MARKER, Program, Supervisor
from shared.cli.settings import DEFAULT_PORTS
from shared.cli.topics import TopicPlan, create_topics

PARTITIONS = 4
READY_WITHIN_SECONDS = 90.0
CONTROLLER = "kafka-controller"
SERVER_PORT_VARIABLES = {
    "postgres": "LEADFLOW_POSTGRES_PORT",
    "kafka": "LEADFLOW_KAFKA_PORT",
    CONTROLLER: "LEADFLOW_KAFKA_CONTROLLER_PORT",
}
GONE_WRONG = frozenset({"BACKOFF", "EXITED", "FATAL", "UNKNOWN"})

Say = Callable[[str], None]
"""Tells the operator about one step."""


@dataclass(frozen=True, slots=True)
class Installation:
    """What one start has decided: ports and credentials."""

    directory: RunDirectory
    ports: Mapping[str, int]
    credentials: Mapping[str, str]
    broker_kind: BrokerKind
    jars: KafkaJars | None = None

    @property
    def postgres(self) -> EmbeddedPostgres:
        return EmbeddedPostgres(self.directory.postgres, self.ports["postgres"], self.credentials[DATABASE_PASSWORD])

    @property
    def kafka_bootstrap(self) -> str:
        return f"{LOOPBACK}:{self.ports['kafka']}"

    @property
    def broker(self) -> EmbeddedBroker | ApacheKafka:
        if self.broker_kind is BrokerKind.EMBEDDED:
            return EmbeddedBroker(self.directory.kafka, self.ports["kafka"])
        assert self.jars is not None, "who starts Apache Kafka has its jars"
        return ApacheKafka(self.jars, self.directory.apache_kafka, self.ports["kafka"], self.ports[CONTROLLER])

    def environment(self) -> dict[str, str]:
        """The environment of every service; what the operator has set for a service is passed on."""
        policy = Path(os.environ.get("LEADFLOW_POLICY_FILE") or project_root() / "policy.yaml")
        given = os.environ.get("CAPTURE_KEYS", "")
        keys = [given, "" if capture_keys(self.credentials) in given else capture_keys(self.credentials)]
        environment = {
            **os.environ,
            "LEADFLOW_DATABASE_URL": self.postgres.url(),
            "LEADFLOW_KAFKA_BOOTSTRAP": self.kafka_bootstrap,
            "LEADFLOW_POLICY_FILE": str(policy.absolute()),
            API_TOKEN: self.credentials[API_TOKEN],
            IDENTITY_SECRET: self.credentials[IDENTITY_SECRET],
            "CAPTURE_KEYS": ",".join(key for key in keys if key),
            "PYTHONUNBUFFERED": "1",
            "PYTHONPATH": os.pathsep.join(part for part in (str(CODE), os.environ.get("PYTHONPATH", "")) if part),
            RUN_MARKER: str(self.directory.path),
        }
        environment.setdefault("CAPTURE_UPLOAD_DIR", str(self.directory.uploads))
        environment.setdefault("METRICS_PIPELINE_URL", f"http://{LOOPBACK}:{self.ports['pipeline']}")
        for service in SERVICES:
            environment[f"{service.upper()}_PORT"] = str(self.ports[service])
            environment[f"{service.upper()}_GROUP_INSTANCE_ID"] = f"{service}-embedded"
            if self.broker_kind is BrokerKind.EMBEDDED:  # it answers at once, with nothing, again and again
                environment[f"{service.upper()}_IDLE_FETCH_PAUSE_SECONDS"] = "0.05"
        return environment

    def programs(self) -> list[Program]:
        """Everything that is supervised. Services stop first, the database last."""
        services = [
            Program(service, [sys.executable, "-m", f"services.{service}"], "TERM", 20, "services")
            for service in SERVICES
        ]
        return [
            Program("postgres", self.postgres.command(), "INT", 60, "database"),
            Program("kafka", self.broker.command(), "TERM", 30, "log"),
            *services,
        ]

    def urls(self) -> dict[str, str]:
        """Where each service answers."""
        return {service: f"http://{LOOPBACK}:{self.ports[service]}" for service in SERVICES}


def choose_ports(directory: RunDirectory, kind: BrokerKind = BrokerKind.EMBEDDED) -> dict[str, int]:
    """Ports for everything: the operator's, else the known ones. Raises `LocalRunError` naming every taken one."""
    remembered = directory.remembered_ports()
    chosen: dict[str, int] = {}
    faults: list[str] = []
    for service in SERVICES:
        variable = f"{service.upper()}_PORT"
        chosen[service] = _port_from(variable) or DEFAULT_PORTS[service]
        faults += _fault(chosen[service], service, variable)
    for server, variable in SERVER_PORT_VARIABLES.items():
        if server == CONTROLLER and kind is BrokerKind.EMBEDDED:
            continue
        given = _port_from(variable)
        if given is not None:
            chosen[server] = given
            faults += _fault(given, server, variable)
        else:
            known = remembered.get(server)
            chosen[server] = known if known and is_free(known) else free_port()
    twice = {port for port in chosen.values() if list(chosen.values()).count(port) > 1}
    faults += [
        f"Port {port} is asked for twice: {[name for name in chosen if chosen[name] == port]}." for port in twice
    ]
    if faults:
        raise LocalRunError("\n".join(faults))
    return chosen


def _port_from(variable: str) -> int | None:
    text = os.environ.get(variable, "").strip()
    if not text:
        return None
    if not text.isdigit() or not 1 <= int(text) <= 65_535:
        raise LocalRunError(f"{variable} must be a port between 1 and 65535, not {text!r}.")
    return int(text)


def _fault(port: int, name: str, variable: str) -> list[str]:
    if is_free(port):
        return []
    holder = holder_of(port)
    by = f" by {holder}" if holder else ""
    return [f"Port {port}, which {name} needs, is taken{by}. Stop that, or choose another: {variable}={port + 1000}"]


def installation(directory: RunDirectory, kind: BrokerKind, say: Say) -> Installation:
    """Decides ports, credentials and the broker for a start, and remembers them."""
    ports = choose_ports(directory, kind)
    jars = ready_jars(say) if kind is BrokerKind.APACHE else None
    credentials = ensure_credentials(directory.credentials)
    directory.remember_ports(ports)
    if remembered_broker(directory) is None:
        say(f"The log of this directory is {kind.spoken}'s from now on, until `make reset`")
    remember_broker(directory, kind)
    return Installation(directory, ports, credentials, kind, jars)


def remembered_installation(directory: RunDirectory) -> Installation:
    """The last start's decisions, for looking at; nothing can be started from it."""
    kind = remembered_broker(directory) or BrokerKind.EMBEDDED
    return Installation(directory, directory.remembered_ports(), read_credentials(directory.credentials), kind)


def start(directory: RunDirectory, say: Say, *, broker: BrokerKind | None = None) -> Installation:
    """Starts everything and returns when every service is ready; nothing is left running when it raises."""
    kind = choose_broker(directory, broker)
    ended = end_leftovers(directory)
    if ended:
        say(f"Ended what an earlier run had left behind: {', '.join(ended)}")
    chosen = installation(directory, kind, say)
    supervisor = Supervisor(directory)
    try:
        _start_servers(chosen, supervisor, say)
        _start_services(chosen, supervisor, say)
    except BaseException:
        stop(directory)
        raise
    return chosen


def _start_servers(chosen: Installation, supervisor: Supervisor, say: Say) -> None:
    if chosen.postgres.initialise():
        say(f"Made a new database in {chosen.directory.postgres}")
    broker = chosen.broker
    if isinstance(broker, ApacheKafka) and broker.prepare():
        say(f"Made a new log in {chosen.directory.apache_kafka}")
    environment = chosen.environment()
    supervisor.configure(chosen.programs(), working_directory=project_root())
    supervisor.launch(environment)
    supervisor.start("database")
    supervisor.start("log")
    spoken = chosen.broker_kind.spoken
    say(f"PostgreSQL on port {chosen.ports['postgres']}, {spoken} on port {chosen.ports['kafka']}")
    try:
        wait_for_postgres(chosen.postgres.url("postgres"), credentials=chosen.directory.credentials)
        _wait_for_broker(chosen)
    except LocalRunError as error:
        raise LocalRunError(f"{error}\n{log_tails(chosen.directory, ('postgres', 'kafka'))}") from None
    ensure_database(chosen.postgres.url("postgres"), DATABASE)
    made = asyncio.run(create_topics(chosen.kafka_bootstrap, TopicPlan(PARTITIONS, 1)))
    if made:
        say(f"Made topics {', '.join(made)} with {PARTITIONS} partitions")
    fingerprint = migrations_fingerprint()
    if migrated_fingerprint(chosen.postgres.url()) != fingerprint:
        say("Bringing the tables of every service up to date")
        run_migrations(environment)
        keep_fingerprint(chosen.postgres.url(), fingerprint)


def _wait_for_broker(chosen: Installation, *, within_seconds: float = 60.0) -> None:
    give_up_at = time.monotonic() + within_seconds
    is_up = partial(takes_work if chosen.broker_kind is BrokerKind.APACHE else _listens, chosen.kafka_bootstrap)
    while not is_up():
        if time.monotonic() > give_up_at:
            raise LocalRunError(f"The broker did not start within {within_seconds:.0f} s.")
        time.sleep(0.05)


def _listens(bootstrap: str) -> bool:
    return answers(int(bootstrap.rpartition(":")[2]))


def _start_services(chosen: Installation, supervisor: Supervisor, say: Say) -> None:
    supervisor.start("services")
    say("Waiting for the services")

    def give_up_when_one_has_ended() -> None:
        ended = [one.name for one in supervisor.states() if one.state in GONE_WRONG]
        if ended:
            raise LocalRunError(f"{', '.join(ended)} ended at start:\n{log_tails(chosen.directory, ended)}")

    waiting = wait_until_ready(chosen.urls(), within_seconds=READY_WITHIN_SECONDS, meanwhile=give_up_when_one_has_ended)
    if waiting:
        reasons = "\n".join(f"{name} is not ready: {answer.reason}" for name, answer in waiting.items())
        raise LocalRunError(f"{reasons}\n{log_tails(chosen.directory, waiting)}")


def log_tails(directory: RunDirectory, names: Iterable[str], *, lines: int = 12) -> str:
    """The last lines of some logs, each under its path."""
    tails = []
    for name in names:
        path = directory.logs / f"{name}.log"
        if path.exists():
            last = path.read_text(errors="replace").splitlines()[-lines:]
            tails.append("\n".join([f"--- the end of {path}", *last]))
    return "\n".join(tails)


def stop(directory: RunDirectory) -> bool:
    """Stops everything of this directory; False when nothing ran."""
    ran = Supervisor(directory).shut_down()
    ended = end_leftovers(directory)
    directory.socket.unlink(missing_ok=True)
    return ran or bool(ended)


def forget(directory: RunDirectory) -> None:
    """Deletes the data, the credentials and the logs. Raises `LocalRunError` when something cannot be deleted."""
    for path in directory.path.iterdir():
        if path.name == "lock":
            continue
        try:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        except OSError as error:
            raise LocalRunError(
                f"{error.filename} cannot be deleted ({error.strerror}); run this as the user who started it."
            ) from None
