"""The whole system for the tests of one module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.brokers import fresh_broker
from tests.support.choice import Server
from tests.support.servers import Databases
from tests.support.services import RunningServices, running_services


@pytest.fixture(scope="module")
def leadflow(
    databases: Databases, broker: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningServices]:
    """Four services over a database and a log of their own."""
    database_url = databases.migrated()
    with (
        fresh_broker(broker) as bootstrap,
        running_services(database_url, bootstrap, tmp_path_factory.mktemp("leadflow")) as services,
    ):
        yield services
    databases.drop(database_url)
