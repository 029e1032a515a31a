"""What the spool's tests share: records, directories, a spool over a log in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from services.capture.instruments import SpoolInstruments
from services.capture.spool import Segments, Spool, SpoolingLog
from services.capture.spool.records import Record
from shared.kit.clock import Clock
from tests.support.clock import FakeClock
from tests.unit.capture.fakes import NOW, FakeLog

NOW_MS = int(NOW.timestamp() * 1000)

RECORDS = st.lists(
    st.builds(
        Record,
        st.sampled_from(["t", "capture.leads.v1", ""]),
        st.binary(max_size=12),
        st.text(max_size=40).map(str.encode),
        st.integers(0, 2**64 - 1),
    ),
    max_size=8,
)


def a_record(number: int, key: str | None = None, value: bytes | None = None) -> Record:
    """A record that says which it is."""
    return Record("t", (key or f"k{number}").encode(), value or f"v{number}".encode(), NOW_MS)


def values(records: list[Record]) -> list[str]:
    """What records say."""
    return [record.value.decode() for record in records]


def taken_over(directory: Path, **options: int) -> tuple[Segments, list[Record]]:
    """A directory opened, and what waited in it."""
    segments = Segments(directory, **options)
    seen: list[Record] = []
    segments.open(seen.append)
    return segments, seen


def drained(segments: Segments, at_once: int = 3) -> list[Record]:
    """Everything that waits, taken as the log would take it."""
    records: list[Record] = []
    while (chunk := segments.read(at_once)) is not None:
        records += chunk.records
        segments.advance(chunk.places[-1])
    return records


def a_spool(
    directory: Path, *, clock: Clock | None = None, max_bytes: int = 1 << 20, deadline_seconds: float = 2.0
) -> Spool:
    """A spool with instruments of its own."""
    return Spool(
        Segments(directory),
        max_bytes=max_bytes,
        deadline_seconds=deadline_seconds,
        clock=clock or FakeClock(NOW),
        instruments=SpoolInstruments(CollectorRegistry()),
    )


@asynccontextmanager
async def a_spooling_log(
    log: FakeLog,
    directory: Path,
    *,
    answers: Callable[[], bool] = lambda: True,
    patience_seconds: float = 0.2,
    drain_per_second: int = 100_000,
    **options: Any,
) -> AsyncIterator[tuple[SpoolingLog, Spool]]:
    """A spooling log over a log in memory, running."""
    spool = a_spool(directory, **options)
    spooling = SpoolingLog(
        log, spool, log_answers=answers, patience_seconds=patience_seconds, drain_per_second=drain_per_second
    )
    async with spooling.running():
        yield spooling, spool
