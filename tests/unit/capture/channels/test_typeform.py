"""Typeform responses."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.capture.channels.support import read, refused


def answer(
    kind: str, value: object, *, identifier: str, ref: str | None = None, question: str = "short_text"
) -> dict[str, Any]:
    """One answer, as Typeform writes it."""
    field = {"id": identifier, "type": question, "ref": ref or f"01HZ{identifier}"}
    return {"type": kind, kind: value, "field": field}


RESPONSE: dict[str, Any] = {
    "event_id": "01HZWEBHOOK",
    "event_type": "form_response",
    "form_response": {
        "form_id": "lT4Z3j",
        "token": "a3a12ec67a1365927098a606107fac15",
        "landed_at": "2026-03-02T08:58:07Z",
        "submitted_at": "2026-03-02T08:59:50Z",
        "hidden": {"utm_source": "newsletter", "visitor_id": "v-1"},
        "calculated": {"score": 9},
        "definition": {
            "id": "lT4Z3j",
            "title": "Ask for a demo",
            "fields": [
                {"id": "q1", "title": "First name", "type": "short_text", "ref": "01HZq1"},
                {"id": "q2", "title": "Last name", "type": "short_text", "ref": "01HZq2"},
                {"id": "q3", "title": "Where can we write to you?", "type": "email", "ref": "01HZq3"},
                {"id": "q4", "title": "And call you?", "type": "phone_number", "ref": "01HZq4"},
                {"id": "q5", "title": "How many are you?", "type": "dropdown", "ref": "size"},
                {"id": "q6", "title": "What do you need?", "type": "multiple_choice", "ref": "01HZq6"},
            ],
        },
        "answers": [
            answer("text", "Ada", identifier="q1"),
            answer("text", "Lovelace", identifier="q2"),
            answer("email", "ada@example.com", identifier="q3", question="email"),
            answer("phone_number", "+31201234567", identifier="q4", question="phone_number"),
            answer("choice", {"id": "c1", "label": "50-200", "ref": "r"}, identifier="q5", ref="size"),
            answer("choices", {"labels": ["CRM", "Forms"], "other": "Tea"}, identifier="q6"),
            answer("boolean", True, identifier="q7"),
            answer("number", 42, identifier="q8", ref="team"),
        ],
    },
}


def test_answers_become_fields_by_what_they_plainly_are() -> None:
    (draft,) = read("typeform", RESPONSE)
    assert (draft.kind, draft.key, draft.flags) == ("lead", "a3a12ec67a1365927098a606107fac15", ())
    assert draft.body == {
        "occurred_at": "2026-03-02T08:59:50Z",
        "attributes": {
            "typeform_form_id": "lT4Z3j",
            "typeform_form": "Ask for a demo",
            "typeform_score": 9,
            "typeform_landed_at": "2026-03-02T08:58:07Z",
        },
        "utm_source": "newsletter",
        "visitor_id": "v-1",
        "name": "Ada Lovelace",
        "email": "ada@example.com",
        "phone": "+31201234567",
        "How many are you?": "50-200",
        "What do you need?": ["CRM", "Forms", "Tea"],
        "01HZq7": True,
        "team": 42,
    }


def test_questions_are_mapped_by_reference_id_or_title() -> None:
    mapping = {"attributes.employees": "size", "attributes.agrees": "q7", "product": "What do you need?"}
    (draft,) = read("typeform", RESPONSE, mapping=mapping)
    assert draft.body["attributes.employees"] == "50-200"
    assert draft.body["attributes.agrees"] is True
    assert draft.body["product"] == ["CRM", "Forms", "Tea"]
    assert not {"How many are you?", "q7", "What do you need?", "size"} & draft.body.keys()


def test_a_survey_is_an_interaction_where_the_endpoint_says_so() -> None:
    (draft,) = read("typeform", RESPONSE, events={"form_response": "survey_answered"})
    assert (draft.kind, draft.body["kind"]) == ("interaction", "survey_answered")


def test_a_response_that_was_broken_off_is_flagged() -> None:
    (draft,) = read("typeform", RESPONSE | {"event_type": "form_response_partial"})
    assert (draft.key, draft.flags) == ("01HZWEBHOOK", ("partial",))


@pytest.mark.parametrize("content", [{}, None, [], "x", {"form_response": []}])
def test_what_is_no_response_is_refused(content: object) -> None:
    assert list(refused("typeform", content)) == ["form_response"]
