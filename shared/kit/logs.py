"""Logs are JSON lines of known fields: what happened, where, how often. Never who."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import MutableMapping
from datetime import UTC, datetime
from typing import Any

import structlog

ALLOWED_FIELDS = frozenset(
    {
        "event",
        "level",
        "timestamp",
        "logger",
        "service",
        "topic",
        "partition",
        "offset",
        "first_offset",
        "last_offset",
        "stored_offset",
        "end_offset",
        "event_id",
        "lead_id",
        "error",
        "error_type",
        "place",
        "count",
        "records",
        "seconds",
        "attempt",
        "retry_in_seconds",
        "reason",
        "group",
        "member",
        "host",
        "port",
        "path",
        "method",
        "status",
        "outbox_id",
        "dead_letter_id",
        "budget",
        "window_seconds",
        "version",
        "schema",
        "revision",
        "lag",
        "url",
        "check",
        "exception",
        "state",
        "signal",
        "upload_id",
        "bytes",
        "line",
    }
)

LIBRARY_EVERY_SECONDS = 10.0
"""How often one place in a library may say something: a client without a broker says the same sixty times a second."""

SPEAKING_LIBRARIES = ("aiokafka", "uvicorn", "alembic")
"""Libraries whose text says nothing of what they carry. `asyncio` is none: it quotes the error that a task ended in."""


def _only_known_fields(_: Any, __: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name in [name for name in entry if name not in ALLOWED_FIELDS]:
        del entry[name]
    return entry


def configure_logs(service: str, level: str) -> None:
    """Sends this process's logs to standard output, one JSON object a line; fields not on the list are dropped."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _only_known_fields,
            structlog.processors.JSONRenderer(sort_keys=True),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        logger_factory=structlog.WriteLoggerFactory(sys.stdout),
        cache_logger_on_first_use=False,
    )
    structlog.contextvars.bind_contextvars(service=service)
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_Bridge(service))
    handler.addFilter(_Seldom())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)


class _Seldom(logging.Filter):
    """Lets each place in a library speak once in a while, and notes how often it was not heard since."""

    def __init__(self) -> None:
        super().__init__()
        self._spoke: dict[tuple[str, str, int], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        place = (record.name, record.module, record.lineno)
        spoke, unheard = self._spoke.get(place, (float("-inf"), 0))
        if 0 <= record.created - spoke < LIBRARY_EVERY_SECONDS:
            self._spoke[place] = (spoke, unheard + 1)
            return False
        self._spoke[place] = (record.created, 0)
        record.unheard = unheard
        return True


class _Bridge(logging.Formatter):
    """Library logs in our form: logger, level, place, the exception's type. The text only of libraries that never print
    what they carry."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, object] = {
            "event": "library_log",
            "level": record.levelname.lower(),
            "service": self._service,
            "timestamp": f"{datetime.fromtimestamp(record.created, UTC):%Y-%m-%dT%H:%M:%S.%fZ}",
            "logger": record.name,
            "place": f"{record.module}:{record.lineno}",
        }
        if unheard := getattr(record, "unheard", 0):
            entry["count"] = unheard + 1
        if record.exc_info and record.exc_info[0] is not None:
            entry["error_type"] = record.exc_info[0].__name__
        if record.name.startswith(SPEAKING_LIBRARIES):
            entry["text"] = record.getMessage()
        return json.dumps(entry)


def log() -> Any:
    """The logger; bind or pass only fields on the list."""
    return structlog.get_logger()
