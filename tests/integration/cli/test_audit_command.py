"""`leadflow audit` finds every way in which the books can be wrong, and names the lead; stopped, it goes on."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from tests.load.traffic import Traffic
from tests.support.exposition import sample_sum
from tests.support.patience import eventually_blocking
from tests.support.processes import hear_every_signal
from tests.support.services import RunningServices, running_services

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

LEADS = 100
WON = 1


@pytest.fixture
def worked(
    migrated_database: Callable[..., str], fresh_kafka: str, tmp_path: Path
) -> Iterator[tuple[RunningServices, psycopg.Connection]]:
    """Services that have counted some leads, one of them won, and their database."""
    url = migrated_database()
    with running_services(url, fresh_kafka, tmp_path) as services, psycopg.connect(url, autocommit=True) as connection:
        asyncio.run(_work(services))

        def counted() -> bool:
            total: Any = services.kpi("opportunities_won")["total"]
            created: Any = services.kpi("leads_created")["total"]
            return bool(total["value"] == WON and created["value"] == LEADS)

        assert eventually_blocking(counted, within_seconds=120)
        yield services, connection


async def _work(services: RunningServices) -> None:
    async with Traffic(services).open() as traffic:
        for lead_id in await traffic.batch(range(LEADS)):
            await traffic.win(lead_id)


def audit(services: RunningServices, *more: str) -> subprocess.CompletedProcess[str]:
    return services.cli("audit", "--wait-seconds", "15", *more)


def test_every_way_of_being_wrong_is_found_and_named_by_lead(
    worked: tuple[RunningServices, psycopg.Connection],
) -> None:
    services, connection = worked
    clean = audit(services, "--by-day")
    assert clean.returncode == 0, clean.stdout + clean.stderr
    assert "No difference" in clean.stdout
    assert "lifecycle" in clean.stdout
    assert different(services) == 0
    won = one(connection, "SELECT root_id FROM metrics.entries WHERE measure = 'opportunity_won'")
    leads = [
        row[0]
        for row in connection.execute(
            "SELECT lead_id FROM pipeline.leads WHERE status = 'new' ORDER BY lead_id LIMIT 4"
        )
    ]
    lost_fact, changed_entry, changed_row, lost_record = leads
    connection.execute("DELETE FROM metrics.facts WHERE lead_id = %s AND event = 'LeadGraded'", [lost_fact])
    connection.execute("UPDATE metrics.entries SET channel = 'fax' WHERE root_id = %s", [changed_entry])
    connection.execute("UPDATE metrics.rollups SET day = day - 1 WHERE measure = 'opportunity_won'")
    connection.execute("UPDATE pipeline.leads SET status = 'qualified' WHERE lead_id = %s", [changed_row])
    connection.execute(
        """INSERT INTO pipeline.history (lead_id, event_id, version, event, occurred_at, recorded_at, correlation_id, data)
           SELECT lead_id, gen_random_uuid(), 99, 'LeadReopened', occurred_at, recorded_at - interval '1 hour', correlation_id, '{}'
           FROM pipeline.history WHERE lead_id = %s AND version = 1""",
        [lost_record],
    )
    found = audit(services)
    assert found.returncode == 1, found.stdout + found.stderr
    for line in (
        f"lifecycle → metrics: lead {lost_fact}: event ",
        f"entries: lead {lost_fact}: ",
        f"entries: lead {changed_entry}: ",
        f"sums: lead {won}: ",
        f"pipeline: lead {changed_row}: fault status is not what the history says",
        f"history: lead {lost_record}: event ",
    ):
        assert line in found.stdout, (line, found.stdout)
    exposition = httpx.get(f"{services.url('metrics')}/metrics", trust_env=False).text
    for check in ("log", "pipeline", "entries", "sums"):
        assert sample_sum(exposition, "leadflow_audit_different", check=check) > 0, check


def test_an_audit_that_is_stopped_goes_on(worked: tuple[RunningServices, psycopg.Connection]) -> None:
    services, connection = worked
    connection.execute("DELETE FROM metrics.facts WHERE event = 'LeadQualified'")
    lost = one(connection, "SELECT count(*) FROM pipeline.leads WHERE qualified_at IS NOT NULL")
    state = Path(services.environment["LEADFLOW_HOME"]) / "audit" / "lifecycle"
    process = subprocess.Popen(
        services.command("audit", "--wait-seconds", "600"),
        env=dict(services.environment),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=hear_every_signal,
    )
    # What is missing is waited for, so that it is stopped in the middle.
    assert eventually_blocking(lambda: state.exists() and asked(state), within_seconds=60)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130, said
    assert "goes on from here" in said
    assert state.exists()
    found = services.cli("audit", "--wait-seconds", "1")
    assert found.returncode == 1, found.stdout + found.stderr
    assert found.stdout.count("lifecycle → metrics: lead ") == lost
    assert not state.exists()


def asked(state: Path) -> bool:
    """Whether every event of the log has been asked for once."""
    with sqlite3.connect(f"file:{state}?mode=ro", uri=True) as connection:
        try:
            return bool(connection.execute("SELECT 1 FROM kept WHERE name LIKE 'asked%'").fetchone())
        except sqlite3.OperationalError:
            return False


def one(connection: psycopg.Connection, sql: str) -> Any:
    (found,) = connection.execute(sql.encode()).fetchone() or (None,)
    return found


def different(services: RunningServices) -> float:
    exposition = httpx.get(f"{services.url('metrics')}/metrics", trust_env=False).text
    return sample_sum(exposition, "leadflow_audit_different")


@pytest.mark.parametrize("source", ["log", "pipeline"])
def test_lost_numbers_are_made_again_from_a_source_while_leads_come(
    worked: tuple[RunningServices, psycopg.Connection], source: str
) -> None:
    services, connection = worked
    connection.execute("DELETE FROM metrics.facts WHERE event = 'LeadQualified'")
    connection.execute("UPDATE metrics.entries SET channel = 'fax' WHERE measure = 'lead_created'")
    killed = subprocess.Popen(
        services.command("rebuild", "metrics", "--from", source, "--no-swap"),
        env=dict(services.environment),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    begun = "SELECT to_regclass('metrics_shadow.state') IS NOT NULL"
    assert eventually_blocking(lambda: one(connection, begun), within_seconds=60)
    killed.kill()
    killed.wait()
    asyncio.run(_come(services))
    done = services.cli("rebuild", "metrics", "--from", source)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "because of these facts" in done.stdout
    assert "In place" in done.stdout
    assert eventually_blocking(lambda: created(services) == LEADS + MORE, within_seconds=60)
    found = audit(services)
    assert found.returncode == 0, found.stdout + found.stderr
    assert "metrics_old" in services.cli("rebuild", "metrics", "--drop").stdout


MORE = 20


async def _come(services: RunningServices) -> None:
    async with Traffic(services).open() as traffic:
        await traffic.batch(range(LEADS, LEADS + MORE))


def created(services: RunningServices) -> float:
    found: Any = services.kpi("leads_created")["total"]
    return float(found["value"])
