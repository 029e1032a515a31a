"""Between the services and PostgreSQL: a proxy that knows a COMMIT when it sees one, and can lose it or its answer.

It reads just enough of the frontend protocol: the untyped messages up to the start-up message, then typed ones.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import struct
from collections import Counter
from collections.abc import AsyncIterator
from enum import Enum
from urllib.parse import urlsplit, urlunsplit

from shared.cli.local.ports import LOOPBACK

PROTOCOL_3 = 3
QUERY, PARSE = b"Q", b"P"
ANSWER_WITHIN_SECONDS = 5.0
READ_BYTES = 65_536


class Cut(Enum):
    """When a connection breaks."""

    BEFORE = "the COMMIT never reaches the server"
    DURING = "the COMMIT is sent and nobody waits for its answer"
    AFTER = "the server has committed and its answer is lost"


class CommitProxy:
    """Forwards everything, until it is told to cut. `share` of all COMMITs break, in one of the three ways."""

    def __init__(self, chance: random.Random) -> None:
        self.share = 0.0
        self.cuts: Counter[tuple[str, Cut]] = Counter()
        """How often whose COMMIT was cut, and how."""
        self._chance = chance
        self._upstream = (LOOPBACK, 0)
        self._server: asyncio.Server | None = None
        self._open: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def __aenter__(self) -> CommitProxy:
        self._server = await asyncio.start_server(self._serve, LOOPBACK, 0)
        return self

    async def __aexit__(self, *exit_details: object) -> None:
        if self._server is not None:
            self._server.close()
        for writer in self._open.values():
            writer.transport.abort()
        await asyncio.gather(*self._open, return_exceptions=True)

    def in_front_of(self, url: str) -> str:
        """The same database through this proxy."""
        assert self._server is not None
        parts = urlsplit(url)
        self._upstream = (parts.hostname or LOOPBACK, parts.port or 5432)
        port = self._server.sockets[0].getsockname()[1]
        account = parts.netloc.rpartition("@")[0]
        return urlunsplit(parts._replace(netloc=f"{account}@{LOOPBACK}:{port}"))

    def count(self, application: str) -> int:
        """How many COMMITs of one application were cut."""
        return sum(times for (who, _), times in self.cuts.items() if who == application)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open[task] = writer
        task.add_done_callback(self._open.pop)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            async with _closing(writer):
                above, below = await asyncio.open_connection(*self._upstream)
                async with _closing(below):
                    await self._forward(_Session(reader, writer, above, below))

    async def _forward(self, session: _Session) -> None:
        answers = asyncio.create_task(session.answer())
        try:
            while True:
                message = await session.next_message()
                cut = self._cut(message, session.application)
                if cut is None:
                    await session.send(message.raw)
                    continue
                if cut is Cut.BEFORE:
                    return
                answers.cancel()
                await asyncio.gather(answers, return_exceptions=True)
                await session.send(message.raw)
                if cut is Cut.DURING:
                    session.hang_up()
                await session.see_the_answer()
                return
        finally:
            answers.cancel()
            await asyncio.gather(answers, return_exceptions=True)

    def _cut(self, message: _Message, application: str) -> Cut | None:
        if not message.commits or self._chance.random() >= self.share:
            return None
        cut = self._chance.choice(list(Cut))
        self.cuts[application, cut] += 1
        return cut


class _Message:
    def __init__(self, kind: bytes, raw: bytes) -> None:
        self.raw = raw
        text = raw[5:] if kind == QUERY else raw[5:].partition(b"\0")[2] if kind == PARSE else b""
        self.commits = text.partition(b"\0")[0].strip().upper() == b"COMMIT"


class _Session:
    """One connection: `reader` and `writer` to the client, `above` and `below` from and to the server."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        above: asyncio.StreamReader,
        below: asyncio.StreamWriter,
    ) -> None:
        self.application = ""
        self._reader, self._writer, self._above, self._below = reader, writer, above, below
        self._started = False

    async def next_message(self) -> _Message:
        """The client's next message. Raises `IncompleteReadError` when it has gone."""
        kind = await self._reader.readexactly(1) if self._started else b""
        head = await self._reader.readexactly(4)
        rest = await self._reader.readexactly(struct.unpack("!i", head)[0] - 4)
        if not self._started and rest[:2] == struct.pack("!h", PROTOCOL_3):
            self._started = True
            words = rest[4:].split(b"\0")
            said = dict(zip(words[::2], words[1::2], strict=False))
            self.application = said.get(b"application_name", b"").decode(errors="replace")
        return _Message(kind, kind + head + rest)

    async def send(self, raw: bytes) -> None:
        """Passes a message on to the server."""
        self._below.write(raw)
        await self._below.drain()

    async def answer(self) -> None:
        """Passes on what the server says, until it has gone; then the client is left too."""
        with contextlib.suppress(OSError):
            while said := await self._above.read(READ_BYTES):
                self._writer.write(said)
                await self._writer.drain()
        self.hang_up()

    async def see_the_answer(self) -> None:
        """Keeps what the server says next to itself."""
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(ANSWER_WITHIN_SECONDS):
                await self._above.read(READ_BYTES)

    def hang_up(self) -> None:
        """Breaks the client's connection, without a good-bye."""
        self._writer.transport.abort()


@contextlib.asynccontextmanager
async def _closing(writer: asyncio.StreamWriter) -> AsyncIterator[None]:
    try:
        yield
    finally:
        writer.transport.abort()
