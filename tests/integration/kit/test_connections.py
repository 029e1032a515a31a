"""What a service's connections may not do to it: keep it waiting, fill its memory, or take every place there is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
import uvicorn
from fastapi import FastAPI, Request
from starlette.requests import ClientDisconnect

from shared.kit.connections import MAX_BODY_BYTES, MAX_HEAD_BYTES, BoundedProtocol
from shared.kit.main import Server
from tests.support.patience import eventually

LONGER_BYTES = 4 << 20
GET = b"GET /quick HTTP/1.1\r\nhost: toy\r\n\r\n"


class Quick(BoundedProtocol):
    """With little patience."""

    max_connections = 20
    idle_seconds = 1.2
    head_seconds = 1.2
    body_seconds = 1.2
    linger_seconds = 1.2


Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Toy:
    """A server with an answer that comes at once, and one that comes when it is let."""

    def __init__(self) -> None:
        self.app = FastAPI()
        self.app.state.draining = False
        self.let = asyncio.Event()
        self.inside = 0
        self.app.state.long_bodies = {"/long": (MAX_BODY_BYTES + LONGER_BYTES, 4.0)}
        self.app.add_api_route("/quick", self.quick, methods=["GET", "POST"])
        self.app.add_api_route("/long", self.long, methods=["POST"])
        self.app.add_api_route("/slow", self.slow)
        config = uvicorn.Config(self.app, port=0, http=Quick, log_config=None, access_log=False)
        self.server = Server(config, self.app, 0.0)

    async def quick(self, request: Request) -> str:
        return "here"

    async def long(self, request: Request) -> int:
        with suppress(ClientDisconnect):
            return sum([len(piece) async for piece in request.stream()])
        return 0

    async def slow(self, request: Request) -> str:
        self.inside += 1
        await self.let.wait()
        return "at last"

    async def connect(self) -> Connection:
        (listening,) = self.server.servers[0].sockets
        return await asyncio.open_connection(*listening.getsockname())


@pytest.fixture
async def toy() -> AsyncIterator[Toy]:
    one = Toy()
    serving = asyncio.create_task(one.server.serve())
    await eventually(lambda: one.server.started)
    yield one
    one.let.set()
    one.server.should_exit = True
    await serving


@asynccontextmanager
async def connected(toy: Toy) -> AsyncIterator[Connection]:
    reader, writer = await toy.connect()
    try:
        yield reader, writer
    finally:
        writer.close()


async def answer(connection: Connection) -> tuple[bytes, bytes]:
    """The status line and the headers of the next answer; its body is read past."""
    reader, _ = connection
    status, _, headers = (await reader.readuntil(b"\r\n\r\n")).partition(b"\r\n")
    length = next(line for line in headers.split(b"\r\n") if line.startswith(b"content-length"))
    await reader.readexactly(int(length.partition(b":")[2]))
    return status, headers


async def test_a_connection_that_says_nothing_is_ended(toy: Toy) -> None:
    async with connected(toy) as (reader, _), asyncio.timeout(5):
        assert await reader.read() == b""


async def test_a_head_that_comes_byte_by_byte_is_ended_with_408(toy: Toy) -> None:
    async with connected(toy) as (reader, writer), asyncio.timeout(8):
        reading = asyncio.create_task(reader.read())
        for byte in GET + b"x" * 100:
            if reading.done():
                break
            writer.write(bytes([byte]))
            await asyncio.sleep(0.1)
        assert (await reading).startswith(b"HTTP/1.1 408")


async def test_line_ends_before_a_request_do_not_hold_a_connection(toy: Toy) -> None:
    async with connected(toy) as connection, asyncio.timeout(8):
        reader, writer = connection
        writer.write(GET)
        await answer(connection)
        reading = asyncio.create_task(reader.read())
        while not reading.done():
            writer.write(b"\r\n")
            await asyncio.sleep(0.1)


async def test_a_body_that_does_not_come_ends_its_connection(toy: Toy) -> None:
    async with connected(toy) as (reader, writer), asyncio.timeout(5):
        writer.write(b"POST /quick HTTP/1.1\r\nhost: toy\r\ncontent-length: 10\r\n\r\nabc")
        await reader.read()


async def test_a_head_without_end_is_refused_and_its_sender_hears_that(toy: Toy) -> None:
    async with connected(toy) as (reader, writer), asyncio.timeout(8):
        writer.write(b"GET /quick HTTP/1.1\r\nx: " + b"y" * (20 * MAX_HEAD_BYTES))
        assert (await reader.read()).startswith(b"HTTP/1.1 431")


async def test_whoever_sends_on_after_a_refusal_is_cut_off(toy: Toy) -> None:
    async with connected(toy) as (_, writer), asyncio.timeout(8):
        writer.write(b"GET /quick HTTP/1.1\r\nx: " + b"y" * (2 * MAX_HEAD_BYTES))
        with pytest.raises(ConnectionError):
            await _send_on(writer)


async def _send_on(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"y" * 1024)
        await writer.drain()
        await asyncio.sleep(0.05)


async def test_a_head_without_end_behind_a_request_is_not_answered_in_its_place(toy: Toy) -> None:
    async with connected(toy) as (reader, writer), asyncio.timeout(8):
        writer.write(GET.replace(b"/quick", b"/slow"))
        await eventually(lambda: toy.inside == 1)
        writer.write(b"GET /quick HTTP/1.1\r\nx: " + b"y" * (2 * MAX_HEAD_BYTES))
        with suppress(ConnectionResetError):
            assert await reader.read() == b""


async def pour(writer: asyncio.StreamWriter, count: int) -> None:
    """So many bytes of a chunked body, and no end."""
    for _ in range(count >> 20):
        writer.write(b"%x\r\n%s\r\n" % (1 << 20, b"x" * (1 << 20)))
        await writer.drain()


async def test_a_body_without_end_is_cut_though_nobody_reads_it(toy: Toy) -> None:
    async with connected(toy) as (_, writer), asyncio.timeout(20):
        writer.write(b"GET /quick HTTP/1.1\r\nhost: toy\r\ntransfer-encoding: chunked\r\n\r\n")
        with pytest.raises(ConnectionError):
            await pour(writer, 3 * MAX_BODY_BYTES)


async def test_a_path_may_take_larger_and_slower_bodies_and_those_are_bounded_too(toy: Toy) -> None:
    head = b"POST /long HTTP/1.1\r\nhost: toy\r\ntransfer-encoding: chunked\r\n\r\n"
    async with connected(toy) as connection, asyncio.timeout(30):
        _, writer = connection
        writer.write(head)
        await pour(writer, MAX_BODY_BYTES + LONGER_BYTES)
        await asyncio.sleep(2)
        writer.write(b"0\r\n\r\n")
        assert (await answer(connection))[0] == b"HTTP/1.1 200 OK"
        writer.write(b"POST /quick HTTP/1.1\r\nhost: toy\r\ncontent-length: 10\r\n\r\nabc")  # as impatient as ever
        assert (await connection[0].read()).startswith(b"HTTP/1.1")
    async with connected(toy) as (_, writer), asyncio.timeout(30):
        writer.write(head)
        with pytest.raises(ConnectionError):
            await pour(writer, 3 * MAX_BODY_BYTES)


async def test_an_answer_that_takes_long_is_waited_for(toy: Toy) -> None:
    async with connected(toy) as connection, asyncio.timeout(10):
        _, writer = connection
        writer.write(GET.replace(b"/quick", b"/slow"))
        await asyncio.sleep(3)
        toy.let.set()
        assert (await answer(connection))[0] == b"HTTP/1.1 200 OK"


async def test_beyond_the_connections_there_may_be_others_are_refused_and_room_is_found_again(toy: Toy) -> None:
    idle = [await toy.connect() for _ in range(Quick.max_connections)]
    await eventually(lambda: len(toy.server.server_state.connections) == Quick.max_connections)
    async with connected(toy) as (reader, _), asyncio.timeout(5):
        assert (await reader.readline()).startswith(b"HTTP/1.1 503")
    await eventually(lambda: len(toy.server.server_state.connections) == 0)
    async with connected(toy) as connection:
        connection[1].write(GET)
        assert (await answer(connection))[0] == b"HTTP/1.1 200 OK"
    for _, writer in idle:
        writer.close()


async def test_while_a_service_leaves_each_answer_is_the_last_of_its_connection(toy: Toy) -> None:
    async with connected(toy) as connection, asyncio.timeout(5):
        reader, writer = connection
        writer.write(GET)
        assert b"connection: close" not in (await answer(connection))[1]
        toy.app.state.draining = True
        writer.write(GET)
        assert b"connection: close" in (await answer(connection))[1]
        assert await reader.read() == b""
