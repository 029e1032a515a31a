"""One client: it is patient with what passes, and says what to do about the rest."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from shared.cli.http import CommandFailed, Refused, problem_text
from tests.unit.cli.fake_service import FakeService

AWAY = httpx.ConnectError("nobody")


async def test_a_service_that_is_busy_is_asked_again_when_it_said_so() -> None:
    service = FakeService((503, {}), (503, {}), (200, {"ok": True}))
    async with service.client() as client:
        assert await client.get("/v1/stats") == {"ok": True}
    assert service.slept == [2.0, 2.0]


async def test_a_service_that_restarts_is_waited_for() -> None:
    service = FakeService((200, {}), AWAY, AWAY, AWAY, AWAY, AWAY, AWAY, AWAY, (200, {"ok": True}))
    async with service.client(patience_seconds=60) as client:
        await client.get("/v1/stats")
        assert await client.get("/v1/stats") == {"ok": True}


async def test_a_service_that_was_never_there_is_named_soon_with_the_command_that_starts_it() -> None:
    service = FakeService(AWAY)
    async with service.client("pipeline", patience_seconds=600) as client:
        with pytest.raises(CommandFailed, match="pipeline is not reachable at") as raised:
            await client.get("/v1/stats")
    assert "make up" in raised.value.fix
    assert sum(service.slept) < 10


@pytest.mark.parametrize(("status", "variable"), [(401, "LEADFLOW_CAPTURE_KEY"), (403, "LEADFLOW_CAPTURE_KEY")])
async def test_refused_credentials_name_their_variable(status: int, variable: str) -> None:
    async with FakeService((status, {"detail": "no"})).client() as client:
        with pytest.raises(CommandFailed) as raised:
            await client.get("/v1/stats")
    assert variable in raised.value.fix


async def test_a_refusal_carries_the_problem_and_is_not_repeated() -> None:
    service = FakeService((409, {"detail": "It is archived.", "fix": "Reopen it."}))
    async with service.client("pipeline") as client:
        with pytest.raises(Refused, match=r"It is archived. \(Reopen it.\)"):
            await client.post("/v1/leads/1:assign", {})
    assert len(service.requests) == 1


async def test_what_took_too_long_is_not_asked_again_and_is_told_with_what_is_quicker() -> None:
    told = {"type": "urn:leadflow:problem:took-too-long", "detail": "It took too long.", "fix": "Ask for less."}
    service = FakeService((504, told))
    async with service.client("metrics") as client:
        with pytest.raises(Refused, match=r"It took too long. \(Ask for less.\)"):
            await client.get("/v1/kpis/leads_created")
    assert len(service.requests) == 1
    passing = FakeService((504, {}), (200, {"ok": True}))
    async with passing.client("metrics") as client:
        assert await client.get("/v1/stats") == {"ok": True}


def test_a_problem_names_its_field_once() -> None:
    assert problem_text({"field": "phone", "detail": "is too long", "fix": "Shorten it."}) == (
        "phone: is too long (Shorten it.)"
    )
    assert problem_text({"field": "phone", "detail": "phone is too long"}) == "phone is too long"
    assert problem_text({}) == "no reason was given"


@pytest.mark.parametrize(
    ("cursor", "following", "told"),
    [("cursor", None, "next_cursor"), ("after", None, "next_after"), ("beyond", "next", "next")],
)
async def test_a_list_is_read_page_by_page(cursor: str, following: str | None, told: str) -> None:
    service = FakeService(
        (200, {"items": [{"id": "1"}, {"id": "2"}], told: "c"}),
        (200, {"items": [{"id": "3"}], told: None}),
    )
    async with service.client() as client:
        asked: dict[str, Any] = {"status": "open", "sender": None, "limit": 500}
        pages = client.items("/v1/quarantine", cursor=cursor, following=following, **asked)
        found = [one["id"] async for one in pages]
    assert found == ["1", "2", "3"]
    assert [dict(request.url.params) for request in service.requests] == [
        {"status": "open", "limit": "500"},
        {"status": "open", "limit": "500", cursor: "c"},
    ]


async def test_whoever_does_something_is_named_in_any_script() -> None:
    service = FakeService((200, {}))
    async with service.client("pipeline") as client:
        await client.post("/v1/leads/1:assign", {}, headers={"Leadflow-Actor": "زهرا"})
    headers = dict(service.requests[0].headers.raw)
    assert headers[b"Leadflow-Actor"].decode() == "زهرا"
    assert headers[b"Authorization"]
