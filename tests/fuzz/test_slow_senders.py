"""Senders over a real connection that are slow, that leave, or that promise more than they send."""

from __future__ import annotations

import gzip
import json
import socket
import time
from contextlib import suppress

import pytest

from tests.fuzz.serving import BODY_WITHIN_SECONDS, Serving
from tests.support.patience import eventually_blocking
from tests.unit.capture.fakes import FULL_KEY

LEAD = json.dumps({"name": "Ada", "email": "ada@example.com", "message": "x" * 500}).encode()
PATHS = [
    "/v1/leads",
    "/v1/leads:batch",
    "/v1/interactions",
    "/v1/channels/default/json",
    "/v1/channels/default/form",
    "/v1/reconciliation",
]


def head(path: str, *more: str) -> bytes:
    """The beginning of a request."""
    lines = (f"POST {path} HTTP/1.1", "Host: x", f"X-API-Key: {FULL_KEY}", "Content-Type: application/json", *more)
    return "\r\n".join((*lines, "", "")).encode()


def until_closed(connection: socket.socket, seconds: float) -> bytes:
    """What comes back before the other side ends."""
    connection.settimeout(seconds)
    received = b""
    with suppress(ConnectionResetError):
        while piece := connection.recv(65_536):
            received += piece
    return received


def alive(capture: Serving) -> None:
    """Others are served meanwhile."""
    answer = capture.send(
        "POST /v1/leads", "POST", "/v1/leads", [(b"x-api-key", FULL_KEY.encode())], [b'{"email": "bo@example.com"}']
    )
    assert answer.status == 202


@pytest.mark.parametrize(("path", "chunked"), [(path, bool(place % 2)) for place, path in enumerate(PATHS)])
def test_a_body_that_trickles_is_ended_in_time_and_nothing_of_it_is_taken(
    capture: Serving, path: str, chunked: bool
) -> None:
    said = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(LEAD)}"
    before = len(capture.log.records)
    with socket.create_connection(("127.0.0.1", capture.port)) as connection:
        began = time.monotonic()
        connection.sendall(head(path, said))
        connection.settimeout(0.05)
        received = b""
        for byte in LEAD:
            try:
                connection.sendall(b"1\r\n%c\r\n" % byte if chunked else bytes([byte]))
                received += connection.recv(65_536)
            except TimeoutError:
                pass
            except OSError:
                break
            if received:
                break
        received += until_closed(connection, 10)
        took = time.monotonic() - began
    capture.inputs[f"a slow POST {path}"] += 1
    if received:  # who goes on sending may find the connection reset, and the answer gone with it
        assert received.startswith(b"HTTP/1.1 408"), received[:200]
        assert b"connection: close" in received.lower()
    assert BODY_WITHIN_SECONDS <= took < BODY_WITHIN_SECONDS + 8
    assert len(capture.log.records) == before
    alive(capture)


@pytest.mark.parametrize("path", PATHS[:4])
def test_who_leaves_in_the_middle_has_sent_nothing(capture: Serving, path: str) -> None:
    before = len(capture.log.records)
    for said in (f"Content-Length: {len(LEAD)}", "Transfer-Encoding: chunked"):
        with socket.create_connection(("127.0.0.1", capture.port)) as connection:
            connection.sendall(head(path, said) + (b"" if "chunked" in said else LEAD[:-1]))
            connection.shutdown(socket.SHUT_WR)
        capture.inputs[f"a broken POST {path}"] += 1
    alive(capture)
    assert len(capture.log.records) == before + 1  # the one that shows that others are served


def test_many_who_trickle_do_not_keep_others_waiting(capture: Serving) -> None:
    connections = [socket.create_connection(("127.0.0.1", capture.port)) for _ in range(100)]
    try:
        for connection in connections:
            connection.sendall(head("/v1/leads:batch", f"Content-Length: {8 * 1024 * 1024}") + b"[")
        began = time.monotonic()
        alive(capture)
        assert time.monotonic() - began < BODY_WITHIN_SECONDS + 5
        answers = [until_closed(connection, 15) for connection in connections]
    finally:
        for connection in connections:
            connection.close()
    assert all(answer.startswith(b"HTTP/1.1 408") for answer in answers)

    def nothing_held() -> bool:
        text = capture.send("GET /metrics", "GET", "/metrics").body.decode()
        return "leadflow_capture_inflight_requests 0.0" in text and "leadflow_capture_inflight_bytes 0.0" in text

    eventually_blocking(nothing_held)


@pytest.mark.parametrize(
    ("body", "said", "status"),
    [
        (b"5\r\n{\"a\":\r\nzz\r\n", "Transfer-Encoding: chunked", (400,)),
        (b"x" * 10, "Content-Length: -1", (400,)),
        (b"x" * 10, "Content-Length: 99999999999999999999999", (400, 413)),
        (b"", f"Content-Length: {300 * 1024}", (413,)),
        (gzip.compress(bytes(64 * 1024 * 1024)), "Content-Encoding: gzip\r\nTransfer-Encoding: chunked", (400, 413)),
    ],
)  # fmt: skip
def test_who_lies_about_lengths_is_refused(capture: Serving, body: bytes, said: str, status: tuple[int, ...]) -> None:
    if "gzip" in said:
        body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    with socket.create_connection(("127.0.0.1", capture.port)) as connection:
        connection.sendall(head("/v1/leads", said) + body)
        connection.settimeout(10)
        received = connection.recv(65_536)
    capture.inputs["a lie about lengths"] += 1
    assert int(received.split()[1]) in status, received[:200]
    alive(capture)
