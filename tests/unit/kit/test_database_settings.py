"""Whatever is set of a database reaches its connections, in every process that has one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event
from sqlalchemy.engine import make_url

from services.capture.app import create_app as capture
from services.capture.settings import CaptureSettings
from services.metrics.app import create_app as metrics
from services.metrics.settings import MetricsSettings
from services.pipeline.app import create_app as pipeline
from services.pipeline.settings import PipelineSettings
from services.scoring.app import create_app as scoring
from services.scoring.learning.train_command import learners_database
from services.scoring.settings import ScoringSettings
from shared.kit.database import Database
from shared.kit.settings import ServiceSettings, read_settings

SET: dict[str, Any] = {
    "database_url": "postgresql://somebody@pooler.invalid/leads",
    "database_direct_url": "postgresql://somebody@itself.invalid/leads",
    "database_pool_size": 3,
    "database_prepare_after": 7,
    "statement_timeout_seconds": 11.5,
    "idle_in_transaction_timeout_seconds": 4.25,
}
"""Each setting of a database, at another value than its default."""

PROCESSES: dict[str, tuple[type[ServiceSettings], Callable[[Any], Database], int]] = {
    "capture": (CaptureSettings, lambda settings: capture(settings).state.database, 3),
    "scoring": (ScoringSettings, lambda settings: scoring(settings).state.database, 3),
    "pipeline": (PipelineSettings, lambda settings: pipeline(settings).state.database, 3),
    "metrics": (MetricsSettings, lambda settings: metrics(settings).state.database, 3),
    "the learner": (ScoringSettings, learners_database, 2),
}
"""What the settings are, how the database is made of them, and how many connections it has then."""


class NotConnected(Exception):
    """Ends a connection before it is made: how it would have been is all that is asked."""


@pytest.fixture
def connections() -> Iterator[list[dict[str, Any]]]:
    """How connections are made, one after the other."""
    made: list[dict[str, Any]] = []

    def told(_: object, __: object, ___: object, parameters: dict[str, Any]) -> None:
        made.append(dict(parameters))
        raise NotConnected

    event.listen(Engine, "do_connect", told)
    yield made
    event.remove(Engine, "do_connect", told)


def test_every_setting_of_a_database_is_tried_here() -> None:
    words = ("database", "statement", "transaction")
    assert {name for name in ServiceSettings.model_fields if any(word in name for word in words)} == set(SET)
    defaults = ServiceSettings(api_token="a token of the tests", identity_secret="x" * 40)
    assert not [name for name, value in SET.items() if getattr(defaults, name) == value]


@pytest.mark.parametrize("process", PROCESSES)
async def test_every_setting_of_a_database_reaches_its_connections(
    process: str, connections: list[dict[str, Any]]
) -> None:
    settings_class, database_of, pool_size = PROCESSES[process]
    policy = Path(__file__).parents[3] / "policy.yaml"
    given = {"api_token": "a token of the tests", "identity_secret": "x" * 40, "policy_file": policy}
    database = database_of(read_settings(settings_class, **given, **SET))
    with pytest.raises(NotConnected):
        await database.ping()
    with pytest.raises(NotConnected):
        async with database.session():
            pass
    pooled, direct = connections
    assert pooled["host"] == make_url(SET["database_url"]).host
    assert direct["host"] == make_url(SET["database_direct_url"]).host
    assert database.engine.pool.size() == pool_size  # type: ignore[attr-defined]
    for told in (pooled, direct):
        assert told["prepare_threshold"] == 7
        assert "statement_timeout=11500 " in told["options"]
        assert "idle_in_transaction_session_timeout=4250 " in told["options"]
    assert database.statement_timeout_seconds == 11.5
