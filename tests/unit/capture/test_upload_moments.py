"""When what a file says counts as received: when the file came, not when its row was reached."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import timedelta
from typing import Any, cast
from unittest.mock import MagicMock
from uuid import uuid4

from services.capture.handlers import Caller, Intake
from services.capture.memory import Memory
from services.capture.uploads.publishing import Pace, Publisher
from services.capture.uploads.stretches import Stretch
from shared.tabular.source import Position
from tests.support.clock import FakeClock
from tests.unit.capture.fakes import NOW, FakeLog, the_rules


async def test_rows_of_a_file_are_recorded_as_of_the_moment_the_file_was_received() -> None:
    """Who is erased while their file waits stays erased when its rows come in."""
    log, other = FakeLog(), cast(Any, MagicMock())
    intake = Intake(
        rules=the_rules(),
        log=log,
        memory=Memory(1_000_000),
        quarantine=other,
        counts=other,
        clock=FakeClock(NOW),
        instruments=other,
    )
    publisher = Publisher(other, intake, other, Pace(100.0, lambda _: nullcontext(), lambda: False))
    job = MagicMock(upload_id=uuid4(), created_at=NOW - timedelta(hours=1))
    stretch = Stretch(Position(), Position(), bodies=[{"email": "ada@example.com"}], lines=[2], rows=1)
    assert await publisher._send(job, Caller("crm", may_backdate=False), stretch) == [None]
    (event,) = log.events()
    assert event.recorded_at == job.created_at
