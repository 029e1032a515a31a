"""What a process prints: one JSON object a line, and from libraries no more than is read."""

from __future__ import annotations

import asyncio
import gc
import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from shared.kit.logs import LIBRARY_EVERY_SECONDS, configure_logs, log

pytestmark = pytest.mark.logs_errors  # on purpose


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    monkeypatch.setattr("sys.stdout", stream)
    configure_logs("capture", "INFO")
    yield stream
    structlog.contextvars.clear_contextvars()
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_field_that_is_not_known_is_not_printed(printed: io.StringIO) -> None:
    log().info("taken", event_id="e1", email="ada@example.com")
    (line,) = lines(printed)
    assert line.pop("timestamp")
    assert line == {"event": "taken", "event_id": "e1", "level": "info", "service": "capture"}


def said(name: str, line: int, at: float, text: str = "cannot connect") -> None:
    record = logging.LogRecord(name, logging.ERROR, "client.py", line, text, None, None)
    record.created = at
    logging.getLogger().handle(record)


def test_a_place_that_repeats_itself_is_heard_once_in_a_while_and_how_often_it_spoke(printed: io.StringIO) -> None:
    for tick in range(100):
        said("aiokafka", 435, 1_000.0 + tick / 10)
    said("aiokafka", 436, 1_000.5)
    said("aiokafka", 435, 1_000.0 + LIBRARY_EVERY_SECONDS)
    assert [(line["place"], line.get("count")) for line in lines(printed)] == [
        ("client:435", None),
        ("client:436", None),
        ("client:435", 100),
    ]
    assert {(line["service"], line["timestamp"][:4]) for line in lines(printed)} == {("capture", "1970")}


def test_a_clock_that_was_set_back_silences_nobody(printed: io.StringIO) -> None:
    said("aiokafka", 435, 1_000.0)
    said("aiokafka", 435, 900.0)
    assert len(lines(printed)) == 2


def test_only_libraries_that_never_print_what_they_carry_are_quoted(printed: io.StringIO) -> None:
    said("aiokafka.consumer", 1, 1_000.0)
    said("somebody", 1, 1_000.0, "ada@example.com")
    assert [line.get("text") for line in lines(printed)] == ["cannot connect", None]


async def test_an_error_that_nobody_waited_for_is_told_without_what_it_says(printed: io.StringIO) -> None:
    async def fail() -> None:
        raise ValueError("no address: ada@example.com")

    task = asyncio.create_task(fail())
    await asyncio.wait([task])
    del task
    gc.collect()
    (line,) = lines(printed)
    assert (line["logger"], line["error_type"]) == ("asyncio", "ValueError")
    assert "ada@example.com" not in printed.getvalue()
