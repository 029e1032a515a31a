"""Watches a consumer from outside: how far the log is ahead, and whether anything moves.

A consumer can lose its group and never notice, with every ping still answered. So this looks at the two things that
cannot lie, the log's end and the stored offsets, and ends the process when there is work and none is done: whoever runs
it starts it again, which is the one recovery that always works.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.kit.consumer import LOOK_UP_SECONDS, Consumer
from shared.kit.database import Database
from shared.kit.errors import Retryable
from shared.kit.logs import log
from shared.kit.positions import Place
from shared.kit.records import NO_MOMENT

EXIT_CODE_STALLED = 70

ASK_AFTER_SECONDS = 10.0
ASK_SELDOM_SECONDS = 600.0
"""How long partitions of others may stand still before the group is asked to share out anew; longer after each time."""

STALLS_A_BATCH = 10
"""How many times the stall timeout a batch may take that goes from statement to statement all the while."""

OUTCOMES = ("facts", "duplicates", "waiting", "dead_lettered")


class Watchdog:
    """Measures lag every few seconds, stops on contradictions, ends a process that stands still."""

    def __init__(
        self,
        consumer: Consumer,
        database: Database,
        bootstrap: str,
        *,
        stall_timeout_seconds: float,
        check_every_seconds: float = 2.0,
        ends_process: bool = True,
    ) -> None:
        """Without `ends_process` a consumer that stands still is built anew within its process, which has other work."""
        self._consumer = consumer
        self._database = database
        self._bootstrap = bootstrap
        self._stall_timeout_seconds = stall_timeout_seconds
        self._check_every_seconds = check_every_seconds
        self._ends_process = ends_process
        self._rows: Sequence[Any] = ()
        self._last_seen: Mapping[Place, int] = {}
        self._nothing_before: dict[Place, datetime] = {}
        self._standing_since: float | None = None
        self._nobodys_since: dict[Place, float] = {}
        self._ask_after_seconds = ASK_AFTER_SECONDS

    async def run(self) -> None:
        """Watches until it is cancelled."""
        while True:
            client = AIOKafkaConsumer(
                bootstrap_servers=self._bootstrap,
                client_id=f"leadflow-{self._consumer.group}-watchdog",
            )
            try:
                async with asyncio.timeout(15):
                    await client.start()
                while True:
                    async with asyncio.timeout(15):
                        await self._check(client)
                    await asyncio.sleep(self._check_every_seconds)
            except asyncio.CancelledError:
                raise
            except Exception as error:
                self._standing_since = None
                self._consumer.unread_since = {}  # others go on, and whoever does not see the log has no word in it
                log().info("watchdog_blind", error_type=type(error).__name__)
            finally:
                with suppress(Exception):
                    async with asyncio.timeout(2):
                        await client.stop()
            await asyncio.sleep(self._check_every_seconds)

    async def _check(self, client: AIOKafkaConsumer) -> None:
        """Stored offsets first, the log's end after: so the end is never behind by mere progress."""
        known = await self._look_up()
        rows = self._rows
        stored = {(row.topic, row.partition): row.next_offset for row in rows if row.topic in self._consumer.topics}
        # Asked anew each time: what the client has noted by itself may be minutes old, and nothing at all at its start.
        cluster = await client._client.fetch_all_metadata()
        partitions = [
            TopicPartition(topic, partition)
            for topic in self._consumer.topics
            for partition in sorted(cluster.partitions_for_topic(topic) or ())
        ]
        ends = {(one.topic, one.partition): end for one, end in (await client.end_offsets(partitions)).items()}
        starts = {
            (one.topic, one.partition): start for one, start in (await client.beginning_offsets(partitions)).items()
        }
        lags = {place: end - max(stored.get(place, 0), starts.get(place, 0)) for place, end in ends.items()}
        self._measure(lags, {(row.topic, row.partition): row.record_timestamp for row in rows})
        if not known:
            self._standing_since = None
            return
        if why := _beyond_the_end(stored, ends) or await self._before_the_beginning(stored, starts):
            self._consumer.halt(why)
            return
        self._account(rows, lags)
        self._judge(lags, stored)

    async def _look_up(self) -> bool:
        """False while the database is away. Then nobody moves on, and what was seen last is still where this stands."""
        schema = self._database.schema
        try:
            async with asyncio.timeout(LOOK_UP_SECONDS):
                self._rows = await self._database.rows(
                    f"""SELECT o.*, (SELECT count(*) FROM {schema}.dead_letters WHERE status <> 'redriven') AS letters
                        FROM {schema}.consumer_offsets o"""
                )
            return True
        except (Retryable, TimeoutError) as error:
            log().info("watchdog_blind", error_type=type(error).__name__)
            return False

    async def _before_the_beginning(self, stored: Mapping[Place, int], starts: Mapping[Place, int]) -> str | None:
        """What is wrong where the log no longer has what comes next here, perhaps with nothing new that would show it."""
        for place, offset in stored.items():
            if offset >= starts.get(place, 0) or not await self._look_up():
                continue
            if (place, offset) in {((row.topic, row.partition), row.next_offset) for row in self._rows}:
                return (
                    f"This service has done {place[0]} partition {place[1]} up to offset {offset}, but the log begins at "
                    f"{starts[place]}: the records in between were deleted before they were done, or this database was "
                    "restored from an older backup than the log keeps. Restore a newer one; or, knowing what is missing, set "
                    f"next_offset of {self._database.schema}.consumer_offsets to the log's beginning and restart."
                )
        return None

    def _account(self, rows: Sequence[Any], lags: Mapping[Place, int]) -> None:
        """The conservation identity: each record of the log is exactly one of fact, duplicate, waiting, dead, in flight."""
        instruments = self._consumer.instruments
        unaccounted = abs(sum(row.dead_lettered for row in rows) - (rows[0].letters if rows else 0))
        for topic in self._consumer.topics:
            own = [row for row in rows if row.topic == topic]
            ended = {name: sum(getattr(row, name) for row in own) for name in OUTCOMES}
            unaccounted += abs(sum(row.next_offset - row.first_offset for row in own) - sum(ended.values()))
            ended["in_flight"] = sum(lag for (name, _), lag in lags.items() if name == topic)
            for outcome, count in ended.items():
                instruments.ledger.labels(topic, outcome).set(count)
        instruments.unaccounted.set(unaccounted)

    def _measure(self, lags: Mapping[Place, int], last_done: Mapping[Place, datetime]) -> None:
        group = self._consumer.group
        instruments = self._consumer.instruments
        for (topic, partition), lag in lags.items():
            instruments.lag_records.labels(topic, str(partition), group).set(lag)
        now = datetime.now(UTC)
        for place, lag in lags.items():
            # What is not done came after what was done last, and after the last look that found nothing to do.
            known = max(last_done.get(place, NO_MOMENT), self._nothing_before.get(place, NO_MOMENT))
            self._nothing_before[place] = known if lag > 0 and known > NO_MOMENT else now
        for topic in self._consumer.topics:
            unread = [self._nothing_before[place] for place, lag in lags.items() if place[0] == topic and lag > 0]
            since = self._consumer.unread_since[topic] = min(unread, default=None)
            instruments.lag_seconds.labels(topic, group).set((now - since).total_seconds() if since else 0.0)

    def _judge(self, lags: Mapping[Place, int], stored: Mapping[Place, int]) -> None:
        """Ends the process when its own partitions (any, where it has none) have work and their offsets stand still."""
        mine = (self._consumer.assignment or frozenset(lags)) - self._consumer.unreadable
        moving = any(stored.get(place) != self._last_seen.get(place) for place in mine)
        self._look_for_nobodys(lags, stored)
        self._last_seen = stored
        excused = self._consumer.stopped is not None or self._is_trying() or self._is_working()
        if moving or excused or not any(lags.get(place, 0) > 0 for place in mine):
            self._standing_since = None
            self._consumer.instruments.progress.set_to_current_time()
            return
        now = time.monotonic()
        self._standing_since = self._standing_since or now
        standing = now - self._standing_since
        if standing > self._stall_timeout_seconds:
            log().error("consumer_stalled", seconds=round(standing), lag=sum(lags.get(place, 0) for place in mine))
            if self._ends_process:
                os._exit(EXIT_CODE_STALLED)
            self._standing_since = None
            self._consumer.give_up()

    def _is_trying(self) -> bool:
        """Whether a batch is put back and tried again. One whose next try hangs is no longer excused."""
        trying = self._consumer.waiting_since is not None
        return trying and time.monotonic() - self._consumer.tried_at < self._stall_timeout_seconds

    def _is_working(self) -> bool:
        """Whether the batch in hand gets on, however slowly: whoever began it again on a starved machine would only take
        as long. One that hangs in a statement, or between two, is no longer excused."""
        in_hand = self._consumer.processor.in_hand
        now = time.monotonic()
        return (
            in_hand is not None
            and now - in_hand.moved_at < self._stall_timeout_seconds
            and now - in_hand.began_at < self._stall_timeout_seconds * STALLS_A_BATCH
        )

    def _look_for_nobodys(self, lags: Mapping[Place, int], stored: Mapping[Place, int]) -> None:
        """Asks for a new sharing-out where partitions of others have work and stand still: perhaps nobody has them. A static
        member that comes back is given what it had before, also when there are more partitions by now."""
        mine = self._consumer.assignment
        now = time.monotonic()
        for place, lag in lags.items():
            moved = stored.get(place) != self._last_seen.get(place)
            if place in mine or not lag or moved or not mine:
                self._nobodys_since.pop(place, None)
            else:
                self._nobodys_since.setdefault(place, now)
        if self._nobodys_since and now - min(self._nobodys_since.values()) > self._ask_after_seconds:
            log().warning("asked_to_share_out", partitions=len(self._nobodys_since))
            self._nobodys_since.clear()
            self._ask_after_seconds = min(self._ask_after_seconds * 4, ASK_SELDOM_SECONDS)
            self._consumer.ask_to_share_out()


def _beyond_the_end(stored: Mapping[Place, int], ends: Mapping[Place, int]) -> str | None:
    """What is wrong where this service has done more than the log ever had."""
    for place, offset in stored.items():
        if place in ends and offset > ends[place]:
            return (
                f"This service has done {place[0]} partition {place[1]} up to offset {offset}, but the log ends at "
                f"{ends[place]}: the topic was truncated or created anew, or this is another cluster."
            )
    return None
