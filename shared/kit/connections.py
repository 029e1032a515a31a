"""Connections that are kept within bounds: a request comes in time and in size, or its connection ends.

The server below waits for ever, for the first byte and for every other, and takes heads and bodies of any size. Whoever
may only connect could hold every connection there is.
"""

from __future__ import annotations

import resource
from collections.abc import Collection, Mapping
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

MAX_CONNECTIONS = 10_000
OTHER_FILES = 200
MAX_HEAD_BYTES = 64 * 1024
MAX_BODY_BYTES = 72 * 1024 * 1024
"""Above every limit of our own, which answer better: this one is for who goes on sending after that answer."""

IDLE_SECONDS = 75.0
"""How long a connection may be there before its first byte, and between its requests."""


class BoundedProtocol(HttpToolsProtocol):
    """One connection. Times are looked at from outside, by `end_overdue`, so that a request costs no timer."""

    max_connections = MAX_CONNECTIONS
    idle_seconds = IDLE_SECONDS
    head_seconds = 10.0
    body_seconds = 120.0
    linger_seconds = 2.0
    """How long what is still sent by whoever was refused is read past: a connection closed with bytes unread is reset, and
    the reset may overtake the answer."""

    def __init__(self, config: Config, server_state: ServerState, app_state: dict[str, Any], **given: Any) -> None:
        super().__init__(config, server_state, app_state, **given)
        self._service = getattr(config.app, "state", None)
        self._long_bodies: Mapping[str, tuple[int, float]] = getattr(self._service, "long_bodies", {})
        self._max_body_bytes = MAX_BODY_BYTES
        self._in_body = False
        self._refused = False
        self._head_bytes = 0
        self._body_bytes = 0
        self._due = 0.0
        self._unsent = 0
        self._unsent_since = 0.0

    def connection_made(self, transport: Any) -> None:
        """Refuses what is too much, so that files and other connections can still be opened."""
        super().connection_made(transport)
        self._due = self.loop.time() + self.idle_seconds
        if len(self.connections) > self.max_connections:
            self._answer(b"503 Service Unavailable")
            self.transport.close()

    def data_received(self, data: bytes) -> None:
        """Counts what of a head has come."""
        if self._refused:
            return
        if not self._in_body:
            if not self._head_bytes:
                self._due = self.loop.time() + self.head_seconds
            self._head_bytes += len(data)
        super().data_received(data)
        if self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self._refuse(b"431 Request Header Fields Too Large")

    def on_headers_complete(self) -> None:
        """Its body may come now. While the service leaves, each answer is the last of its connection."""
        self._in_body = True
        self._head_bytes = self._body_bytes = 0
        super().on_headers_complete()
        # A service says which of its paths take larger or slower bodies.
        self._max_body_bytes, seconds = self._long_bodies.get(self.scope["path"], (MAX_BODY_BYTES, self.body_seconds))
        self._due = self.loop.time() + seconds
        if self._service is not None and self._service.draining:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """Counts it."""
        self._body_bytes += len(body)
        if self._body_bytes > self._max_body_bytes:
            self.transport.abort()
            return
        super().on_body(body)

    def on_message_complete(self) -> None:
        """From here on it is ours to be in time."""
        self._in_body = False
        self._due = 0.0
        super().on_message_complete()

    def end_if_overdue(self, now: float) -> None:
        """Ends the connection where the other side is too slow, to send or to take what it was answered."""
        if self._takes_nothing(now) or (self._refused and now >= self._due):
            self.transport.abort()
            return
        ours = self._answering() and not self._in_body
        if not self._due or now < self._due or ours or self.transport.is_closing():
            return
        if self._head_bytes:
            self._refuse(b"408 Request Timeout")
        else:
            self.transport.close()

    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _takes_nothing(self, now: float) -> bool:
        unsent = self.transport.get_write_buffer_size()
        if not unsent or unsent != self._unsent:
            self._unsent, self._unsent_since = unsent, now
        return bool(now - self._unsent_since > self.body_seconds)

    def _refuse(self, status: bytes) -> None:
        """Says so, and says no more; the connection goes when the other side has heard it, or a little later."""
        if self._answering():
            self.transport.close()  # it would be taken for the answer to what was asked before
            return
        self._answer(status)
        self.transport.write_eof()
        self._refused = True
        self._due = self.loop.time() + self.linger_seconds

    def _answer(self, status: bytes) -> None:
        self.transport.write(b"HTTP/1.1 %s\r\nconnection: close\r\ncontent-length: 0\r\n\r\n" % status)


def allow_connections() -> None:
    """As many open files as the system allows, and no more connections than leave some for everything else."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS + OTHER_FILES
    if soft < wanted:
        soft = min(wanted, hard) if hard != resource.RLIM_INFINITY else wanted
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    BoundedProtocol.max_connections = min(MAX_CONNECTIONS, max(soft - OTHER_FILES, 1))


def end_overdue(connections: Collection[Any], now: float) -> None:
    """Looks at every connection; once a second is enough."""
    for connection in list(connections):
        if isinstance(connection, BoundedProtocol):
            connection.end_if_overdue(now)
