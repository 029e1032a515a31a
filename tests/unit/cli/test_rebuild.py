"""Numbers made again from a source: it ends while leads come, and what became of it is known whatever happens to an answer."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from rich.console import Console

from shared.cli import rebuild
from shared.cli.http import CommandFailed, ServiceClient
from shared.cli.rebuild import Source, What
from tests.unit.cli.fake_service import Answer, FakeService

BEGAN = "2026-03-01T09:00:00Z"
IN_PLACE = {"facts": 12, "facts_before": 11}
COMPARED: dict[str, Any] = {"facts": {"only_rebuilt": 0, "only_used": 0, "to_come": 20, "leads": []}, "entries": []}


class BusyMetrics:
    """Metrics and pipeline while leads come. The answer to a swap may be lost once it is done."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.waited: list[float] = []
        self.answers_are_lost = False
        self.is_swapped = self.old_ones_came = False
        self.compared: dict[str, Any] = COMPARED

    def answer(self, request: httpx.Request) -> Answer:
        asked = f"{request.method} {request.url.path}"
        self.asked.append(asked)
        if asked == "POST /v1/shadow/swap":
            if self.old_ones_came and not orjson.loads(request.content).get("lose"):
                return 409, {"detail": "1 facts would be lost.", "type": "urn:leadflow:problem:facts-lost"}
            self.is_swapped = True
            return httpx.ReadTimeout("lost") if self.answers_are_lost else (200, IN_PLACE)
        if asked == "GET /v1/shadow" and self.is_swapped:
            return 404, {"detail": "There is none."}
        found: dict[str, Any] = {
            "GET /v1/shadow": {"began_at": BEGAN},
            "POST /v1/shadow": {"began_at": BEGAN},
            "POST /v1/audit/events": {"events": [], "next": None},
            "POST /v1/shadow/catch-up": {"new": 20, "more": False},
            "GET /v1/shadow/comparison": self.compared,
        }
        return 200, found[asked]

    def client(self, service: str, *, timeout_seconds: float = 30.0) -> ServiceClient:
        self.waited.append(timeout_seconds)
        return FakeService(rule=self.answer).client(service, patience_seconds=5.0)


@pytest.fixture
def metrics(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> BusyMetrics:
    busy = BusyMetrics()
    monkeypatch.setenv("LEADFLOW_HOME", str(tmp_path))
    monkeypatch.setattr(rebuild, "operator_client", busy.client)
    return busy


async def made_again(*, swap: bool = True, lose: bool = False) -> None:
    console = Console(highlight=False, width=200)
    async with asyncio.timeout(20):
        await rebuild._beside(console, What.METRICS, Source.PIPELINE, swap=swap, lose=lose)


async def test_it_ends_while_something_new_always_comes(
    metrics: BusyMetrics, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    await made_again()
    told = capsys.readouterr().out
    assert "20 that came meanwhile and are taken over" in told
    assert "In place: 12 facts, 11 before" in told
    assert metrics.asked.count("POST /v1/shadow/catch-up") == 1
    assert metrics.waited[0] >= 3_600
    assert os.listdir(tmp_path) == []


async def test_a_swap_whose_answer_was_lost_is_not_begun_again(
    metrics: BusyMetrics, capsys: pytest.CaptureFixture[str]
) -> None:
    metrics.answers_are_lost = True
    with pytest.raises(CommandFailed):
        await made_again()
    metrics.answers_are_lost = False
    metrics.asked.clear()
    await made_again()
    assert metrics.asked == ["GET /v1/shadow", "POST /v1/shadow/swap"]
    assert "In place: 12 facts, 11 before" in capsys.readouterr().out


@pytest.mark.parametrize("left", ["", '{"began_at": "2026', "[]"])
async def test_a_place_that_was_cut_short_is_read_from_the_beginning(
    metrics: BusyMetrics, tmp_path: Path, left: str
) -> None:
    (tmp_path / "rebuild.json").write_text(left)
    await made_again(swap=False)
    assert metrics.asked[0] == "POST /v1/shadow"
    assert rebuild._kept() == {"began_at": BEGAN, "source": "pipeline", "after": None}


async def test_facts_that_the_source_lacks_are_lost_only_where_that_is_wanted(metrics: BusyMetrics) -> None:
    metrics.compared = {"facts": {**COMPARED["facts"], "only_used": 3}, "entries": []}
    with pytest.raises(CommandFailed, match="would lose the facts"):
        await made_again()
    assert not metrics.is_swapped
    await made_again(lose=True)
    assert metrics.is_swapped


async def test_facts_that_came_after_the_comparison_are_lost_only_where_that_is_wanted(metrics: BusyMetrics) -> None:
    metrics.old_ones_came = True
    with pytest.raises(CommandFailed, match="would be lost"):
        await made_again()
    assert metrics.asked.count("POST /v1/shadow/swap") == 1
    assert not metrics.is_swapped
    await made_again(lose=True)
    assert metrics.is_swapped
