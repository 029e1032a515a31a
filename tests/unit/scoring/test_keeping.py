"""Which attributes enter the ledger."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scoring.domain.keeping import MOST_ATTRIBUTES, Keeping, tells_personal

ALL = Keeping({"contact_hours"}, others=True)


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
        ({"list": [1], "object": {"a": 1}, "empty": "", "nothing": None, "nan": float("nan")}, False),
    ],
)
def test_plain_values_that_tell_nobodys_name_are_kept(sent: dict[str, Any], kept: bool) -> None:
    assert ALL.kept(sent) == (sent if kept else None)


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


@pytest.mark.parametrize("name", ["employees", "Industry", "shipping", "telemetry", "idea", "emailing_budget_band"])
def test_a_name_is_not_personal_because_it_begins_like_one(name: str) -> None:
    assert not tells_personal(name)
