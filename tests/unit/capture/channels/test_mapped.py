"""Senders of JSON with names of their own, and Standard Webhooks."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.capture.channels.support import read, refused

ENVELOPE: dict[str, Any] = {
    "type": "contact.created",
    "timestamp": "2026-03-02T08:59:50.000000Z",
    "data": {"id": "1f81eb52", "properties": {"mail": "ada@example.com"}},
}
HEADERS = {"webhook-id": "msg_1"}
MAPPING = {"email": "properties.mail", "external_id": "id"}


def test_an_envelope_is_read_by_its_data_and_known_by_the_webhooks_id() -> None:
    (draft,) = read("standard_webhooks", ENVELOPE, headers=HEADERS, mapping=MAPPING)
    assert (draft.kind, draft.key) == ("lead", "msg_1")
    assert draft.body == {
        "email": "ada@example.com",
        "external_id": "1f81eb52",
        "occurred_at": "2026-03-02T08:59:50.000000Z",
        "attributes.webhook_type": "contact.created",
    }


def test_what_an_envelope_says_beside_its_data_is_kept() -> None:
    told = ENVELOPE | {"tenant": "t-1", "data": {"occurred_at": "2026-01-01T00:00:00Z", "webhook_tenant": "t-2"}}
    (draft,) = read("standard_webhooks", told, headers=HEADERS)
    assert draft.body == {
        "occurred_at": "2026-01-01T00:00:00Z",
        "webhook_tenant": "t-2",
        "attributes.webhook_tenant": "t-1",
        "webhook_timestamp": "2026-03-02T08:59:50.000000Z",
        "attributes.webhook_type": "contact.created",
    }


def test_a_record_without_an_envelope_is_read_as_it_is() -> None:
    (draft,) = read("standard_webhooks", {"email": "ada@example.com"}, headers=HEADERS)
    assert draft.body == {"email": "ada@example.com"}


@pytest.mark.parametrize(
    ("event", "kind", "what", "flags"),
    [
        ("contact.created", "lead", None, ()),
        ("demo.asked", "interaction", "demo_request", ()),
        ("invoice.paid", "interaction", "invoice.paid", ("unknown_event",)),
    ],
)
def test_events_say_what_is_a_lead_and_what_is_not_named_is_kept_and_flagged(
    event: str, kind: str, what: str | None, flags: tuple[str, ...]
) -> None:
    events = {"contact.created": "lead", "demo.asked": "demo_request"}
    (draft,) = read("standard_webhooks", ENVELOPE | {"type": event}, headers=HEADERS, mapping=MAPPING, events=events)
    assert (draft.kind, draft.body.get("kind"), draft.flags) == (kind, what, flags)


def test_a_list_is_a_record_each() -> None:
    drafts = read("json", [{"email": "a@example.com"}, {"kind": "download", "email": "b@example.com"}])
    assert [draft.kind for draft in drafts] == ["lead", "interaction"]


@pytest.mark.parametrize(
    ("adapter", "content", "field"),
    [
        ("json", 3, "body"),
        ("json", [{}, 3], "body[1]"),
        ("json", [{}] * 1001, "body"),
        ("standard_webhooks", [ENVELOPE], "body"),
        ("standard_webhooks", ENVELOPE | {"data": [ENVELOPE["data"]]}, "data"),
        ("standard_webhooks", ENVELOPE | {"data": None}, "data"),
    ],
)
def test_what_is_no_record_is_refused(adapter: str, content: object, field: str) -> None:
    assert list(refused(adapter, content)) == [field]
