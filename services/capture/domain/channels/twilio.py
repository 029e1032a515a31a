"""Twilio: status callbacks of calls, and the signature they carry (X-Twilio-Signature)."""

from __future__ import annotations

import hmac
from base64 import b64encode
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from urllib.parse import parse_qs, parse_qsl, urlsplit, urlunsplit

from services.capture.domain.channels.calls import Call, Phase, drafts_of, phase_of, plain_fields
from services.capture.domain.channels.filling import filled, text
from services.capture.domain.channels.moments import moment_of
from services.capture.domain.channels.terms import Delivery, Forged, Ignored, Reading, Verified
from services.capture.domain.channels.verification import proven
from services.capture.domain.faults import Fault
from services.capture.domain.terms import Refused
from shared.contracts.interactions import direction_of
from shared.contracts.policy import Endpoint

MAX_FIELDS = 1_000
_BODY_DIGEST = "bodySHA256"
_PLACES = tuple(
    f"{who}{what}" for who in ("From", "To", "Caller", "Called") for what in ("City", "State", "Zip", "Country")
)
_OF_THE_CALL = {
    "FromCity": "caller_city",
    "FromState": "caller_state",
    "FromZip": "caller_zip",
    "ForwardedFrom": "forwarded_from",
    "StirVerstat": "caller_attestation",
    "RecordingUrl": "recording_url",
    "RecordingSid": "recording_id",
    "RecordingDuration": "recording_seconds",
}
"""What is kept of a call in attributes, under names of ours."""

_SAYS_NOTHING_OF_THE_CALLER = frozenset(
    {
        *(
            "AccountSid",
            "ApiVersion",
            "CallSid",
            "CallStatus",
            "Direction",
            "From",
            "To",
            "Caller",
            "Called",
            "CallDuration",
        ),
        *("Duration", "Timestamp", "CallbackSource", "SequenceNumber", "ParentCallSid", "CallerName", "DialCallStatus"),
        *("DialCallSid", "DialCallDuration", "CallToken", "StirPassportToken", *_PLACES, *_OF_THE_CALL),
    }
)
"""Parameters of a callback that are read here, or are about Twilio or a number of ours."""

_NOBODY_TOOK_IT = frozenset({"no-answer", "busy", "failed", "canceled"})


def read_twilio_call(delivery: Delivery, endpoint: Endpoint) -> Reading:
    """A status callback of a call. The leg on which a call is forwarded to somebody of ours is no call of its own."""
    if not isinstance(delivery.content, list) or not all(isinstance(one, tuple) for one in delivery.content):
        return Refused((Fault("body", "is not a form", "Post the callback as Twilio does."),))
    sent = {name: text(value) for name, value in plain_fields(delivery.content).items()}
    if sent.get("ParentCallSid"):
        return Ignored("a leg of another call")
    status = sent.get("CallStatus", "")
    phase = phase_of(status, endpoint)
    if phase == "ended" and sent.get("DialCallStatus") in _NOBODY_TOOK_IT:
        phase = "missed"
    rest: dict[str, object] = {
        name: value for name, value in sent.items() if value and name not in _SAYS_NOTHING_OF_THE_CALLER
    }
    direction = sent.get("Direction") or "inbound"
    for parameter, ours in _OF_THE_CALL.items():
        if sent.get(parameter) and not (direction_of(direction) == "outbound" and parameter.startswith("From")):
            rest[f"attributes.{ours}"] = sent[parameter]
    if direction_of(direction) != "outbound":
        for name, parameter in (("name", "CallerName"), ("country", "FromCountry")):
            if sent.get(parameter):
                rest[name] = sent[parameter]
    return drafts_of(
        Call(
            call_id=sent.get("CallSid") or None,
            phase=phase,
            word=status,
            direction=direction,
            from_number=sent.get("From", ""),
            to_number=sent.get("To", ""),
            started_at=_began(sent, phase),
            duration_seconds=sent.get("CallDuration") or None,
            outcome="missed" if phase == "missed" and status == "completed" else _outcome(status),
            rest=filled(rest, endpoint),
        )
    )


def _began(sent: dict[str, str], phase: Phase | None) -> str | None:
    """When the call began: a callback tells when it was made, and the last one how long the call was."""
    at, length = moment_of(sent.get("Timestamp")), sent.get("CallDuration", "")
    if at is None:
        return None
    if phase == "ended" and length.isascii() and length.isdigit() and len(length) < 9:
        at -= timedelta(seconds=int(length))
    return at.isoformat()


def _outcome(status: str) -> str | None:
    return "missed" if status == "no-answer" else status or None


def verify_twilio(delivery: Delivery, secrets: Sequence[str], endpoint: Endpoint, now: datetime) -> Verified | Forged:
    """HMAC-SHA1, in base64, under the account's token: over the address that Twilio was given, then the name and value of
    each form field in the order of names; of another body the address carries the digest. No time is signed: what is sent
    again has the same CallSid, and so is the same record."""
    given = delivery.headers.get("x-twilio-signature", "")
    if not given:
        return Forged("it lacks X-Twilio-Signature")
    fields = ""
    digest = parse_qs(urlsplit(delivery.url).query).get(_BODY_DIGEST)
    if digest is not None:
        if not hmac.compare_digest(digest[0].lower().encode(), sha256(delivery.body).hexdigest().encode()):
            return Forged("the digest in the address does not fit the body")
    else:
        try:
            pairs = parse_qsl(delivery.body.decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS)
        except ValueError:
            return Forged("its form cannot be read")
        fields = "".join(name + value for name, value in sorted(set(pairs)))
    outcome: Verified | Forged = Forged("the signature does not fit the body")
    for url in _addresses(delivery):
        found = proven(secrets, [given], lambda secret, url=url: _signature(secret, url + fields))  # type: ignore[misc]
        if isinstance(found, Verified) and isinstance(outcome, Forged):
            outcome = found
    return outcome


def _signature(secret: str, message: str) -> str:
    return b64encode(hmac.digest(secret.encode(), message.encode(errors="replace"), "sha1")).decode()


def _addresses(delivery: Delivery) -> Iterator[str]:
    """How the sender may have written this address: a proxy may have ended TLS or hidden the host, and the port that every
    scheme has is written by some and left out by others."""
    parts = urlsplit(delivery.url)
    hosts = dict.fromkeys((parts.netloc, delivery.headers.get("x-forwarded-host", "").partition(",")[0].strip()))
    for host in filter(None, hosts):
        bare = host.removesuffix(":443").removesuffix(":80")
        for scheme, port in (("https", ":443"), ("http", ":80")):
            for name in dict.fromkeys((host, bare, bare + port)):
                yield urlunsplit((scheme, name, parts.path, parts.query, ""))
