"""A service that answers as it is told, behind the real HTTP client."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import orjson

from shared.cli.http import ServiceClient

Answer = tuple[int, Any] | Exception


class FakeService:
    """Answers requests from a list, the last answer for ever, or by a rule; keeps what it was asked."""

    def __init__(self, *answers: Answer, rule: Callable[[httpx.Request], Answer] | None = None) -> None:
        self.requests: list[httpx.Request] = []
        self.slept: list[float] = []
        self._answers = iter(_for_ever(answers))
        self._rule = rule
        self._now = 0.0

    def client(self, name: str = "capture", *, patience_seconds: float = 30.0) -> ServiceClient:
        """A client of this service whose clock stands still but for its own waiting."""
        return ServiceClient(
            name,
            "http://service.test",
            "token",
            patience_seconds=patience_seconds,
            transport=httpx.MockTransport(self._answer),
            sleep=self._sleep,
            clock=lambda: self._now,
        )

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self._now += seconds

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self._rule(request) if self._rule is not None else next(self._answers)
        if isinstance(answer, Exception):
            raise answer
        status, body = answer
        headers = {"Retry-After": "2"} if status == 503 else {}
        return httpx.Response(status, content=orjson.dumps(body), headers=headers)


def _for_ever(answers: tuple[Answer, ...]) -> Iterator[Answer]:
    yield from answers
    while True:
        yield answers[-1]
