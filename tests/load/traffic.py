"""The mix as requests: leads and what they do in batches, and the sales that follow. As cheap as a client in Python can be,
since it shares the processors with what it measures."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
import orjson

from tests.load import mix
from tests.support.services import API_TOKEN, CAPTURE_KEY, RunningServices

BATCH = 250
AT_ONCE = 8
SALES_AT_ONCE = 4
SALE_WITHIN_SECONDS = 120.0
ACCEPTED_WITHIN_SECONDS = 60.0


def bearer(secret: str) -> dict[str, str]:
    """The header that carries a key or a token."""
    return {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}


@dataclass(slots=True)
class Posted:
    """What was accepted so far, and how long that took in the end."""

    leads: int = 0
    interactions: int = 0
    won: int = 0
    refused: int = 0
    seconds: float = 0.0


@dataclass(slots=True)
class Traffic:
    """A client of the services."""

    services: RunningServices
    interact: bool = True
    leads_body: Callable[[range], bytes] = mix.leads_body
    enough: bool = False
    posted: Posted = field(default_factory=Posted)
    _client: httpx.AsyncClient | None = None

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Traffic]:
        """With connections of its own."""
        limits = httpx.Limits(max_keepalive_connections=64)
        async with httpx.AsyncClient(timeout=60, trust_env=False, limits=limits) as client:
            self._client = client
            yield self

    async def _post(self, service: str, path: str, body: bytes) -> httpx.Response:
        assert self._client is not None, "traffic is open while it posts"
        headers = bearer(CAPTURE_KEY if service == "capture" else API_TOKEN)
        return await self._client.post(f"{self.services.url(service)}{path}", content=body, headers=headers)

    async def _accepted(self, path: str, body: bytes) -> httpx.Response:
        """Sends until all of it is accepted, as senders are asked to: what is sent twice counts once."""
        give_up_at = time.monotonic() + ACCEPTED_WITHIN_SECONDS
        while (answer := await self._post("capture", path, body)).status_code != 202:
            self.posted.refused += 1
            if answer.status_code not in (207, 503) or time.monotonic() > give_up_at:
                raise RuntimeError(f"capture answered {answer.status_code}: {answer.text[:300]}")
            await asyncio.sleep(float(answer.headers.get("Retry-After", 1)))
        return answer

    async def batch(self, numbers: range) -> list[str]:
        """These leads and what they do; the ids of those that are to be won."""
        posts = [self._accepted("/v1/leads:batch", self.leads_body(numbers))]
        if self.interact:
            posts.append(self._accepted("/v1/interactions:batch", mix.interactions_body(numbers)))
        answers = await asyncio.gather(*posts)
        self.posted.leads += len(numbers)
        self.posted.interactions += mix.INTERACTIONS * len(numbers) if self.interact else 0
        won = [place for place, number in enumerate(numbers) if mix.is_won(number)] if self.interact else []
        items = orjson.loads(answers[0].content)["items"] if won else []
        return [items[place]["lead_id"] for place in won]

    async def win(self, lead_id: str) -> None:
        """Opens a deal with a lead and wins it, as soon as the lead is qualified."""
        body = orjson.dumps({"opportunity_id": f"deal-{lead_id}", "amount": "1000.00", "currency": "EUR"})
        give_up_at = time.monotonic() + SALE_WITHIN_SECONDS
        while (answer := await self._post("pipeline", f"/v1/leads/{lead_id}/opportunities", body)).status_code != 201:
            if answer.status_code not in (404, 409, 422, 503) or time.monotonic() > give_up_at:
                raise RuntimeError(f"pipeline answered {answer.status_code}: {answer.text[:300]}")
            await asyncio.sleep(0.5)
        answer = await self._post("pipeline", f"/v1/opportunities/deal-{lead_id}:win", b"{}")
        if answer.status_code != 200:
            raise RuntimeError(f"pipeline answered {answer.status_code}: {answer.text[:300]}")
        self.posted.won += 1

    async def post_all(self, numbers: range) -> None:
        """Posts these leads as fast as they are taken, in order of their batches, and wins none."""
        async with self.open():
            for first in range(numbers.start, numbers.stop, BATCH * 4):
                portions = [
                    range(at, min(at + BATCH, numbers.stop))
                    for at in range(first, min(first + BATCH * 4, numbers.stop), BATCH)
                ]
                await asyncio.gather(*map(self.batch, portions))

    async def at_rate(self, first: int, rate: int, seconds: float) -> None:
        """Posts at a rate for a while; sales follow by themselves and are waited for. Small rates come in small batches."""
        size = max(1, min(BATCH, rate // 10))
        pending: set[asyncio.Task[list[str]]] = set()
        sales = _Sales(self)
        started = time.perf_counter()
        number = first
        while (passed := seconds if self.enough else time.perf_counter() - started) < seconds or pending:
            if passed < seconds and number - first <= passed * rate and len(pending) < AT_ONCE:
                pending.add(asyncio.create_task(self.batch(range(number, number + size))))
                number += size
            elif pending and (passed >= seconds or len(pending) >= AT_ONCE):
                await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            else:
                await asyncio.sleep(max(0.001, (number - first) / rate - passed))
            for task in [task for task in pending if task.done()]:
                pending.discard(task)
                sales.follow(task.result())
        self.posted.seconds = time.perf_counter() - started
        await sales.closed()


class _Sales:
    """A few sales people who win leads some seconds after they came, when pipeline knows them."""

    def __init__(self, traffic: Traffic) -> None:
        self._waiting: asyncio.Queue[str | None] = asyncio.Queue()
        self._people = [asyncio.create_task(self._work(traffic)) for _ in range(SALES_AT_ONCE)]

    def follow(self, lead_ids: Sequence[str]) -> None:
        for lead_id in lead_ids:
            self._waiting.put_nowait(lead_id)

    async def closed(self) -> None:
        for _ in self._people:
            self._waiting.put_nowait(None)
        await asyncio.gather(*self._people)

    async def _work(self, traffic: Traffic) -> None:
        while (lead_id := await self._waiting.get()) is not None:
            await traffic.win(lead_id)
