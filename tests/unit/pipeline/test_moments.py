"""In which zone a story has its moments, however the log tells them."""

from __future__ import annotations

from datetime import UTC

import orjson

from services.pipeline.domain.capture_intake import created, graded, touched
from shared.contracts.capture_events import LeadCaptured
from shared.contracts.scoring_events import LeadScored
from shared.contracts.topics import CAPTURE_LEADS, SCORING_SCORES
from tests.unit.pipeline.builders import a_lead, a_score


def _read_back(event: LeadCaptured, occurred_at: str) -> LeadCaptured:
    said = orjson.loads(event.to_json()) | {"occurred_at": occurred_at}
    read = CAPTURE_LEADS.parse(orjson.dumps(said))
    assert isinstance(read, LeadCaptured)
    return read


def test_facts_of_an_event_have_its_moment_in_utc_whatever_its_offset() -> None:
    for written in ("2026-03-01T10:30:00+03:30", "2026-03-01T07:00:00Z"):
        event = _read_back(a_lead("ann@x.example"), written)
        for draft in (created(event, "said"), touched(event, event.lead_id, "said")):
            assert draft.occurred_at.tzinfo is UTC
            assert draft.occurred_at.isoformat() == "2026-03-01T07:00:00+00:00"


def test_a_verdict_has_too() -> None:
    told = a_score(a_lead("ann@x.example").lead_id)
    read = SCORING_SCORES.parse(told.to_json())
    assert isinstance(read, LeadScored)
    assert graded(read).occurred_at.tzinfo is UTC
    assert graded(read).occurred_at == told.occurred_at
