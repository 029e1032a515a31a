"""Capture's schema on a PostgreSQL that can be hit, and one log for all tests of channels."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.contracts.topics import CAPTURE_LEADS
from tests.faults.harness.postgres import FaultyPostgres, running_faulty_postgres
from tests.integration.capture.test_capture_log import everything
from tests.support.brokers import fresh_broker
from tests.support.choice import Server
from tests.support.servers import run_migrations
from tests.support.topics import create_topics


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[FaultyPostgres]:
    """A server of this test alone, with capture's tables; what it acknowledged is on disk."""
    with running_faulty_postgres(tmp_path / "server") as server:
        run_migrations("capture", server.url)
        yield server


@pytest.fixture(scope="session")
def channel_log(broker: Server) -> Iterator[str]:
    """A broker with the contracts' topics. Each test looks at the events of its own senders."""
    with fresh_broker(broker) as bootstrap:
        asyncio.run(create_topics(bootstrap))
        library = logging.getLogger("aiokafka.consumer.fetcher")
        library.disabled = True  # topics that were made this moment have no leaders yet, which it tells as errors
        asyncio.run(everything(bootstrap, CAPTURE_LEADS.name))
        library.disabled = False
        yield bootstrap
