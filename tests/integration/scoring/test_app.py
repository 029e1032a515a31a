"""The service, put together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from services.scoring.app import CONSUMES, create_app
from services.scoring.domain import OUTCOME_EVENTS
from services.scoring.settings import ScoringSettings
from shared.contracts.lifecycle_events import LeadMarked
from shared.kit.documents import InvalidDocument
from tests.unit.scoring.builders import an_id

TOKEN = "a token only for tests"
POLICY = Path(__file__).parents[3] / "policy.yaml"


def settings(database_url: str, policy: Path = POLICY) -> ScoringSettings:
    return ScoringSettings(
        database_url=SecretStr(database_url),
        kafka_bootstrap="127.0.0.1:1",
        api_token=SecretStr(TOKEN),
        identity_secret=SecretStr("a secret only for tests"),
        policy_file=policy,
    )


async def test_the_whole_service_answers_over_http(migrated_database: Callable[..., str]) -> None:
    app = create_app(settings(migrated_database("scoring")))
    transport = httpx.ASGITransport(app=app)
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://scoring", headers=headers) as client:
        assert (await client.get("/livez")).status_code == 200
        assert (await client.get("/v1/stats")).json()["touches"] == 0
        assert (await client.get(f"/v1/scores/{an_id(1)}")).json()["type"] == "urn:leadflow:problem:score-not-found"
        assert "leadflow_scoring_scores_published_total" in (await client.get("/metrics")).text
    await app.state.database.close()


def test_a_policy_that_cannot_be_understood_stops_the_service_at_the_door(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text("version: '1'\nscoreing: {}\n")
    with pytest.raises(InvalidDocument, match="scoreing"):
        create_app(settings("postgresql://nobody@127.0.0.1:1/none", path))


def test_every_handler_is_named_after_its_event_but_that_of_all_outcomes() -> None:
    for handlers in CONSUMES.values():
        for event, handler in handlers.items():
            words = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in event.__name__)
            assert handler.__name__ == (
                "on_outcome" if event in OUTCOME_EVENTS and event is not LeadMarked else f"on{words}"
            )
