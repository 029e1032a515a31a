"""The whole system for the tests of one module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.servers import Databases, running_broker
from tests.support.services import RunningServices, running_services


@pytest.fixture(scope="module")
def leadflow(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServices]:
    """Four services over a database and a log of their own."""
    database_url = databases.migrated()
    with (
        running_broker() as broker,
        running_services(database_url, broker.bootstrap, tmp_path_factory.mktemp("leadflow")) as services,
    ):
        yield services
    databases.drop(database_url)
