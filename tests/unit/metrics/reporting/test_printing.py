"""Whoever asks for paper waits for their turn: each PDF takes a process of its own."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from services.metrics.reporting import writing
from services.metrics.reporting.writing import PRINTERS, Reports, Told
from shared.contracts.policy import Policy
from shared.kit.database import Database


async def test_no_more_pdfs_are_written_at_once_than_there_are_printers(monkeypatch: pytest.MonkeyPatch) -> None:
    at_once: list[int] = []
    printing = 0

    async def printed(_: str) -> bytes:
        nonlocal printing
        printing += 1
        at_once.append(printing)
        await asyncio.sleep(0)
        printing -= 1
        return b"%PDF"

    def page(*_: Any) -> str:
        return "<p>hello</p>"

    monkeypatch.setattr(writing, "as_pdf", printed)
    monkeypatch.setattr("services.metrics.reporting.html.page", page)
    reports = Reports(cast("Database", None), Policy(version="test"))
    told = Told(cast("Any", None), {})
    assert await asyncio.gather(*(reports.written(told, "pdf") for _ in range(7))) == [b"%PDF"] * 7
    assert max(at_once) == PRINTERS
