"""Chat: a transcript is one interaction with its measures, and one lead where the visitor said who they are."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.capture.domain import Refused
from services.capture.domain.channels.chat import ROOM, TRANSCRIPT_CUT, read_chat
from services.capture.domain.channels.terms import Delivery, Ignored
from tests.unit.capture.channels.support import an_endpoint, read, refused

TRANSCRIPT: dict[str, Any] = {
    "chat_id": "ch-9",
    "started_at": "2026-03-02T08:00:00Z",
    "ended_at": "2026-03-02T08:05:30Z",
    "visitor": {"id": "v-5f", "name": "Ada Lovelace", "email": "ada@example.com"},
    "page_url": "https://we.example/pricing?utm_source=google",
    "rating": 5,
    "messages": [
        {"role": "bot", "text": "Hello! What can we do?", "at": "2026-03-02T08:00:00Z"},
        {"role": "visitor", "text": "What does it cost for 40 people?", "at": "2026-03-02T08:00:10Z"},
        {"role": "agent", "text": "I will send you a quote.", "at": "2026-03-02T08:01:40Z"},
        {"role": "visitor", "text": "Thanks", "at": "2026-03-02T08:05:00Z"},
    ],
}


def test_one_transcript_is_one_lead_and_one_interaction() -> None:
    lead, chat = read("chat", TRANSCRIPT, channel="chat")
    assert (lead.kind, chat.kind, lead.key, chat.key) == ("lead", "interaction", "ch-9", "ch-9")
    assert lead.body["message"] == (
        "bot: Hello! What can we do?\nvisitor: What does it cost for 40 people?\n"
        "agent: I will send you a quote.\nvisitor: Thanks"
    )
    for draft in (lead, chat):
        assert (draft.body["email"], draft.body["visitor_id"]) == ("ada@example.com", "v-5f")
        assert draft.body["url"] == "https://we.example/pricing?utm_source=google"
        assert draft.body["occurred_at"] == "2026-03-02T08:00:00+00:00"
    assert lead.body["name"] == "Ada Lovelace"


def test_the_interaction_has_measures_and_no_word_that_was_said() -> None:
    _, chat = read("chat", TRANSCRIPT)
    body = {
        name: value for name, value in chat.body.items() if name not in ("email", "visitor_id", "url", "occurred_at")
    }
    assert body == {
        "kind": "chat",
        "direction": "inbound",
        "duration_seconds": 330.0,
        "rating": 5,
        "attributes.messages": 4,
        "attributes.visitor_messages": 2,
        "attributes.agent_messages": 1,
        "attributes.bot_messages": 1,
        "attributes.first_response_seconds": 90.0,
    }
    assert "cost" not in str(body)
    assert "Ada" not in str(body)


def test_a_visitor_who_says_nothing_of_themselves_is_no_lead() -> None:
    (chat,) = read("chat", {**TRANSCRIPT, "visitor": {"id": "v-5f"}})
    assert (chat.kind, chat.body["visitor_id"]) == ("interaction", "v-5f")
    (chat,) = read("chat", {**TRANSCRIPT, "visitor": {}})
    assert chat.body["visitor_id"] == "chat:ch-9"


@pytest.mark.parametrize("who", [{"phone": "0201234567"}, {"name": "Ada"}, {"full_name": "Ada"}, {"mail": "a@b.nl"}])
def test_any_word_about_who_they_are_is_a_lead(who: dict[str, str]) -> None:
    assert [draft.kind for draft in read("chat", {**TRANSCRIPT, "visitor": who})] == ["lead", "interaction"]


def test_a_system_with_names_of_its_own_is_mapped() -> None:
    sent = {
        "conversation": {"ref": 7, "log": [{"from": "customer", "content": "hi", "time": 1772438400}]},
        "person": {"mail_address": "ada@example.com"},
    }
    mapping = {"chat_id": "conversation.ref", "messages": "conversation.log", "email": "person.mail_address"}
    lead, chat = read("chat", sent, mapping=mapping)
    assert (lead.body["email"], lead.body["message"], chat.key) == ("ada@example.com", "visitor: hi", "7")


def test_a_long_transcript_is_cut_and_says_so() -> None:
    messages = [{"role": "visitor", "text": "x" * 900} for _ in range(20)]
    lead, chat = read("chat", {**TRANSCRIPT, "messages": messages})
    assert len(str(lead.body["message"])) <= ROOM
    assert lead.flags == (TRANSCRIPT_CUT,)
    assert chat.body["attributes.messages"] == 20


def test_what_is_no_transcript_is_refused() -> None:
    assert refused("chat", ["x"]) == {"body": "is a list, not an object"}
    assert refused("chat", {"chat_id": "1"}) == {"messages": "is null, not a list"}
    assert refused("chat", {"messages": [{}] * 5001}) == {"messages": "holds more than 5000 messages"}


def test_clocks_that_disagree_give_no_negative_length() -> None:
    _, chat = read("chat", {**TRANSCRIPT, "ended_at": "2026-03-02T07:00:00Z"})
    assert "duration_seconds" not in chat.body


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
messages = st.lists(
    st.dictionaries(st.sampled_from(["role", "text", "at", "from", "body", "created_at"]), values, max_size=4) | values,
    max_size=4,
)


@given(
    values
    | st.fixed_dictionaries(
        {"messages": messages},
        optional=dict.fromkeys(("chat_id", "visitor", "started_at", "ended_at", "email", "page", "customer"), values),
    )
)
def test_nothing_makes_the_adapter_raise(content: Any) -> None:
    reading = read_chat(Delivery(content=content), an_endpoint("chat"))
    assert isinstance(reading, list | Refused | Ignored)
