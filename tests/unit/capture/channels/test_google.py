"""Google Ads lead forms."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.capture.channels.support import read, refused

LEAD: dict[str, Any] = {
    "lead_id": "TeSter-123-ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "user_column_data": [
        {"column_name": "Full Name", "string_value": "Ada Lovelace", "column_id": "FULL_NAME"},
        {"column_name": "User Email", "string_value": "ada@example.com", "column_id": "EMAIL"},
        {"column_name": "User Phone", "string_value": "+31 20 123 4567", "column_id": "PHONE_NUMBER"},
        {"column_name": "Company Name", "string_value": "Analytical Engines", "column_id": "COMPANY_NAME"},
        {"column_name": "Job title", "string_value": "Chief Engineer", "column_id": "JOB_TITLE"},
        {"string_value": "1012", "column_id": "POSTAL_CODE"},
        {"column_name": "Which size?", "string_value": "50-200", "column_id": "which_size?"},
    ],
    "api_version": "1.0",
    "form_id": 40000000000,
    "campaign_id": 123456789,
    "google_key": "the key that was entered",
    "is_test": False,
    "gcl_id": "TeSter-123-gclid",
    "adgroup_id": 20000000000,
    "creative_id": 30000000000,
}


def test_columns_become_fields_and_the_key_is_kept_nowhere() -> None:
    (draft,) = read("google_ads", LEAD)
    assert (draft.kind, draft.key, draft.is_test) == ("lead", LEAD["lead_id"], False)
    body = dict(draft.body)
    assert body.pop("attributes") == {
        "google_api_version": "1.0",
        "google_form_id": 40000000000,
        "google_adgroup_id": 20000000000,
        "google_creative_id": 30000000000,
        "google_campaign_id": 123456789,
    }
    assert {name: value for name, value in body.items() if value is not None} == {
        "external_id": LEAD["lead_id"],
        "name": "Ada Lovelace",
        "email": "ada@example.com",
        "phone": "+31 20 123 4567",
        "company": "Analytical Engines",
        "job_title": "Chief Engineer",
        "POSTAL_CODE": "1012",
        "which_size?": "50-200",
        "source": "google",
        "medium": "cpc",
        "campaign": "123456789",
        "gclid": "TeSter-123-gclid",
    }


def test_a_first_and_a_last_name_are_a_name() -> None:
    columns = [
        {"column_id": "FIRST_NAME", "string_value": "Ada"},
        {"column_id": "LAST_NAME", "string_value": "Lovelace"},
        {"column_id": "WORK_EMAIL", "string_value": "ada@example.com"},
    ]
    (draft,) = read("google_ads", LEAD | {"user_column_data": columns})
    assert (draft.body["name"], draft.body["email"]) == ("Ada Lovelace", "ada@example.com")


def test_a_private_address_and_one_at_work_are_both_kept() -> None:
    columns = [
        {"column_id": "EMAIL", "string_value": "ada@example.com"},
        {"column_id": "WORK_EMAIL", "string_value": "ada@engines.example"},
    ]
    (draft,) = read("google_ads", LEAD | {"user_column_data": columns})
    assert draft.body["email"] == "ada@example.com"
    assert draft.body["attributes.WORK_EMAIL"] == "ada@engines.example"


def test_the_test_button_of_google_sends_a_test() -> None:
    (draft,) = read("google_ads", LEAD | {"is_test": True})
    assert draft.is_test


def test_a_question_can_be_mapped() -> None:
    (draft,) = read("google_ads", LEAD, mapping={"attributes.employees": "which_size?"})
    assert draft.body["attributes.employees"] == "50-200"
    assert "which_size?" not in draft.body


@pytest.mark.parametrize(
    "content", [{}, None, [], "x", {"user_column_data": None}, {"user_column_data": {}}, {"user_column_data": [1]}]
)
def test_what_is_no_lead_of_googles_is_refused(content: object) -> None:
    assert list(refused("google_ads", content)) == ["user_column_data"]
