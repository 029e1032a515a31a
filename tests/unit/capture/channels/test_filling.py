"""A sender's own names become ours, and nothing that was sent is lost on the way."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.capture.domain.channels.filling import addressed, filled, without
from tests.unit.capture.channels.support import an_endpoint


@pytest.mark.parametrize(
    ("fields", "options", "body"),
    [
        ({"email": "a@b.nl"}, {}, {"email": "a@b.nl"}),
        ({"E-Mail": "a@b.nl", "Phone Number": "1"}, {}, {"email": "a@b.nl", "phone": "1"}),
        ({"first_name": "Ada", "last_name": "Lovelace"}, {}, {"name": "Ada Lovelace"}),
        ({"given-name": "Ada"}, {}, {"name": "Ada"}),
        ({"budget": 5}, {}, {"budget": 5}),
        ({"mail": "a@b.nl", "email": "c@d.nl"}, {}, {"email": "a@b.nl", "attributes.email": "c@d.nl"}),
        ({"q1": "a@b.nl"}, {"mapping": {"email": "q1"}}, {"email": "a@b.nl"}),
        ({"q1": "x", "email": "y"}, {"mapping": {"email": "q1"}}, {"email": "x", "attributes.email": "y"}),
        ({"q1": "", "email": "y"}, {"mapping": {"email": "q1"}}, {"email": "y"}),
        (
            {"a": "Ada", "b": "Lovelace", "c": 1},
            {"mapping": {"name": ["a", "b"], "attributes.employees": "c"}},
            {"name": "Ada Lovelace", "attributes.employees": 1},
        ),
        (
            {"person": {"mail": {"work": "a@b.nl", "home": "h@b.nl"}}},
            {"mapping": {"email": "person.mail.work"}},
            {"email": "a@b.nl", "person": {"mail": {"home": "h@b.nl"}}},
        ),
        ({"a": [{"b": "x"}]}, {"mapping": {"name": "a.0.b"}}, {"name": "x", "a": [{"b": "x"}]}),
        ({"a.b": "x"}, {"mapping": {"name": "a.b"}}, {"name": "x"}),
        ({}, {"constants": {"product": "GTX"}}, {"product": "GTX"}),
        ({"product": "MG"}, {"constants": {"product": "GTX"}}, {"product": "MG"}),
    ],
)
def test_fields_get_our_names(fields: dict[str, Any], options: dict[str, Any], body: dict[str, Any]) -> None:
    assert filled(fields, an_endpoint("json", **options)) == body


def test_the_unit_is_the_endpoints_and_the_channel_unless_the_sender_names_one() -> None:
    endpoint = an_endpoint("json", channel="social")
    assert addressed({"business_unit": "x"}, "tehran", endpoint) == {
        "business_unit": "tehran",
        "attributes.business_unit": "x",
        "channel": "social",
    }
    assert addressed({"channel": "phone"}, "tehran", endpoint)["channel"] == "phone"


NAMES = st.text(st.sampled_from("ab.0"), min_size=1, max_size=4)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["", "x"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)


def leaves(value: object) -> list[str]:
    """Every plain value in a document."""
    if isinstance(value, dict):
        return [leaf for inner in value.values() for leaf in leaves(inner)]
    if isinstance(value, list):
        return [leaf for inner in value for leaf in leaves(inner)]
    return [repr(value)]


@given(st.dictionaries(NAMES, JSON, max_size=4))
def test_without_a_mapping_nothing_that_was_sent_is_lost(fields: dict[str, Any]) -> None:
    assert sorted(leaves(filled(fields, an_endpoint("json")))) == sorted(leaves(fields))


@given(st.dictionaries(NAMES, JSON, max_size=4), NAMES)
def test_taking_one_value_out_leaves_the_document_as_it_was(fields: dict[str, Any], path: str) -> None:
    before = repr(fields)
    rest = without(fields, path)
    assert repr(fields) == before
    assert set(leaves(rest)) <= set(leaves(fields))
