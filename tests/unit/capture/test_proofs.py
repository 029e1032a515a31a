"""What proves a sender is not kept with what it sent, however that is written."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.capture.api.bodies import parse
from services.capture.proofs import without_proof

KEY = "the-key-of-google"


def kept(body: bytes) -> bytes:
    return without_proof(body, "google_key", parse)


@pytest.mark.parametrize(
    ("body", "left"),
    [
        (b'{"google_key":"the-key-of-google","lead_id":"1"}', b'{"lead_id":"1"}'),
        (b'{"google_key":"the-key-of-google","lead_id":NaN}', b'{"lead_id": NaN}'),
        (b'{"google_key":"the-key-of-google","lead_id":1e999}', b'{"lead_id": Infinity}'),
        (b'\xef\xbb\xbf{"google_key":"the-key-of-google","a":NaN}', b'{"a": NaN}'),
        (b'[{"google_key":"the-key-of-google","lead_id":"1"}]', b'[{"lead_id":"1"}]'),
        (b'{"google_key":"another","google_key":"the-key-of-google","lead_id":"1"}', b'{"lead_id":"1"}'),
        (b'{"a":"1", "google_key" : "the-key-of-google", "lead_id":', b'{"a":"1",  "lead_id":'),
        (b'{"lead_id":"1","google_key":"the-key-of-goo', b'{"lead_id":"1",'),
        (b'{"lead_id":"1","google_key":"the-\\"key-of-google\\', b'{"lead_id":"1",'),
        (b'{"google\\u005fkey":"the-key-of-google"', b""),
        ('{"google_key":"the-key-of-google"'.encode("utf-16"), b""),
        ('{"google_key":"the-key-of-google","a":NaN}'.encode("utf-16"), b'{"a": NaN}'),
        (b'{"lead_id":"1"', b'{"lead_id":"1"'),
        (b'{"lead_id": "1"}', b'{"lead_id": "1"}'),
    ],
)
def test_the_key_is_taken_out_and_the_rest_stays(body: bytes, left: bytes) -> None:
    assert kept(body) == left


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=5)), st.integers(0, 200), st.booleans())
def test_no_key_stays_in_a_body_however_it_breaks(fields: dict[str, str], end: int, ascii_only: bool) -> None:
    body = json.dumps({**fields, "google_key": KEY}, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    assert b"the-key" not in kept(body[: len(body) - end] if end < len(body) else body)


def test_a_body_that_is_nested_beyond_reading_keeps_no_key() -> None:
    assert kept(b'{"google_key":"the-key-of-google","a":' + b"[" * 100_000) == b'{"a":' + b"[" * 100_000
