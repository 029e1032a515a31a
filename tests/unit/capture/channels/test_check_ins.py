"""Event lists: who registered and who came, counted once however often the list is sent."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.capture.domain import Refused
from services.capture.domain.channels.check_ins import read_check_ins
from services.capture.domain.channels.terms import Delivery, Ignored
from tests.unit.capture.channels.support import an_endpoint, read, refused

ROW = {"name": "Ada Lovelace", "email": "ada@example.com", "company": "Analytical Engines"}
CAME = {**ROW, "ticket_id": "T-1", "checked_in_at": "2026-03-02T09:30:00+01:00"}
FAIR = {"event": {"id": "fair-26", "name": "Spring Fair"}, "attendees": [CAME]}


def test_a_row_is_a_lead_and_that_they_came() -> None:
    lead, came = read("check_in", FAIR, channel="event")
    assert lead.body == {**ROW, "campaign": "Spring Fair", "occurred_at": "2026-03-02T09:30:00+01:00"}
    assert came.body == {
        "email": "ada@example.com",
        "kind": "event_check_in",
        "value": "Spring Fair",
        "campaign": "Spring Fair",
        "occurred_at": "2026-03-02T09:30:00+01:00",
    }
    assert lead.key == came.key == "fair-26:T-1"


def test_a_list_that_is_sent_again_with_more_who_came_adds_only_that() -> None:
    registered = {**ROW, "ticket_id": "T-1", "registered_at": "2026-02-01T10:00:00Z"}
    before = read("check_in", {"event": "Fair", "attendees": [registered]})
    after = read("check_in", {"event": "Fair", "attendees": [{**registered, "checked_in_at": "2026-03-02T09:30:00Z"}]})
    assert before[0] == after[0], "the lead is the same record, and says the same"
    assert [draft.body["kind"] for draft in (before[1], after[1])] == ["event_registered", "event_check_in"]
    assert before[1].key != after[1].key


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        (ROW, "event_check_in"),
        ({**ROW, "status": "Checked in"}, "event_check_in"),
        ({**ROW, "checked_in": True}, "event_check_in"),
        ({**ROW, "checked_in": False}, "event_registered"),
        ({**ROW, "status": "no show"}, "event_registered"),
        ({**ROW, "registered_at": "2026-02-01"}, "event_registered"),
    ],
)
def test_a_list_says_who_came(row: dict[str, Any], kind: str) -> None:
    assert read("check_in", [row])[1].body["kind"] == kind


def test_a_webinars_list_is_one_of_webinars() -> None:
    events = {"event_check_in": "webinar_attended", "event_registered": "webinar_registered"}
    assert read("check_in", [CAME], events=events)[1].body["kind"] == "webinar_attended"


def test_a_row_without_a_ticket_is_the_same_record_each_time() -> None:
    first, second = (read("check_in", [{**ROW, "event": "Fair"}])[0].key for _ in range(2))
    assert first == second is not None
    assert read("check_in", [{**ROW, "event": "Other"}])[0].key != first
    assert read("check_in", [{"company": "x"}])[0].key is None


def test_columns_of_their_own_are_mapped_and_the_rest_is_kept_with_the_visit() -> None:
    row = {"Naam": "Ada", "Mailadres": "ada@example.com", "Stand": "B12"}
    lead, came = read("check_in", [row], mapping={"name": "Naam", "email": "Mailadres"})
    assert (lead.body["name"], lead.body["email"], "Stand" in lead.body) == ("Ada", "ada@example.com", False)
    assert came.body["Stand"] == "B12"


def test_what_is_no_list_is_refused() -> None:
    assert refused("check_in", "x") == {"body": "is text, not a list of rows"}
    assert refused("check_in", [ROW, 7]) == {"body[1]": "is a number, not an object"}
    assert refused("check_in", [ROW] * 1001) == {"body": "holds more than 1000 rows"}


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMES = ("name", "email", "event", "event_id", "ticket_id", "checked_in_at", "status", "registered_at", "attendees")


@given(
    values | st.lists(st.dictionaries(st.sampled_from(NAMES), values)) | st.dictionaries(st.sampled_from(NAMES), values)
)
def test_nothing_makes_the_adapter_raise(content: Any) -> None:
    reading = read_check_ins(Delivery(content=content), an_endpoint("check_in"))
    assert isinstance(reading, list | Refused | Ignored)
