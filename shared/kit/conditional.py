"""Whoever has read something is told when it is still what it was: every GET of the API has an ETag, and `If-None-Match` is
answered 304 where it still holds."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_UNSAID = ("content-length", "content-type")
"""What a 304 says nothing of."""


class Conditional:
    """An answer without an ETag gets one of its own bytes. What is sent piece by piece is let through as it is."""

    def __init__(self, app: ASGIApp, prefix: str = "/v1/") -> None:
        self._app = app
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http" or scope["method"] != "GET" or not scope["path"].startswith(self._prefix):
            await self._app(scope, receive, send)
            return
        await self._app(scope, receive, _Held(send, Headers(scope=scope).get("if-none-match")).send)


class _Held:
    """Holds the beginning of an answer until it is known whether all of it comes at once."""

    def __init__(self, send: Send, known: str | None) -> None:
        self._send = send
        self._known = known
        self._start: dict[str, Any] | None = None

    async def send(self, message: Message) -> None:
        """What the application says next."""
        if message["type"] == "http.response.start" and message["status"] == 200:
            self._start = dict(message)
            return
        if self._start is None:
            await self._send(message)
            return
        start, self._start = self._start, None
        if message.get("more_body"):
            await self._send(start)
            await self._send(message)
            return
        body: bytes = message.get("body", b"")
        start["headers"] = list(start["headers"])
        headers = MutableHeaders(raw=start["headers"])
        headers.setdefault("ETag", f'"{blake2b(body, digest_size=12).hexdigest()}"')
        headers.setdefault("Cache-Control", "private, no-cache")
        if self._known is not None and is_among(headers["ETag"], self._known):
            for name in _UNSAID:
                del headers[name]
            await self._send({**start, "status": 304})
            await self._send({"type": "http.response.body", "body": b""})
            return
        await self._send(start)
        await self._send(message)


def is_among(etag: str, known: str) -> bool:
    """Whether a header names this version, or any."""
    tags = [one.strip().removeprefix("W/") for one in known.split(",")]
    return "*" in tags or etag.removeprefix("W/") in tags
