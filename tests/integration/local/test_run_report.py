"""At its end a test run says which servers it used, why no better ones, and what it could not test with them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.support.servers import running_postgres

ROOT = Path(__file__).resolve().parents[3]
SAMPLE = """
import pytest


@pytest.mark.needs_apache
def test_that_needs_a_real_rebalance(broker):
    print(f"ran on {broker.way}")


def test_that_needs_nothing():
    pass
"""


def a_run(*arguments: str, **environment: str) -> str:
    """What another test run says, on servers of its own choice."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LEADFLOW_TEST_", "PYTEST_"))}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
        env={**kept, **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=110,
    )
    return done.stdout + done.stderr


@pytest.fixture
def sample() -> Iterator[Path]:
    """Tests that only stand here for as long as another run needs them: they must lie under the conftest of all."""
    path = ROOT / "tests" / "unit" / "local" / f"test_sample_{os.getpid()}.py"
    path.write_text(SAMPLE)
    try:
        yield path
    finally:
        path.unlink()


@pytest.mark.parametrize("workers", ["0", "2"])
def test_what_was_not_tested_without_apache_kafka_is_said_aloud(sample: Path, workers: str) -> None:
    said = a_run("-n", workers, str(sample), LEADFLOW_TEST_BROKER="embedded")
    assert "1 passed, 1 skipped" in said
    assert "broker: the embedded broker, one for each worker" in said
    assert "database: none was needed" in said
    assert "1 NOT TESTED: no Apache Kafka" in said
    assert "needs Apache Kafka: this run uses the embedded broker" in said
    assert f"{sample.name}::test_that_needs_a_real_rebalance" in said


def test_a_server_that_was_asked_for_and_cannot_be_had_fails_the_run(sample: Path) -> None:
    said = a_run(str(sample), LEADFLOW_TEST_BROKER="environment", LEADFLOW_TEST_KAFKA_BOOTSTRAP="127.0.0.1:1")
    assert "no Kafka answers at 127.0.0.1:1" in said
    assert "1 passed, 1 error" in said


def test_the_run_uses_the_broker_that_the_environment_names(sample: Path, kafka_bootstrap: str) -> None:
    said = a_run("-n", "2", str(sample), LEADFLOW_TEST_KAFKA_BOOTSTRAP=kafka_bootstrap)
    assert "2 passed" in said
    assert f"broker: the one at {kafka_bootstrap}, from LEADFLOW_TEST_KAFKA_BOOTSTRAP" in said


def test_databases_are_made_on_the_server_that_the_environment_names_and_none_is_left_there() -> None:
    with running_postgres() as server:
        said = a_run(
            *("tests/integration/test_servers.py", "-k", "database or table"),
            LEADFLOW_TEST_DATABASE_URL=server.url("postgres"),
        )
        with psycopg.connect(server.url("postgres")) as connection:
            left = connection.execute("SELECT datname FROM pg_database WHERE datname LIKE 'leadflow%'").fetchall()
    assert "2 passed" in said
    assert f"database: the PostgreSQL at 127.0.0.1:{server.port}, from LEADFLOW_TEST_DATABASE_URL" in said
    assert server.password not in said
    assert left == []


def test_no_server_is_started_when_none_is_needed() -> None:
    said = a_run("tests/unit/local/test_credentials.py")
    assert "broker: none was needed" in said
    assert "database: none was needed" in said
