"""What counts as an event: JSON and nothing near it, of a version that is known, with whatever else a later one adds."""

from __future__ import annotations

import json
import random

import pytest
from pydantic import ValidationError

from shared.cli.audit.log import entry_of
from shared.contracts.topics import TOPICS
from shared.kit.dead_letters import describe, event_id_of
from tests.faults.rows.poison_corpus import MAKE, unreadable

EVERY_TOPIC = pytest.mark.parametrize("topic", TOPICS)


def with_more(topic: str, raw: bytes) -> bytes:
    return json.dumps(MAKE[topic](random.Random(1))).encode()[:-1] + b', "more": ' + raw + b"}"


@EVERY_TOPIC
@pytest.mark.parametrize("word", [b"NaN", b"Infinity", b"-Infinity", b'[{"x": NaN}]'])
def test_words_that_are_no_json_numbers_are_refused_as_unreadable(topic: str, word: bytes) -> None:
    with pytest.raises(ValidationError) as refused:
        TOPICS[topic].parse(with_more(topic, word))
    assert describe(refused.value)[0] == "invalid"


@EVERY_TOPIC
@pytest.mark.parametrize("value", [b'"NaN Infinity"', b'{"NaN": 1}', b"1e999", b"[1]", b"null"])
def test_whatever_else_a_later_version_adds_is_no_reason_to_refuse_an_event(topic: str, value: bytes) -> None:
    assert TOPICS[topic].parse(with_more(topic, value)).business_unit == "poison"


@EVERY_TOPIC
@pytest.mark.parametrize(("version", "known"), [(0, False), (1, True), (2, False), (200, False)])
def test_an_event_of_an_unknown_version_is_refused(topic: str, version: int, known: bool) -> None:
    value = json.dumps({**MAKE[topic](random.Random(1)), "schema_version": version}).encode()
    if known:
        assert TOPICS[topic].parse(value).schema_version == version
    else:
        with pytest.raises(ValidationError, match="schema_version"):
            TOPICS[topic].parse(value)


@EVERY_TOPIC
def test_an_audit_reads_the_ids_of_everything_a_service_can_read(topic: str) -> None:
    """Else it would call a fact an unreadable record that nobody set aside."""
    for value in (with_more(topic, b"1e999"), with_more(topic, b"-1e400"), with_more(topic, b"9" * 30)):
        event = TOPICS[topic].parse(value)
        assert entry_of(value) == (event.lead_id, event.event_id)


@EVERY_TOPIC
def test_an_audit_and_the_dead_letters_read_the_same_ids_of_what_cannot_be_processed(topic: str) -> None:
    for poison in unreadable(topic, random.Random(2)):
        entry = entry_of(poison.value)
        assert (None if entry is None else entry[1]) == event_id_of(poison.value), poison.name


def test_a_record_with_half_a_million_faults_is_told_briefly() -> None:
    bad = with_more("capture.leads.v1", b"1").replace(b'"more": 1', b'"identities": [' + b"1," * 500_000 + b"1]")
    with pytest.raises(ValidationError) as refused:
        TOPICS["capture.leads.v1"].parse(bad)
    assert describe(refused.value) == ("invalid", "500001 faults")
