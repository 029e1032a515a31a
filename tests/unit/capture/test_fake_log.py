"""The log in memory that capture's tests use keeps the same promises as the real one."""

from __future__ import annotations

import pytest

from tests.unit.capture.fakes import FakeLog
from tests.unit.capture.log_contract import LogContract, ReadBack


class TestFakeLog(LogContract):
    @pytest.fixture
    def topic(self) -> str:
        return "topic"

    @pytest.fixture
    def log(self) -> FakeLog:
        return FakeLog()

    @pytest.fixture
    def away(self) -> FakeLog:
        log = FakeLog()
        log.away = True
        return log

    @pytest.fixture
    def read_back(self, log: FakeLog) -> ReadBack:
        async def read() -> list[tuple[bytes, bytes]]:
            return [(key, value) for _, key, value in log.records]

        return read
