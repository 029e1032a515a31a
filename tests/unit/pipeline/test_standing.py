"""Where a lead stands in words, and for how long it stood where, whatever the order in which its facts came."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.pipeline.domain.facts import Fact
from services.pipeline.domain.standing import MOVING, interest, seconds_in, shape_of, standing_of
from services.pipeline.domain.state import fold
from tests.unit.pipeline.builders import at

Event = tuple[str, dict[str, Any]]

ASSIGNED: Event = ("LeadAssigned", {"owner": "kim"})
QUALIFIED: Event = ("LeadQualified", {})
ARCHIVED: Event = ("LeadArchived", {"reason": "no budget"})
REOPENED: Event = ("LeadReopened", {})
ASKED: Event = ("LeadTouched", {"kind": "quote_request", "moves": True})
VISITED: Event = ("LeadTouched", {"kind": "page_view"})
OPENED: Event = ("OpportunityOpened", {"opportunity_id": "d", "stage": "discovery"})
AGAIN: Event = ("OpportunityOpened", {"opportunity_id": "e", "stage": "discovery"})
WON: Event = ("OpportunityWon", {"opportunity_id": "d"})
LOST: Event = ("OpportunityLost", {"opportunity_id": "d", "reason": "price"})
REACHED: Event = ("ContactAttempted", {"kind": "call"})
ORDERED: Event = ("OrderPlaced", {"order_id": "o", "amount": "5"})
REFUNDED: Event = ("OrderRefunded", {"order_id": "o", "amount": "5"})
CANCELLED: Event = ("OrderCancelled", {"order_id": "o"})
LEFT: Event = ("CustomerChurned", {"reason": "price"})


def facts(*events: Event) -> list[Fact]:
    """A story, ten minutes from one fact to the next."""
    return [
        Fact(UUID(int=1), version, event, UUID(int=version), at(10 * version), data)
        for version, (event, data) in enumerate((("LeadCreated", {}), *events))
    ]


@pytest.mark.parametrize(
    ("events", "words", "statuses"),
    [
        ([], "new, interest not known yet", ["new"]),
        ([VISITED], "new, interest not known yet", ["new"]),
        ([ASKED], "being worked on", ["new", "working"]),
        ([ASSIGNED, QUALIFIED], "interested: worth somebody's time", ["new", "working", "qualified"]),
        ([QUALIFIED, ARCHIVED], "put aside: no budget", ["new", "qualified", "archived"]),
        ([ARCHIVED, REOPENED], "being worked on", ["new", "archived", "working"]),
        ([OPENED], "interested: 1 opportunity open", ["new", "converted"]),
        ([OPENED, LOST], "was interested, lost: price", ["new", "converted"]),
        ([OPENED, WON], "bought: 1 opportunity won", ["new", "converted", "customer"]),
        (
            [OPENED, WON, AGAIN],
            "bought: 1 opportunity won, interested again: 1 opportunity open",
            ["new", "converted", "customer"],
        ),
        ([("OrderPlaced", {"amount": "5"})], "bought", ["new", "customer"]),
        ([ORDERED, CANCELLED], "new, interest not known yet", ["new", "customer", "new"]),
    ],
)
def test_where_a_lead_stands_is_said_in_words(events: list[Event], words: str, statuses: list[str]) -> None:
    found = standing_of(facts(*events))
    assert interest(found.state) == words
    assert [span.status for span in found.spans] == statuses
    assert [span.since for span in found.spans[1:]] == [span.until for span in found.spans[:-1]]


def test_times_in_a_status_are_added_up() -> None:
    found = standing_of(facts(ASSIGNED, ARCHIVED, REOPENED))
    assert seconds_in(found.spans, at(45)) == {"new": 600, "working": 600 + 900, "archived": 600}


@pytest.mark.parametrize(
    ("kind", "personal", "shape"),
    [
        (None, {}, "person"),
        (None, {"company": "Acme"}, "organisation"),
        (None, {"company": "Acme", "name": "Ann"}, "person"),
        ("organisation", {"company": "Acme", "name": "Ann"}, "organisation"),
        ("person", {"company": "Acme"}, "person"),
    ],
)
def test_a_lead_is_what_somebody_said_or_what_it_looks_like(kind: str | None, personal: Any, shape: str) -> None:
    assert shape_of(kind, personal) == shape


DEALS = [OPENED, ("StageChanged", {"opportunity_id": "d", "stage": "offer"}), WON, LOST]
ORDERS = [ORDERED, REFUNDED, CANCELLED, LEFT]
STORY = st.lists(
    st.sampled_from([ASSIGNED, QUALIFIED, ARCHIVED, REOPENED, ASKED, VISITED, REACHED, *DEALS, *ORDERS]), max_size=12
)


@given(STORY, st.randoms())
def test_the_spans_have_no_gap_end_where_the_lead_stands_and_do_not_depend_on_the_order_of_arrival(
    events: list[Event], chance: Any
) -> None:
    story = facts(*events)
    found = standing_of(story)
    mixed = list(story)
    chance.shuffle(mixed)
    assert standing_of(mixed) == found
    assert found.state == fold(story)
    assert found.spans[-1].status == found.state.status
    assert found.spans[-1].until is None
    now = story[-1].occurred_at + timedelta(minutes=5)
    assert sum(seconds_in(found.spans, now).values()) == int((now - at(0)).total_seconds())


@given(STORY)
def test_the_facts_that_say_where_a_lead_stands_say_all_of_it(events: list[Event]) -> None:
    story = facts(*events)
    moving = standing_of(fact for fact in story if fact.event in MOVING)
    assert moving.spans == standing_of(story).spans
    assert interest(moving.state) == interest(fold(story))
