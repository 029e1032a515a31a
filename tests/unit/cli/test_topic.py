"""A topic whose broker is away is said in a sentence, whoever reads it."""

from __future__ import annotations

import pytest

from shared.cli import topic
from shared.cli.http import CommandFailed
from shared.cli.sources import from_log

NOBODY = "127.0.0.1:1"


@pytest.mark.logs_errors
async def test_a_rebuild_from_a_log_that_is_away_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topic, "OPENING_SECONDS", 3.0)
    with pytest.raises(CommandFailed, match=f"cannot be read from {NOBODY}") as raised:
        async for _ in from_log(NOBODY, None):
            pass
    assert "LEADFLOW_KAFKA_BOOTSTRAP" in raised.value.fix
