"""By what people are found, and what a text that somebody types may mean."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.pipeline.domain.refusals import Refused
from services.pipeline.domain.searching import READINGS, query, sought, tag, vector, words_of


@pytest.mark.parametrize(
    ("personal", "words"),
    [
        ({"name": "Ann  de Smith"}, ["ann", "de", "smith"]),
        ({"name": "Zoë Müller", "company": "Acme B.V."}, ["zoe", "muller", "acme"]),
        ({"name": "كريم علي"}, ["کریم", "علی"]),
        ({"name": "דוד כהן"}, ["דוד", "כהנ"]),
        ({"email": "Ann.Smith@X.example"}, ["ann.smith@x.example"]),
        ({"phone": "+31612345678"}, ["31612345678"]),
        ({"name": "ann ann", "company": "Ann"}, ["ann"]),
        ({"name": "شرکت ۱۲۳"}, ["شرکت", "123"]),
        ({"message": "call me", "country": "NL"}, []),
        ({}, []),
    ],
)
def test_somebody_is_found_by_name_company_address_and_number(personal: dict[str, str], words: list[str]) -> None:
    assert words_of(personal) == words


@pytest.mark.parametrize(
    ("text", "country", "kind", "value"),
    [
        ("Ann+news@X.example", None, "email", "ann@x.example"),
        ("+31 6 1234-5679", None, "phone", "+31612345679"),
        ("06 12345679", "NL", "phone", "+31612345679"),
        ("۰۹۱۲۳۴۵۶۷۸۱", "IR", "phone", "+989123456781"),
        ("CRM-17", None, "external", "crm\x1fCRM-17"),
    ],
)
def test_an_identity_is_read_in_any_spelling(text: str, country: str | None, kind: str, value: str) -> None:
    assert (kind, value) in sought(text, country=country, sender="crm").identities


def test_a_role_address_recognises_nobody_and_is_still_looked_for_as_words() -> None:
    found = sought("info@x.example", country=None, sender="crm")
    assert [kind for kind, _ in found.identities] == ["external"]
    assert ("info@x.example",) in found.terms


def test_the_beginning_of_a_lead_id_bounds_the_ids_that_begin_so() -> None:
    found = sought("0190AB", country=None, sender="crm")
    assert found.low == UUID("0190ab00-0000-0000-0000-000000000000")
    assert found.high == UUID("0190abff-ffff-ffff-ffff-ffffffffffff")
    assert sought("Ann", country=None, sender="crm").low is None


@pytest.mark.parametrize(
    "text", ["a" * 33, "0" * 34, "1234567890" * 3 + "12345", "0190ab00-0000-0000-0000-0000000000000"]
)
def test_more_digits_than_a_lead_id_has_are_the_beginning_of_none(text: str) -> None:
    found = sought(text, country=None, sender="crm")
    assert (found.low, found.high) == (None, None)
    assert found.terms


@pytest.mark.parametrize("text", ["", "  ", "!!", "_"])
def test_what_says_nothing_is_refused(text: str) -> None:
    with pytest.raises(Refused, match="no word, number or id"):
        sought(text, country=None, sender="crm")


def test_words_are_asked_for_in_the_unit_as_they_are_then_the_last_as_a_beginning() -> None:
    north, south = tag("north"), tag("south")
    asked = [query(["south", "north"], [("ann", "li")], reading).split(" | ") for reading in READINGS]
    assert [sorted(one) for one in asked] == [
        sorted(f"('{unit}ann'{first} & '{unit}li'{last})" for unit in (north, south))
        for first, last in (("", ""), ("", ":*"))
    ]
    assert query(["north"], [("a",)], "last begins") == f"('{north}a')"


@given(st.dictionaries(st.sampled_from(["name", "company", "email", "phone"]), st.text(max_size=200)))
def test_whatever_is_known_has_few_short_words_each_once(personal: dict[str, str]) -> None:
    words = words_of(personal)
    assert len(words) == len(set(words)) <= 40
    assert all(0 < len(word) <= 64 for word in words)
    assert "\x00" not in vector("default", personal)


@given(st.text(min_size=1, max_size=60))
def test_whoever_types_a_name_as_it_is_known_asks_for_words_that_it_has(name: str) -> None:
    known = words_of({"name": name})
    if not known or "@" in name or not any(letter.isalpha() for letter in name):
        return
    terms = sought(name, country=None, sender="crm").terms[0]
    assert all(any(word.startswith(term) for word in known) for term in terms)
