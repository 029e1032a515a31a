"""Capture's schema on a PostgreSQL that can be hit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.harness.postgres import FaultyPostgres, running_faulty_postgres
from tests.support.servers import run_migrations


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[FaultyPostgres]:
    """A server of this test alone, with capture's tables; what it acknowledged is on disk."""
    with running_faulty_postgres(tmp_path / "server") as server:
        run_migrations("capture", server.url)
        yield server
