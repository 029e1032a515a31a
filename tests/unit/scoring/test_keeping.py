"""Which attributes enter the ledger."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scoring.domain import Keepings
from services.scoring.domain.attribute_names import is_plain, tells_personal
from services.scoring.domain.keeping import MOST_ATTRIBUTES, Keeping
from shared.contracts.policy import Policy

ALL = Keeping({"contact_hours"}, others="all")


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ({"employees": 250, "industry": "Retail", "trial": True, "score": 1.5}, True),
        ({"contact_hours": "9-5"}, True),
        ({"first_name": "Ada"}, False),
        ({"workPhone": "12"}, False),
        ({"gclid": "abc"}, False),
        ({"street": "Main St"}, False),
        ({"ask": "ada@example.org"}, False),
        ({"ask": "call 0031 20 123 4567"}, False),
        ({"ask": "why " * 30}, False),
        ({"ask": "a b c d e f g h i"}, False),
        ({"ask": "https://a.example/ada"}, False),
        ({"answer": 919876543210}, False),
        ({"answer": 9198765432.0}, False),
        ({"john.smith@example.com": "yes"}, False),
        ({"contact": "John Smith"}, False),
        ({"lat": 52.37, "lon": 4.9}, False),
        ({"list": [1], "object": {"a": 1}, "empty": "", "nothing": None, "nan": float("nan")}, False),
    ],
)
def test_plain_values_that_tell_nobodys_name_are_kept(sent: dict[str, Any], kept: bool) -> None:
    assert ALL.kept(sent) == (sent if kept else None)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "employees",
            "Industry",
            "annualRevenue",
            "number_of_employees",
            "Lead Origin",
            "Total Time Spent on Website",
        ),
        *("Page Views Per Visit", "size", "Größe", "taille", "specialization", "what is your current occupation"),
    ],
)
def test_by_default_what_has_a_plain_name_is_kept(name: str) -> None:
    assert is_plain(name)
    assert Keeping(others="plain").kept({name: 250}) == {name: 250}


PERSONAL_NAMES = [
    *(
        "contact_no",
        "phonenumber",
        "mobilenumber",
        "aadhaar",
        "lat",
        "lon",
        "contact",
        "fname",
        "lname",
        "customername",
    ),
    *("leadname", "Nachname", "Vorname", "prenom", "apellido", "Straße", "Geburtsdatum", "linkedin", "skype"),
    *("john.smith@example.com", "company_name", "roleName", "product 0031201234567"),
]


@pytest.mark.parametrize("name", PERSONAL_NAMES)
@pytest.mark.parametrize("value", ["yes", 12, True])
@pytest.mark.parametrize("others", ["plain", "all"])
def test_what_may_be_somebodys_own_is_never_kept_whatever_it_says(name: str, value: Any, others: Any) -> None:
    assert Keeping(others=others).kept({name: value}) is None


@pytest.mark.parametrize(
    "name", ["john smith", "jansen", "company", "website", "team of ada", "имя", "نام", "", "日本"]
)
def test_by_default_a_name_that_nobody_knows_is_not_kept(name: str) -> None:
    assert Keeping(others="plain").kept({name: "x"}) is None


@given(st.text(max_size=20))
def test_a_word_that_nobody_knows_makes_no_name_plain(word: str) -> None:
    assert not is_plain(f"industry of zq{word}")


@pytest.mark.parametrize(
    ("unit", "kept"), [("own", {"own thing": 1}), ("off", None), ("other", {"industry": "Retail"})]
)
def test_each_unit_keeps_what_its_own_model_may_learn_from(unit: str, kept: dict[str, Any] | None) -> None:
    units = {
        "own": {"scoring": {"model": {"attributes": ["own thing"]}}},
        "off": {"scoring": {"model": {"enabled": False}}},
    }
    policy = Policy.model_validate({"version": "1", "business_units": units})
    sent = {"industry": "Retail", "own thing": 1}
    assert Keepings(policy).of(unit).kept(sent) == kept


def test_without_learning_only_what_rules_name_is_kept() -> None:
    assert Keeping({"employees"}).kept({"employees": 3, "industry": "Retail"}) == {"employees": 3}


def test_a_flood_of_attributes_is_bounded_and_what_rules_name_is_not_lost_in_it() -> None:
    sent = {f"field {number}": number for number in range(500)} | {"contact_hours": "9-5"}
    kept = ALL.kept(sent)
    assert kept is not None
    assert len(kept) == MOST_ATTRIBUTES + 1
    assert kept["contact_hours"] == "9-5"


@given(st.dictionaries(st.text(max_size=8), st.one_of(st.integers(), st.text(max_size=4)), max_size=60))
def test_what_is_kept_does_not_depend_on_the_order_it_came_in(sent: dict[str, Any]) -> None:
    assert ALL.kept(sent) == ALL.kept(dict(reversed(sent.items())))


@pytest.mark.parametrize(
    "name", ["name", "Full Name", "fullName", "E-Mail", "customer.email", "IP", "ip_address", "x" * 201]
)
def test_some_names_are_personal_however_they_are_written(name: str) -> None:
    assert tells_personal(name)


@pytest.mark.parametrize("name", ["employees", "Industry", "shipping", "telemetry", "idea", "length", "nominated"])
def test_a_name_is_not_personal_because_it_begins_like_one(name: str) -> None:
    assert not tells_personal(name)
