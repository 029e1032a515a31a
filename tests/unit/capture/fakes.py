"""What capture's tests share: a log in memory, bodies where only the field in question is named, a client."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from fastapi import FastAPI
from pydantic import SecretStr

from services.capture.alike import most_alike
from services.capture.app import create_app
from services.capture.browsers import read_browser
from services.capture.domain import IntakeRules, Kind, Readers, Refused, Submission, Taken
from services.capture.handlers import message
from services.capture.settings import CaptureSettings
from shared.contracts.addresses import read_email, read_phone
from shared.contracts.capture_events import InteractionRecorded, LeadCaptured
from shared.contracts.policy import Policy, UnitPolicy
from shared.contracts.topics import CAPTURE_LEADS
from shared.kit.clock import Clock
from shared.kit.errors import Rejected, Retryable
from tests.support.clock import FakeClock

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
POLICY_FILE = Path(__file__).parents[3] / "policy.yaml"
SECRET = b"only-for-tests-only-for-tests"
POLICY = Policy(
    version="test",
    defaults=UnitPolicy(country="US", channels=("api", "web_form", "phone")),
    business_units={
        "tehran": UnitPolicy(country="IR", time_zone="Asia/Tehran", channels=("web_form",)),
        "open": UnitPolicy(),
    },
)

FULL_KEY = "full-key-of-the-tests"
PLAIN_KEY = "plain-key-of-the-tests"
READ_KEY = "key-that-may-not-write"


class FakeLog:
    """A log in memory. It can be made slow, or to fail from a given message on, or to refuse messages over a size."""

    def __init__(self, *, max_message_bytes: int = 900_000) -> None:
        self.records: list[tuple[str, bytes, bytes]] = []
        self.away = False
        self.fails_after: int | None = None
        self.gate: asyncio.Event | None = None
        self.calls = 0
        self.max_message_bytes = max_message_bytes

    async def send(self, topic: str, key: bytes, value: bytes) -> None:
        """One message."""
        (outcome,) = await self.send_many(topic, [(key, value)])
        if outcome is not None:
            raise outcome

    async def send_many(self, topic: str, messages: Sequence[tuple[bytes, bytes]]) -> list[Exception | None]:
        """Many messages, one outcome each."""
        self.calls += 1
        if self.gate is not None:
            await self.gate.wait()
        outcomes: list[Exception | None] = []
        for key, value in messages:
            if self.away or (self.fails_after is not None and len(self.records) >= self.fails_after):
                outcomes.append(Retryable("The log did not answer in time.", retry_after_seconds=2))
            elif len(value) > self.max_message_bytes:
                outcomes.append(Rejected("too large", status=413, code="too-large"))
            else:
                self.records.append((topic, key, value))
                outcomes.append(None)
        return outcomes

    def events(self) -> list[LeadCaptured | InteractionRecorded]:
        """What was published, as consumers will read it."""
        return [CAPTURE_LEADS.parse(value) for _, _, value in self.records]  # type: ignore[misc]


def numbered_ids() -> Any:
    """Fresh ids that count."""
    numbers = iter(range(1, 1_000_000))
    return lambda: str(UUID(int=next(numbers)))


def the_rules(policy: Policy = POLICY) -> IntakeRules:
    """Intake's rules with the real readers."""
    readers = Readers(email=read_email, phone=read_phone, alike=most_alike, browser=read_browser)
    return IntakeRules(policy, SECRET, readers, numbered_ids())


def decided(
    body: object,
    *,
    kind: Kind = "lead",
    key: str | None = None,
    sender: str = "web",
    may_backdate: bool = True,
    now: datetime = NOW,
) -> Taken | Refused:
    """The rules' decision."""
    return the_rules().decide(kind, body, Submission(sender, may_backdate, now), key)


def lead(body: dict[str, Any], **options: Any) -> LeadCaptured:
    """The event a lead's body becomes, read back as consumers read it."""
    decision = decided(body, **options)
    assert isinstance(decision, Taken), decision
    event = CAPTURE_LEADS.parse(message(decision)[1])
    assert isinstance(event, LeadCaptured)
    return event


def interaction(body: dict[str, Any], **options: Any) -> InteractionRecorded:
    """The event an interaction's body becomes, read back as consumers read it."""
    decision = decided({"kind": "page_view"} | body, kind="interaction", **options)
    assert isinstance(decision, Taken), decision
    event = CAPTURE_LEADS.parse(message(decision)[1])
    assert isinstance(event, InteractionRecorded)
    return event


def faults(body: object, **options: Any) -> dict[str, str]:
    """What is wrong with a body, by field."""
    decision = decided(body, **options)
    assert isinstance(decision, Refused), decision
    return {fault.field: fault.fault for fault in decision.faults}


def the_settings(**given: Any) -> CaptureSettings:
    """Settings with three keys: one with every scope, one that writes, one that may not even that."""
    keys = ",".join(
        (
            f"dev={sha256(FULL_KEY.encode()).hexdigest()}:write+backdate+impersonate+reconcile+upload",
            f"site={sha256(PLAIN_KEY.encode()).hexdigest()}",
            f"idle={sha256(READ_KEY.encode()).hexdigest()}:backdate",
        )
    )
    usual: dict[str, Any] = {
        "api_token": SecretStr("t" * 16),
        "identity_secret": SecretStr(SECRET.decode()),
        "policy_file": POLICY_FILE,
        "keys": keys,
    }
    return CaptureSettings(**{**usual, **given})


def the_app(log: FakeLog, clock: Clock | None = None, **settings: Any) -> FastAPI:
    """The application on a log in memory."""
    return create_app(the_settings(**settings), log=log, clock=clock or FakeClock(NOW))


def a_client(app: FastAPI, key: str | None = FULL_KEY) -> httpx.AsyncClient:
    """A client of the application, no network between."""
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://capture", headers=headers)


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The problem document of an answer, checked for what every problem has."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert document["type"] == f"urn:leadflow:problem:{code}"
    assert document["status"] == status
    assert document["title"]
    assert document["detail"]
    assert document["fix"]
    return document
