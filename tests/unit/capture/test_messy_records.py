"""Records as they arrive: typed on four kinds of keyboards, exported by three kinds of systems, pasted from anywhere."""

from __future__ import annotations

from typing import Any, NamedTuple

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.capture.domain import Submission, Taken
from services.capture.domain.text import clean_block, clean_line
from services.capture.handlers import message
from shared.contracts.capture_events import LeadCaptured
from shared.contracts.policy import Policy, UnitPolicy
from shared.contracts.tokens import clean_token
from shared.contracts.topics import CAPTURE_LEADS
from tests.unit.capture.fakes import NOW, the_rules

RULES = the_rules(
    Policy(
        version="1",
        defaults=UnitPolicy(),
        business_units={code.lower(): UnitPolicy(country=code) for code in ("IR", "IL", "DE", "TR", "NL", "AE")},
    )
)


def understood(body: dict[str, Any], unit: str = "default") -> LeadCaptured:
    """The event of a lead of a unit."""
    decision = RULES.decide("lead", {**body, "business_unit": unit}, Submission("web", False, NOW), None)
    assert isinstance(decision, Taken), decision
    event = CAPTURE_LEADS.parse(message(decision)[1])
    assert isinstance(event, LeadCaptured)
    return event


def fields(event: LeadCaptured) -> dict[str, Any]:
    """What was understood, personal or not."""
    return {**event.model_dump(), **(event.personal.model_dump() if event.personal else {})}


def as_sent(event: LeadCaptured) -> dict[str, str]:
    """What was written otherwise, personal or not."""
    return {**(event.as_sent or {}), **((event.personal.as_sent if event.personal else None) or {})}


class Messy(NamedTuple):
    """A field as it arrived in a unit, and what it means; None is nothing."""

    unit: str
    field: str
    sent: object
    meant: str | None


@pytest.mark.parametrize(
    "row",
    [
        # Persian: Arabic letters, both kinds of digits, joiners that belong and joiners that do not.
        Messy("ir", "name", "علي  رضايي", "علی رضایی"),
        Messy("ir", "name", "كاظم‌ي", "کاظم‌ی"),
        Messy("ir", "name", "‌مریم\u200c ", "مریم"),
        Messy("ir", "name", "مي‌خواهم", "می‌خواهم"),
        Messy("ir", "company", "شركت  فولاد مباركه", "شرکت فولاد مبارکه"),
        Messy("ir", "phone", "۰۹۱۲ ۵۵۵ ۱۰۴۲", "+989125551042"),
        Messy("ir", "phone", "٠٩١٢٥٥٥١٠٤٢", "+989125551042"),
        Messy("ir", "phone", "0098 912 555 1042", "+989125551042"),
        Messy("ir", "phone", "(021) 8850-1042", "+982188501042"),
        Messy("ir", "country", "ايران", "IR"),
        Messy("ir", "country", "جمهوری اسلامی ایران", "IR"),
        Messy("ir", "language", "فارسي", "fa"),
        Messy("ir", "language", "fa_IR", "fa-IR"),
        # Hebrew: marks of direction that nobody sees, quotation marks within words.
        Messy("il", "name", "\u200fדנה כהן\u200e", "דנה כהן"),
        Messy("il", "name", "\u202bיוסי\u202c", "יוסי"),
        Messy("il", "company", 'אלקטרה בע"מ', 'אלקטרה בע"מ'),
        Messy("il", "phone", "\u200e050-555-1042", "+972505551042"),
        Messy("il", "phone", "\u202a+972 50 555 1042\u202c", "+972505551042"),
        Messy("il", "country", "ישראל", "IL"),
        Messy("il", "language", "עברית", "he"),
        Messy("il", "email", "\u200fdana@acme.example", "dana@acme.example"),
        # German: letters in two code points, soft hyphens from a web page, local habits of writing numbers.
        Messy("de", "name", "Ju\u0308rgen Mu\u0308ller-Lu\u0308denscheidt", "Jürgen Müller-Lüdenscheidt"),
        Messy("de", "company", "Donau\u00addampf\u00adschiff GmbH", "Donaudampfschiff GmbH"),
        Messy("de", "phone", "030 / 555 10 42", "+49305551042"),
        Messy("de", "phone", "+49 (0)30 555-1042", "+49305551042"),
        Messy("de", "phone", "0049 30 5551042", "+49305551042"),
        Messy("de", "country", "Österreich", "AT"),
        Messy("de", "country", "oesterreich", None),
        Messy("de", "language", "de-DE,de;q=0.9,en;q=0.8", "de-DE"),
        Messy("de", "email", "J.Mueller@ACME.Example", "J.Mueller@acme.example"),
        # Turkish: the i with its dot and the one without stay what somebody wrote.
        Messy("tr", "name", "İsmail Işık", "İsmail Işık"),
        Messy("tr", "name", "I\u0307nci", "İnci"),
        Messy("tr", "country", "TÜRKİYE", "TR"),
        Messy("tr", "country", "turkiye", "TR"),
        Messy("tr", "phone", "0 (532) 555 10 42", "+905325551042"),
        # Exports: no-break spaces, tabs, line ends in a cell, numbers that were text, nothing at all.
        Messy("nl", "name", "Jan\u00a0 van\tder\r\nBerg", "Jan van der Berg"),
        Messy("nl", "name", "\ufeffPiet", "Piet"),
        Messy("nl", "phone", 31205551042.0, "+31205551042"),
        Messy("nl", "phone", "tel: 020-555 10 42", "+31205551042"),
        Messy("nl", "phone", "020 555 1042 of 06 55510420", None),
        Messy("nl", "email", "jan@acme.example;piet@acme.example", None),
        Messy("nl", "external_id", 81723, "81723"),
        Messy("nl", "name", "\u200b \u2060", None),
        Messy("ae", "phone", "٠٥٠ ٥٥٥ ١٠٤٢", "+971505551042"),
        Messy("ae", "name", "عبد الله يوسف", "عبد الله یوسف"),
    ],
)
def test_what_arrives_messy_is_understood_and_kept_as_it_was_sent(row: Messy) -> None:
    event = understood({"external_id": "x", row.field: row.sent}, row.unit)
    kept = fields(event)[row.field]
    if row.meant is None and row.field in ("country", "language"):
        assert (kept, f"unknown_{row.field}" in event.flags) == (row.sent, True)
        return
    assert kept == row.meant
    if str(row.sent).strip() not in ("", row.meant) and clean_line(str(row.sent)):
        assert as_sent(event)[row.field] == str(row.sent)


_WRITTEN = st.text(
    alphabet="aİıIß Éé\u0301\u0308يیكکىۀهٔאבג۰۱٠١09+()-.@\u200b\u200c\u200d\u200e\u200f\u202a\u202c\u2066\u2069\ufeff\u00ad\u00a0\t\n\r",
    max_size=25,
)


@given(_WRITTEN)
def test_cleaning_what_was_cleaned_changes_nothing(text: str) -> None:
    for clean in (clean_line, clean_token, clean_block):
        assert clean(clean(text)) == clean(text)


_FIELDS = ("name", "company", "job_title", "email", "phone", "country", "language", "source", "campaign", "product")
_SENT = _WRITTEN | st.sampled_from(
    [
        "Holland",
        "ايران",
        "fa_IR",
        "Dutch",
        "Ada@ACME.example",
        "ada@gmial.com",
        "۰۲۰ ۵۵۵ ۱۰۴۲",
        "020-5551042",
        "info@x.example",
    ]
)


@settings(max_examples=200)
@given(st.dictionaries(st.sampled_from(_FIELDS), _SENT))
def test_what_was_understood_is_understood_the_same_again(body: dict[str, str]) -> None:
    first = understood(body, "nl")
    once = {name: value for name, value in fields(first).items() if name in _FIELDS and value is not None}
    again = understood(once, "nl")
    assert {name: fields(again)[name] for name in once} == once
    assert again.identities == first.identities


@settings(max_examples=200)
@given(st.dictionaries(st.sampled_from(_FIELDS), _SENT))
def test_nothing_that_was_sent_is_lost(body: dict[str, str]) -> None:
    event = understood(body, "nl")
    for name, sent in body.items():
        if clean_token(sent):
            assert as_sent(event).get(name, fields(event)[name]) == sent


NO_COUNTRIES = {"AC", "TA"}
"""Islands with a numbering plan of their own and no code among countries."""


@given(
    st.sampled_from(sorted(phonenumbers.SUPPORTED_REGIONS - NO_COUNTRIES)),
    st.sampled_from(list(phonenumbers.PhoneNumberType.values())),
    st.sampled_from(
        [
            phonenumbers.PhoneNumberFormat.E164,
            phonenumbers.PhoneNumberFormat.INTERNATIONAL,
            phonenumbers.PhoneNumberFormat.NATIONAL,
            phonenumbers.PhoneNumberFormat.RFC3966,
        ]
    ),
    st.sampled_from([None, str.maketrans("0123456789", "۰۱۲۳۴۵۶۷۸۹"), str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")]),
    st.sampled_from(["", "\u200e", "\u202a", "\u200b"]),
)
def test_a_countrys_own_number_is_the_librarys_however_it_is_written(
    country: str, kind: int, form: int, digits: dict[int, int] | None, unseen: str
) -> None:
    number = phonenumbers.example_number_for_type(country, kind)
    if number is None or number.extension:
        return
    written = phonenumbers.format_number(number, form)
    event = understood({"country": country, "phone": unseen + (written.translate(digits) if digits else written)})
    wanted = phonenumbers.parse(written, country)
    if phonenumbers.is_possible_number_with_reason(wanted) == phonenumbers.ValidationResult.IS_POSSIBLE:
        assert event.personal is not None
        assert event.personal.phone == phonenumbers.format_number(wanted, phonenumbers.PhoneNumberFormat.E164)
