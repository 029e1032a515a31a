"""Names, addresses and numbers agree as far as a person would say so, in any script; what is shared says nothing."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.pipeline.domain.matching.blocking import keys
from services.pipeline.domain.matching.comparison import LEVELS, compare
from services.pipeline.domain.matching.person import Person, person
from services.pipeline.domain.matching.weights import FIXED, MERGE_FROM, PRIOR_BITS, judge
from services.pipeline.domain.matching.words import company_letters, is_slip, name_words, sounds

FIELDS = ("name", "email", "phone", "company", "country", "street", "house_number", "city", "postcode", "birth_date")


def levels(one: dict[str, Any], other: dict[str, Any]) -> dict[str, str]:
    return dict(compare(person(one), person(other)))


@pytest.mark.parametrize(
    ("one", "other", "given_name", "surname"),
    [
        ("Jane Doe", "jane DOE", "same", "same"),
        ("Jane Doe", "Doe, Jane", "same", "same"),
        ("Jane Doe", "Doe Jane", "same", "same"),
        ("Mrs. Zoë Müller", "zoe muller", "same", "same"),
        ("Jan van der Berg", "Jan Vanderberg", "same", "same"),
        ("Jane Doe", "J. Doe", "initial", "same"),
        ("Jane Doering", "Jane Doehring", "same", "nearly"),
        ("Jane Doering", "Kevin Doering", "differs", "same"),
        ("Jane", "Jane Doering", "same", None),
        ("محمد رضایی", "محمّد رضائي", "same", "same"),
        ("آقای محمد رضایی", "Mohammad Rezaei", "nearly", "nearly"),
        ("محمدرضا کاظمی", "محمد رضا كاظمي", "same", "same"),
        ("حسین احمدي", "حسین احمدی", "same", "same"),
        ("יוסף כהן", "יוסף כהן", "same", "same"),
        ("שמעון רחמים", "Shimon Rachamim", "nearly", "nearly"),
        ("ליאור בן־דוד", "ליאור בן דוד", "same", "same"),
    ],
)
def test_names_agree_across_case_order_titles_and_script(
    one: str, other: str, given_name: str, surname: str | None
) -> None:
    for told in (levels({"name": one}, {"name": other}), levels({"name": other}, {"name": one})):
        assert (told.get("given name"), told.get("surname")) == (given_name, surname)


@pytest.mark.parametrize(
    ("field", "one", "other", "what", "level"),
    [
        ("birth_date", "1980-04-12", "19800412", "birth date", "same"),
        ("birth_date", "1980-04-12", "1980-12-04", "birth date", "nearly"),
        ("birth_date", "1980-04-12", "1980-04-21", "birth date", "nearly"),
        ("birth_date", "1980-04-12", "1971-04-21", "birth date", "differs"),
        ("phone", "+31612345678", "+31612345678", "telephone", None),  # it ends as no number of anybody does
        ("phone", "+31206391274", "+31206391247", "telephone", "nearly"),
        ("phone", "+31206391274", "+31638112457", "telephone", "differs"),
        ("company", "Acme B.V.", "ACME", "company", "same"),
        ("company", "Acme Industries Ltd", "Acme Industrys", "company", "nearly"),
        ("company", "Acme Industries Rotterdam", "Acme Industries", "company", "nearly"),
        ("company", "شرکت پارس خودرو", "پارس‌خودرو", "company", "same"),
        ("email", "jane.doe@example.com", "janedoe@example.org", "mailbox", "same"),
        ("email", "info@example.com", "info@example.org", "mailbox", None),
        ("email", "jane@acme.example", "kevin@acme.example", "company", "same domain"),
        ("email", "jane@gmail.com", "kevin@gmail.com", "company", None),
        ("email", "jane@yahoo.com.tr", "kevin@yahoo.com.tr", "company", None),
        ("email", "jane@seznam.cz", "kevin@seznam.cz", "company", None),
        ("email", "jane@mailinator.com", "kevin@mailinator.com", "company", None),
        ("country", "NL", "nl", "country", "same"),
        ("postcode", "1012 AB", "1012ab", "place", "half"),
        ("postcode", "1012 AB", "1021 AB", "place", "nearly"),
    ],
)
def test_each_thing_agrees_as_far_as_a_person_would_say(
    field: str, one: str, other: str, what: str, level: str | None
) -> None:
    assert levels({field: one}, {field: other}).get(what) == level


def test_an_address_agrees_as_a_whole_whichever_line_the_street_is_on() -> None:
    one = {"street": "Max Henry Crescent", "address_2": "Ponderosa", "house_number": "6", "city": "Crib Point"}
    other = {"street": "Ponderossa", "address_2": "max henry crescent", "house_number": "6", "city": "Cribpoint"}
    assert levels(one, other) == {"street": "same with number", "place": "half"}


def test_a_number_of_many_says_nothing() -> None:
    told = {"name": "Jane Doe", "phone": "+31206391274"}
    assert person(told, shared_phones=["+31206391274"]).phone == ""
    assert person(told).phone == "31206391274"


def test_people_of_one_household_are_not_merged_by_themselves() -> None:
    home = {
        "street": "Damrak",
        "house_number": "6",
        "city": "Amsterdam",
        "postcode": "1012 AB",
        "phone": "+31206391274",
    }
    jane, kevin = {"name": "Jane Doering", **home}, {"name": "Kevin Doering", **home}
    judged = judge(compare(person(jane), person(kevin)))
    assert judged.confidence > 0.99
    assert judged.is_contradicted


JAN = {"name": "Jan de Vries", "city": "Amsterdam", "postcode": "1012 AB", "country": "NL"}


@pytest.mark.parametrize(
    "domain", ["gmail.com", "hotmail.nl", "t-online.de", "gmx.at", "comcast.net", "provider.example"]
)
def test_father_and_son_with_one_provider_of_mailboxes_are_not_merged_by_themselves(domain: str) -> None:
    one, other = ({**JAN, "email": f"{mailbox}@{domain}"} for mailbox in ("jan.dv", "jandevries58"))
    judged = judge(compare(person(one), person(other)))
    assert judged.confidence > 0.99
    assert not judged.is_enough(MERGE_FROM)


@pytest.mark.parametrize("companies", [("Acme", "ACME B.V."), ("Acme Industries", "Acme Industrys")])
def test_one_domain_counts_in_full_where_the_company_says_the_same(companies: tuple[str, str]) -> None:
    said = zip(("jan.dv", "jandevries58"), companies, strict=True)
    one, other = ({**JAN, "email": f"{mailbox}@acme.example", "company": name} for mailbox, name in said)
    told = compare(person(one), person(other))
    assert dict(told)["company"] == "same"
    assert judge(told).is_enough(MERGE_FROM)


def test_a_namesake_elsewhere_is_not_shown() -> None:
    one = {"name": "John Smith", "country": "US", "company": "Acme Widgets"}
    other = {"name": "John Smith", "country": "US", "company": "Bolt Works"}
    assert judge(compare(person(one), person(other))).confidence < 0.9


def test_every_level_has_chances_that_add_up_to_one() -> None:
    assert {what: tuple(chances) for what, chances in FIXED.items()} == LEVELS
    for chances in FIXED.values():
        assert math.isclose(sum(one.m for one in chances.values()), 1, abs_tol=1e-9)
        assert math.isclose(sum(one.u for one in chances.values()), 1, abs_tol=1e-9)


people = st.dictionaries(st.sampled_from(FIELDS), st.text(max_size=12), max_size=6).map(person)


@given(people, people)
def test_who_stands_first_does_not_matter_and_the_parts_are_the_whole(one: Person, other: Person) -> None:
    told = compare(one, other)
    assert told == compare(other, one)
    judged = judge(told)
    assert judged.bits == pytest.approx(sum(part.bits for part in judged.parts))
    assert judged.parts[0].bits == round(PRIOR_BITS, 2)
    assert 0 <= judged.confidence <= 1


@given(people)
def test_nobody_differs_from_themselves(one: Person) -> None:
    assert all(level in ("same", "same domain", "half", "same with number") for _, level in compare(one, one))


@pytest.mark.parametrize(
    ("one", "other", "slip"),
    [("doering", "doehring", True), ("doe", "dow", True), ("li", "lo", False), ("harrington", "harringotn", True)],
)
def test_a_slip_is_one_letter(one: str, other: str, slip: bool) -> None:
    assert is_slip(one, other) is slip


def test_names_sound_alike_in_different_scripts() -> None:
    assert {sounds(word) for word in ("mohammad", "muhamad", *name_words("محمد"))} == {"mhmd"}
    assert sounds("shirazi") == sounds(*name_words("شیرازی"))
    assert company_letters("B.V.") == "bv"


def test_a_slip_in_one_thing_leaves_other_keys_in_common() -> None:
    one = {"name": "Jane Doering", "company": "Acme", "email": "jane.doering@a.example", "postcode": "1012AB"}
    for slip in ({"name": "Jane Smith"}, {"company": "Acne"}, {"email": "j@b.example"}, {"postcode": "1021AB"}):
        assert set(keys(person(one))) & set(keys(person({**one, **slip})))
    assert keys(person({"email": "info@acme.example", "country": "NL"})) == []
