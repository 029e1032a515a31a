"""A client of the intake API over a log that a test can look into."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.unit.capture.fakes import FakeLog, a_client, the_app


@pytest.fixture
def log() -> FakeLog:
    return FakeLog()


@pytest.fixture
async def client(log: FakeLog) -> AsyncIterator[httpx.AsyncClient]:
    async with a_client(the_app(log)) as client:
        yield client
