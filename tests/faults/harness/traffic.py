"""The load: senders that repeat what was not acknowledged, and clerks who work the leads. All of it goes into the ledger."""

from __future__ import annotations

import asyncio
import random
from collections import Counter, deque
from collections.abc import Callable
from itertools import islice
from typing import Any

import httpx

from tests.faults.harness.ledger import Ledger
from tests.faults.harness.people import interaction, leads
from tests.support.services import API_TOKEN, CAPTURE_KEY

SENDERS = 4
CLERKS = 2
BATCHES = (1, 1, 1, 5, 40)
INTERACTIONS_PER_LEAD = 0.4
CLERK_PAUSE_SECONDS = 0.15
REQUEST_TIMEOUT_SECONDS = 15.0
TRY_AGAIN = (503, 507)
TRY_AGAIN_SECONDS = 0.3
KNOWN_AT_MOST = 2_000

LEAD_COMMANDS: dict[str, dict[str, Any]] = {
    "assign": {"owner": "kim"},
    "qualify": {},
    "archive": {"reason": "no need"},
    "reopen": {},
}
DEAL_COMMANDS: dict[str, dict[str, Any]] = {
    "move": {"stage": "proposal"},
    "win": {"amount": "500", "currency": "EUR"},
    "lose": {"reason": "price"},
}


class Traffic:
    """Posts at `rate` leads a second until it is stopped; what was begun is repeated until it is acknowledged."""

    def __init__(
        self,
        capture_urls: Callable[[], list[str]],
        pipeline_url: Callable[[], str],
        ledger: Ledger,
        seed: int | str,
        rate: float,
    ) -> None:
        self.rate = rate
        self.answers: Counter[str] = Counter()
        self._capture_urls = capture_urls
        self._pipeline_url = pipeline_url
        self._ledger = ledger
        self._chance = random.Random(f"{seed} traffic")
        self._leads = leads(random.Random(f"{seed} people"), "r")
        self._interactions = 0
        self._commands = 0
        self._known: deque[tuple[dict[str, Any], str]] = deque(maxlen=KNOWN_AT_MOST)
        self._qualified: deque[str] = deque(maxlen=200)
        self._deals: deque[str] = deque(maxlen=200)
        self._open = asyncio.Event()
        self._open.set()
        self._in_hand = 0
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Traffic:
        self._tasks = [asyncio.create_task(self._send(), name=f"sender-{n}") for n in range(SENDERS)]
        self._tasks += [asyncio.create_task(self._clerk(), name=f"clerk-{n}") for n in range(CLERKS)]
        return self

    async def __aexit__(self, *exit_details: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def check(self) -> None:
        """Raises what a sender or a clerk has raised: an answer that nobody may get."""
        for task in self._tasks:
            if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                raise error

    def resume(self) -> None:
        """Goes on."""
        self._open.set()

    async def pause(self, within_seconds: float = 60.0) -> None:
        """Begins nothing new, and returns when everything that was begun has its definite answer."""
        self._open.clear()
        async with asyncio.timeout(within_seconds):
            while self._in_hand:
                self.check()
                await asyncio.sleep(0.05)
        self.check()

    async def _send(self) -> None:
        async with httpx.AsyncClient(
            timeout=REQUEST_TIMEOUT_SECONDS, headers={"Authorization": f"Bearer {CAPTURE_KEY}"}, trust_env=False
        ) as client:
            loop = asyncio.get_running_loop()
            due = loop.time()
            while True:
                await self._open.wait()
                self._in_hand += 1
                try:
                    sent = await self._send_some(client)
                finally:
                    self._in_hand -= 1
                due = max(due + sent * SENDERS / max(self.rate, 0.001), loop.time() - 0.5)
                await asyncio.sleep(max(0.0, due - loop.time()))

    async def _send_some(self, client: httpx.AsyncClient) -> int:
        """Leads, then perhaps interactions of people who are known. Returns how many leads that were."""
        some = list(islice(self._leads, self._chance.choice(BATCHES)))
        await self.deliver(client, "leads", some)
        wanted = sum(self._chance.random() < INTERACTIONS_PER_LEAD for _ in some)
        if self._known and wanted:
            told = []
            for _ in range(wanted):
                self._interactions += 1
                told.append(interaction(self._chance.choice(self._known)[0], f"i-{self._interactions}", self._chance))
            await self.deliver(client, "interactions", told)
        return len(some)

    async def deliver(self, client: httpx.AsyncClient, what: str, records: list[dict[str, Any]]) -> None:
        """Posts until each record was accepted."""
        while records:
            for record in records:
                self._ledger.sent(record["record_id"])
            records = await self._post(client, what, records)
            if records:
                await asyncio.sleep(TRY_AGAIN_SECONDS * (0.5 + self._chance.random()))

    async def _post(self, client: httpx.AsyncClient, what: str, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Posts once and returns those that were not accepted."""
        one = len(records) == 1
        url = f"{self._chance.choice(self._capture_urls())}/v1/{what}{'' if one else ':batch'}"
        try:
            answer = await client.post(url, json=records[0] if one else records)
        except httpx.TransportError as error:
            self.answers[type(error).__name__] += 1
            return records
        self.answers[str(answer.status_code)] += 1
        if answer.status_code in TRY_AGAIN:
            assert answer.headers.get("Retry-After"), f"a {answer.status_code} says when to try again"
            return records
        assert answer.status_code in (202, 207), f"{what} was answered {answer.status_code}: {answer.text[:500]}"
        body = answer.json()
        left = []
        for item in [{"index": 0, "status": 202, **body}] if one else body["items"]:
            record = records[item["index"]]
            if item["status"] == 202:
                self._ledger.accepted(record["record_id"], item["event_id"], item["lead_id"])
                if what == "leads":
                    self._known.append((record, item["lead_id"]))
            else:
                assert item["status"] in TRY_AGAIN, f"one of a batch was answered {item}"
                left.append(record)
        return left

    async def _clerk(self) -> None:
        async with httpx.AsyncClient(
            timeout=REQUEST_TIMEOUT_SECONDS, headers={"Authorization": f"Bearer {API_TOKEN}"}, trust_env=False
        ) as client:
            while True:
                await self._open.wait()
                self._in_hand += 1
                try:
                    await self._work(client)
                finally:
                    self._in_hand -= 1
                await asyncio.sleep(CLERK_PAUSE_SECONDS * self._chance.random() * 2)

    async def _work(self, client: httpx.AsyncClient) -> None:
        """The next step somewhere in the funnel; now and then one that comes too late and is refused."""
        if not self._known:
            return
        self._commands += 1
        number = self._commands
        step = self._chance.random()
        if self._deals and step < 0.4:
            deal = self._deals[self._chance.randrange(len(self._deals))]
            kind, body = self._chance.choice(list(DEAL_COMMANDS.items()))
            await self._command(client, number, kind, f"/v1/opportunities/{deal}:{kind}", body)
            if kind != "move" and self._chance.random() < 0.9 and deal in self._deals:
                self._deals.remove(deal)
        elif self._qualified and step < 0.7:
            deal = f"deal-{number}"
            path = f"/v1/leads/{self._qualified.popleft()}/opportunities"
            body = {"opportunity_id": deal, "amount": "300", "currency": "EUR"}
            if await self._command(client, number, "open", path, body) < 300:
                self._deals.append(deal)
        else:
            lead_id = self._chance.choice(self._known)[1]
            kind = self._chance.choices(list(LEAD_COMMANDS), (3, 6, 1, 1))[0]
            status = await self._command(client, number, kind, f"/v1/leads/{lead_id}:{kind}", LEAD_COMMANDS[kind])
            if kind == "qualify" and status < 300:
                self._qualified.append(lead_id)

    async def _command(self, client: httpx.AsyncClient, number: int, kind: str, path: str, body: dict[str, Any]) -> int:
        """Commands until there is a definite answer, always under the same key."""
        key = f"command-{number}"
        self._ledger.commanded(key, kind, path)
        while True:
            try:
                answer = await client.post(self._pipeline_url() + path, json=body, headers={"Idempotency-Key": key})
            except httpx.TransportError as error:
                self.answers[f"command {type(error).__name__}"] += 1
            else:
                self.answers[f"command {answer.status_code}"] += 1
                if answer.status_code < 500:
                    self._ledger.answered(key, answer.status_code)
                    return answer.status_code
                assert answer.status_code == 503, f"{kind} was answered {answer.status_code}: {answer.text[:500]}"
            await asyncio.sleep(TRY_AGAIN_SECONDS * (0.5 + self._chance.random()))
