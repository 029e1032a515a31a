"""Every channel: what its sender documents, changed in any way, signed rightly or wrongly."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any
from urllib.parse import parse_qsl, urlencode

from hypothesis import example, given
from hypothesis import strategies as st

from tests.fuzz.budget import examples
from tests.fuzz.inputs import (
    ANY_BODY,
    HEADER_VALUES,
    MEDIA_TYPES,
    NASTY_TEXTS,
    OBJECTS,
    as_json,
    damaged,
    mutated,
    pieces,
)
from tests.fuzz.serving import KEYED, SECRET, SIGNED, Headers, Serving
from tests.unit.capture.channels import signing
from tests.unit.capture.channels.test_calendly import BOOKED
from tests.unit.capture.channels.test_calls import CALLBACK, ENDED
from tests.unit.capture.channels.test_chat import TRANSCRIPT
from tests.unit.capture.channels.test_check_ins import FAIR
from tests.unit.capture.channels.test_emails import BOUNCE, PLAIN
from tests.unit.capture.channels.test_google import LEAD
from tests.unit.capture.channels.test_linkedin import NOTICE as LINKEDIN_NOTICE
from tests.unit.capture.channels.test_linkedin import RESPONSE as LINKEDIN_RESPONSE
from tests.unit.capture.channels.test_mapped import ENVELOPE
from tests.unit.capture.channels.test_meta import DETAILS, NOTICE
from tests.unit.capture.channels.test_typeform import RESPONSE
from tests.unit.capture.fakes import PLAIN_KEY

DOCUMENTED: dict[str, list[Any]] = {
    "meta_lead_ads": [NOTICE, DETAILS],
    "google_ads": [LEAD | {"google_key": SECRET}],
    "linkedin": [LINKEDIN_NOTICE, LINKEDIN_RESPONSE],
    "typeform": [RESPONSE],
    "calendly": [BOOKED],
    "standard_webhooks": [ENVELOPE],
    "json": [
        {"contact": {"mail": "ada@example.com", "first": "Ada"}, "type": "lead"},
        [{"email": "a@example.com"}] * 3,
    ],
    "call": [ENDED],
    "chat": [TRANSCRIPT],
    "check_in": [FAIR],
}
SIGN: dict[str, signing.Sign] = {
    "meta_lead_ads": signing.meta,
    "linkedin": signing.linkedin,
    "typeform": signing.typeform,
    "calendly": signing.calendly,
    "standard_webhooks": signing.standard_webhooks,
}
FIELDS = st.lists(
    st.tuples(
        st.sampled_from(["name", "email", "phone", "message", "consent", "website", "occurred_at", "utm_source", "cv"])
        | NASTY_TEXTS,
        NASTY_TEXTS | st.sampled_from(["Ada", "ada@example.com", "yes"]),
    ),
    max_size=8,
)
TABLES = st.lists(st.lists(NASTY_TEXTS | st.sampled_from(["name", "email", "Ada"]), min_size=1, max_size=4), max_size=5)


def surely(text: str) -> bytes:
    """Bytes of any text."""
    return text.encode("utf-8", "surrogatepass")


def signed(name: str, body: bytes) -> list[tuple[bytes, bytes]]:
    """The headers by which a sender proves a body."""
    if name == "twilio_call":
        fields = "".join(
            key + value for key, value in sorted(parse_qsl(body.decode("latin-1"), keep_blank_values=True))
        )
        message = f"https://capture.test/v1/channels/default/{name}{fields}"
        mac = hmac.new(SECRET.encode(), message.encode(), hashlib.sha1).digest()
        return [(b"x-twilio-signature", base64.b64encode(mac))]
    given = SIGN[name](body, SECRET) if name in SIGN else {}
    return [(key.encode(), value.encode()) for key, value in given.items()]


@st.composite
def deliveries(draw: st.DrawFn, name: str) -> tuple[bytes, bytes]:
    """A body for an adapter and the media type it is sent as."""
    if name == "twilio_call":
        body = draw(
            damaged(st.just(urlencode(CALLBACK).encode()))
            | FIELDS.map(lambda fields: urlencode(fields, errors="replace").encode())
        )
        return body, b"application/x-www-form-urlencoded"
    if name == "email":
        body = draw(damaged(st.sampled_from([PLAIN, BOUNCE]).map(surely)) | ANY_BODY)
        return body, b"message/rfc822"
    if name == "check_in" and draw(st.booleans()):
        rows = draw(TABLES)
        return draw(damaged(st.just(surely("\n".join(";".join(row) for row in rows))))), b"text/csv"
    documents = st.sampled_from(DOCUMENTED[name]).flatmap(mutated)
    body = draw(documents.map(as_json) | damaged(documents.map(as_json)) | ANY_BODY | OBJECTS.map(as_json))
    if name == "google_ads" and draw(st.booleans()):
        body = as_json(
            {**draw(OBJECTS), "google_key": SECRET, "user_column_data": draw(mutated(LEAD["user_column_data"]))}
        )
    return body, b"application/json"


@examples(60, 4)
@given(st.data())
def test_any_delivery_signed_or_forged(capture: Serving, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from([*SIGNED, *KEYED]), label="endpoint")
    body, media_type = data.draw(deliveries(name), label="body")
    proof = data.draw(st.sampled_from(["right"] * 6 + ["none", "forged", "key", "nonsense"]), label="proof")
    headers: list[tuple[bytes, bytes]] = [(b"content-type", media_type)]
    if proof == "key" or (proof == "right" and name in KEYED):
        headers.append((b"x-api-key", PLAIN_KEY.encode()))
    elif proof == "right":
        headers += signed(name, body)
    elif proof == "forged":
        headers += signed(name, body + b" ") if name in SIGNED else []
    elif proof == "nonsense":
        headers += [(key, data.draw(HEADER_VALUES)) for key, _ in signed(name, body)] if name in SIGNED else []
    for extra in data.draw(
        st.lists(st.sampled_from([b"idempotency-key", b"content-type", b"content-encoding"]), max_size=1)
    ):
        headers.append((extra, data.draw(HEADER_VALUES)))
    answer = capture.send(
        f"POST channel {name}", "POST", f"/v1/channels/default/{name}", headers, data.draw(pieces(body), label="pieces")
    )
    proven_in_body = name == "google_ads" and body.find(SECRET.encode()) >= 0
    if proof in ("none", "forged", "nonsense") and not proven_in_body:
        assert answer.status >= 400, "what is not proven was taken"


@st.composite
def forms(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """A form as a browser, a script or a fool would post it."""
    fields = draw(FIELDS)
    how = draw(st.sampled_from(["urlencoded", "multipart", "json", "anything"]))
    if how == "urlencoded":
        charset = draw(
            st.sampled_from([b"", b"", b"; charset=latin-1", b"; charset=\x00", b"; charset=utf-7", b"; charset=idna"])
        )
        return draw(
            damaged(st.just(urlencode(fields, errors="replace").encode()))
        ), b"application/x-www-form-urlencoded" + charset
    if how == "multipart":
        parts = [
            surely(f'--edge\r\nContent-Disposition: form-data; name="{name}"')
            + draw(st.sampled_from([b"", b'; filename="a.pdf"', b"; filename*=utf-8''%ff", b"\r\nContent-Type: text/plain; charset=\x00"]))
            + b"\r\n\r\n" + surely(value) + b"\r\n"
            for name, value in fields
        ]  # fmt: skip
        return draw(damaged(st.just(b"".join(parts) + b"--edge--\r\n"))), b"multipart/form-data; boundary=edge"
    return draw(ANY_BODY), b"application/json" if how == "json" else draw(MEDIA_TYPES)


@examples(30, 2)
@given(st.data())
def test_any_form(capture: Serving, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(["form", "redirecting"]), label="endpoint")
    body, media_type = data.draw(forms(), label="form")
    headers: list[tuple[bytes, bytes]] = [(b"content-type", media_type)]
    pages = st.sampled_from(
        [
            b"https://www.example.com",
            b"null",
            b"http://[::1",
            b"\xff",
            b"https://a b/%",
            b"",
            b"https://www.example.com/x?y=1#z",
        ]
    )
    names = (b"origin", b"referer", b"user-agent", b"accept-language", b"idempotency-key")
    headers += [(key, data.draw(pages | HEADER_VALUES)) for key in names if data.draw(st.booleans())]
    if data.draw(st.booleans()):
        headers.append((b"accept", b"text/html"))
    capture.send(
        f"POST channel {name}", "POST", f"/v1/channels/default/{name}", headers, data.draw(pieces(body), label="pieces")
    )


@examples(12, 0.5)
@example(method="GET", name="\ud800", unit="default", query={})
@given(
    st.sampled_from(["GET", "OPTIONS", "HEAD", "PUT", "PATCH", "DELETE"]),
    st.sampled_from([*SIGNED, *KEYED, "form", "nobody", "\x00", "%00", "a/b", "\ud800"]),
    st.sampled_from(["default", "nowhere", "", "\ud800"]),
    st.dictionaries(
        st.sampled_from(["hub.mode", "hub.verify_token", "hub.challenge", "challengeCode", "x"]),
        NASTY_TEXTS | st.sampled_from([SECRET, "subscribe"]),
        max_size=4,
    ),
)
def test_any_handshake_and_any_other_method(
    capture: Serving, method: str, name: str, unit: str, query: dict[str, str]
) -> None:
    asked = urlencode({key: value.encode("utf-8", "replace") for key, value in query.items()})
    origin: Headers = [(b"origin", b"https://www.example.com")]
    answer = capture.send(f"{method} channel", method, f"/v1/channels/{unit}/{name}?{asked}", origin)
    if answer.status == 405:
        assert method not in answer.headers["allow"].split(", ")
    assert json.loads(answer.body or b"{}") or answer.status in (200, 204)
