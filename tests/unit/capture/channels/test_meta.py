"""Meta Lead Ads: the notice that Meta sends, and the details that a relay brings."""

from __future__ import annotations

from typing import Any

import pytest

from services.capture.domain.channels import ADAPTERS, Answered, Delivery, Forged
from tests.unit.capture.channels.support import ignored, read, refused

NOTICE = {
    "object": "page",
    "entry": [
        {
            "id": "1067280970047460",
            "time": 1772442000,
            "changes": [
                {
                    "field": "leadgen",
                    "value": {
                        "ad_id": "120210001",
                        "adgroup_id": "120210002",
                        "form_id": "1010",
                        "leadgen_id": "5551116032",
                        "created_time": 1772441990,
                        "page_id": "1067280970047460",
                    },
                }
            ],
        }
    ],
}
DETAILS = {
    "created_time": "2026-03-02T08:59:50+0000",
    "id": "5551116032",
    "ad_id": "120210001",
    "ad_name": "Spring banner",
    "campaign_name": "Spring",
    "form_id": "1010",
    "field_data": [
        {"name": "email", "values": ["ada@example.com"]},
        {"name": "full_name", "values": ["Ada Lovelace"]},
        {"name": "phone_number", "values": ["+31201234567"]},
        {"name": "company_name", "values": ["Analytical Engines"]},
        {"name": "which_products?", "values": ["GTX", "MG"]},
        {"name": "budget", "values": []},
    ],
}


def change(**value: Any) -> dict[str, Any]:
    """A webhook about one lead."""
    return {"object": "page", "entry": [{"id": "1", "changes": [{"field": "leadgen", "value": value}]}]}


def test_a_notice_is_a_lead_known_by_its_id_whose_details_are_pending() -> None:
    (draft,) = read("meta_lead_ads", NOTICE, verify_token="V")
    assert (draft.kind, draft.key, draft.flags, draft.is_test) == (
        "lead",
        "notice:5551116032",
        ("details_pending",),
        False,
    )
    assert draft.body["external_id"] == "5551116032"
    assert draft.body["occurred_at"] == "2026-03-02T08:59:50+00:00"
    assert draft.body["attributes"] == {
        "meta_page_id": "1067280970047460",
        "meta_form_id": "1010",
        "meta_ad_id": "120210001",
        "meta_adgroup_id": "120210002",
    }


def test_the_details_are_another_record_of_the_same_lead() -> None:
    (draft,) = read("meta_lead_ads", DETAILS, verify_token="V")
    assert (draft.key, draft.flags) == ("5551116032", ())
    assert draft.body["external_id"] == "5551116032"
    told = {name: draft.body[name] for name in ("email", "name", "phone", "company", "campaign", "content", "source")}
    assert told == {
        "email": "ada@example.com",
        "name": "Ada Lovelace",
        "phone": "+31201234567",
        "company": "Analytical Engines",
        "campaign": "Spring",
        "content": "Spring banner",
        "source": "meta",
    }
    assert draft.body["which_products?"] == ["GTX", "MG"]


@pytest.mark.parametrize(
    "content", [{"data": [DETAILS, DETAILS | {"id": "2"}]}, [DETAILS, DETAILS | {"id": "2"}]], ids=["data", "list"]
)
def test_many_details_at_once(content: object) -> None:
    assert [draft.key for draft in read("meta_lead_ads", content, verify_token="V")] == ["5551116032", "2"]


def test_a_webhook_with_details_needs_no_second_delivery() -> None:
    content = change(leadgen_id="7", field_data=DETAILS["field_data"], page_id="1")
    (draft,) = read("meta_lead_ads", content, verify_token="V")
    assert (draft.key, draft.flags, draft.body["email"]) == ("7", (), "ada@example.com")


def test_every_lead_in_a_webhook_is_taken_and_what_is_no_lead_is_not() -> None:
    entry = NOTICE["entry"][0]
    feed = {"field": "feed", "value": {"item": "like"}}
    content = {"object": "page", "entry": [entry, {"id": "2", "changes": [feed]}, entry]}
    assert len(read("meta_lead_ads", content, verify_token="V")) == 2
    for entry in ({"changes": [feed]}, {"changes": []}, {"messaging": [{"text": "hi"}]}):
        assert ignored("meta_lead_ads", {"object": "page", "entry": [entry]}, verify_token="V")


@pytest.mark.parametrize(
    "content",
    [
        change(leadgen_id="444444444444", page_id="444444444444", form_id="444444444444444"),
        DETAILS | {"field_data": [{"name": "email", "values": ["<test lead: dummy data for email>"]}]},
    ],
    ids=["sample of the dashboard", "testing tool"],
)
def test_what_metas_own_tools_send_is_a_test(content: dict[str, Any]) -> None:
    (draft,) = read("meta_lead_ads", content, verify_token="V")
    assert draft.is_test


def test_the_mapping_goes_before_what_names_plainly_mean() -> None:
    (draft,) = read("meta_lead_ads", DETAILS, verify_token="V", mapping={"product": "which_products?"})
    assert draft.body["product"] == ["GTX", "MG"]


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ({}, "body"),
        (None, "body"),
        ("x", "body"),
        (3, "body"),
        ({"data": 3}, "data"),
        ([3], "body[0]"),
        ({"field_data": 3}, "body.field_data"),
        ({"field_data": [3]}, "body"),
        ({"data": [{}]}, "data[0]"),
        ({"data": [DETAILS, None]}, "data[1]"),
        ({"object": "page"}, "entry"),
        ({"object": "page", "entry": "junk"}, "entry"),
        ({"object": "page", "entry": [NOTICE["entry"][0], None]}, "entry[1]"),
        ({"object": "page", "entry": [{"id": "1"}]}, "entry[0].changes"),
        ({"object": "page", "entry": [{"changes": 3}]}, "entry[0].changes"),
        ({"object": "page", "entry": [{"changes": [3]}]}, "entry[0].changes[0]"),
        ({"object": "page", "entry": [{"changes": [{"value": {"leadgen_id": "1"}}]}]}, "entry[0].changes[0].field"),
        ({"object": "page", "entry": [{"changes": [{"field": "leadgen", "value": []}]}]}, "entry[0].changes[0].value"),
        (change(form_id="1"), "entry[0].changes[0].value"),
        (change(leadgen_id="1", field_data={"email": "ada@example.com"}), "entry[0].changes[0].value.field_data"),
    ],
)
def test_what_is_nothing_of_metas_is_refused_with_its_place(content: object, field: str) -> None:
    assert list(refused("meta_lead_ads", content, verify_token="V")) == [field]


def test_a_delivery_without_any_lead_says_so() -> None:
    nothing: list[object] = [[], {"data": []}, {"object": "page", "entry": []}]
    for content in nothing:
        assert ignored("meta_lead_ads", content, verify_token="V") == "nothing in it is about a lead"


def test_boxes_of_a_form_are_consents_and_one_that_cannot_be_read_is_none() -> None:
    boxes = [
        {"checkbox_key": "news", "is_checked": "1"},
        {"checkbox_key": "calls", "is_checked": ""},
        {"checkbox_key": "mail"},
        {"is_checked": "1"},
    ]
    (draft,) = read("meta_lead_ads", DETAILS | {"custom_disclaimer_responses": boxes}, verify_token="V")
    assert draft.body["consent"] == [
        {"purpose": "meta disclaimer news", "granted": True},
        {"purpose": "meta disclaimer calls", "granted": False},
    ]
    assert (draft.body["attributes.meta_unread"], draft.flags) == (boxes[2:], ("unread_parts",))


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        ({"hub.mode": "subscribe", "hub.verify_token": "newest-token", "hub.challenge": "1158201444"}, b"1158201444"),
        ({"hub.mode": "subscribe", "hub.verify_token": "older-token", "hub.challenge": "7"}, b"7"),
        ({"hub.mode": "subscribe", "hub.verify_token": "another", "hub.challenge": "7"}, None),
        ({"hub.mode": "subscribe", "hub.challenge": "7"}, None),
        ({"hub.mode": "unsubscribe", "hub.verify_token": "newest-token", "hub.challenge": "7"}, None),
        ({}, None),
    ],
)
def test_the_handshake(query: dict[str, str], answer: bytes | None) -> None:
    handshake = ADAPTERS["meta_lead_ads"].handshake
    assert handshake is not None
    outcome = handshake(Delivery(query=query), ("newest-token", "older-token"))
    assert isinstance(outcome, Forged) if answer is None else outcome == Answered(answer, "text/plain")
