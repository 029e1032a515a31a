"""Nothing that a stranger sends is read, and of others no more than a route takes: the framework would read a body whole, and parse
it, before it asks who sent it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

from fastapi import Request
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.kit.auth import bearer_of, is_same, require_token
from shared.kit.errors import Rejected, Retryable
from shared.kit.problems import problem_answer

MOST_BYTES = 2 * 1024 * 1024
LARGER: Mapping[str, int] = {
    "/v1/bulk": 32 * 1024 * 1024,
    "/v1/dead-letters/": 8 * 1024 * 1024,
    "/v1/history:batch": 32 * 1024 * 1024,
    "/v1/people:held": 4 * 1024 * 1024,
    "/v1/policy:": 4 * 1024 * 1024,
    "/v1/rates/import": 16 * 1024 * 1024,
    "/v1/spending/import": 16 * 1024 * 1024,
}
"""What begins like this takes more: what its lists and texts may be, and their escapes."""

_WITHOUT = ("GET", "HEAD", "OPTIONS")

Admit = Callable[[Request], Awaitable[None]]


async def require_any_token(request: Request) -> None:
    """Refuses a request with neither the deployment's token nor that for personal data: which of them it must be, its route says."""
    if not is_same(bearer_of(request), request.app.state.privacy_token):
        await require_token(request)


class BoundedBodies:
    """Reads the body of a request below these paths, once `admit` has let its sender in, and hands it on whole. Others are let
    through as they are: what reads its own body asks first."""

    def __init__(self, app: ASGIApp, *, admit: Admit = require_any_token, below: Sequence[str] = ("/v1/",)) -> None:
        self._app = app
        self._admit = admit
        self._below = tuple(below)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http" or not scope["path"].startswith(self._below) or scope["method"] in _WITHOUT:
            await self._app(scope, receive, send)
            return
        try:
            await self._admit(Request(scope))
            body = await _read(receive, Headers(scope=scope), limit_of(scope["path"]))
        except ClientDisconnect:
            return
        except (Rejected, Retryable) as error:
            await problem_answer(error)(scope, receive, send)
            return
        await self._app(scope, _again(body, receive), send)


def limit_of(path: str) -> int:
    """How many bytes the body of a request may have."""
    return next((most for begins, most in LARGER.items() if path.startswith(begins)), MOST_BYTES)


async def _read(receive: Receive, headers: Headers, limit: int) -> bytes:
    said = headers.get("content-length", "")
    if said.isdecimal() and int(said) > limit:
        raise _too_large(limit)
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > limit:
            raise _too_large(limit)
        if not message.get("more_body", False):
            return b"".join(parts)


def _again(body: bytes, receive: Receive) -> Receive:
    """The body as one message, and after it what comes else."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def following() -> Message:
        return waiting.pop() if waiting else await receive()

    return following


def _too_large(limit: int) -> Rejected:
    return Rejected(
        f"The body is over the limit of {limit} bytes.",
        status=413,
        code="too-large",
        fix="Send less at a time.",
        headers={"Connection": "close"},
    )
