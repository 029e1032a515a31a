"""Sends reports that are due, each period once: into a folder under one name, to a receiver under one id."""

from __future__ import annotations

import asyncio
import os
import re
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson
from pydantic import ValidationError
from sqlalchemy import Row

from services.metrics.domain.report_schedule import MOST_ATTEMPTS, Due, Key, dues, pause
from services.metrics.reporting.standard import faults
from services.metrics.reporting.writing import MEDIA_TYPES, Reports, Told, Wish, where
from services.metrics.storage import reports as storage
from shared.contracts.policy import Policy
from shared.contracts.policy.reports import Delivery, Report
from shared.contracts.standard_webhooks import signed_headers
from shared.kit.background import again_and_again, running, until_none
from shared.kit.database import Database, Transaction
from shared.kit.errors import Rejected, Retryable
from shared.kit.logs import log
from shared.kit.outside import target_of
from shared.kit.posting import Poster
from shared.kit.transient import name_of

LEASE = timedelta(minutes=45)
"""Longer than any report takes: who takes one and dies leaves it to others after that."""

KEEP = timedelta(days=400)

GONE = timedelta(days=7)
"""So long a delivery may be missing, of a policy or by a version that cannot read it, and is still known when it is back."""

GIVE_BACK_SECONDS = 5.0


UNREADABLE = "It was saved by another version, which told other things of a report."


def as_saved(report: Any) -> Report | None:
    """A report as it was saved; None for one that this version cannot read."""
    try:
        return Report.model_validate(report)
    except ValidationError:
        return None


def file_stem(owner: str, report: str, delivery: str) -> str:
    """How a delivery's files begin, in whatever folder others put theirs: names of reports and deliveries have no dot. Of owners
    who would be written alike a few letters tell who it is."""
    whose = ""
    if owner != storage.EVERYBODY:
        told_apart = sha256(owner.encode()).hexdigest()[:8]
        whose = f".{re.sub('[^A-Za-z0-9_-]+', '_', owner)[:40]}_{told_apart}"
    return f"{report}.{delivery}{whose}"


class Undelivered(Exception):
    """A report did not arrive. `retry_after` is how long the receiver asks to be left alone; `for_good` gives it up."""

    def __init__(self, why: str, retry_after: timedelta | None = None, *, for_good: bool = False) -> None:
        super().__init__(why)
        self.retry_after = retry_after
        self.for_good = for_good


class Delivering:
    """Two tasks beside the requests; any number of replicas share the work."""

    def __init__(
        self,
        database: Database,
        policy: Policy,
        reports: Reports,
        poster: Poster,
        secrets: Mapping[str, Sequence[str]],
        *,
        folder: Path | None,
        link: Callable[[str], str],
        interval_seconds: float,
        time_of: Callable[[Transaction], Awaitable[datetime]] = storage.own_time,
    ) -> None:
        self._database = database
        self._policy = policy
        self._reports = reports
        self._poster = poster
        self._secrets = secrets
        self._folder = folder
        self._link = link
        self._interval_seconds = interval_seconds
        self._time_of = time_of
        self._told: set[tuple[str, str, datetime]] = set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Goes on until the context ends."""
        noting = again_and_again(self.note, self._interval_seconds, "reports_not_scheduled")
        sending = again_and_again(self.send_all, self._interval_seconds, "reports_not_sent")
        async with running(noting, "metrics-report-schedule"), running(sending, "metrics-report-sending"):
            yield

    def faults(self, report: Report) -> list[str]:
        """What is wrong with a report: numbers that there are not, and places that nothing can be sent to."""
        found = list(faults(report))
        for delivery in report.deliveries:
            if delivery.webhook is not None:
                try:
                    target_of(delivery.webhook, self._poster.rules)
                except Rejected as rejected:
                    found.append(f"delivery {delivery.delivery!r} may not be posted there: {rejected}")
            if delivery.folder is not None and self._folder is None:
                found.append(f"delivery {delivery.delivery!r} goes to a folder; set METRICS_REPORTS_DIR")
            if delivery.secret is not None and delivery.secret not in self._secrets:
                found.append(
                    f"delivery {delivery.delivery!r} is signed with {delivery.secret!r}, which METRICS_REPORT_SECRETS lacks"
                )
        return found

    async def note(self) -> None:
        """Puts down what has become due."""

        async def work(tx: Any) -> None:
            found = await self._all(tx)
            known, now = await storage.since(tx, list(found)), await self._time_of(tx)
            due: list[Due] = []
            for key, (report, delivery) in found.items():
                calendar, zone = where(self._policy, report.business_units, report.calendar)
                due += dues(key, delivery, report.period, calendar, zone, known[key], now)
            await storage.put_down(tx, due, list(found), now)
            await storage.sweep(tx, tx.now - KEEP, tx.now - GONE)

        await self._database.run(work)

    async def send_all(self) -> None:
        """Sends what is due, one after the other."""
        await until_none(self.send)

    async def send(self) -> bool:
        """Sends one that is due; whether there was one."""
        row = await self._database.run(lambda tx: storage.take(tx, LEASE))
        if row is None:
            return False
        try:
            await self._send(row)
        except asyncio.CancelledError:
            with suppress(Retryable, TimeoutError):
                async with asyncio.timeout(GIVE_BACK_SECONDS):
                    await self._database.run(lambda tx: storage.settle(tx, row, state="due", next_try_at=tx.now))
            raise
        except Exception as error:
            await self._failed(row, error)
        else:
            await self._database.run(lambda tx: storage.settle(tx, row, state="sent"))
        return True

    async def _failed(self, row: Row[Any], error: Exception) -> None:
        said = str(error) if isinstance(error, Undelivered | Rejected) else name_of(error)
        given_up = row.attempts >= MOST_ATTEMPTS or (isinstance(error, Undelivered) and error.for_good)
        wait = pause(row.attempts, error.retry_after if isinstance(error, Undelivered) else None)
        log().warning(
            "report_not_delivered",
            report=row.report,
            delivery=row.delivery,
            attempts=row.attempts,
            given_up=given_up,
            why=said[:200],
        )
        await self._database.run(
            lambda tx: storage.settle(
                tx, row, state="failed" if given_up else "due", error=said[:500], next_try_at=tx.now + wait
            )
        )

    async def _all(self, tx: Any) -> dict[Key, tuple[Report, Delivery]]:
        """Every schedule there is."""
        known = [(storage.EVERYBODY, name, report) for name, report in self._policy.reports.items()]
        for row in await storage.saved(tx):
            report = as_saved(row.report)
            if report is not None:
                known.append((row.owner, row.name, report))
            elif (row.owner, row.name, row.saved_at) not in self._told:
                self._told.add((row.owner, row.name, row.saved_at))
                log().warning("report_not_understood", report=row.name, why=UNREADABLE)
        return {
            Key(owner, name, delivery.delivery): (report, delivery)
            for owner, name, report in known
            for delivery in report.deliveries
        }

    async def _send(self, row: Row[Any]) -> None:
        found = await self._database.run(self._all)
        report, delivery = found.get(Key(row.owner, row.report, row.delivery), (None, None))
        if report is None and await self._is_saved(row):
            raise Undelivered(UNREADABLE)
        if report is None or delivery is None:
            raise Undelivered("The report, or this delivery of it, is not there any more.", for_good=True)
        wish = Wish(start=row.first_day, end=row.after_day)
        now = self._database.clock.now()
        told = await self._reports.tell(row.report, report, wish, now, self._link)
        files = {form: await self._reports.written(told, form) for form in delivery.formats}
        stem = f"{row.report}-{told.document.period_key}"
        if delivery.folder is not None:
            await asyncio.to_thread(
                self._put,
                delivery.folder,
                {
                    f"{file_stem(row.owner, row.report, row.delivery)}-{told.document.period_key}.{form}": content
                    for form, content in files.items()
                },
            )
        else:
            content = {
                f"{stem}.{form}": {"media_type": MEDIA_TYPES[form], "content": b64encode(each).decode()}
                for form, each in files.items()
            }
            await self._post(row, delivery, told, content, now)

    async def _is_saved(self, row: Row[Any]) -> bool:
        return any(
            (one.owner, one.name) == (row.owner, row.report) for one in await storage.saved(self._database, row.owner)
        )

    def _put(self, folder: str, files: Mapping[str, bytes]) -> None:
        """Each file whole or not at all; sent again it is the same file."""
        if self._folder is None:
            raise Undelivered("METRICS_REPORTS_DIR names no folder.")
        place = self._folder / folder
        place.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            half = place / f".{name}.{os.getpid()}"
            half.write_bytes(content)
            half.replace(place / name)

    async def _post(
        self, row: Row[Any], delivery: Delivery, told: Told, files: Mapping[str, Any], now: datetime
    ) -> None:
        secrets = self._secrets.get(delivery.secret or "")
        if not secrets:
            raise Undelivered(f"METRICS_REPORT_SECRETS has no {delivery.secret!r} to sign it with.")
        document = told.document
        body = orjson.dumps(
            {
                "type": "report.told",
                "timestamp": row.due_at,
                "data": {
                    "report": row.report, "delivery": row.delivery, "title": document.title, "period": document.period,
                    "from": row.first_day, "to": row.after_day, "language": document.language, "files": files,
                },
            }
        )  # fmt: skip
        headers = signed_headers(secrets, str(row.delivery_id), int(now.timestamp()), body)
        answer = await self._poster.send(delivery.webhook or "", body, headers, now)
        if answer.status is None or not 200 <= answer.status < 300:
            said = (
                f"It was not taken: {answer.error}."
                if answer.status is None
                else f"The receiver answered {answer.status}."
            )
            raise Undelivered(
                said,
                answer.retry_after,
                for_good=answer.status == 410,
            )
