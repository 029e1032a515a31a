"""What a payload means, whether it is taken, and the event it becomes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.capture.domain import Refused, Submission, Taken
from services.capture.domain.countries import country_code
from services.capture.domain.fields import CONSENT_TEXTS, INTERACTION_TEXTS, LEAD_TEXTS
from services.capture.handlers import message
from shared.contracts.capture_events import Consent, InteractionRecorded, LeadCaptured
from shared.contracts.identity import event_id_from
from shared.contracts.topics import CAPTURE_LEADS
from tests.unit.capture.fakes import NOW, faults, interaction, lead, the_rules

A_LEAD = {"email": "ada@example.com"}


# ---- ids


def test_a_retry_gets_the_same_answer() -> None:
    first, second = (
        lead({**A_LEAD, "record_id": "r1"}),
        lead({**A_LEAD, "record_id": "r1"}, now=NOW + timedelta(days=3)),
    )
    assert (first.event_id, first.lead_id) == (second.event_id, second.lead_id)
    assert first.event_id == event_id_from("default\x1fweb", "lead\x1fr1") == first.correlation_id


def test_the_records_own_id_goes_before_the_requests_key() -> None:
    assert lead({**A_LEAD, "record_id": "r1"}, key="k").event_id == event_id_from("default\x1fweb", "lead\x1fr1")
    assert lead(A_LEAD, key="k").event_id == event_id_from("default\x1fweb", "lead\x1fk")


def test_one_record_id_may_name_a_lead_and_an_interaction_and_be_used_in_two_units() -> None:
    lead_id = lead({"record_id": "1"}).event_id
    assert lead_id != interaction({"record_id": "1", "kind": "call", "email": "ada@example.com"}).event_id
    assert lead_id != lead({"record_id": "1", "business_unit": "europe"}).event_id


def test_an_interaction_takes_another_back_by_the_name_its_sender_gave_it_or_by_its_id() -> None:
    done = interaction({"record_id": "visit-1", "kind": "page_view", "email": "ada@example.com"})
    undo = {"kind": "retraction", "email": "ada@example.com"}
    assert interaction({**undo, "retracts": "visit-1"}).retracts == done.event_id
    assert interaction({**undo, "retracts_event_id": str(done.event_id)}).retracts == done.event_id
    assert interaction({**undo, "retracts": "visit-1"}, sender="other").retracts != done.event_id
    assert done.retracts is None


def test_two_senders_may_use_the_same_record_id() -> None:
    assert lead({"record_id": "1"}, sender="a").event_id != lead({"record_id": "1"}, sender="b").event_id


def test_a_record_without_a_name_gets_a_fresh_id() -> None:
    assert lead(A_LEAD).event_id != lead(A_LEAD, key="k").event_id


def test_a_lead_that_nothing_identifies_is_taken_and_a_retry_lands_on_it() -> None:
    first, second = lead({"name": "Ada"}, key="k"), lead({"name": "Ada"}, key="k")
    assert first.identities == ()
    assert first.lead_id == second.lead_id
    assert first.lead_id != lead({"name": "Ada"}, key="another").lead_id


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"email": "Ada@Example.com"}, {"email": " ada+news@example.com "}),
        ({"phone": "۰۹۱۲ ۳۴۵ ۶۷۸۰", "business_unit": "tehran"}, {"phone": "+989123456780", "business_unit": "tehran"}),
        ({"phone": 4155552671}, {"phone": "(415) 555-2671"}),
        ({"external_id": 17}, {"external_id": " 17 "}),
        ({"visitor_id": "v1"}, {"visitor_id": "v1", "name": "Ada"}),
        ({"email": "ada@example.com", "phone": "+14155552671"}, {"email": "ada@example.com"}),
    ],
)
def test_one_person_is_one_lead_however_spelled(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert lead(one).lead_id == lead(other).lead_id


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"email": "ada@example.com"}, {"email": "ada@example.com", "business_unit": "tehran"}),
        ({"email": "info@example.com"}, {"email": "info@example.com"}),  # a shared mailbox is nobody
        ({"phone": "+1 111 111 1111"}, {"phone": "+1 111 111 1111"}),  # nor is a made-up number
        ({"email": "no address"}, {"email": "no address"}),
    ],
)
def test_what_identifies_nobody_joins_nobody(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert lead(one).lead_id != lead(other, key="other").lead_id


def test_an_external_id_belongs_to_its_sender() -> None:
    assert lead({"external_id": "7"}, sender="a").lead_id != lead({"external_id": "7"}, sender="b").lead_id


def test_all_identities_travel_strongest_first_and_reveal_nobody() -> None:
    event = lead({"visitor_id": "v1", "external_id": "x1", "phone": "+14155552671", "email": "ada@example.com"})
    assert [one.kind for one in event.identities] == ["email", "phone", "external", "visitor"]
    assert all(len(one.token) == 32 for one in event.identities)


# ---- values


def test_a_full_lead_becomes_its_event() -> None:
    event = lead(
        {
            "business_unit": "tehran",
            "external_id": 12,
            "email": "Ada@Example.com",
            "phone": "0912 345 6780",
            "name": "  علي  كريمي ",
            "company": "Engines",
            "job_title": "CTO",
            "country": "ir",
            "language": "fa",
            "channel": "Web_Form",
            "source": "google",
            "medium": "cpc",
            "campaign": "spring",
            "content": "b",
            "term": "crm",
            "product": "GTX",
            "message": "one\r\ntwo",
            "consent": True,
            "occurred_at": "2026-03-01T10:00:00",
            "attributes": {"employees": 250, "tags": ["a", None, {"b": 1.5}]},
        }
    )
    assert event.personal is not None
    assert event.personal.model_dump(exclude_none=True) == {
        "name": "علی کریمی",
        "email": "Ada@example.com",
        "phone": "+989123456780",
        "message": "one\ntwo",
        "external_id": "12",
        "as_sent": {"name": "  علي  كريمي ", "email": "Ada@Example.com", "phone": "0912 345 6780"},
    }
    assert event.as_sent == {"country": "ir", "channel": "Web_Form"}
    assert (event.company, event.job_title, event.country, event.language) == ("Engines", "CTO", "IR", "fa")
    assert (event.channel, event.source, event.medium, event.campaign) == ("web_form", "google", "cpc", "spring")
    assert (event.content, event.term, event.product) == ("b", "crm", "GTX")
    assert event.occurred_at == datetime(2026, 3, 1, 6, 30, tzinfo=UTC)  # 10:00 in Tehran
    assert event.recorded_at == NOW
    assert event.attributes == {"employees": 250, "tags": ["a", None, {"b": 1.5}]}
    assert event.consents == (Consent(purpose="contact", granted=True),)
    assert (event.flags, event.sender, event.historical, event.causation_id) == ((), "web", False, None)


def test_an_empty_lead_is_taken() -> None:
    event = lead({})
    assert (event.business_unit, event.channel, event.occurred_at, event.personal) == ("default", "api", NOW, None)


def test_null_and_empty_text_are_absent() -> None:
    absent = dict.fromkeys([*LEAD_TEXTS, "consent", "occurred_at", "attributes", "historical"], "")
    assert lead(absent, key="k") == lead(dict.fromkeys(absent), key="k") == lead({}, key="k")


def test_a_malformed_address_or_number_is_kept_as_sent_and_flagged() -> None:
    event = lead({"email": " ada at example ", "phone": "call me", "external_id": "x"})
    assert event.personal is not None
    assert (event.personal.email, event.personal.phone) == (None, None)
    assert event.personal.as_sent == {"email": " ada at example ", "phone": "call me"}
    assert set(event.flags) == {"invalid_email", "invalid_phone"}
    assert [one.kind for one in event.identities] == ["external"]


def test_an_extension_is_not_lost() -> None:
    event = lead({"phone": "+1 415 555 2671 ext. 12"})
    assert event.personal is not None
    assert (event.personal.phone, event.personal.as_sent) == ("+14155552671", {"phone": "+1 415 555 2671 ext. 12"})
    assert event.flags == ()


def test_a_local_number_is_read_in_the_leads_country_else_the_units() -> None:
    assert lead({"phone": "020 123 4567", "country": "NL"}).personal.phone == "+31201234567"  # type: ignore[union-attr]
    assert lead({"phone": "(415) 555-2671"}).personal.phone == "+14155552671"  # type: ignore[union-attr]
    assert lead({"phone": "020 123 4567", "business_unit": "open"}).flags == ("invalid_phone",)


@pytest.mark.parametrize(
    ("sent", "kept", "flags"),
    [
        ("nl", "NL", ()),
        ("UK", "GB", ()),
        ("Nederland", "NL", ()),
        ("Atlantis", "Atlantis", ("unknown_country",)),
        ("ZZ", "ZZ", ("unknown_country",)),
    ],
)
def test_a_country_is_a_code_or_kept_and_flagged(sent: str, kept: str, flags: tuple[str, ...]) -> None:
    event = lead({"country": sent})
    assert (event.country, event.flags) == (kept, flags)


def test_there_are_250_country_codes() -> None:
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    codes = {country_code(a + b) for a in letters for b in letters} - {None}
    assert len(codes) == 250  # ISO 3166-1 and XK, which is in use for Kosovo


@pytest.mark.parametrize(
    ("unit", "sent", "kept", "flags"),
    [
        ("default", "web_form", "web_form", ()),
        ("default", "WEB_FORM", "web_form", ()),
        ("default", "Fair  Berlin", "Fair Berlin", ("unknown_channel",)),
        ("tehran", "phone", "phone", ("unknown_channel",)),
        ("open", "anything", "anything", ()),
    ],
)
def test_an_unknown_channel_is_kept_and_flagged_where_the_policy_lists_any(
    unit: str, sent: str, kept: str, flags: tuple[str, ...]
) -> None:
    event = lead({"channel": sent, "business_unit": unit})
    assert (event.channel, event.flags) == (kept, flags)


def test_only_listed_channels_are_labels() -> None:
    rules = the_rules()
    assert rules.channel_label("default", "web_form") == "web_form"
    assert rules.channel_label("default", "Fair Berlin") == rules.channel_label("open", "web_form") == "other"


def test_unknown_fields_are_kept_under_attributes_and_flagged() -> None:
    event = lead({"budget": 5, "attributes": {"seats": 3, "budget": 1}, "attributes.region": "north"})
    assert event.attributes == {"seats": 3, "budget": 1, "unknown_field:budget": 5, "region": "north"}
    assert event.flags == ("unknown_field:budget",)


def test_a_field_name_that_may_be_somebodys_data_is_not_repeated_in_a_flag() -> None:
    sent = {"ada@example.com": 1, "x" * 80: 2, "Ada Lovelace": 3, "Ada": 4, "ada lovelace": 5}
    event = lead(sent)
    assert event.flags == ("unknown_field",)
    assert event.attributes == sent


def test_many_unknown_fields_are_all_kept_and_a_few_named() -> None:
    event = lead({f"field_{n}": n for n in range(100)})
    assert (len(event.attributes), len(event.flags)) == (100, 20)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (True, [("contact", True)]),
        ("no", [("contact", False)]),
        (0, [("contact", False)]),
        ({"purpose": "newsletter"}, [("newsletter", True)]),
        ([{"purpose": "a", "granted": "false"}, {"purpose": "b", "granted": True}], [("a", False), ("b", True)]),
        ([], []),
    ],
)
def test_consent_comes_in_every_shape(sent: object, kept: list[tuple[str, bool]]) -> None:
    assert [(one.purpose, one.granted) for one in lead({"consent": sent}).consents] == kept


def test_a_consent_keeps_its_proof_and_what_nobody_knows_about_it() -> None:
    event = lead({"consent": {"given_at": "2026-01-01T00:00:00Z", "proof": "form 12", "ip": "::1"}})
    assert event.consents == (Consent(purpose="contact", given_at=datetime(2026, 1, 1, tzinfo=UTC), proof="form 12"),)
    assert event.attributes == {"consent.ip": "::1"}
    assert event.flags == ("unknown_field:consent.ip",)


# ---- interactions


def test_an_interaction_names_its_lead_or_identifies_it() -> None:
    known = lead({"email": "ada@example.com"})
    assert interaction({"lead_id": str(known.lead_id)}).lead_id == known.lead_id
    assert interaction({"email": "ADA@example.com"}).lead_id == known.lead_id


def test_a_full_interaction_becomes_its_event() -> None:
    event = interaction(
        {
            "kind": "demo_request",
            "value": "/pricing",
            "email": "ada@example.com",
            "phone": "bad",
            "score": 3,
            "name": "Ada",
        }
    )
    assert (event.kind, event.value, event.attributes) == ("demo_request", "/pricing", {"score": 3, "name": "Ada"})
    assert event.flags == ("unknown_field:score", "unknown_field:name", "invalid_phone")
    assert event.personal is not None
    assert event.personal.as_sent == {"phone": "bad"}


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"kind": "page_view"}, {"lead_id"}),
        ({"kind": "page_view", "email": "info@example.com"}, {"lead_id"}),
        ({"kind": "page_view", "email": "no address", "phone": "none"}, {"lead_id"}),
        ({"kind": "page_view", "lead_id": "7"}, {"lead_id"}),
        ({"lead_id": "0190a6f2-8d2c-7c3e-9f00-3f2f1f0e0d0c"}, {"kind"}),
        ({"kind": ["a"], "lead_id": "0190a6f2-8d2c-7c3e-9f00-3f2f1f0e0d0c"}, {"kind"}),
        ({}, {"kind", "lead_id"}),
    ],
)
def test_an_interaction_says_what_happened_and_whose_it_is(body: dict[str, Any], fields: set[str]) -> None:
    assert set(faults(body, kind="interaction")) == fields


# ---- properties

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_NAMES = st.sampled_from(
    sorted({*LEAD_TEXTS, *INTERACTION_TEXTS, *CONSENT_TEXTS, "consent", "attributes", "occurred_at", "historical"})
)
_LIKELY = st.sampled_from(
    ["ada@example.com", "+14155552671", "2026-03-01", "page_view", "۰۹۱۲", "a\ud800", True, 7, {"purpose": "a"}]
)
BODIES = st.dictionaries(_NAMES | st.text(max_size=10), _LIKELY | _JSON, max_size=10)


@settings(max_examples=600, deadline=None)
@given(BODIES, st.sampled_from(["lead", "interaction"]))
def test_every_body_is_refused_with_reasons_or_becomes_an_event_its_topic_parses_to_the_same(
    body: dict[str, Any], kind: Any
) -> None:
    decision = the_rules().decide(kind, body, Submission("web", False, NOW), "key")
    if isinstance(decision, Refused):
        assert decision.faults
        return
    assert isinstance(decision, Taken)
    key, value = message(decision)
    event = CAPTURE_LEADS.parse(value)
    assert key.decode() == str(event.lead_id) == str(decision.lead_id)
    assert event == (LeadCaptured if kind == "lead" else InteractionRecorded).model_validate(decision.event)
    assert CAPTURE_LEADS.parse(event.to_json()) == event
    assert b"\\u0000" not in value.replace(b"\\\\", b"")
    assert (str(event.event_id), event.business_unit) == (decision.event_id, decision.business_unit)
