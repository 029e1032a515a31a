"""Calendly: booked, called off, missed."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.capture.channels.support import read, refused

INVITEE = "https://api.calendly.com/scheduled_events/GBGBDCAADAEDCRZ2/invitees/AAAAAAAAAAAAAAAA"
BOOKED: dict[str, Any] = {
    "event": "invitee.created",
    "created_at": "2026-03-02T08:59:50.000000Z",
    "created_by": "https://api.calendly.com/users/AAAA",
    "payload": {
        "cancel_url": "https://calendly.com/cancellations/AAAA",
        "created_at": "2026-03-02T08:59:49.000000Z",
        "email": "ada@example.com",
        "event": "https://api.calendly.com/scheduled_events/GBGBDCAADAEDCRZ2",
        "first_name": None,
        "last_name": None,
        "name": "Ada Lovelace",
        "new_invitee": None,
        "no_show": None,
        "old_invitee": None,
        "questions_and_answers": [
            {"answer": "Analytical Engines", "position": 0, "question": "Company"},
            {"answer": "250", "position": 1, "question": "How many are you?"},
        ],
        "reschedule_url": "https://calendly.com/reschedulings/AAAA",
        "rescheduled": False,
        "scheduled_event": {
            "uri": "https://api.calendly.com/scheduled_events/GBGBDCAADAEDCRZ2",
            "name": "Demo of 30 minutes",
            "start_time": "2026-03-05T10:00:00.000000Z",
            "end_time": "2026-03-05T10:30:00.000000Z",
            "event_type": "https://api.calendly.com/event_types/BBBB",
            "status": "active",
            "event_memberships": [{"user": "https://api.calendly.com/users/AAAA"}],
        },
        "status": "active",
        "text_reminder_number": "+31 20 123 4567",
        "timezone": "Europe/Amsterdam",
        "tracking": {"utm_campaign": "spring", "utm_source": "newsletter", "utm_medium": None, "salesforce_uuid": None},
        "uri": INVITEE,
    },
}
CALLED_OFF = BOOKED | {
    "event": "invitee.canceled",
    "payload": BOOKED["payload"]
    | {
        "status": "canceled",
        "cancellation": {"canceled_by": "Ada Lovelace", "reason": "Ill", "canceler_type": "invitee"},
    },
}
ABOUT = {
    "calendly_timezone": "Europe/Amsterdam",
    "calendly_status": "active",
    "calendly_rescheduled": False,
    "meeting_name": "Demo of 30 minutes",
    "meeting_start_time": "2026-03-05T10:00:00.000000Z",
    "meeting_end_time": "2026-03-05T10:30:00.000000Z",
    "meeting_event_type": "https://api.calendly.com/event_types/BBBB",
    "meeting_uri": "https://api.calendly.com/scheduled_events/GBGBDCAADAEDCRZ2",
}


def test_a_booking_is_a_lead_and_something_it_did() -> None:
    lead, booked = read("calendly", BOOKED)
    assert (lead.kind, lead.key) == ("lead", INVITEE)
    assert lead.body == {
        "email": "ada@example.com",
        "name": "Ada Lovelace",
        "phone": "+31 20 123 4567",
        "company": "Analytical Engines",
        "How many are you?": "250",
        "utm_campaign": "spring",
        "utm_source": "newsletter",
        "occurred_at": "2026-03-02T08:59:50.000000Z",
        "attributes": ABOUT,
    }
    assert (booked.kind, booked.key) == ("interaction", f"invitee.created:{INVITEE}")
    assert booked.body == {
        "kind": "meeting_booked",
        "value": "Demo of 30 minutes",
        "email": "ada@example.com",
        "phone": "+31 20 123 4567",
        "occurred_at": "2026-03-02T08:59:50.000000Z",
        "attributes": ABOUT,
    }


def test_a_cancellation_is_an_interaction_and_says_nobodys_name() -> None:
    (draft,) = read("calendly", CALLED_OFF)
    assert (draft.kind, draft.body["kind"], draft.key) == (
        "interaction",
        "meeting_cancelled",
        f"invitee.canceled:{INVITEE}",
    )
    attributes = draft.body["attributes"]
    assert attributes == ABOUT | {
        "calendly_status": "canceled",
        "meeting_canceled_by": "invitee",
        "meeting_cancellation_reason": "Ill",
    }
    assert "Ada" not in str(attributes)


def test_a_missed_meeting_is_an_interaction() -> None:
    payload = {"invitee": {"email": "ada@example.com", "uri": INVITEE}, "uri": f"{INVITEE}/no_show"}
    (draft,) = read(
        "calendly", {"event": "invitee_no_show.created", "created_at": "2026-03-02T08:00:00Z", "payload": payload}
    )
    assert (draft.body["kind"], draft.body["email"]) == ("meeting_missed", "ada@example.com")


def test_a_routing_form_is_a_lead() -> None:
    payload = {
        "uri": "https://api.calendly.com/routing_form_submissions/1",
        "questions_and_answers": [{"question": "Email", "answer": "ada@example.com"}],
    }
    (draft,) = read("calendly", {"event": "routing_form_submission.created", "payload": payload})
    assert (draft.kind, draft.body["email"]) == ("lead", "ada@example.com")


def test_events_that_are_not_known_are_kept_as_what_they_call_themselves() -> None:
    (draft,) = read("calendly", BOOKED | {"event": "invitee.updated"})
    assert (draft.kind, draft.body["kind"]) == ("interaction", "invitee.updated")


@pytest.mark.parametrize("content", [{}, None, [], "x", {"event": "invitee.created", "payload": 3}])
def test_what_is_nothing_of_calendlys_is_refused(content: object) -> None:
    assert list(refused("calendly", content)) == ["payload"]
