"""Who there is to speak with about a lead: what may be said of them, by what they are recognised, and that merges lose nobody."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.pipeline.domain.contacts import check, contacts_of, put, recognised_by, shown_contacts
from services.pipeline.domain.ledger import Lead, known_with
from services.pipeline.domain.refusals import Refused
from shared.contracts.policy import UnitPolicy

UNIT = UnitPolicy(country="NL", shared_phones=("+31201112222",))


@pytest.mark.parametrize(
    ("contact", "by"),
    [
        ({"email": "Bob+x@Acme.example"}, [("email", "bob@acme.example")]),
        ({"email": "info@acme.example"}, []),
        ({"phone": "06 12345678"}, [("phone", "+31612345678")]),
        ({"phone": "020 111 2222"}, []),
        ({"name": "Bob"}, []),
        (
            {"email": "bob@acme.example", "phone": "+31612345678"},
            [("email", "bob@acme.example"), ("phone", "+31612345678")],
        ),
    ],
)
def test_a_contact_is_recognised_by_what_is_theirs_alone(contact: Any, by: list[tuple[str, str]]) -> None:
    assert [tuple(one) for one in recognised_by(contact, UNIT)] == by


@pytest.mark.parametrize(
    ("contact", "field"),
    [
        ({"role": "boss", "name": "Bob"}, "role"),
        ({"role": "adviser"}, "name"),
        ({"role": "adviser", "email": "bob"}, "email"),
        ({"role": "adviser", "phone": "12"}, "phone"),
    ],
)
def test_a_contact_that_says_too_little_is_refused(contact: Any, field: str) -> None:
    with pytest.raises(Refused) as refused:
        check(contact, UNIT)
    assert refused.value.field == field


IDS = st.uuids()
CONTACT = st.fixed_dictionaries({"role": st.sampled_from(UNIT.contact_roles), "name": st.text(max_size=5)})
DOING = st.lists(st.tuples(st.integers(0, 3), st.none() | CONTACT), max_size=12)


@given(DOING)
def test_contacts_are_what_was_last_said_of_each(doing: list[tuple[int, Any]]) -> None:
    lead = Lead(UUID(int=1), "default", UUID(int=1), personal={"email": "a@x.example"})
    said: dict[str, Any] = {}
    for number, contact in doing:
        put(lead, UUID(int=number), contact)
        said.pop(str(UUID(int=number)), None)
        if contact is not None:
            said[str(UUID(int=number))] = contact
    assert contacts_of(lead.personal) == said
    assert lead.personal["email"] == "a@x.example"
    assert ("contacts" in lead.personal) == bool(said)


@given(st.dictionaries(IDS, CONTACT, max_size=4), st.dictionaries(IDS, CONTACT, max_size=4), st.booleans())
def test_nobody_is_lost_where_people_are_put_together_or_captured_again(one: Any, other: Any, again: bool) -> None:
    mine = {"contacts": {str(key): value for key, value in one.items()}} if one else {}
    theirs = {"contacts": {str(key): value for key, value in other.items()}} if other else {}
    both = known_with(mine, theirs)
    if again:
        both = known_with(both, {"email": "a@x.example", "company": "Acme"})
    assert {one["contact_id"] for one in shown_contacts(both)} == {str(key) for key in {**one, **other}}
