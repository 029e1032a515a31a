"""One vocabulary for what leads do, open at its end."""

from __future__ import annotations

from typing import Any

import pytest

from shared.contracts.interactions import INTERACTION_KINDS, folded_kind
from shared.contracts.policy import EngagementRule, Policy, Scoring, UnitPolicy
from tests.unit.capture.fakes import interaction, the_rules

VISITOR = {"visitor_id": "v"}


@pytest.mark.parametrize(
    ("sent", "kept", "flags"),
    [
        ("page_view", "page_view", ()),
        ("Page View", "page_view", ()),
        ("PAGE-VIEW", "page_view", ()),
        ("  demo   request ", "demo_request", ()),
        ("stood on their head", "stood on their head", ("unknown_kind",)),
        ("بازدید", "بازدید", ("unknown_kind",)),
    ],
)
def test_a_kind_has_one_spelling_and_an_unknown_one_is_kept_and_flagged(
    sent: str, kept: str, flags: tuple[str, ...]
) -> None:
    event = interaction({**VISITOR, "kind": sent})
    assert (event.kind, event.flags) == (kept, flags)


def test_a_kind_that_the_unit_gives_points_for_is_known() -> None:
    rule = EngagementRule(rule="came by", kind="Showroom visit", points=5)
    unit = the_rules(Policy(version="1", defaults=UnitPolicy(scoring=Scoring(engagement=(rule,))))).unit("default")
    assert unit.kinds[folded_kind("showroom-visit")] == "Showroom visit"
    assert unit.kinds["page_view"] == "page_view"


@pytest.mark.parametrize(
    ("sent", "kept", "flags"),
    [
        ("inbound", "inbound", ()),
        ("Incoming", "inbound", ()),
        ("outbound-api", "outbound", ()),
        ("sideways", "sideways", ("unknown_direction",)),
    ],
)
def test_a_direction_is_one_of_two_words(sent: str, kept: str, flags: tuple[str, ...]) -> None:
    event = interaction({**VISITOR, "kind": "call", "direction": sent, "outcome": "answered"})
    assert (event.direction, event.outcome, event.flags) == (kept, "answered", flags)


@pytest.mark.parametrize(
    ("sent", "seconds"),
    [
        (312, 312.0),
        (0, 0.0),
        ("312", 312.0),
        ("5:12", 312.0),
        ("1:05:12", 3912.0),
        ("۳۱۲", 312.0),
        (1.5, 1.5),
        ("", None),
    ],
)
def test_a_duration_is_in_seconds(sent: Any, seconds: float | None) -> None:
    event = interaction({**VISITOR, "kind": "call", "duration_seconds": sent})
    assert (event.duration_seconds, event.flags, event.attributes) == (seconds, (), {})


@pytest.mark.parametrize("sent", ["long", -1, "-1", True, [3], "1:2:3:4", "nan", "1e999", 10**12])
def test_what_is_no_duration_is_kept_and_flagged(sent: Any) -> None:
    event = interaction({**VISITOR, "kind": "call", "duration_seconds": sent})
    assert event.duration_seconds is None
    assert event.attributes == {"duration_seconds": sent}
    assert "invalid_duration_seconds" in event.flags


@pytest.mark.parametrize("kind", INTERACTION_KINDS)
def test_every_kind_is_written_as_it_is_folded(kind: str) -> None:
    assert folded_kind(kind) == kind
    assert INTERACTION_KINDS[kind]
