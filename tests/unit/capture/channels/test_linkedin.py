"""LinkedIn lead sync: the notice that LinkedIn pushes, and the response that a relay brings."""

from __future__ import annotations

import json
from typing import Any

import pytest

from services.capture.domain.channels import ADAPTERS, Answered, Delivery, Forged
from tests.unit.capture.channels import signing
from tests.unit.capture.channels.support import ignored, read, refused

NOTICE: dict[str, Any] = {
    "type": "LEAD_ACTION",
    "leadGenFormResponse": "urn:li:leadGenFormResponse:19f7ec62-8bd4-4d9c-b6d2-1b0d5ca7ca8e-4",
    "owner": {"sponsoredAccount": "urn:li:sponsoredAccount:520866471"},
    "associatedEntity": {"sponsoredCreative": "urn:li:sponsoredCreative:137394614"},
    "leadGenForm": "urn:li:versionedLeadGenForm:(urn:li:leadGenForm:7001,1)",
    "leadType": "SPONSORED",
    "leadAction": "CREATED",
    "occurredAt": 1772441990000,
}
RESPONSE: dict[str, Any] = {
    "owner": {"sponsoredAccount": "urn:li:sponsoredAccount:520866471"},
    "submitter": "urn:li:person:mpGcnvaU_p",
    "leadType": "SPONSORED",
    "leadMetadata": {"sponsoredLeadMetadata": {"campaign": "urn:li:sponsoredCampaign:156201954"}},
    "versionedLeadGenFormUrn": "urn:li:versionedLeadGenForm:(urn:li:leadGenForm:7001,1)",
    "id": "19f7ec62-8bd4-4d9c-b6d2-1b0d5ca7ca8e-4",
    "submittedAt": 1772441990000,
    "testLead": False,
    "associatedEntity": {"associatedCreative": "urn:li:sponsoredCreative:137394614"},
    "formResponse": {
        "consentResponses": [{"accepted": True, "consentId": 5501}, {"accepted": False, "consentId": 5502}],
        "answers": [
            {"questionId": 1, "name": "firstName", "answerDetails": {"textQuestionAnswer": {"answer": "Ada"}}},
            {"questionId": 2, "name": "lastName", "answerDetails": {"textQuestionAnswer": {"answer": "Lovelace"}}},
            {"questionId": 3, "answerDetails": {"textQuestionAnswer": {"answer": "ada@example.com"}}},
            {"questionId": 4, "answerDetails": {"multipleChoiceAnswer": {"options": [2, 5]}}},
            {"questionId": 5, "answerDetails": {}},
        ],
    },
}


def test_a_notice_is_a_lead_whose_details_are_pending() -> None:
    (draft,) = read("linkedin", NOTICE)
    assert (draft.kind, draft.flags) == ("lead", ("details_pending",))
    assert draft.key == f"notice:{RESPONSE['id']}"
    assert draft.body["external_id"] == RESPONSE["id"]
    assert draft.body["occurred_at"] == "2026-03-02T08:59:50+00:00"
    assert (draft.body["source"], draft.body["medium"]) == ("linkedin", "paid_social")


def test_the_response_is_another_record_of_the_same_lead() -> None:
    (draft,) = read("linkedin", RESPONSE, mapping={"email": "question_3", "attributes.interests": "question_4"})
    assert (draft.kind, draft.key, draft.flags) == ("lead", RESPONSE["id"], ())
    assert draft.body["external_id"] == RESPONSE["id"]
    assert (draft.body["name"], draft.body["email"]) == ("Ada Lovelace", "ada@example.com")
    assert draft.body["attributes.interests"] == [2, 5]
    assert draft.body["campaign"] == "156201954"
    assert draft.body["consent"] == [
        {"purpose": "linkedin consent 5501", "granted": True},
        {"purpose": "linkedin consent 5502", "granted": False},
    ]


def test_a_lead_that_linkedin_deleted_is_an_interaction_of_it() -> None:
    (draft,) = read("linkedin", NOTICE | {"leadAction": "DELETED"})
    assert (draft.kind, draft.body["kind"], draft.key) == ("interaction", "lead_withdrawn", f"deleted:{RESPONSE['id']}")


def test_a_test_lead_is_a_test() -> None:
    (draft,) = read("linkedin", RESPONSE | {"testLead": True})
    assert draft.is_test


def test_what_the_api_answers_is_read_as_it_is() -> None:
    assert len(read("linkedin", {"elements": [RESPONSE, RESPONSE | {"id": "2"}], "paging": {}})) == 2


def test_notices_about_other_things_hold_nothing_to_take() -> None:
    other = {"type": "ORGANIZATION_SOCIAL_ACTION_NOTIFICATIONS", "notifications": []}
    assert ignored("linkedin", other) == "nothing in it is about a lead"
    assert [draft.key for draft in read("linkedin", [other, NOTICE])] == [f"notice:{RESPONSE['id']}"]


@pytest.mark.parametrize(
    ("content", "field"),
    [
        (None, "body"),
        (3, "body"),
        ("x", "body"),
        ([3], "body[0]"),
        ({}, "body"),
        ({"elements": 3}, "elements"),
        ({"type": "LEAD_ACTION", "leadAction": "CREATED"}, "body.leadGenFormResponse"),
    ],
)
def test_what_is_nothing_of_linkedins_is_refused(content: object, field: str) -> None:
    assert list(refused("linkedin", content)) == [field]


@pytest.mark.parametrize("response", [None, "", "urn:li:leadGenFormResponse:", {"id": 7}, ["77-3"]])
@pytest.mark.parametrize("action", ["CREATED", "DELETED"])
def test_a_notice_that_names_no_response_is_refused_and_shares_no_id_with_others(action: str, response: object) -> None:
    notice = NOTICE | {"leadGenFormResponse": response, "leadAction": action}
    assert list(refused("linkedin", notice)) == ["body.leadGenFormResponse"]


def test_an_action_nobody_knows_is_kept_as_what_it_calls_itself() -> None:
    (draft,) = read("linkedin", NOTICE | {"leadAction": "UPDATED"})
    assert (draft.kind, draft.body["kind"], draft.flags) == ("interaction", "lead_updated", ("unknown_event",))
    assert draft.key == f"updated:{RESPONSE['id']}"


def test_a_consent_that_says_neither_yes_nor_no_is_no_consent() -> None:
    boxes = [{"consentId": 1}, {"consentId": 2, "accepted": "yes"}, {"accepted": True}, 3]
    (draft,) = read("linkedin", RESPONSE | {"formResponse": {"consentResponses": boxes}})
    assert "consent" not in draft.body
    assert (draft.body["attributes.linkedin_unread"], draft.flags) == ([3, *boxes[:3]], ("unread_parts",))


def test_the_challenge_is_signed_by_the_newest_secret() -> None:
    handshake = ADAPTERS["linkedin"].handshake
    assert handshake is not None
    code = "890e4665-4dfe-4ab1-b689-ed553bceeed0"
    outcome = handshake(Delivery(query={"challengeCode": code}), ("newest-secret", "older-secret"))
    assert isinstance(outcome, Answered)
    assert outcome.media_type == "application/json"
    assert json.loads(outcome.body) == {
        "challengeCode": code,
        "challengeResponse": signing._mac(b"newest-secret", code.encode()).hexdigest(),
    }


@pytest.mark.parametrize(
    "query", [{}, {"challengeCode": ""}, {"challengeCode": "<script>"}, {"challengeCode": "a" * 101}]
)
def test_what_is_no_challenge_is_not_signed(query: dict[str, str]) -> None:
    handshake = ADAPTERS["linkedin"].handshake
    assert handshake is not None
    assert isinstance(handshake(Delivery(query=query), ("newest-secret",)), Forged)
