"""Somebody else's server, that webhooks are sent to: it notes what it is sent, checks who signed it, and answers as it is told."""

from __future__ import annotations

import json
import ssl
import threading
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from hmac import new
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Got(NamedTuple):
    """A request as it came."""

    headers: dict[str, str]
    body: bytes
    path: str

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def said(self) -> Any:
        return json.loads(self.body)

    @property
    def data(self) -> Any:
        return self.said["data"]

    def signed_by(self, secret: str) -> bool:
        """By the specification of Standard Webhooks, without any code of ours."""
        key = b64decode(secret.removeprefix("whsec_"))
        text = f"{self.id}.{self.headers['webhook-timestamp']}.".encode() + self.body
        expected = "v1," + b64encode(new(key, text, sha256).digest()).decode()
        return expected in self.headers["webhook-signature"].split()


Answer = Callable[[Got], tuple[int, dict[str, str]]]


def ok(_: Got) -> tuple[int, dict[str, str]]:
    """Takes everything."""
    return 204, {}


class Receiver:
    """What was sent, in order of arrival, and how the next is answered."""

    def __init__(self) -> None:
        self.got: list[Got] = []
        self.answer: Answer = ok
        self.url = ""

    def of(self, event: str) -> list[Got]:
        """What was told of one kind."""
        return [one for one in self.got if one.said["type"] == event]


@contextmanager
def receiving(proof: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    """A receiver on this machine, by https where it has a certificate."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got = Got({name.lower(): value for name, value in self.headers.items()}, body, self.path)
            receiver.got.append(got)
            status, headers = receiver.answer(got)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            return

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            return  # whoever sends may have given up

    server = Server(("127.0.0.1", 0), Handler)
    if proof is not None:
        server.socket = proof.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    receiver.url = f"http://127.0.0.1:{server.server_address[1]}/hooks"
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
