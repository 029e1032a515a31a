"""Chat transcripts: one conversation is one interaction with its length and who said how much, and, where the visitor said
who they are, one lead with what was written. The text is personal and goes nowhere but into the lead's message."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from services.capture.domain.channels.filling import filled, our_name, text
from services.capture.domain.channels.moments import moment_of, seconds_between, sent_as
from services.capture.domain.channels.records import MAX_FAULTS
from services.capture.domain.channels.terms import Delivery, Draft, Reading
from services.capture.domain.faults import Fault, describe
from services.capture.domain.fields import LEAD_TEXTS
from services.capture.domain.terms import Refused
from shared.contracts.policy import Endpoint

Role = Literal["visitor", "agent", "bot"]

MAX_MESSAGES = 5_000
TRANSCRIPT_CUT = "transcript_cut"
ROOM = LEAD_TEXTS["message"].limit - 100

_ROLES: Mapping[str, Role] = {
    **dict.fromkeys(("visitor", "user", "customer", "client", "guest", "contact", "lead", "end_user", "me"), "visitor"),
    **dict.fromkeys(("agent", "operator", "admin", "staff", "support", "human", "representative", "team"), "agent"),
    **dict.fromkeys(("bot", "assistant", "system", "automation", "ai", "trigger", "workflow", "model"), "bot"),
}
_ID = ("chat_id", "conversation_id", "transcript_id", "session_id", "thread_id", "id", "record_id")
_VISITOR = ("visitor", "customer", "contact", "user", "client", "guest")
_MESSAGES = ("messages", "transcript", "conversation", "items", "history")
_BEGAN = ("started_at", "created_at", "start_time", "occurred_at")
_ENDED = ("ended_at", "closed_at", "end_time")
_WHO_SAID = ("role", "sender", "sender_type", "from", "author", "type")
_SAID = ("text", "message", "body", "content")
_SAID_AT = ("at", "timestamp", "sent_at", "created_at", "time", "date")
_SAYS_WHO = ("email", "phone", "name", "external_id")


@dataclass(frozen=True, slots=True)
class Said:
    """One message of a conversation."""

    role: Role
    text: str
    at: datetime | None


def read_chat(delivery: Delivery, endpoint: Endpoint) -> Reading:
    """One transcript, under names of its own: the endpoint's mapping, or names that many use."""
    if not isinstance(delivery.content, Mapping):
        fix = "Send one transcript: {chat_id, visitor, messages}."
        return Refused((Fault("body", f"is {describe(delivery.content)}, not an object", fix),))
    body = filled(delivery.content, endpoint)
    listed = _taken(body, _MESSAGES)
    if not isinstance(listed, list):
        fix = "Send a list of {role, text, at}."
        return Refused((Fault("messages", f"is {describe(listed)}, not a list", fix),))
    if len(listed) > MAX_MESSAGES:
        return Refused((Fault("messages", f"holds more than {MAX_MESSAGES} messages", "Send the last ones."),))
    chat_id = text(_taken(body, _ID)) or None
    _visitor_into(body)
    said: list[Said] = []
    faults: list[Fault] = []
    for place, message in enumerate(listed):
        if (one := _said(message)) is not None:
            said.append(one)
        elif len(faults) < MAX_FAULTS:
            why = f"is {describe(message)}, neither text nor an object"
            faults.append(Fault(f"messages[{place}]", why, "Send {role, text, at}."))
    if faults:
        return Refused(tuple(faults))
    began, ended = _taken(body, _BEGAN), _taken(body, _ENDED)
    if began is None:
        began = next((one.at.isoformat() for one in said if one.at is not None), None)
    if began is not None:
        body["occurred_at"] = sent_as(began)
    if not any(text(body.get(name)) for name in (*_SAYS_WHO, "visitor_id")) and chat_id is not None:
        body["visitor_id"] = f"chat:{chat_id}"
    happened = {name: value for name, value in body.items() if name not in _LEAD_ONLY}
    happened |= {"kind": "chat", "direction": body.pop("direction", "inbound"), **_counts(said)}
    if moment_of(ended) is None and ended is not None:
        happened["ended_at"] = ended
    seconds = _seconds(began, ended, said)
    if seconds is not None:
        happened["duration_seconds"] = seconds
    drafts = [Draft("interaction", happened, chat_id)]
    if any(text(body.get(name)) for name in _SAYS_WHO):
        transcript, whole = _transcript(said)
        about = {name: value for name, value in body.items() if name in _LEAD_FIELDS}
        if transcript and not text(about.get("message")):
            about["message"] = transcript
        drafts.insert(0, Draft("lead", about, chat_id, () if whole else (TRANSCRIPT_CUT,)))
    return drafts


_LEAD_ONLY = frozenset({"name", "company", "job_title", "country", "language", "message", "consent"})
_LEAD_FIELDS = frozenset(LEAD_TEXTS) | {"consent", "occurred_at", "url", "landing_page", "referrer", "user_agent"}


def _taken(body: dict[str, object], names: Iterable[str]) -> object:
    """The first of these fields that says something, taken out of the body."""
    for name in names:
        if body.get(name) not in (None, ""):
            return body.pop(name)
    return None


def _visitor_into(body: dict[str, object]) -> None:
    """What a nested visitor says of themselves, beside what the body says already."""
    for place in _VISITOR:
        who = body.get(place)
        if isinstance(who, Mapping):
            del body[place]
            for name, value in who.items():
                ours = "visitor_id" if name in ("id", "visitor_id") else our_name(str(name))
                if body.get(ours) in (None, ""):
                    body[ours] = value
                elif value not in (None, "", body[ours]):
                    body[f"attributes.{place}_{name}"] = value
    for name, ours in (("page_url", "url"), ("page", "url"), ("referer", "referrer")):
        if isinstance(body.get(name), str) and ours not in body:
            body[ours] = body.pop(name)


def _said(message: object) -> Said | None:
    if isinstance(message, str):
        return Said("visitor", message, None)
    if not isinstance(message, Mapping):
        return None
    who = next((message[name] for name in _WHO_SAID if message.get(name)), "")
    if isinstance(who, Mapping):
        who = next((who[name] for name in ("type", "role") if who.get(name)), "")
    words = next((text(message[name]) for name in _SAID if text(message.get(name))), "")
    at = next((found for name in _SAID_AT if (found := moment_of(message.get(name))) is not None), None)
    role = _ROLES.get(text(who).lower().replace("-", "_").replace(" ", "_"), "agent")
    return Said(role, words, at)


def _counts(said: list[Said]) -> dict[str, object]:
    by_role = Counter(one.role for one in said)
    counts: dict[str, object] = {
        "attributes.messages": len(said),
        "attributes.visitor_messages": by_role["visitor"],
        "attributes.agent_messages": by_role["agent"],
        "attributes.bot_messages": by_role["bot"],
    }
    asked = next((one.at for one in said if one.role == "visitor"), None)
    answered = next((one.at for one in said if one.role == "agent" and _after(one.at, asked)), None)
    waited = seconds_between(asked, answered)
    if waited is not None:
        counts["attributes.first_response_seconds"] = waited
    return counts


def _after(at: datetime | None, other: datetime | None) -> bool:
    return seconds_between(other, at) is not None


def _seconds(began: object, ended: object, said: list[Said]) -> float | None:
    begin = moment_of(began)
    last = moment_of(ended) or next((one.at for one in reversed(said) if one.at is not None), None)
    return seconds_between(begin, last)


def _transcript(said: list[Said]) -> tuple[str, bool]:
    """The conversation as lines of text, as much of its beginning as a lead's message has room for, and whether that is
    all."""
    lines, room = [], ROOM
    for one in said:
        line = f"{one.role}: {' '.join(one.text.split())}"
        if not one.text.strip():
            continue
        if len(line) + 1 > room:
            lines.append(line[: max(room - 1, 0)])
            return "\n".join(lines).strip(), False
        lines.append(line)
        room -= len(line) + 1
    return "\n".join(lines), True
