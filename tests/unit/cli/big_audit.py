"""An audit of so many events against services that answer at once and find much to say; prints what it counted and the most
memory it had, in megabytes: `python -m tests.unit.cli.big_audit 20000`."""

from __future__ import annotations

import asyncio
import resource
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import orjson

from shared.cli.audit import ledger as ledgers
from shared.cli.audit.ledger import Ledger, open_ledgers
from shared.cli.audit.pages import PagedCheck, check_history, check_pages
from shared.cli.audit.steps import (
    CapturedStep,
    Deadline,
    LifecycleStep,
    check_captured,
    check_lifecycle,
    check_scores,
    check_unreadable,
)
from shared.cli.http import ServiceClient

PAGE = 500
TOPIC = "capture.leads.v1"
MISSING = 10
"""Of so many events one is unknown, and so many records more are unreadable."""


class Services:
    """All of them: each page differs in everything."""

    def __init__(self, size: int) -> None:
        self.size = size

    def client(self) -> ServiceClient:
        """A client of any of them."""
        return ServiceClient("metrics", "http://metrics.test", "token", transport=httpx.MockTransport(self._answer))

    def _answer(self, request: httpx.Request) -> httpx.Response:
        asked = orjson.loads(request.content) if request.content else {}
        path = request.url.path
        if path == "/v1/dead-letters":
            body = self._letters(dict(request.url.params))
        elif path in ("/v1/audit/captured", "/v1/audit/lifecycle"):
            ids = [one[-1] if isinstance(one, list) else one for one in asked["ids"]]
            body = {
                "facts": [one for one in ids if not _is_lost(one)],
                "unknown": [one for one in ids if _is_lost(one)],
            }
        else:
            body = self._page(path, asked)
        return httpx.Response(200, content=orjson.dumps(body))

    def _letters(self, asked: dict[str, str]) -> dict[str, Any]:
        start = int(asked.get("cursor", 0))
        letters = range(start, min(start + PAGE, self.size // MISSING))
        items = [{"topic": TOPIC, "partition": one % 3, "offset": one} for one in letters if one % 2]
        return {"items": items, "next_cursor": str(letters.stop) if letters.stop < self.size // MISSING else None}

    def _page(self, path: str, asked: dict[str, Any]) -> dict[str, Any]:
        start = UUID(asked["after"][1]).int if path == "/v1/audit/history" and asked["after"] else 0
        start = start or (UUID(asked["after"]).int if isinstance(asked["after"], str) else 0)
        those = [str(UUID(int=one)) for one in range(start + 1, min(start + PAGE, self.size) + 1)]
        found = {
            "ids": [[one, one] for one in those],
            "checked": len(those),
            "different": len(those),
            "stale": 0,
            "unverifiable": 0,
            "differences": [{"lead_id": one, "fault": "not what it should be"} for one in those],
        }
        following = those[-1] if len(those) == PAGE else None
        return {**found, "next": [following, following] if following and path == "/v1/audit/history" else following}


def _is_lost(event_id: str) -> bool:
    return UUID(event_id).int % MISSING == 0


def filled(ledger: Ledger, size: int) -> None:
    """Puts events of every partition and day into a ledger, and records that nobody can read."""
    day = date(2026, 3, 1).toordinal()
    for start in range(0, size, PAGE):
        numbers = range(start + 1, min(start + PAGE, size) + 1)
        with ledger.together():
            ledger.add(
                [(UUID(int=one), UUID(int=one)) for one in numbers], [(one % 3, day + one % 30) for one in numbers]
            )
            for one in numbers[::MISSING]:
                ledger.add_unreadable(((one // MISSING) % 3, one // MISSING), day + one % 30)
    ledger.write()


def _times() -> Iterator[float]:
    yield from (0.0, 0.0, 1.0)
    while True:
        yield 1.0


async def audited(size: int, folder: Path) -> dict[str, int]:
    """Everything that is compared, once more where something is missing; what it counted."""
    services = Services(size)
    with open_ledgers(folder) as (captured, story):
        for one in (captured, story):
            filled(one, size)
        async with services.client() as client:
            first, second, third = (CapturedStep(name, client, captured.count()) for name in "abc")
            lifecycle = LifecycleStep("d", client, story.count())
            await check_captured(captured, [first], (second, third), _deadline())
            await check_lifecycle(story, lifecycle, _deadline())
            await check_unreadable(captured, first.step, client, TOPIC, _deadline())
            history = await check_history(story, PagedCheck("history", ""), client, datetime.now(UTC), lambda _: None)
            books = await check_pages(
                story, PagedCheck("books", ""), client, "/v1/audit/leads", _deadline(), lambda _: None
            )
            scores = await check_scores(story, client)
        days = captured.by_day("captured")
    return {
        "events": first.step.log.distinct,
        "missing": lifecycle.step.missing,
        "undead": first.step.undead,
        "history": history.checked,
        "books": books.different,
        "scores": scores.different,
        "missing_by_day": sum(day.missing.get("a", 0) for day in days),
        "shown": len(first.step.differing) + len(books.differences) + len(scores.differences),
    }


def _deadline() -> Deadline:
    times = _times()

    async def at_once(seconds: float) -> None:
        return None

    return Deadline(0.5, lambda: next(times), at_once)


def main() -> None:
    """Counts, then the most memory."""
    ledgers.SCHEMA = tuple(one.replace("-32768", "-1024") for one in ledgers.SCHEMA)
    with tempfile.TemporaryDirectory() as folder:
        counted = asyncio.run(audited(int(sys.argv[1]), Path(folder)))
    counted["megabytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    sys.stdout.write(orjson.dumps(counted).decode())


if __name__ == "__main__":
    main()
