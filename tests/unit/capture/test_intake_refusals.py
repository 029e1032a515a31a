"""Which times and values make a payload be refused, and how that is said."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import orjson
import pytest

from services.capture.domain import Refused
from tests.unit.capture.fakes import NOW, decided, faults, lead

A_LEAD = {"email": "ada@example.com"}


# ---- time


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("2026-03-01T09:30:00+01:00", datetime(2026, 3, 1, 8, 30, tzinfo=UTC)),
        ("2026-03-01T09:30:00Z", datetime(2026, 3, 1, 9, 30, tzinfo=UTC)),
        ("2026-03-01 09:30", datetime(2026, 3, 1, 9, 30, tzinfo=UTC)),
        ("2026-03-01", datetime(2026, 3, 1, tzinfo=UTC)),
        (" ۲۰۲۶-۰۳-۰۱T۰۹:۳۰Z", datetime(2026, 3, 1, 9, 30, tzinfo=UTC)),
        ("2026-03-02T09:10:00Z", NOW + timedelta(minutes=10)),
        ("1999-12-31T23:59:59.123456Z", datetime(1999, 12, 31, 23, 59, 59, 123456, tzinfo=UTC)),
    ],
)
def test_a_time_is_read(sent: str, kept: datetime) -> None:
    assert lead({"occurred_at": sent}, may_backdate=False).occurred_at == kept


@pytest.mark.parametrize(
    "sent",
    [
        "yesterday",
        "2026-13-01",
        1767225600,
        ["2026-01-01"],
        "2026-03-02T09:10:01Z",
        "1404-12-10",
        "0001-01-01T00:00:00+14:00",
    ],
)
def test_a_time_nobody_can_mean_is_a_fault(sent: object) -> None:
    assert set(faults({"occurred_at": sent})) == {"occurred_at"}


def test_history_needs_its_scope() -> None:
    assert lead({"historical": True}).historical is True
    decision = decided({"historical": True}, may_backdate=False)
    assert isinstance(decision, Refused)
    assert (decision.status, decision.faults[0].field) == (403, "historical")


# ---- faults


@pytest.mark.parametrize(
    ("body", "field", "fault"),
    [
        ({"name": "x" * 301}, "name", "is longer than 300 characters"),
        ({"message": "y" * 10_001}, "message", "is longer than 10000 characters"),
        ({"name": "a\x00b"}, "name", "contains the NUL character (U+0000)"),
        ({"name": "a\ud800"}, "name", "contains half of a surrogate pair, which is no character"),
        ({"name": ["Ada"]}, "name", "is a list, not text"),
        ({"name": {"first": "Ada"}}, "name", "is an object, not text"),
        ({"name": True}, "name", "is true or false, not text"),
        ({"external_id": 1.2345678901234568e22}, "external_id", "is a number too long to be exact"),
        ({"attributes": [1]}, "attributes", "is a list, not an object"),
        ({"attributes": {"a": "\x00"}}, "attributes", "contains the NUL character (U+0000)"),
        ({"attributes": {"a\x00": 1}}, "attributes", "contains the NUL character (U+0000)"),
        ({"attributes": {"a": "x" * 50_001}}, "attributes", "holds more than 50000 characters, unknown fields counted"),
        (
            {"attributes": {str(n): n for n in range(201)}},
            "attributes",
            "holds more than 200 fields, unknown fields counted",
        ),
        ({"attributes": {"a": 2**70}}, "attributes", "holds a number beyond 64 bits"),
        ({"attributes": {"n" * 201: 1}}, "attributes", "has a name longer than 200 characters"),
        ({"unknown": orjson.loads("[" * 40 + "]" * 40)}, "attributes", "is nested deeper than 32 levels"),
        ({"consent": "perhaps"}, "consent", "is neither true nor false"),
        ({"consent": [1]}, "consent[0]", "is a number, not an object"),
        ({"consent": {"purpose": "p" * 201}}, "consent.purpose", "is longer than 200 characters"),
        ({"historical": "perhaps"}, "historical", "is neither true nor false"),
        ([], "body", "is a list, not an object"),
        ("x", "body", "is text, not an object"),
        (None, "body", "is null, not an object"),
    ],
)
def test_a_fault_names_the_field_and_what_is_wrong(body: object, field: str, fault: str) -> None:
    assert faults(body) == {field: fault}


def test_all_faults_are_told_at_once_and_no_value_is_repeated() -> None:
    body = {"name": "Ada\x00", "occurred_at": "Lovelace-time", "company": ["Engines"], "consent": "Engines"}
    decision = decided(body)
    assert isinstance(decision, Refused)
    assert {fault.field for fault in decision.faults} == set(body)
    assert not any(word in str(decision) for word in ("Ada", "Lovelace", "Engines"))
