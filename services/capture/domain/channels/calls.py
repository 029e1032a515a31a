"""Telephony: the events of one call become one lead and one interaction, however many of them arrive.

A call from outside makes a lead of its number, with the call's id as its key, from whichever event comes first: it says
the same each time. Who says more of the caller says it in another record of that lead, named by what is said: a name that
is known only at the end contradicts nothing. How the call went is known at its end, so that event alone makes the
interaction. Of two ends the first counts, as of `missed` and the hanging up after it, and the second is kept beside it as no
call, unless it says that somebody answered: then it rang in vain at first, and both happened. A number that is withheld identifies nobody: such a call is kept under its own id as
a visitor's, and makes no lead.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, cast

from services.capture.domain.channels.filling import filled, text
from services.capture.domain.channels.moments import moment_of, seconds_between, sent_as
from services.capture.domain.channels.terms import Delivery, Draft, File, FormFields, Ignored, Reading
from services.capture.domain.faults import Fault, describe
from services.capture.domain.fields import LEAD_TEXTS
from services.capture.domain.terms import Refused
from shared.contracts.interactions import direction_of
from shared.contracts.policy import Endpoint

UNKNOWN_EVENT = "unknown_event"
ENDED_BEFORE = "call_ended_before"
"""Another event ended this call already, and that one counts."""

_ANSWERED = frozenset({"answered", "answer", "accepted", "connected"})
"""Outcomes that somebody who was there can have."""

_THE_NUMBER = frozenset({"phone", "country"})
Phase = Literal["started", "missed", "ended"]
PHASES: tuple[Phase, ...] = ("started", "missed", "ended")

_PHASE_OF: Mapping[str, Phase] = {
    **dict.fromkeys(
        ("started", "start", "initiated", "queued", "ringing", "incoming", "dialing", "answered", "in_progress",
         "connected", "call_started", "call_ringing", "call_answered"), "started"),
    **dict.fromkeys(
        ("missed", "no_answer", "noanswer", "unanswered", "busy", "failed", "canceled", "cancelled", "abandoned",
         "rejected", "voicemail", "call_missed", "missed_call"), "missed"),
    **dict.fromkeys(("ended", "end", "completed", "hangup", "finished", "call_ended", "call_completed"), "ended"),
}  # fmt: skip
_FIELDS: Mapping[str, tuple[str, ...]] = {
    "call_id": ("call_id", "callid", "call_uuid", "call_sid", "uuid", "id", "record_id"),
    "event": ("event", "event_type", "status", "call_status", "state", "type"),
    "direction": ("direction", "call_direction"),
    "from": ("from", "from_number", "caller", "caller_id", "caller_number", "caller_id_number", "ani", "src"),
    "to": ("to", "to_number", "called", "called_number", "callee", "dialed_number", "dnis", "dst"),
    "started_at": ("started_at", "start_time", "started", "call_start"),
    "ended_at": ("ended_at", "end_time", "ended", "call_end"),
    "duration_seconds": ("duration_seconds", "duration", "call_duration", "billsec", "talk_time"),
    "outcome": ("outcome", "disposition", "result", "hangup_cause"),
    "at": ("occurred_at", "timestamp", "time", "event_time"),
}
WITHHELD = frozenset(
    {
        *("", "anonymous", "restricted", "unavailable", "unknown", "private", "blocked", "withheld", "hidden"),
        *("no number", "no caller id", "asserted", "nobody", "none", "null"),
        # The same words as some carriers dial them: letters on the keys of a telephone.
        *("+266696687", "+7378742833", "+2562533", "+8656696", "+8566696", "+86282452253"),
    }
)
"""What stands where a caller's number would be when it is not given."""

_SIP = re.compile(r"(?:sips?|tel):([^@;>]*)(?:@([^;>]*))?", re.IGNORECASE)
_NUMBER = re.compile(r"[\d\s()./+*#\-\u0660-\u0669\u06f0-\u06f9]*\d[\d\s()./+*#\-\u0660-\u0669\u06f0-\u06f9]*")


@dataclass(frozen=True, slots=True)
class Call:
    """One event of a call, whoever told of it. `rest` is whatever else was said."""

    call_id: str | None
    phase: Phase | None
    word: str
    direction: str
    from_number: str
    to_number: str
    started_at: object = None
    duration_seconds: object = None
    outcome: str | None = None
    rest: Mapping[str, object] = field(default_factory=dict)


def read_call(delivery: Delivery, endpoint: Endpoint) -> Reading:
    """A telephone system's event under names of its own: the endpoint's mapping, or names that many use. `events` says
    which of its words is `started`, `missed` or `ended`."""
    content = delivery.content
    if isinstance(content, list) and content and all(isinstance(one, tuple) for one in content):
        content = plain_fields(cast(FormFields, content))
    if not isinstance(content, Mapping):
        return Refused((Fault("body", f"is {describe(content)}, not an object", "Send one event of one call."),))
    sent = filled(content, endpoint)
    folded = {name.lower().replace("-", "_"): name for name in sent}
    found: dict[str, object] = {}
    for ours, names in _FIELDS.items():
        for name in names:
            if name in folded and sent.get(folded[name]) not in (None, ""):
                found[ours] = sent.pop(folded[name])
                break
    word = text(found.get("event"))
    begun, ended = found.get("started_at"), found.get("ended_at")
    duration = found.get("duration_seconds")
    if duration is None:
        duration = seconds_between(moment_of(begun), moment_of(ended))
    phase = phase_of(word, endpoint)
    if phase is None and not word and duration is not None:
        phase = "ended"  # a call record: written once, when the call is over
    call = Call(
        call_id=text(found.get("call_id")) or None,
        phase=phase,
        word=word,
        direction=text(found.get("direction")) or "inbound",
        from_number=text(found.get("from")) or text(sent.pop("phone", None)),
        to_number=text(found.get("to")),
        started_at=begun if begun is not None else found.get("at"),
        duration_seconds=duration,
        outcome=text(found.get("outcome")) or None,
        rest=sent,
    )
    return drafts_of(call)


def phase_of(word: str, endpoint: Endpoint) -> Phase | None:
    """What part of a call a system's word is about; None for a word that nobody knows."""
    meant = endpoint.events.get(word) or _PHASE_OF.get(word.strip().lower().replace("-", "_").replace(" ", "_"))
    return meant if meant in PHASES else None


def drafts_of(call: Call) -> Reading:
    """What one event of a call says."""
    outbound = direction_of(call.direction) == "outbound"
    other, ours = (call.to_number, call.from_number) if outbound else (call.from_number, call.to_number)
    number = caller_number(other)
    if call.call_id is None and (call.phase != "ended" or number is None):
        fix = "Send the call's own id with each of its events: it keeps one call from being counted thrice."
        return Refused((Fault("call_id", "is missing", fix),))
    who: dict[str, object] = {"phone": number}
    flags: tuple[str, ...] = ()
    if number is None:
        who = {"visitor_id": f"call:{call.call_id}"}
        flags = ("number_withheld",)
    common = {name: value for name, value in call.rest.items() if name in LEAD_TEXTS} | who
    others = {name: value for name, value in call.rest.items() if name not in LEAD_TEXTS}
    if ours:
        others["attributes.our_number"] = ours
    if number is None and not _is_withheld(other):
        others["attributes.caller"] = other
    drafts: list[Draft] = []
    if number is not None and not outbound:
        drafts.append(_lead(common | {"attributes.our_number": ours} if ours else common, call.call_id))
    body = {name: value for name, value in common.items() if name not in _LEAD_ONLY} | others
    if call.phase is None:
        return [*drafts, _told(call, {**body, "direction": call.direction}, (*flags, UNKNOWN_EVENT))]
    if call.phase == "started":
        return drafts or Ignored("a call that has only begun, and makes no lead")
    body |= {
        "kind": "call",
        "direction": call.direction,
        "outcome": call.outcome or ("missed" if call.phase == "missed" else "completed"),
    }
    if call.duration_seconds is not None:
        body["duration_seconds"] = call.duration_seconds
    if call.started_at is not None:
        body["occurred_at"] = sent_as(call.started_at)
    return [*drafts, _end(call, body, flags)]


def _lead(said: Mapping[str, object], call_id: str | None) -> Draft:
    """A record of the lead. Which of our numbers was called may change while a call is passed on."""
    other = Draft("lead", said, _by_content(call_id, said))
    if said.keys() - _THE_NUMBER - {"attributes.our_number"}:
        return other
    return Draft("lead", said, call_id, otherwise=other)


def _end(call: Call, body: Mapping[str, object], flags: tuple[str, ...]) -> Draft:
    """How the call went, or, where that was told already, what is told now."""
    if call.call_id is None:
        return Draft("interaction", body, None, flags)
    if call.phase == "ended" and (call.outcome or "").strip().lower() in _ANSWERED:
        # It rang in vain where it was missed; that somebody answered elsewhere is another thing that happened.
        after = Draft("interaction", body, f"{call.call_id}:answered", flags)
    else:
        after = _told(call, body, (*flags, ENDED_BEFORE))
    return Draft("interaction", body, call.call_id, flags, otherwise=after)


def _told(call: Call, body: Mapping[str, object], flags: tuple[str, ...]) -> Draft:
    """What an event says, as an interaction that counts as no call."""
    word = call.word or str(call.phase)
    said = {**body, "kind": "call_event", "value": word}
    other = Draft("interaction", said, _by_content(f"{call.call_id}:{word}", said), flags)
    return Draft("interaction", said, f"{call.call_id}:{word}", flags, otherwise=other)


def _by_content(key: str | None, said: Mapping[str, object]) -> str | None:
    """A name that the same content has each time, and another content never."""
    written = repr(sorted(said.items(), key=lambda item: item[0])).encode(errors="replace")
    return None if key is None else f"{key}:{hashlib.blake2b(written, digest_size=8).hexdigest()}"


_LEAD_ONLY = frozenset({"name", "company", "job_title", "country", "language", "message"})


def caller_number(sent: str) -> str | None:
    """The number of whoever is at the other end, as intake reads it; None where it is withheld or no number."""
    given = sent.strip()
    address = _SIP.search(given)
    if address is not None:
        if "anonymous" in (address[2] or "").lower():
            return None
        given = address[1].strip()
    if given.lower() in WITHHELD or _NUMBER.fullmatch(given) is None:
        return None
    return given


def _is_withheld(sent: str) -> bool:
    """Whether it says that a number is not given, and not something else that is none."""
    return "anonymous" in sent.lower() or sent.strip().lower() in WITHHELD


def plain_fields(form: FormFields) -> dict[str, object]:
    """A form's fields by name, the first of each, files left out."""
    fields: dict[str, object] = {}
    for name, value in form:
        if not isinstance(value, File):
            fields.setdefault(name, value)
    return fields
