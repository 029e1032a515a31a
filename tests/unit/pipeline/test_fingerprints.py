"""What a sender said under one id, by its fingerprint: what capture calls another content, pipeline calls so too."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest
from prometheus_client import CollectorRegistry

from services.capture.domain import differences
from services.pipeline.domain.fingerprints import FIRST_HALF, contradicts
from services.pipeline.handlers import Handlers
from services.pipeline.instruments import PipelineInstruments
from shared.contracts.capture_events import Consent, InteractionRecorded, LeadCaptured, Personal
from shared.contracts.policy import Policy
from tests.unit.pipeline.builders import START, a_lead, an_interaction, at

HANDLERS = Handlers(Policy(version="t"), b"s" * 16, PipelineInstruments(CollectorRegistry()), {})
GIVEN = Consent(purpose="mail", text_version="1", given_at=START, proof="call 17")
LEAD = a_lead("ann@x.example", name="Ann", consents=(GIVEN,), source="ads", attributes={"size": 3})
CALL = an_interaction("ann@x.example", kind="call", direction="inbound", outcome="missed", duration_seconds=3.0)
WHO = {"email": "ann@x.example", "name": "Ann"}


def fingerprint(event: LeadCaptured | InteractionRecorded) -> str:
    return HANDLERS.fingerprint(event)


def given(**changed: Any) -> dict[str, Any]:
    return {"consents": (GIVEN.model_copy(update=changed),)}


DIFFERENT: list[tuple[LeadCaptured | InteractionRecorded, dict[str, Any]]] = [
    (LEAD, given(proof="call 18")),
    (LEAD, given(text_version="2")),
    (LEAD, given(given_at=at(5))),
    (LEAD, given(granted=False)),
    (LEAD, {"consents": ()}),
    (LEAD, {"source": "mail"}),
    (LEAD, {"attributes": {"size": 4}}),
    (LEAD, {"historical": True}),
    (LEAD, {"personal": Personal(**WHO, click_ids={"gclid": "a"})}),
    (LEAD, {"personal": Personal(**WHO, as_sent={"phone": "ask at the desk"})}),
    (LEAD, {"personal": Personal(**WHO, message="ring me")}),
    (CALL, {"outcome": "answered"}),
    (CALL, {"direction": "outbound"}),
    (CALL, {"duration_seconds": 4.0}),
    (CALL, {"duration_seconds": None}),
    (CALL, {"retracts": UUID(int=7)}),
    (CALL, {"value": "later"}),
]


@pytest.mark.parametrize(("event", "changed"), DIFFERENT)
def test_what_capture_calls_another_content_is_one_to_pipeline_too(
    event: LeadCaptured | InteractionRecorded, changed: dict[str, Any]
) -> None:
    other = event.model_copy(update=changed)
    assert differences(orjson.loads(event.to_json()), orjson.loads(other.to_json()))
    assert contradicts(fingerprint(event), fingerprint(other))
    assert contradicts(fingerprint(other), fingerprint(event))


@pytest.mark.parametrize(
    "changed",
    [
        {"recorded_at": START + timedelta(hours=1), "occurred_at": START + timedelta(hours=1)},
        {"flags": ("role_address",)},
        {"personal": Personal(**WHO, as_sent={"name": "ANN"}, suggestions={"email": "ann@y.example"})},
    ],
)
def test_what_leadflow_makes_of_it_and_when_are_no_difference(changed: dict[str, Any]) -> None:
    assert fingerprint(LEAD) == fingerprint(LEAD.model_copy(update=changed))


@pytest.mark.parametrize(("event", "changed"), DIFFERENT)
def test_what_was_stored_before_is_compared_by_what_it_tells(
    event: LeadCaptured | InteractionRecorded, changed: dict[str, Any]
) -> None:
    stored = fingerprint(event)[:FIRST_HALF]
    assert not contradicts(stored, fingerprint(event))
    now = fingerprint(event.model_copy(update=changed))
    assert contradicts(stored, now) == (now[:FIRST_HALF] != stored)
