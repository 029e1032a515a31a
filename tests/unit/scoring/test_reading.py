"""What scoring reads of a topic of which it uses little."""

from __future__ import annotations

from uuid import UUID

import pytest
from pydantic import ValidationError

from shared.contracts.lifecycle_events import LeadGraded, LeadMerged
from shared.contracts.topics import PIPELINE_LIFECYCLE, Unread

AN_ID = UUID(int=1)
ENVELOPE = {
    "event_id": AN_ID,
    "lead_id": AN_ID,
    "business_unit": "europe",
    "occurred_at": "2026-01-01T00:00:00Z",
    "recorded_at": "2026-01-01T00:00:00Z",
    "correlation_id": AN_ID,
    "version": 1,
}

read = PIPELINE_LIFECYCLE.parse_only(LeadMerged)


def test_an_event_that_is_of_no_use_is_known_by_its_beginning() -> None:
    graded = LeadGraded.model_validate({**ENVELOPE, "score": 5, "grade": "C"})
    assert read(graded.to_json()) == Unread("LeadGraded")


def test_an_event_that_is_of_use_is_read_in_full() -> None:
    merged = LeadMerged.model_validate({**ENVELOPE, "into_lead_id": UUID(int=2), "matched_on": "phone"})
    assert read(merged.to_json()) == merged


@pytest.mark.parametrize(
    "value",
    [
        b'{"event":"LeadVanished","schema_version":1,"version":1}',
        b'{"event":"LeadGraded","schema_version":2,"version":1}',
        b'{ "event": "LeadGraded", "schema_version": 1}',
        b'{"version":1}',
        b"\xff",
    ],
)
def test_what_does_not_look_as_published_is_judged_like_anything_else(value: bytes) -> None:
    with pytest.raises(ValidationError):
        read(value)
