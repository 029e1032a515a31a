"""Outgoing messages packed into one row and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.kit.frames import Outgoing, pack, unpack

messages = st.lists(st.builds(Outgoing, st.text(max_size=20), st.binary(max_size=40), st.binary(max_size=200)))


@given(messages)
def test_a_frame_gives_back_what_was_packed(sent: list[Outgoing]) -> None:
    assert list(unpack(pack(sent))) == sent


@given(messages.filter(bool), st.data())
def test_a_frame_that_is_cut_short_is_refused_and_never_read_as_fewer_messages(
    sent: list[Outgoing], data: st.DataObject
) -> None:
    whole = pack(sent)
    ends = {len(pack(sent[:count])) for count in range(len(sent) + 1)}
    cut = data.draw(st.integers(0, len(whole)).filter(lambda at: at not in ends))
    with pytest.raises(ValueError, match="ends within"):
        list(unpack(whole[:cut]))
