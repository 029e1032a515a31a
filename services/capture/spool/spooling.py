"""The log with a spool beside it. An event goes to disk when the log does not take it in a moment, or is known not to; and
while a lead has events there, its later ones go there too, so that one lead's events keep their order. Once the log takes
events again, the spool is emptied from its oldest on, at a limited rate, and live events go first.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import takewhile
from time import monotonic

from services.capture.log import SPOOLED, Log, Outcome, Spooled
from services.capture.spool.segments import Chunk
from services.capture.spool.spool import Spool
from shared.kit.background import running
from shared.kit.errors import Rejected, Retryable
from shared.kit.failpoints import reach
from shared.kit.frames import MAX_MESSAGE_BYTES
from shared.kit.logs import log

AT_ONCE = 200
"""Events of the spool that are sent together: so many may be sent twice when this process dies."""

LOOK_EVERY_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 2.0

Messages = Sequence[tuple[bytes, bytes]]


class SpoolingLog:
    """Takes events whether or not the log does. `log_answers` says what is known of the log without asking it."""

    def __init__(
        self,
        direct: Log,
        spool: Spool,
        *,
        log_answers: Callable[[], bool],
        patience_seconds: float,
        drain_per_second: int,
    ) -> None:
        self._direct = direct
        self._spool = spool
        self._log_answers = log_answers
        self._patience_seconds = patience_seconds
        self._seconds_an_event = 1 / drain_per_second
        self._at_once = max(1, min(AT_ONCE, drain_per_second // 5))
        self._failing = False
        self._live = 0
        self._no_live = asyncio.Event()
        self._no_live.set()

    async def send(self, topic: str, key: bytes, value: bytes) -> Spooled | None:
        """One event: None when the log has it, `SPOOLED` when the spool has. Raises as a log does."""
        (outcome,) = await self.send_many(topic, [(key, value)])
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def send_many(self, topic: str, messages: Messages) -> list[Outcome]:
        """Many events, in order by key; one outcome each."""
        if not self._log_answers() or (self._failing and self._spool.records):
            return await self._keep(topic, messages)
        if not self._spool.records:
            return await self._try(topic, messages)
        outcomes: list[Outcome] = [None] * len(messages)
        waits = [self._spool.holds(key) for key, _ in messages]
        for through, send in ((True, self._keep), (False, self._try)):
            places = [place for place, one in enumerate(waits) if one is through]
            if places:
                found = await send(topic, [messages[place] for place in places])
                for place, outcome in zip(places, found, strict=True):
                    outcomes[place] = outcome
        return outcomes

    async def _try(self, topic: str, messages: Messages) -> list[Outcome]:
        """The log first; what it does not take in a moment is kept."""
        outcomes: list[Outcome] = [Retryable("The log did not answer in time.")] * len(messages)
        self._live += 1
        self._no_live.clear()
        try:
            async with asyncio.timeout(self._patience_seconds):
                outcomes = list(await self._direct.send_many(topic, messages))
        except TimeoutError:
            pass
        finally:
            self._live -= 1
            if not self._live:
                self._no_live.set()
        missed = [place for place, outcome in enumerate(outcomes) if isinstance(outcome, Retryable)]
        if missed:
            self._failing = True
            kept = await self._keep(topic, [messages[place] for place in missed])
            for place, outcome in zip(missed, kept, strict=True):
                outcomes[place] = outcome
        return outcomes

    async def _keep(self, topic: str, messages: Messages) -> list[Outcome]:
        """Into the spool, but for what the log could never take."""
        outcomes: list[Outcome] = [
            SPOOLED
            if len(value) <= MAX_MESSAGE_BYTES
            else Rejected(
                f"A message of {len(value)} bytes is over the limit of {MAX_MESSAGE_BYTES}.",
                status=413,
                code="too-large",
            )
            for _, value in messages
        ]
        fitting = [message for message, outcome in zip(messages, outcomes, strict=True) if outcome is SPOOLED]
        try:
            if fitting:
                await self._spool.append(topic, fitting)
        except Retryable as error:
            return [error if outcome is SPOOLED else outcome for outcome in outcomes]
        return outcomes

    async def check(self) -> None:
        """Ready while the log answers or the spool takes what comes."""
        if not self._log_answers() and self._spool.refuses:
            raise RuntimeError("the log does not answer, and the spool has no room or no disk")

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The spool open, and emptied whenever the log takes events. What waits at the end is left for the next start."""
        async with self._spool.opened(), running(self._drain(), "spool-drain"):
            yield

    async def _drain(self) -> None:
        at_once, pause = 1, LOOK_EVERY_SECONDS
        while True:
            try:
                complete = await self._send_oldest(at_once)
            except Exception as error:
                log().error("spool_not_drained", error_type=type(error).__name__)
                await asyncio.sleep(LONGEST_PAUSE_SECONDS)
                continue
            if complete:
                self._failing = False
                at_once, pause = min(4 * at_once, self._at_once), LOOK_EVERY_SECONDS
            else:
                self._failing = True
                at_once, pause = 1, min(2 * pause, LONGEST_PAUSE_SECONDS)
                await asyncio.sleep(pause)

    async def _send_oldest(self, limit: int) -> bool:
        """Sends the oldest that wait, as soon as there are some and the log is there. Whether it took all."""
        chunk = await self._spool.next(limit)
        while not self._log_answers():  # noqa: ASYNC110 (it tells nobody when it does again)
            await asyncio.sleep(LOOK_EVERY_SECONDS)
        await self._let_live_events_go_first(len(chunk.records) * self._seconds_an_event)
        started = monotonic()
        sent, complete = await self._send(chunk)
        if sent:
            reach("spool-before-advance")
            await self._spool.advance(chunk.records[:sent], chunk.places[sent - 1])
        await asyncio.sleep(sent * self._seconds_an_event - (monotonic() - started))
        return complete

    async def _let_live_events_go_first(self, at_most_seconds: float) -> None:
        """As long as they wait for the log, though never longer than this chunk's own time: so at worst half of the rate
        is left for what waits."""
        with suppress(TimeoutError):
            async with asyncio.timeout(at_most_seconds):
                await self._no_live.wait()

    async def _send(self, chunk: Chunk) -> tuple[int, bool]:
        """How many from the first on need not be sent any more, and whether that is all that were tried."""
        topic = chunk.records[0].topic
        records = list(takewhile(lambda record: record.topic == topic, chunk.records))
        outcomes = await self._direct.send_many(topic, [(record.key, record.value) for record in records])
        for place, (record, outcome) in enumerate(zip(records, outcomes, strict=True)):
            if isinstance(outcome, Rejected):
                await self._spool.set_aside(record)
            elif outcome is not None:
                return place, False
        return len(records), True
