"""What a count's answer says, and what a receipt reads of an event."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Any

import orjson
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from services.capture.domain import Submission, Taken
from services.capture.domain.naming import named_event
from services.capture.domain.reconciliation import LogKey, Verdict, quarter_of
from services.capture.handlers import message
from services.capture.receipts import Batch, read
from services.capture.storage import Receipt
from shared.contracts.topics import CAPTURE_LEADS
from tests.faults.rows.poison_corpus import MAKE, unreadable
from tests.unit.capture.fakes import NOW, the_rules

BODY = {"record_id": "r1", "email": "ada@example.com", "attributes": {"a": 1, "b": {"c": [1, 2], "d": None}}}


def event(body: dict[str, Any], *, at: datetime = NOW, kind: Any = "lead", sender: str = "web") -> bytes:
    """The bytes that a body becomes on the log."""
    decision = the_rules().decide(kind, body, Submission(sender, True, at), None)
    assert isinstance(decision, Taken)
    return message(decision)[1]


def receipt(value: bytes) -> Receipt:
    found = read(value)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("expected", "accepted", "missing", "behind", "sentence"),
    [
        (1_240, 1_238, ["a", "b"], 0, "expected 1,240, accepted 1,238: these two ids are missing"),
        (2, 1, ["a"], 0, "expected 2, accepted 1: this id is missing"),
        (1_240, 1_240, [], 0, "expected 1,240, accepted 1,240: they agree"),
        (5, 5, None, 0, "expected 5, accepted 5: they agree"),
        (20, 8, None, 0, "expected 20, accepted 8: 12 are missing; send your ids to learn which"),
        (3, 2, [], 0, "expected 3, accepted 2: one is missing, of which no id was given"),
        (3, 5, None, 0, "expected 3, accepted 5: two more than expected"),
        (1, 0, ["a"], 1_500, "expected 1, accepted 0: this id is missing, with 1,500 records of the log not read yet"),
    ],
)
def test_a_verdict_is_a_sentence(
    expected: int, accepted: int, missing: Sequence[str] | None, behind: int, sentence: str
) -> None:
    assert Verdict(expected, accepted, missing, behind).sentence() == sentence


def test_a_verdict_that_cannot_tell_how_far_the_log_was_read_says_so() -> None:
    assert "cannot be told" in Verdict(1, 1, None, None).sentence()


def test_the_right_number_of_other_ids_is_no_agreement() -> None:
    assert not Verdict(1, 1, ["a"], 0).agrees


@given(st.dates(), st.sampled_from([0, 210, 345, -210]))
def test_a_day_of_any_zone_begins_with_a_quarter(day: date, offset_minutes: int) -> None:
    assume(date.min < day < date.max)
    midnight = datetime.combine(day, time(), timezone(timedelta(minutes=offset_minutes))).astimezone(UTC)
    assert quarter_of(midnight) == midnight


def test_a_receipt_names_the_event_as_its_sender_can() -> None:
    found = receipt(event(BODY))
    assert found.event_id == named_event("default", "web", "lead", "r1")
    assert found.of == LogKey(NOW, "web", "default", "lead")
    other = receipt(event({"kind": "page_view", "visitor_id": "v", "record_id": "r1"}, kind="interaction"))
    assert other.event_id == named_event("default", "web", "interaction", "r1")
    assert other.of.kind == "interaction"


def test_the_same_payload_later_and_in_another_order_is_the_same_content() -> None:
    later = event(dict(reversed(BODY.items())), at=NOW + timedelta(hours=3))
    shuffled = event({**BODY, "attributes": {"b": {"d": None, "c": [1, 2]}, "a": 1}})
    digests = {receipt(value).digest for value in (event(BODY), later, shuffled)}
    assert len(digests) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"email": "eve@example.com"},
        {"attributes": {"a": 1}},
        {"attributes": {"a": 1, "b": {"c": [2, 1], "d": None}}},
        {"occurred_at": "2026-03-01T00:00:00Z"},
        {"name": "Ada"},
    ],
)
def test_other_content_under_the_same_id_is_told_apart(change: dict[str, Any]) -> None:
    one, other = receipt(event(BODY)), receipt(event({**BODY, **change}))
    assert one.event_id == other.event_id
    assert one.digest != other.digest


def test_whatever_a_service_can_read_has_a_receipt() -> None:
    whole = MAKE[CAPTURE_LEADS.name](random.Random(1))
    strange = [
        json_with(whole, b"1e999"),
        json_with(whole, b"9" * 30),
        orjson.dumps({**whole, "event_id": str(whole["event_id"]).upper()}),
        orjson.dumps({**whole, "recorded_at": "2026-03-01T10:20:30+03:30"}),
    ]
    for value in strange:
        CAPTURE_LEADS.parse(value)
        assert receipt(value).event_id == whole["event_id"]
    assert receipt(strange[3]).of.quarter == datetime(2026, 3, 1, 6, 45, tzinfo=UTC)


def json_with(whole: dict[str, Any], raw: bytes) -> bytes:
    return orjson.dumps(whole)[:-1] + b', "more": ' + raw + b"}"


def test_poison_has_no_receipt_or_one_that_can_be_stored() -> None:
    for poison in unreadable(CAPTURE_LEADS.name, random.Random(3)):
        found = read(poison.value or b"")
        if found is not None:
            assert "\x00" not in f"{found.of.sender}{found.of.business_unit}"
            assert len(found.event_id) == 36


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([1, 2])), max_size=30))
def test_every_record_of_a_batch_is_an_event_or_a_duplicate(records: list[tuple[str, int]]) -> None:
    batch = Batch({"a": 1})
    new = [batch.add(Receipt(name, digest, LogKey(NOW, "s", "u", "lead"))) for name, digest in records]
    counts = list(batch.counts.values())
    published = sum(count.published for count in counts)
    accepted = sum(count.accepted for count in counts)
    assert published == len(records)
    assert accepted == sum(new) == len({name for name, _ in records} - {"a"})
    assert sum(count.duplicates for count in counts) == published - accepted
    first = {"a": 1} | {name: digest for name, digest in reversed(records) if name != "a"}
    assert sum(count.conflicts for count in counts) == sum(digest != first[name] for name, digest in records)
