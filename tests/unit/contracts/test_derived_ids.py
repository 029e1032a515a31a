"""The id of an event that follows from another is what the standard library would make of the same digest."""

from __future__ import annotations

from hashlib import blake2b
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.identity import derived_event_id


@given(st.uuids(), st.text(st.characters(codec="utf-8"), max_size=40))
def test_a_derived_id_is_that_of_its_digest_whoever_makes_it(cause: UUID, what: str) -> None:
    digest = blake2b(cause.bytes + what.encode(), digest_size=16, person=b"leadflow-event-1").digest()
    made, wanted = derived_event_id(cause, what), UUID(bytes=digest, version=5)
    assert (made, hash(made), str(made), made.version, made.is_safe) == (
        wanted,
        hash(wanted),
        str(wanted),
        5,
        wanted.is_safe,
    )
