"""How what is in quarantine is shown, mended and named."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.capture.domain import Refused, entry_id, merge_patch, redacted
from services.capture.quarantine import encoded
from tests.unit.capture.fakes import decided, lead

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(0, 1) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
SECRET = "Lovelace"


def test_a_payload_is_shown_by_its_fields_and_what_kind_and_length_their_values_are() -> None:
    body = {"name": "Ada Lovelace", "age": 36, "consent": True, "email": None, "attributes": {"list": ["a", 1.5]}}
    assert redacted(body) == {
        "name": "text of 12",
        "age": "a number",
        "consent": "true or false",
        "email": None,
        "attributes": {"list": ["text of 1", "a number"]},
    }


def test_a_name_that_may_be_somebodys_is_not_shown_either() -> None:
    assert redacted({"ada@example.com": 1, "+31201234567": 2}) == {
        "name 0 of 15": "a number",
        "name 1 of 12": "a number",
    }


@given(JSON, st.sampled_from([SECRET, f"{SECRET}@example.com", f"+{SECRET}"]))
def test_no_value_is_ever_shown(body: Any, secret: str) -> None:
    assert SECRET not in json.dumps(redacted([body, secret, {"field": secret, f"{secret}@": body}, {"a": [secret]}]))


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [  # the examples of RFC 7396
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_a_merge_patch_does_what_its_standard_says(target: Any, patch: Any, result: Any) -> None:
    assert merge_patch(target, patch) == result


@given(JSON, JSON)
def test_a_merge_patch_applied_twice_is_applied_once_and_changes_nothing_it_was_given(target: Any, patch: Any) -> None:
    before = json.dumps([target, patch])
    once = merge_patch(target, patch)
    assert merge_patch(once, patch) == once
    assert json.dumps([target, patch]) == before


def test_an_entry_of_a_named_payload_is_the_same_entry_when_it_comes_again() -> None:
    name = entry_id("web", "lead", "k", b"{}")
    assert name == entry_id("web", "lead", "k", b"{}")
    others = [
        entry_id("app", "lead", "k", b"{}"),
        entry_id("web", "interaction", "k", b"{}"),
        entry_id("web", "lead", "l", b"{}"),
        entry_id("web", "lead", "k", b"[]"),
        entry_id("weblead", "", "k", b"{}"),
    ]
    assert len({name, *others}) == 6


@pytest.mark.parametrize("body", [{"a": 1}, {"a": "\ud800"}, {"a": 2**70}, [[[[1]]]]])
def test_what_the_fast_writer_refuses_is_kept_all_the_same(body: Any) -> None:
    written = encoded(body)
    assert written is not None
    assert json.loads(written) == body


def test_what_nothing_can_write_is_not_kept() -> None:
    body: Any = []
    for _ in range(100_000):
        body = [body]
    assert encoded(body) is None


def test_what_is_refused_says_whom_it_names_and_where_it_belongs() -> None:
    broken = {"name": ["x"], "email": "ada@example.com", "phone": "+31201234567", "channel": "Ada's own"}
    refused = decided({**broken, "business_unit": "tehran"})
    assert isinstance(refused, Refused)
    taken = lead({"email": "ada@example.com", "phone": "+31201234567", "business_unit": "tehran"})
    assert refused.identities == tuple(one.token for one in taken.identities)
    assert (refused.business_unit, refused.channel) == ("tehran", "other")
    for unit in (5, "tehrn", ["tehran"], "x" * 300):
        unsure = decided({**broken, "business_unit": unit})
        assert isinstance(unsure, Refused)
        for known in ("default", "tehran", "open"):
            named = lead({"email": "ada@example.com", "business_unit": known})
            assert named.identities[0].token in unsure.identities, "an erasure by address looks in every unit"
        assert len(set(unsure.identities)) == len(unsure.identities)
    nobody = decided({"name": ["x"], "business_unit": "Ada's own unit"})
    assert isinstance(nobody, Refused)
    assert (nobody.identities, nobody.business_unit) == ((), "other")
