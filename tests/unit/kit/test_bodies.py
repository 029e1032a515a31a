"""Nothing of a body is read before it is known who sends it, and no more than its route takes."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from fastapi import Depends, FastAPI
from pydantic import BaseModel
from starlette.types import Message

from services.capture.app import create_app as capture
from services.capture.settings import CaptureSettings
from services.metrics.app import create_app as metrics
from services.metrics.settings import MetricsSettings
from services.pipeline.app import create_app as pipeline
from services.pipeline.settings import PipelineSettings
from services.scoring.app import create_app as scoring
from services.scoring.settings import ScoringSettings
from shared.kit import problems
from shared.kit.auth import require_token
from shared.kit.bodies import LARGER, MOST_BYTES, BoundedBodies

NOWHERE: dict[str, Any] = {
    "api_token": "a token of the tests",
    "privacy_token": "a token that few have",
    "identity_secret": "x" * 40,
    "database_url": "postgresql://nobody@127.0.0.1:1/x",
    "kafka_bootstrap": "127.0.0.1:1",
}


class Said(BaseModel):
    """A body of the tests."""

    words: str


@pytest.fixture
def small() -> FastAPI:
    """An application whose only route says what it was sent."""
    app = FastAPI()
    app.state.api_token, app.state.privacy_token = NOWHERE["api_token"], ""
    problems.install(app)
    app.add_middleware(BoundedBodies)

    @app.post("/v1/words", dependencies=[Depends(require_token)])
    async def words(said: Said) -> int:
        return len(said.words)

    return app


class Sender:
    """Sends a body in pieces, and knows how many were taken."""

    def __init__(self, *pieces: bytes, said: int | None = None) -> None:
        self.pieces = pieces
        self.said = said
        self.taken = 0
        self.answers: list[Message] = []

    async def receive(self) -> Message:
        if self.taken == len(self.pieces):
            return {"type": "http.disconnect"}
        self.taken += 1
        more = self.taken < len(self.pieces)
        return {"type": "http.request", "body": self.pieces[self.taken - 1], "more_body": more}

    async def send(self, message: Message) -> None:
        self.answers.append(message)

    async def to(self, app: FastAPI, path: str, token: str | None = NOWHERE["api_token"]) -> tuple[int, Any]:
        """The answer's status, and what it says."""
        headers = [(b"content-type", b"application/json")]
        if token is not None:
            headers.append((b"authorization", f"Bearer {token}".encode()))
        if self.said is not None:
            headers.append((b"content-length", str(self.said).encode()))
        scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "path": path,
        }
        scope |= {"raw_path": path.encode(), "query_string": b"", "root_path": "", "scheme": "http", "headers": headers}
        await app({**scope, "server": ("x", 80), "client": ("127.0.0.1", 1)}, self.receive, self.send)
        return self.answers[0]["status"], orjson.loads(b"".join(one.get("body", b"") for one in self.answers))


@pytest.fixture(scope="module")
def services() -> dict[str, FastAPI]:
    """Services that stand nowhere."""
    return {
        "pipeline": pipeline(PipelineSettings(**NOWHERE)),
        "scoring": scoring(ScoringSettings(**NOWHERE)),
        "metrics": metrics(MetricsSettings(**NOWHERE)),
        "capture": capture(CaptureSettings(**NOWHERE)),
    }


@pytest.mark.parametrize("token", [None, "a guess"])
@pytest.mark.parametrize(
    ("service", "path"),
    [
        ("pipeline", "/v1/policy:validate"),
        ("pipeline", "/v1/people:find"),
        ("pipeline", "/v1/dead-letters/1:redrive"),
        ("scoring", "/v1/audit/captured"),
        ("scoring", "/v1/people:held"),
        ("metrics", "/v1/spending"),
        ("capture", "/v1/keys"),
        ("capture", "/v1/quarantine/1:fix"),
        ("capture", "/v1/people:held"),
    ],
)
async def test_of_what_a_stranger_sends_nothing_is_read(
    services: dict[str, FastAPI], service: str, path: str, token: str | None
) -> None:
    app = services[service]
    sender = Sender(*[b" " * 1_000_000] * 300)
    status, problem = await sender.to(app, path, token)
    assert (status, problem["type"], sender.taken) == (401, "urn:leadflow:problem:unauthorized", 0)


async def test_too_large_a_body_is_read_no_further_than_it_may_be(small: FastAPI) -> None:
    sender = Sender(*[b" " * 500_000] * 300)
    status, problem = await sender.to(small, "/v1/words")
    assert (status, problem["type"], sender.taken) == (413, "urn:leadflow:problem:too-large", MOST_BYTES // 500_000 + 1)
    announced = Sender(b"{}", said=MOST_BYTES + 1)
    assert ((await announced.to(small, "/v1/words"))[0], announced.taken) == (413, 0)


async def test_whoever_goes_away_while_they_send_is_answered_nothing(small: FastAPI) -> None:
    gone = Sender()
    scope = {"type": "http", "method": "POST", "path": "/v1/words", "query_string": b""}
    await small(
        {**scope, "headers": [(b"authorization", f"Bearer {NOWHERE['api_token']}".encode())]}, gone.receive, gone.send
    )
    assert gone.answers == []


async def test_a_body_in_pieces_comes_to_its_route_whole(small: FastAPI) -> None:
    assert await Sender(b'{"wor', b'ds": "abc', b'"}').to(small, "/v1/words") == (200, 3)


@pytest.mark.parametrize("begins", LARGER)
def test_what_takes_more_is_a_path_that_there_is(services: dict[str, FastAPI], begins: str) -> None:
    paths = {path for app in services.values() for path in app.openapi()["paths"]}
    assert any(path.startswith(begins) for path in paths)
