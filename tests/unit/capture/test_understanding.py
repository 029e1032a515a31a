"""What was sent and what was understood: nothing is changed unseen, and nothing is dropped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.capture.domain import Submission, Taken
from services.capture.domain.fields import LEAD_TEXTS
from services.capture.domain.mail_domains import SUGGESTED
from services.capture.domain.values import _are_plain, check_attributes
from services.capture.handlers import message
from shared.contracts.capture_events import InteractionRecorded, LeadCaptured
from shared.contracts.identity import MADE_UP_ENDINGS, ROLE_LOCAL_PARTS
from shared.contracts.mail_domains import DISPOSABLE, REAL
from shared.contracts.policy import ConsentRules, Marks, Policy, UnitPolicy, Vocabulary
from shared.contracts.topics import CAPTURE_LEADS
from tests.unit.capture.fakes import NOW, decided, lead, the_rules

UNIT = UnitPolicy(
    country="NL",
    channels=("api", "web_form"),
    sender_countries={"callcentre": "IR"},
    shared_phones=("+31201112222",),
    vocabularies={
        "channel": Vocabulary(synonyms={"website": "web_form"}),
        "product": Vocabulary(values=("GTX Pro", "MG Special"), synonyms={"gtxpro": "GTX Pro", "ویژه": "MG Special"}),
        "company": Vocabulary(values=("Acme, Inc.",)),
        "attributes.industry": Vocabulary(values=("Health care", "Retail")),
    },
    marks=Marks(disposable_domains=("throwaway.example",)),
    consent=ConsentRules(required={"any": ("contact",), "web_form": ("newsletter",)}),
)


def understood(body: dict[str, Any], *, sender: str = "web", country: str | None = None) -> LeadCaptured:
    """The event of a lead under the unit above, with an answer to every consent it needs."""
    rules = the_rules(Policy(version="1", defaults=UNIT))
    asked = {"consent": [{"purpose": "contact"}, {"purpose": "newsletter"}]}
    decision = rules.decide("lead", asked | body, Submission(sender, False, NOW, country), None)
    assert isinstance(decision, Taken), decision
    event = CAPTURE_LEADS.parse(message(decision)[1])
    assert isinstance(event, LeadCaptured)
    return event


# ---- what was sent


def test_a_lead_that_was_understood_as_it_was_sent_carries_nothing_more() -> None:
    event = lead(
        {"name": "Ada", "email": "ada@acme.example", "phone": "+31201234560", "country": "NL", "source": "ads"}
    )
    assert event.personal is not None
    assert (event.as_sent, event.suggestions, event.personal.as_sent, event.personal.suggestions) == (None,) * 4
    assert event.flags == ()
    assert b"as_sent" not in event.to_json()


def test_whatever_is_changed_is_kept_as_it_was_sent_and_apart_where_it_is_personal() -> None:
    event = lead(
        {
            "name": " Ada  Lovelace",
            "email": "Ada@ACME.example",
            "phone": "(020) 123 4560",
            "country": "Holland",
            "language": "Dutch",
            "channel": "Web_Form",
            "source": "ads ",
            "message": "one\r\ntwo",
            "external_id": 7,
            "record_id": " 9 ",
            "visitor_id": " v1",
        }
    )
    assert event.personal is not None
    assert (event.country, event.language, event.channel, event.source) == ("NL", "nl", "web_form", "ads")
    assert event.as_sent == {"country": "Holland", "language": "Dutch", "channel": "Web_Form", "source": "ads "}
    assert event.personal.as_sent == {
        "name": " Ada  Lovelace",
        "email": "Ada@ACME.example",
        "phone": "(020) 123 4560",
    }


_WRITTEN = st.text(alphabet="Aa  éي٢\u200c\u200f-@.", max_size=12) | st.sampled_from(
    ["nl", "Holland", "ADA@Acme.example", "web_form", "020 1234560", "fa_IR", "ads", "GTX pro", "gtxpro"]
)
_EVENT_FIELDS = sorted(
    LEAD_TEXTS.keys() - {"business_unit", "record_id", "visitor_id", "message", "name", "email", "phone", "external_id"}
)


@settings(max_examples=300)
@given(
    st.dictionaries(st.sampled_from(_EVENT_FIELDS), _WRITTEN),
    st.dictionaries(st.sampled_from(["name", "email", "phone", "external_id"]), _WRITTEN),
)
def test_what_was_sent_is_what_was_kept_as_sent_or_else_the_field_itself(
    plain: dict[str, str], personal: dict[str, str]
) -> None:
    event = understood({**plain, **personal})
    who = event.personal.model_dump() if event.personal else {}
    for sent, kept, fields in ((plain, event.as_sent, event.model_dump()), (personal, who.get("as_sent"), who)):
        for name, text in sent.items():
            if text.strip(" \u200c\u200f"):
                assert (kept or {}).get(name, fields.get(name)) == text, name


# ---- names and companies


@pytest.mark.parametrize(
    "name", ["Dr. h.c. Ada de la LOVELACE", "van der Berg, Jan", "MacDonald", "e.e. cummings", "علی کریمی"]
)
def test_a_name_stays_as_somebody_writes_it(name: str) -> None:
    event = lead({"name": name})
    assert event.personal is not None
    assert (event.personal.name, event.flags) == (name, ())


@pytest.mark.parametrize(
    ("name", "flags"), [("ADA LOVELACE", ("all_caps:name",)), ("AL", ()), ("Al", ()), ("李小龍", ())]
)
def test_a_name_in_capitals_alone_is_noted_and_left(name: str, flags: tuple[str, ...]) -> None:
    event = lead({"name": name})
    assert event.personal is not None
    assert (event.personal.name, event.flags) == (name, flags)


def test_a_company_keeps_its_name_whatever_it_legally_is() -> None:
    assert lead({"company": "ACME Widgets G.m.b.H. & Co. KG"}).company == "ACME Widgets G.m.b.H. & Co. KG"


# ---- addresses and numbers


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        ("ada@gmial.com", "ada@gmail.com"),
        ("ada@gmail.con", "ada@gmail.com"),
        ("Ada.L+x@hotmial.com", "Ada.L+x@hotmail.com"),
        ("ada@gmail,com", "ada@gmail.com"),
        ("ada @acme.example", "ada@acme.example"),
        ("ada@gmial,com", "ada@gmail.com"),
        ("ada@yaho.com", "ada@yahoo.com"),
        ("ada@outlok.com", "ada@outlook.com"),
        ("ada@gogglemial.com", "ada@googlemail.com"),
    ],
)
def test_a_domain_that_was_probably_meant_is_suggested_and_never_put_in(sent: str, meant: str) -> None:
    event = lead({"email": sent})
    assert event.personal is not None
    assert event.personal.suggestions == {"email": meant}
    assert "suggestion:email" in event.flags
    assert event.personal.email in (sent, None)


@pytest.mark.parametrize(
    "domain", ["gmail.com", "ymail.com", "mail.com", "email.com", "outlook.de", "acme.example", "g.com"]
)
def test_a_real_domain_is_no_slip(domain: str) -> None:
    assert lead({"email": f"ada@{domain}"}).flags == ()


def test_only_real_domains_are_suggested_and_none_of_them_is_thrown_away() -> None:
    assert set(SUGGESTED) <= REAL
    assert REAL.isdisjoint(DISPOSABLE)


@pytest.mark.parametrize("email", ["ada@mailinator.com", "ada@YOPmail.com", "ada@throwaway.example"])
def test_an_address_for_a_few_minutes_is_noted_and_recognises_somebody_all_the_same(email: str) -> None:
    event = understood({"email": email})
    assert (event.flags, event.mark) == (("disposable_email",), None)
    assert [one.kind for one in event.identities] == ["email"]


def test_a_shared_mailbox_is_contact_data_and_noted() -> None:
    event = lead({"email": "info@acme.example"})
    assert event.personal is not None
    assert (event.personal.email, event.identities, event.flags) == ("info@acme.example", (), ("role_address",))


def test_no_listed_mailbox_recognises_anybody_and_the_page_lists_them_all() -> None:
    page = (Path(__file__).parents[3] / "docs/understanding.md").read_text(encoding="utf-8")
    for mailbox in ROLE_LOCAL_PARTS:
        assert lead({"email": f"{mailbox.upper()}+x@acme.example"}).identities == ()
        assert f"`{mailbox}`" in page
    for ending in MADE_UP_ENDINGS - {digit * 7 for digit in "0123456789"}:
        assert f"`{ending}`" in page


@pytest.mark.parametrize(
    "phone", ["+31 20 111 2222", "020-1112222", "+31 6 12345678", "+1 415 000 0000", "+98 912 345 6789", "06 8765 4321"]
)
def test_a_number_that_many_share_or_make_up_is_contact_data_and_recognises_nobody(phone: str) -> None:
    event = understood({"phone": phone, "external_id": "x"})
    assert event.personal is not None
    assert event.personal.phone is not None
    assert ([one.kind for one in event.identities], event.flags) == (["external"], ("shared_phone",))


@pytest.mark.parametrize(
    ("body", "sender", "endpoint", "code"),
    [
        ({"country": "Germany"}, "callcentre", "BE", "+49"),
        ({}, "callcentre", "BE", "+32"),
        ({}, "callcentre", None, "+98"),
        ({"country": "Atlantis"}, "web", None, "+31"),
        ({}, "web", None, "+31"),
    ],
)
def test_a_number_without_a_country_code_is_read_in_the_leads_country_then_the_forms_the_senders_the_units(
    body: dict[str, str], sender: str, endpoint: str | None, code: str
) -> None:
    event = understood(body | {"phone": "030 1234560"}, sender=sender, country=endpoint)
    assert event.personal is not None
    assert event.personal.phone is not None
    assert event.personal.phone.startswith(code)


# ---- the unit's own words


@pytest.mark.parametrize(
    ("field", "sent", "kept", "suggested", "flags"),
    [
        ("product", "GTX Pro", "GTX Pro", None, ()),
        ("product", "gtx_PRO", "GTX Pro", None, ()),
        ("product", "GTXpro", "GTX Pro", None, ()),
        ("product", "ویژه", "MG Special", None, ()),
        ("product", "MG Speciall", "MG Speciall", "MG Special", ("suggestion:product",)),
        ("product", "Toaster", "Toaster", None, ("unknown_value:product",)),
        ("company", "ACME", "Acme, Inc.", None, ()),
        ("channel", "Website", "web_form", None, ()),
        ("channel", "web form", "web_form", None, ()),
        ("channel", "wep_form", "wep_form", "web_form", ("suggestion:channel", "unknown_channel")),
        ("channel", "fax", "fax", None, ("unknown_channel",)),
    ],
)
def test_a_word_is_the_units_own_or_kept_with_a_suggestion_or_kept(
    field: str, sent: str, kept: str, suggested: str | None, flags: tuple[str, ...]
) -> None:
    event = understood({field: sent})
    assert (getattr(event, field), event.flags) == (kept, flags)
    assert (event.suggestions or {}).get(field) == suggested
    assert (event.as_sent or {}).get(field, kept) == sent


def test_attributes_have_words_too_and_the_senders_own_object_stays() -> None:
    sent = {"industry": "health_care", "size": 3}
    event = understood({"attributes": sent})
    assert event.attributes == {"industry": "Health care", "size": 3}
    assert (event.as_sent, sent["industry"]) == ({"attributes.industry": "health_care"}, "health_care")
    assert understood({"attributes": {"industry": "Helth care"}}).suggestions == {"attributes.industry": "Health care"}
    assert understood({"attributes": {"industry": "Mining"}}).flags == ("unknown_value:attributes.industry",)
    assert understood({"attributes": {"industry": 7}}).attributes == {"industry": 7}


@pytest.mark.parametrize(
    ("faulty", "fault"),
    [
        ({"colour": {}}, "is no field with a vocabulary"),
        ({"product": {"values": ["a"], "synonyms": {"b": "c"}}}, "is not among the values"),
        ({"product": {"values": ["a", "a"]}}, "is there 2 times"),
        ({"channel": {"values": ["a"]}}, "listed under channels"),
    ],
)
def test_a_faulty_vocabulary_is_refused_with_what_to_write(faulty: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        UnitPolicy.model_validate({"vocabularies": faulty})


# ---- consent


@pytest.mark.parametrize(
    ("channel", "consent", "missing"),
    [
        ("web_form", None, ("missing_consent:contact", "missing_consent:newsletter")),
        ("web_form", {"purpose": "newsletter", "granted": False}, ("missing_consent:contact",)),
        ("api", None, ("missing_consent:contact",)),
        ("api", True, ()),
    ],
)
def test_a_purpose_that_has_no_answer_is_flagged(channel: str, consent: object, missing: tuple[str, ...]) -> None:
    assert understood({"channel": channel, "consent": consent}).flags == missing


# ---- the short ways


_VALUES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.lists(st.text())


@given(st.dictionaries(st.text(max_size=300), _VALUES, max_size=40))
def test_attributes_that_are_taken_for_plain_have_no_fault(attributes: dict[str, Any]) -> None:
    faults: list[Any] = []
    if _are_plain(attributes):
        check_attributes({"inside": attributes}, faults)  # which the short way does not take
        assert faults == []


@given(st.sampled_from(sorted(LEAD_TEXTS)), st.text(alphabet="aZ 09.@-_é\t\x00", max_size=700))
def test_a_text_is_read_the_same_with_and_without_the_short_way(name: str, text: str) -> None:
    field = LEAD_TEXTS[name]
    faults: list[Any] = []
    wanted = field.read(text, faults)
    decision = decided({name: text})
    if faults:
        assert not isinstance(decision, Taken)
        return
    assert isinstance(decision, Taken)
    event = decision.event
    personal = event.get("personal", {})
    assert isinstance(personal, dict)
    if name in ("source", "medium", "campaign", "content", "term", "product", "company", "job_title"):
        assert event.get(name) == wanted
    elif name in ("name", "message", "external_id"):
        assert personal.get(name) == wanted


def test_an_interaction_is_explained_like_a_lead() -> None:
    decision = decided(
        {"kind": "page_view", "email": "ADA@Acme.example", "source": " ads", "value": "/a"}, kind="interaction"
    )
    assert isinstance(decision, Taken)
    event = CAPTURE_LEADS.parse(message(decision)[1])
    assert isinstance(event, InteractionRecorded)
    assert event.personal is not None
    assert (event.as_sent, event.personal.as_sent) == ({"source": " ads"}, {"email": "ADA@Acme.example"})
