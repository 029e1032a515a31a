"""A request that takes the short way to its endpoint is answered as it would be by the framework's long one."""

from __future__ import annotations

import httpx
import pytest

from services.capture.api import ShortWay
from tests.unit.capture.fakes import FakeLog, a_client, the_app

JSON = {"Content-Type": "application/json"}
LEAD = b'{"record_id": "1", "email": "ada@example.com"}'
VISIT = b'{"record_id": "1", "visitor_id": "v", "kind": "page_view"}'


async def answered(
    method: str, path: str, content: bytes, headers: dict[str, str], *, short: bool
) -> tuple[httpx.Response, FakeLog]:
    """The answer to one request, and the log after it."""
    log = FakeLog()
    app = the_app(log)
    others = [one for one in app.user_middleware if getattr(one.cls, "__name__", "") != ShortWay.__name__]
    assert len(others) == len(app.user_middleware) - 1
    if not short:
        app.user_middleware = others
    async with a_client(app) as client:
        return await client.request(method, path, content=content, headers=headers), log


@pytest.mark.parametrize("method", ["POST", "GET", "PUT", "OPTIONS", "HEAD"])
@pytest.mark.parametrize(
    ("path", "content", "headers"),
    [
        ("/v1/leads", LEAD, JSON),
        ("/v1/leads?source=x", LEAD, JSON),
        ("/v1/leads:batch", b"[" + LEAD + b", 3]", JSON),
        ("/v1/interactions", VISIT, JSON),
        ("/v1/interactions:batch", VISIT, {"Content-Type": "application/x-ndjson"}),
        ("/v1/interactions", b"{}", JSON),
        ("/v1/leads", b"{", JSON),
        ("/v1/leads", LEAD, {"Content-Type": "text/html"}),
        ("/v1/leads", LEAD, {"Authorization": "Bearer nobody's", **JSON}),
        ("/v1/leads/", LEAD, JSON),
        ("/v1/lead", LEAD, JSON),
    ],
)
async def test_both_ways_give_the_same_answer_and_the_same_events(
    method: str, path: str, content: bytes, headers: dict[str, str]
) -> None:
    short, short_log = await answered(method, path, content, headers, short=True)
    long, long_log = await answered(method, path, content, headers, short=False)
    assert (short.status_code, short.content) == (long.status_code, long.content)
    assert short.headers == long.headers
    assert short_log.records == long_log.records


async def test_a_fault_of_the_service_is_a_problem_document_by_both_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(FakeLog, "send", broken)
    for short in (True, False):
        answer, _ = await answered("POST", "/v1/leads", LEAD, JSON, short=short)
        assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
