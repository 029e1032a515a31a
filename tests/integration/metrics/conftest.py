"""Metrics on a fresh database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from tests.integration.metrics.harness import Metrics


@pytest.fixture
async def metrics(migrated_database: Callable[..., str]) -> AsyncIterator[Metrics]:
    """The service's parts on a fresh database."""
    found = Metrics(migrated_database("metrics"))
    yield found
    await found.close()
