"""Calls: one call is one lead and one interaction, whatever tells of it and however often; who withholds their number is
nobody."""

from __future__ import annotations

from base64 import b64encode
from hmac import digest
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.capture.domain import Refused
from services.capture.domain.channels.calls import WITHHELD, caller_number
from services.capture.domain.channels.terms import Delivery, Draft, Forged, Ignored, Verified
from services.capture.domain.channels.twilio import verify_twilio
from tests.unit.capture.channels.support import an_endpoint, ignored, read, refused
from tests.unit.capture.fakes import NOW

A_CALL = {"call_id": "c-17", "from": "+31201234567", "to": "+31880000000", "direction": "inbound"}
STARTED = {**A_CALL, "event": "started", "started_at": "2026-03-02T08:00:00+01:00"}
ENDED = {**STARTED, "event": "ended", "duration": 312, "outcome": "answered"}
MISSED = {**STARTED, "event": "missed"}

# A status callback as Twilio documents its parameters; every value is ours.
CALLBACK = {
    "AccountSid": "AC00000000000000000000000000000001",
    "ApiVersion": "2010-04-01",
    "CallSid": "CA00000000000000000000000000000017",
    "CallStatus": "completed",
    "CallDuration": "42",
    "Duration": "1",
    "CallbackSource": "call-progress-events",
    "SequenceNumber": "3",
    "Timestamp": "Mon, 02 Mar 2026 08:00:42 +0000",
    "Direction": "inbound",
    "From": "+31201234567",
    "FromCity": "Amsterdam",
    "FromCountry": "NL",
    "FromState": "",
    "FromZip": "",
    "To": "+31880000000",
    "ToCountry": "NL",
    "CallerName": "A LOVELACE",
}


def twilio(**other: str) -> list[tuple[str, str]]:
    """A callback as its form's fields; an empty value takes a field out."""
    return [(name, value) for name, value in {**CALLBACK, **other}.items() if value]


def kinds(drafts: list[Draft]) -> list[str]:
    return [draft.kind for draft in drafts]


def test_the_events_of_one_call_are_one_lead_and_one_interaction() -> None:
    told = [read("call", event, channel="phone") for event in (STARTED, ENDED, ENDED)]
    assert [kinds(drafts) for drafts in told] == [["lead"], ["lead", "interaction"], ["lead", "interaction"]]
    leads = [drafts[0] for drafts in told]
    assert {lead.key for lead in leads} == {"c-17"}
    assert all(lead.body == leads[0].body for lead in leads), "the same record says the same each time"
    assert leads[0].body == {"phone": "+31201234567", "attributes.our_number": "+31880000000"}
    assert told[1][1] == told[2][1]


def test_how_a_call_went_is_its_interaction() -> None:
    _, call = read("call", ENDED, channel="phone")
    assert call.key == "c-17"
    assert call.body == {
        "kind": "call",
        "phone": "+31201234567",
        "direction": "inbound",
        "duration_seconds": 312,
        "outcome": "answered",
        "occurred_at": "2026-03-02T08:00:00+01:00",
        "attributes.our_number": "+31880000000",
    }


def test_who_says_more_of_the_caller_says_it_in_a_record_of_its_own() -> None:
    named = {**ENDED, "name": "Ada"}
    keys = [read("call", event)[0].key for event in (STARTED, ENDED, named, named, {**named, "campaign": "radio"})]
    assert keys[0] == keys[1] == "c-17"
    assert keys[2] == keys[3]
    assert len(set(keys)) == 3
    passed_on = read("call", {**ENDED, "to": "201"})[0]
    assert (passed_on.key, passed_on.otherwise and passed_on.otherwise.body) == ("c-17", passed_on.body)


@pytest.mark.parametrize(
    ("second", "kind", "flags"),
    [
        ({**MISSED, "at": "2026-03-02T08:00:09+01:00", "queue": "7"}, "call_event", ("call_ended_before",)),
        ({**ENDED, "outcome": ""}, "call_event", ("call_ended_before",)),
        ({**ENDED, "outcome": "NO ANSWER", "duration": 0}, "call_event", ("call_ended_before",)),
        ({**ENDED, "outcome": "Answered"}, "call", ()),
    ],
)
def test_of_two_ends_the_first_counts_unless_the_second_says_that_somebody_answered(
    second: dict[str, Any], kind: str, flags: tuple[str, ...]
) -> None:
    *_, call = read("call", second)
    assert (call.key, call.body["kind"], call.flags) == ("c-17", "call", ())
    other = call.otherwise
    assert other is not None
    assert (other.body["kind"], other.flags) == (kind, flags)
    assert other.key not in (None, call.key)


def test_a_missed_call_is_a_lead() -> None:
    lead, call = read("call", MISSED, channel="phone")
    assert (lead.kind, lead.body["phone"]) == ("lead", "+31201234567")
    assert (call.body["kind"], call.body["outcome"]) == ("call", "missed")


@pytest.mark.parametrize("number", [*sorted(WITHHELD), "Anonymous", "sip:anonymous@anonymous.invalid", "client:agent7"])
def test_a_withheld_number_is_nobody_and_the_call_is_kept(number: str) -> None:
    (call,) = read("call", {**MISSED, "from": number}, channel="phone")
    assert (call.kind, call.flags) == ("interaction", ("number_withheld",))
    assert call.body["visitor_id"] == "call:c-17"
    assert "phone" not in call.body


@pytest.mark.parametrize(
    ("sent", "number"),
    [
        ("+31 (20) 123-4567", "+31 (20) 123-4567"),
        ("sip:+31201234567@carrier.example", "+31201234567"),
        ('"Ada" <sip:0201234567@10.0.0.1;user=phone>', "0201234567"),
        ("tel:+31-20-123-4567", "+31-20-123-4567"),
        ("۰۹۱۲۳۴۵۶۷۸۹", "۰۹۱۲۳۴۵۶۷۸۹"),
        ("reception", None),
    ],
)
def test_a_number_is_found_however_the_system_writes_it(sent: str, number: str | None) -> None:
    assert caller_number(sent) == number


def test_what_stands_for_a_number_and_is_none_is_kept() -> None:
    (call,) = read("call", {**MISSED, "from": "client:agent7"})
    assert call.body["attributes.caller"] == "client:agent7"
    (call,) = read("call", {**MISSED, "from": "Anonymous"})
    assert "attributes.caller" not in call.body


def test_a_call_of_ours_makes_no_lead_and_is_about_whoever_was_called() -> None:
    (call,) = read("call", {**ENDED, "direction": "outgoing", "from": "+31880000000", "to": "+31201234567"})
    assert (call.kind, call.body["phone"], call.body["direction"]) == ("interaction", "+31201234567", "outgoing")
    assert call.body["attributes.our_number"] == "+31880000000"
    assert ignored("call", {**STARTED, "direction": "outbound"})


def test_a_call_record_without_an_event_is_a_call_that_ended() -> None:
    record = {"uuid": "r1", "src": "0201234567", "dst": "100", "billsec": "65", "disposition": "ANSWERED"}
    lead, call = read("call", record)
    assert (lead.key, call.key, call.body["duration_seconds"], call.body["outcome"]) == ("r1", "r1", "65", "ANSWERED")


def test_the_length_of_a_call_is_found_from_its_ends() -> None:
    ended = {**A_CALL, "event": "completed", "started_at": 1772438400, "ended_at": 1772438712}
    assert read("call", ended)[1].body["duration_seconds"] == 312
    assert read("call", ended)[1].body["occurred_at"] == "2026-03-02T08:00:00+00:00"


def test_the_endpoint_says_what_a_systems_own_words_and_names_mean() -> None:
    sent = {"Ref": "7", "Wer": "0201234567", "Was": "AUFGELEGT", "Sekunden": 12}
    given = {
        "mapping": {"call_id": "Ref", "from": "Wer", "event": "Was", "duration_seconds": "Sekunden"},
        "events": {"AUFGELEGT": "ended"},
    }
    lead, call = read("call", sent, **given)
    assert (lead.body["phone"], call.body["duration_seconds"], call.body["kind"]) == ("0201234567", 12, "call")


def test_a_word_nobody_knows_is_kept_and_does_not_count_as_a_call() -> None:
    lead, told = read("call", {**A_CALL, "event": "transferred"})
    assert (lead.kind, lead.key) == ("lead", "c-17")
    assert (told.body["kind"], told.body["value"]) == ("call_event", "transferred")
    assert (told.key, told.flags) == ("c-17:transferred", ("unknown_event",))


def test_the_events_of_a_call_need_its_id() -> None:
    assert refused("call", {"event": "started", "from": "0201234567"}) == {"call_id": "is missing"}
    assert refused("call", [1]) == {"body": "is a list, not an object"}


def test_other_fields_go_where_they_belong() -> None:
    lead, call = read("call", {**ENDED, "name": "Ada", "campaign": "radio", "agent": "7"})
    assert (lead.body["name"], lead.body["campaign"], "agent" in lead.body) == ("Ada", "radio", False)
    assert (call.body["agent"], call.body["campaign"], "name" in call.body) == ("7", "radio", False)


# ---- Twilio


def test_a_twilio_callback_is_a_call() -> None:
    lead, call = read("twilio_call", twilio())
    assert lead.body == {
        "phone": "+31201234567",
        "name": "A LOVELACE",
        "country": "NL",
        "attributes.our_number": "+31880000000",
    }
    assert call.body == {
        "kind": "call",
        "phone": "+31201234567",
        "direction": "inbound",
        "duration_seconds": "42",
        "outcome": "completed",
        "occurred_at": "2026-03-02T08:00:00+00:00",
        "attributes.our_number": "+31880000000",
        "attributes.caller_city": "Amsterdam",
    }
    assert call.key == CALLBACK["CallSid"]
    (number_alone,) = read("twilio_call", twilio(CallStatus="ringing", CallerName=""))
    assert number_alone.key == CALLBACK["CallSid"]
    assert lead.key is not None
    assert lead.key.startswith(f"{CALLBACK['CallSid']}:"), "it says more than the number"


def test_the_callbacks_of_one_twilio_call_say_the_same_of_the_lead() -> None:
    told = [read("twilio_call", twilio(CallStatus=status, CallDuration="")) for status in ("ringing", "in-progress")]
    told.append(read("twilio_call", twilio()))
    assert [kinds(drafts) for drafts in told] == [["lead"], ["lead"], ["lead", "interaction"]]
    assert all(drafts[0] == told[0][0] for drafts in told)


@pytest.mark.parametrize(
    ("given", "outcome"),
    [
        ({"CallStatus": "no-answer"}, "missed"),
        ({"CallStatus": "busy"}, "busy"),
        ({"CallStatus": "canceled"}, "canceled"),
        ({"DialCallStatus": "no-answer"}, "missed"),
        ({"DialCallStatus": "completed"}, "completed"),
    ],
)
def test_a_twilio_call_that_nobody_took_is_missed(given: dict[str, str], outcome: str) -> None:
    _, call = read("twilio_call", twilio(**given))
    assert call.body["outcome"] == outcome


def test_a_leg_of_a_twilio_call_is_no_call() -> None:
    assert ignored("twilio_call", twilio(ParentCallSid="CA00000000000000000000000000000001"))


def test_an_anonymous_twilio_call_is_nobody() -> None:
    (call,) = read("twilio_call", twilio(From="+266696687", CallerName="", FromCountry=""))
    assert call.body["visitor_id"] == f"call:{CALLBACK['CallSid']}"


TOKEN = "12345-of-the-tests"
URL = "https://capture.example/v1/channels/default/phone?site=1"


def sign(url: str, fields: list[tuple[str, str]], token: str = TOKEN) -> str:
    """The documented scheme, written once more: the URL, then each parameter's name and value in the order of names."""
    message = url + "".join(name + value for name, value in sorted(fields))
    return b64encode(digest(token.encode(), message.encode(), "sha1")).decode()


def checked(
    fields: list[tuple[str, str]], signature: str | None, *, url: str = URL, **headers: str
) -> Verified | Forged:
    """What the verification says of a callback."""
    given = {"content-type": "application/x-www-form-urlencoded", **headers}
    if signature is not None:
        given["x-twilio-signature"] = signature
    delivery = Delivery(urlencode(fields).encode(), None, given, {}, url)
    return verify_twilio(delivery, (TOKEN, "the-older-token"), an_endpoint("twilio_call"), NOW)


def test_a_callback_that_twilio_signed_is_trusted_also_behind_a_proxy() -> None:
    fields = twilio()
    assert checked(fields, sign(URL, fields)) == Verified(0)
    assert checked(fields, sign(URL, fields, "the-older-token")) == Verified(1)
    seen = "http://10.0.0.7:8001/v1/channels/default/phone?site=1"
    behind = {"x-forwarded-proto": "https", "x-forwarded-host": "capture.example"}
    assert checked(fields, sign(URL, fields), url=seen, **behind) == Verified(0)
    assert checked(fields, sign(URL, fields), url=URL.replace("https", "http")) == Verified(0)
    with_port = URL.replace("capture.example", "capture.example:443")
    assert checked(fields, sign(with_port, fields)) == Verified(0)


def test_a_field_that_is_there_twice_is_signed_once_for_each_value() -> None:
    fields = [*twilio(), ("Tag", "b"), ("Tag", "a"), ("Empty", "")]
    assert checked(fields, sign(URL, fields)) == Verified(0)


def test_twilios_own_worked_scheme_for_json_bodies_is_understood() -> None:
    body = b'{"a": 1}'
    from hashlib import sha256

    url = f"{URL}&bodySHA256={sha256(body).hexdigest()}"
    delivery = Delivery(body, None, {"content-type": "application/json", "x-twilio-signature": sign(url, [])}, {}, url)
    endpoint = an_endpoint("twilio_call")
    assert verify_twilio(delivery, (TOKEN,), endpoint, NOW) == Verified(0)
    other = Delivery(b'{"a": 2}', None, delivery.headers, {}, url)
    assert isinstance(verify_twilio(other, (TOKEN,), endpoint, NOW), Forged)


@pytest.mark.parametrize(
    "signature", [None, "", "AAAA", "é", sign(URL, twilio(), "somebody-elses"), sign(URL, twilio(CallDuration="43"))]
)
def test_what_twilio_did_not_sign_is_forged(signature: str | None) -> None:
    assert isinstance(checked(twilio(), signature), Forged)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMES = ("call_id", "event", "direction", "from", "to", "duration", "started_at", "ended_at", "outcome", "timestamp")


@given(json_values | st.dictionaries(st.sampled_from(NAMES), json_values | st.sampled_from(["ended", "missed", "x"])))
def test_nothing_makes_a_call_adapter_raise(content: Any) -> None:
    from services.capture.domain.channels import ADAPTERS

    for adapter in ("call", "twilio_call"):
        reading = ADAPTERS[adapter].read(Delivery(content=content), an_endpoint(adapter))
        assert isinstance(reading, list | Refused | Ignored)


@given(st.lists(st.tuples(st.sampled_from([*CALLBACK, "ParentCallSid", "x"]), st.text(max_size=20)), max_size=20))
def test_nothing_in_a_form_makes_a_call_adapter_raise(fields: list[tuple[str, str]]) -> None:
    from services.capture.domain.channels import ADAPTERS

    for adapter in ("call", "twilio_call"):
        reading = ADAPTERS[adapter].read(Delivery(content=fields), an_endpoint(adapter))
        assert isinstance(reading, list | Refused | Ignored)
