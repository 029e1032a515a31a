"""What senders and operators ask: what became of what was sent, and which of it is missing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aiokafka.errors import KafkaError

from services.capture import storage
from services.capture.domain.naming import named_event
from services.capture.domain.reconciliation import AMONG_THEM, ENDINGS, Verdict
from services.capture.domain.terms import Kind
from services.capture.storage import Period
from shared.kit.consumer import Consumer
from shared.kit.database import Database
from shared.kit.errors import Rejected, Retryable

MAX_ROWS = 20_000
MAX_LISTED = 1_000
WAIT_SECONDS = 3.0
IDS_AT_ONCE = 5_000

LOG_FIELDS = ("published", "accepted", "duplicates", "conflicts")
Answer = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose counts are asked for, and which of them. None is everything."""

    sender: str | None
    business_unit: str | None = None
    kind: Kind | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """What a sender believes to have sent: so many, and perhaps which, by its own ids or by those it was answered."""

    sender: str
    business_unit: str
    kind: Kind
    period: Period | None
    expected: int | None
    record_ids: Sequence[str]
    event_ids: Sequence[str]


class Reconciliation:
    """Answers from the receipts and counts. `consumer` is what writes them, where this process has it."""

    def __init__(self, database: Database, consumer: Consumer | None) -> None:
        self._database = database
        self._consumer = consumer

    async def report(self, period: Period, scope: Scope, zone: str) -> Answer:
        """Counts by hour, sender and kind. Raises `Rejected` for more than an answer holds."""
        behind = await self.behind_records(wait_seconds=0)
        hours = await self._hours(period, scope, zone)
        return {
            "from": period.start,
            "to": period.end,
            "time_zone": zone,
            "totals": _totals(hours),
            "hours": hours,
            "log_behind_records": behind,
        }

    async def _hours(self, period: Period, scope: Scope, zone: str) -> list[Answer]:
        rows: dict[tuple[datetime, str, str], Answer] = {}
        logged = await storage.log_counts(
            self._database,
            period,
            sender=scope.sender,
            unit=scope.business_unit,
            kind=scope.kind,
            zone=zone,
            limit=MAX_ROWS + 1,
        )
        for row in logged:
            rows[row.hour, row.sender, row.kind] = {"log": {name: int(getattr(row, name)) for name in LOG_FIELDS}}
        # The door answers before it knows which unit a payload is of.
        if scope.business_unit is None:
            limit = (MAX_ROWS + 1) * len((*ENDINGS, *AMONG_THEM))
            answered = await storage.door_counts(
                self._database, period, sender=scope.sender, kind=scope.kind, zone=zone, limit=limit
            )
            for row in answered:
                hour = rows.setdefault((row.hour, row.sender, row.kind), {})
                hour.setdefault("door", _no_door())[row.outcome] = int(row.items)
        if len(rows) > MAX_ROWS:
            raise Rejected(
                f"There are more than {MAX_ROWS} hours to show.",
                code="too-much",
                field="from",
                fix="Ask for a shorter period, or for one sender.",
            )
        return [
            {"hour": hour, "sender": sender, "kind": kind, **_received({**_no_row(), **rows[hour, sender, kind]})}
            for hour, sender, kind in sorted(rows)
        ]

    async def compare(self, claim: Claim) -> Answer:
        """A sender's count against the log's. What was taken in a moment ago is waited for, briefly."""
        behind = await self.behind_records(wait_seconds=WAIT_SECONDS)
        named = await _named(claim)
        if named:
            found, elsewhere = await self._found(named.values(), claim.period)
            missing = [name for name, event_id in named.items() if event_id not in found]
            accepted = len(named) - len(missing)
            verdict = Verdict(len(named) if claim.expected is None else claim.expected, accepted, missing, behind)
        else:
            elsewhere = 0
            accepted = await self._accepted(claim)
            verdict = Verdict(claim.expected or 0, accepted, None, behind)
        answer: Answer = {
            "verdict": verdict.sentence(),
            "agrees": verdict.agrees,
            "expected": verdict.expected,
            "accepted": verdict.accepted,
            "missing": {"count": len(verdict.missing or ()), "ids": list(verdict.missing or ())[:MAX_LISTED]},
            "log_behind_records": behind,
        }
        if named and claim.period is not None:
            beside = await storage.receipts_beside(
                self._database,
                tuple(named.values()),
                claim.period,
                (claim.sender, claim.business_unit, claim.kind),
                MAX_LISTED + 1,
            )
            more = len(beside) > MAX_LISTED
            answer["outside_of_period"] = elsewhere
            answer["not_named"] = {"event_ids": beside[:MAX_LISTED], "more": more}
        if claim.period is not None:
            answer["totals"] = _totals(await self._hours(claim.period, Scope(claim.sender, None, claim.kind), "UTC"))
        return answer

    async def behind_records(self, *, wait_seconds: float) -> int | None:
        """How many records of the log, as it ends now, have no receipt yet; None where that cannot be told."""
        if self._consumer is None:
            return None
        give_up_at = asyncio.get_running_loop().time() + wait_seconds
        with suppress(Retryable, TimeoutError, KafkaError):
            ends = await self._consumer.log_ends()
            while True:
                stored = await self._consumer.stored()
                behind = sum(max(0, end - stored.get(place, 0)) for place, end in ends.items())
                if not behind or asyncio.get_running_loop().time() > give_up_at:
                    return behind
                await asyncio.sleep(0.1)
        return None

    async def _found(self, event_ids: Iterable[str], period: Period | None) -> tuple[set[str], int]:
        found: set[str] = set()
        elsewhere = 0
        ids = list(event_ids)
        for first in range(0, len(ids), IDS_AT_ONCE):
            some, outside = await storage.with_receipts(self._database, ids[first : first + IDS_AT_ONCE], period)
            found |= some
            elsewhere += outside
        return found, elsewhere

    async def _accepted(self, claim: Claim) -> int:
        assert claim.period is not None, "a count without ids is of a period"
        rows = await storage.log_counts(
            self._database,
            claim.period,
            sender=claim.sender,
            unit=claim.business_unit,
            kind=claim.kind,
            zone="UTC",
            limit=MAX_ROWS,
        )
        return sum(int(row.accepted) for row in rows)


async def _named(claim: Claim) -> dict[str, str]:
    """Event ids by what the sender calls them."""
    named = {event_id: event_id for event_id in claim.event_ids}
    for place, record_id in enumerate(claim.record_ids):
        named[record_id] = named_event(claim.business_unit, claim.sender, claim.kind, record_id)
        if place % IDS_AT_ONCE == IDS_AT_ONCE - 1:
            await asyncio.sleep(0)
    return named


def _no_door() -> Answer:
    return dict.fromkeys((*ENDINGS, *AMONG_THEM), 0)


def _no_row() -> Answer:
    return {"log": dict.fromkeys(LOG_FIELDS, 0), "door": None}


def _received(row: Answer) -> Answer:
    """With the door's sum, which is what was received."""
    if row["door"] is not None:
        row["door"] = {"received": sum(row["door"][name] for name in ENDINGS), **row["door"]}
    return row


def _totals(hours: Iterable[Answer]) -> Answer:
    totals: Answer = {"log": {}, "door": {}}
    for row in hours:
        for part in ("log", "door"):
            for name, count in (row[part] or {}).items():
                totals[part][name] = totals[part].get(name, 0) + count
    return totals
