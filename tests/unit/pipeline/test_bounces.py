"""Whether mail still reaches somebody, by what came back and what was captured since."""

from __future__ import annotations

from typing import Any

import pytest

from services.pipeline.domain.bounces import is_undeliverable
from services.pipeline.domain.facts import Fact
from tests.unit.pipeline.builders import an_id, at

CREATED = ("LeadCreated", {"contacts": ["email"]})
CAME_BACK = ("LeadTouched", {"kind": "email_bounce", "undeliverable": True})
REFUSED = ("ContactAttempted", {"kind": "email", "message_id": "m", "outcome": "bounced"})
CAPTURED = ("LeadTouched", {"kind": "capture", "contacts": ["email"]})


def story(*told: tuple[str, dict[str, Any]]) -> list[Fact]:
    lead_id = an_id()
    return [Fact(lead_id, place, event, an_id(), at(place), data) for place, (event, data) in enumerate(told, 1)]


@pytest.mark.parametrize(
    ("told", "undeliverable"),
    [
        ((CREATED,), False),
        ((CREATED, CAME_BACK), True),
        ((CREATED, REFUSED), True),
        ((CREATED, ("ContactAttempted", {"kind": "email", "message_id": "m", "outcome": "failed"})), False),
        ((CREATED, ("ContactAttempted", {"kind": "phone", "outcome": "bounced"})), False),
        ((CREATED, CAME_BACK, CAPTURED), False),
        ((CREATED, REFUSED, CAPTURED), False),
        ((CREATED, CAME_BACK, ("LeadTouched", {"kind": "capture", "contacts": ["phone"]})), True),
        ((CREATED, CAME_BACK, ("LeadTouched", {**CAPTURED[1], "mark": "spam"})), True),
        ((CREATED, CAPTURED, REFUSED), True),
    ],
)
def test_an_address_is_none_until_one_is_captured_again(
    told: tuple[tuple[str, dict[str, Any]], ...], undeliverable: bool
) -> None:
    assert is_undeliverable(story(*told)) is undeliverable
