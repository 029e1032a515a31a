"""Capture as it is deployed, with its database and a log that records: asked over HTTP, or past it with any bytes."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import uvicorn
import yaml
from fastapi import FastAPI
from pydantic import SecretStr

from services.capture.app import create_app
from shared.cli.local.ports import free_port
from shared.contracts.topics import CAPTURE_LEADS
from shared.kit.connections import BoundedProtocol
from shared.kit.main import Server
from tests.support.clock import FakeClock
from tests.unit.capture.fakes import NOW, FakeLog, the_settings

SECRET = "the-secret-of-every-sender"
OPERATOR_TOKEN = "t" * 16
ANSWERED_WITHIN_SECONDS = 15.0
BODY_WITHIN_SECONDS = 1.0
SIGNED = ("meta_lead_ads", "google_ads", "linkedin", "typeform", "calendly", "standard_webhooks", "twilio_call")
KEYED = ("json", "call", "chat", "check_in", "email")

Headers = Sequence[tuple[bytes, bytes]]


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass
class Serving:
    """A running capture, the log it writes to, and what was sent to it so far."""

    app: FastAPI
    log: FakeLog
    loop: asyncio.AbstractEventLoop
    port: int
    inputs: Counter[str] = field(default_factory=Counter)
    answers: Counter[int] = field(default_factory=Counter)
    accepted: int = 0
    slowest_seconds: float = 0.0
    _ids: set[str] = field(default_factory=set)
    _read: int = 0

    @property
    def url(self) -> str:
        """Where it answers over HTTP."""
        return f"http://127.0.0.1:{self.port}"

    def send(
        self, what: str, method: str, path: str, headers: Headers = (), pieces: Sequence[bytes] = (b"",)
    ) -> Answer:
        """One request past HTTP: any bytes in headers and body, in any pieces. Checks what holds for every answer."""
        began = time.monotonic()
        sending = asyncio.run_coroutine_threadsafe(self._send(method, path, headers, pieces), self.loop)
        answer = sending.result(ANSWERED_WITHIN_SECONDS)
        self.check(what, answer, time.monotonic() - began)
        return answer

    def check(self, what: str, answer: Answer, seconds: float) -> None:
        """The promises: an answer, no fault of ours, a reason for each refusal, and all that is accepted on the log."""
        self.inputs[what] += 1
        self.answers[answer.status] += 1
        self.slowest_seconds = max(self.slowest_seconds, seconds)
        away = answer.status == 503 and (self.log.away or self.log.fails_after is not None)
        assert answer.status < 500 or away, (answer.status, answer.body[:500])
        if answer.status >= 400 and answer.headers.get("content-type", "").startswith("application/problem+json"):
            problem = answer.json()
            assert problem["status"] == answer.status
            assert problem["detail"]
        there = self._on_the_log()
        taken = accepted(answer)
        self.accepted += len(taken)
        assert there.issuperset(taken), f"accepted and not on the log: {set(taken) - there}"

    def _on_the_log(self) -> set[str]:
        """The ids of all events there are, each read as consumers read it."""
        records = self.log.records
        for _, key, value in records[self._read :]:
            event = CAPTURE_LEADS.parse(value)
            assert str(event.lead_id).encode() == key
            self._ids.add(str(event.event_id))
        self._read = len(records)
        return self._ids

    async def _send(self, method: str, path: str, headers: Headers, pieces: Sequence[bytes]) -> Answer:
        route, _, query = path.partition("?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "scheme": "https",
            "path": route,
            "raw_path": route.encode("utf-8", "surrogatepass"),
            "root_path": "",
            "query_string": query.encode("utf-8", "surrogatepass"),
            "headers": [(b"host", b"capture.test"), *headers],
            "server": ("capture.test", 443),
            "client": ("192.0.2.7", 4711),
        }
        waiting = list(pieces)
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            if not waiting:
                return {"type": "http.disconnect"}
            return {"type": "http.request", "body": waiting.pop(0), "more_body": bool(waiting)}

        async def send(message: Any) -> None:
            sent.append(message)

        await asyncio.wait_for(self.app(scope, receive, send), ANSWERED_WITHIN_SECONDS)
        start, *rest = sent
        found = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in start["headers"]}
        return Answer(start["status"], found, b"".join(part.get("body", b"") for part in rest))


def accepted(answer: Answer) -> list[str]:
    """The event ids that an answer says were taken."""
    if answer.status not in (200, 202, 207) or not answer.headers.get("content-type", "").startswith(
        "application/json"
    ):
        return []
    content = answer.json()
    if not isinstance(content, dict):
        return []
    if answer.status == 202 and "event_id" in content:
        return [content["event_id"]]
    items = content.get("items")
    if "accepted" not in content or not isinstance(items, list):
        return []
    taken = [item["event_id"] for item in items if item.get("status", 202) == 202]
    assert len(taken) == content["accepted"]
    return taken


def _policy(folder: Path) -> Path:
    endpoints: dict[str, dict[str, Any]] = {
        name: {"adapter": name, "channel": "social", "secret": "SENDER"} for name in SIGNED
    }
    endpoints["meta_lead_ads"]["verify_token"] = "SENDER"
    endpoints |= {name: {"adapter": name, "channel": "partner"} for name in KEYED}
    endpoints["json"]["mapping"] = {"email": "contact.mail", "name": ["contact.first", "contact.last"]}
    form = {"adapter": "form", "channel": "web_form", "allowed_origins": ["*"], "rate_per_minute": 100_000}
    endpoints["form"] = {**form, "honeypot": "website"}
    endpoints["redirecting"] = {**form, "redirect": "/thanks", "error_redirect": "/sorry"}
    file = folder / "policy.yaml"
    file.write_text(yaml.safe_dump({"version": "fuzz", "defaults": {"country": "NL", "endpoints": endpoints}}))
    return file


@contextmanager
def serving(database_url: str, folder: Path) -> Iterator[Serving]:
    """Runs capture in a thread of its own until the block ends."""
    log = FakeLog()
    uploads = folder / "uploads"
    uploads.mkdir()
    settings = the_settings(
        database_url=SecretStr(database_url),
        channel_secrets=f"SENDER={SECRET}",
        upload_dir=uploads,
        body_timeout_seconds=BODY_WITHIN_SECONDS,
    )
    app = create_app(settings.model_copy(update={"policy_file": _policy(folder)}), log=log, clock=FakeClock(NOW))
    port = free_port()
    config = uvicorn.Config(
        app, http=BoundedProtocol, host="127.0.0.1", port=port, log_config=None, access_log=False, lifespan="on"
    )
    server = Server(config, app, 0)
    loop = asyncio.new_event_loop()

    def run() -> None:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(server.serve())
        loop.close()

    thread = threading.Thread(target=run, name="fuzzed-capture", daemon=True)
    thread.start()
    try:
        give_up_at = time.monotonic() + 60
        while not server.started:
            assert thread.is_alive(), "capture did not start"
            assert time.monotonic() < give_up_at, "capture did not start in time"
            time.sleep(0.02)
        yield Serving(app, log, loop, port)
    finally:
        server.should_exit = True
        thread.join(30)
