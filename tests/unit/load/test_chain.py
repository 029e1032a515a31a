"""What is seen of a rate from outside, against services that refuse some probes and never show others."""

from __future__ import annotations

import asyncio
import itertools
from types import SimpleNamespace, TracebackType
from typing import Any, cast

import httpx
import psycopg
import pytest

from tests.load.parts import chain
from tests.load.parts.chain import Chain, Watch
from tests.load.traffic import Traffic
from tests.support.services import RunningServices

SHOWN = 2


class NothingCounted:
    """A database in which no lead arrives."""

    async def __aenter__(self) -> NothingCounted:
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        return None

    async def execute(self, _: bytes) -> NothingCounted:
        return self

    async def fetchone(self) -> tuple[int]:
        return (0,)


@pytest.fixture
def services(monkeypatch: pytest.MonkeyPatch) -> RunningServices:
    """Every third probe is refused, and no more than two are ever shown."""
    probes = itertools.count(1)

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            return httpx.Response(503 if next(probes) % 3 == 0 else 202)
        return httpx.Response(200, json={"total": {"value": SHOWN}})

    async def connect(*_: object, **__: object) -> NothingCounted:
        return NothingCounted()

    client = httpx.AsyncClient
    monkeypatch.setattr(httpx, "AsyncClient", lambda **_: client(transport=httpx.MockTransport(answer)))
    monkeypatch.setattr(psycopg.AsyncConnection, "connect", connect)
    monkeypatch.setattr(chain, "memory", lambda _: {})
    monkeypatch.setattr(chain, "PROBES_PER_SECOND", 100)
    monkeypatch.setattr(chain, "SEEN_WITHIN_SECONDS", 0.5)
    return cast(RunningServices, SimpleNamespace(url=lambda _: "http://service"))


def test_probes_that_are_refused_are_told_and_those_never_seen_count_until_the_end(services: RunningServices) -> None:
    stage: Any = SimpleNamespace(database_url="")
    running = cast(Chain, SimpleNamespace(services=services, stage=stage, counted_before=0))
    watch = Watch(running, Traffic(services), "probe")

    async def look() -> None:
        posting = asyncio.create_task(asyncio.sleep(60))
        await watch.until(posting, rate=1000, seconds=0.3)
        posting.cancel()

    asyncio.run(look())
    accepted = watch.leads()
    assert accepted > SHOWN
    assert watch.refused == (accepted + watch.refused) // 3
    assert watch.unseen() == accepted - SHOWN
    assert len(watch.waits()) == accepted
    assert sum(wait >= 0.5 for wait in watch.waits()) == accepted - SHOWN
