"""What scoring is held against has to be there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.load.parts import streams
from tests.load.run import Broker, NotInstalled, Run


def test_without_quix_streams_the_part_fails_before_anything_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "BENCH_PYTHON", tmp_path / "none")
    monkeypatch.setattr(streams, "running_stage", lambda _: pytest.fail("it began"))
    with pytest.raises(NotInstalled, match="make bench"):
        streams.streams(Run(quick=True, broker=Broker.EMBEDDED, say=lambda _: None))
