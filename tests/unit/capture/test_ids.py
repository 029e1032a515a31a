"""The quick ways to an id give the ids that the contract defines."""

from __future__ import annotations

from uuid import UUID, uuid4

from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.capture_events import IdentityKind
from shared.contracts.identity import (
    STRENGTH,
    Tokens,
    event_id_from,
    event_id_text,
    identity,
    lead_id_from,
    lead_id_text,
)
from tests.unit.capture.fakes import SECRET

TOKENS = Tokens(SECRET)
KINDS = st.sampled_from(STRENGTH)


@given(st.text(), KINDS, st.text())
def test_a_token_is_the_identitys_whatever_was_hashed_before(unit: str, kind: IdentityKind, value: str) -> None:
    assert TOKENS.token(unit, kind, value) == identity(SECRET, unit, kind, value).token


@given(st.binary(min_size=16, max_size=200), st.text(), KINDS, st.text())
def test_a_token_is_the_identitys_under_every_secret(secret: bytes, unit: str, kind: IdentityKind, value: str) -> None:
    assert Tokens(secret).token(unit, kind, value) == identity(secret, unit, kind, value).token


@given(st.text(), st.text())
def test_a_named_events_id_is_written_as_the_uuid_it_is(sender: str, key: str) -> None:
    assert event_id_text(sender, key) == str(event_id_from(sender, key))


@given(st.text(), KINDS, st.text())
def test_a_leads_id_is_written_as_the_uuid_it_is(unit: str, kind: IdentityKind, value: str) -> None:
    one = identity(SECRET, unit, kind, value)
    assert lead_id_text(one.token) == str(lead_id_from([one], uuid4()))


@given(st.binary(min_size=16, max_size=16))
def test_every_token_becomes_a_version_5_uuid(digest: bytes) -> None:
    assert lead_id_text(digest.hex()) == str(UUID(bytes=digest, version=5))
