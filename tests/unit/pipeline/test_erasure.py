"""Whom an erasure reaches, and what of an event may be kept."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as some

from services.pipeline.domain.erasure import Erased, check_reason, erased_by, forgotten, names_of
from services.pipeline.domain.refusals import Refused
from shared.contracts.capture_events import Consent, Personal
from shared.contracts.personal import without_person
from shared.contracts.topics import CAPTURE_LEADS
from tests.unit.pipeline.builders import START, a_lead, an_id, an_interaction, at

JSON = some.recursive(
    some.none() | some.booleans() | some.integers() | some.text(max_size=20),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(
    until=some.dictionaries(some.sampled_from("abc"), some.integers(0, 20)),
    names=some.lists(some.sampled_from("abcd")),
    recorded=some.integers(0, 20),
)
def test_an_erasure_reaches_what_was_recorded_under_one_of_its_names_up_to_its_moment(
    until: dict[str, int], names: list[str], recorded: int
) -> None:
    erased = {name: Erased(at(minute), an_id()) for name, minute in until.items()}
    reaching = erased_by(erased, names, at(recorded))
    latest = max((until[name] for name in names if name in until and recorded <= until[name]), default=None)
    assert (None if reaching is None else reaching.until) == (None if latest is None else at(latest))


def test_an_event_is_known_under_its_lead_and_its_identities() -> None:
    event = a_lead("ann@x.example", phone="+31612345678")
    assert names_of(event) == [str(event.lead_id), *(one.token for one in event.identities)]


def test_an_erasure_is_the_same_fact_however_often_it_is_decided() -> None:
    by = Erased(START, an_id())
    assert forgotten(by) == forgotten(by)
    assert forgotten(by).event_id != forgotten(Erased(START, an_id())).event_id
    assert forgotten(by).data == {}


@pytest.mark.parametrize("reason", ["case 17", "GDPR request of 2026-03-02", "ticket 123456"])
def test_a_reason_may_have_a_number_of_a_case(reason: str) -> None:
    check_reason(reason)


@pytest.mark.parametrize("reason", ["ann@x.example asked", "06 1234 5678", "+31 (0)20 123 45 67", "called 5551234567"])
def test_a_reason_that_would_keep_an_address_or_a_number_is_refused(reason: str) -> None:
    with pytest.raises(Refused) as refused:
        check_reason(reason)
    assert reason not in refused.value.detail


def test_what_is_left_of_an_event_is_an_event_and_says_nobody() -> None:
    lead = a_lead(
        "ann@x.example",
        name="Ann",
        company="Ann & Sons",
        job_title="Queen",
        attributes={"dog": "Rex"},
        consents=(Consent(purpose="mail", proof="ticked by Ann"),),
        flags=("unknown_field",),
        historical=True,
    )
    visit = an_interaction("ann@x.example", value="Ann Queen", personal=Personal(message="call Ann"))
    for event in (lead, visit):
        left = without_person(event.to_json())
        assert left is not None
        kept: Any = CAPTURE_LEADS.parse(left)
        assert (kept.event_id, kept.identities, kept.recorded_at) == (
            event.event_id,
            event.identities,
            event.recorded_at,
        )
        assert (kept.personal, kept.attributes, kept.flags) == (None, {}, event.flags)
        assert not any(word in left for word in (b"Ann", b"ann@", b"Queen", b"Rex", b"ticked"))
        assert without_person(left) == left
    assert CAPTURE_LEADS.parse(without_person(lead.to_json()) or b"").historical


@given(
    document=some.dictionaries(some.sampled_from(["personal", "channel", "identities", "consents", "flags", "x"]), JSON)
)
def test_whatever_a_record_has_in_place_of_an_event_no_text_of_it_is_kept_but_labels(document: dict[str, Any]) -> None:
    left = without_person(json.dumps(document).encode())
    assert left is not None
    kept = orjson.loads(left)
    assert "personal" not in kept
    assert "x" not in kept
    assert without_person(left) == left


@pytest.mark.parametrize("value", [b"", b"{", b"\xff", b'"text"', b"[1]", b"[" * 10_000])
def test_of_what_nobody_can_read_nothing_is_kept(value: bytes) -> None:
    assert without_person(value) is None
