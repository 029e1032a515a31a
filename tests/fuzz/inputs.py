"""Bodies and headers that nobody should send, and some that somebody does."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import Any

from hypothesis import strategies as st

from services.capture.domain.fields import CONSENT_TEXTS, INTERACTION_TEXTS, LEAD_TEXTS, VISIT_TEXTS
from tests.unit.capture.fakes import FULL_KEY, PLAIN_KEY, READ_KEY

MEGABYTE = 1024 * 1024
BOMB = gzip.compress(bytes(16 * MEGABYTE))

NASTY_TEXTS = st.sampled_from(
    [
        "", " ", "\x00", "a\x00b", "\ud800", "a\udfffb", "\u202e", "\ufeff", "\u200c", "x" * 20_000, "é" * 3_000, "۰۹۱۲۳۴۵۶۷۸۹",
        "🧑‍🚀" * 50, "'; DROP TABLE leads; --", "{{7*7}}", "${jndi:ldap://x}", "../../etc/passwd", "<script>", "%00", "%s%n", "\r\nX: y",
        "NaN", "null", "true", "1e400", "-0", "9" * 400, "2026-02-30", "9999-12-31T23:59:59+14:00", "0001-01-01T00:00:00-14:00",
        "+1" + "0" * 40, "a@b", "a@" + "b" * 300 + ".com", "@", "İ@ß.com", "urn:uuid:x", "http://[::1", "https://\ud83d.com/?utm_source=%",
    ]
)  # fmt: skip
NASTY_VALUES = (
    NASTY_TEXTS
    | st.none()
    | st.booleans()
    | st.sampled_from([0, -1, 2**63, 2**64, -(2**70), 10**300, 0.0, -0.0, 5e-324, 1.7976931348623157e308, 1e22])
    | st.text(max_size=30)
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
)
NASTY = st.recursive(
    NASTY_VALUES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NASTY_TEXTS | st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)
NAMES = st.sampled_from(
    [
        *sorted({*LEAD_TEXTS, *INTERACTION_TEXTS, *CONSENT_TEXTS, *VISIT_TEXTS}),
        "consent",
        "attributes",
        "occurred_at",
        "historical",
        "test",
        "lead_id",
        "attributes.x",
        "page_url",
        "referrer",
        "user_agent",
    ]
)
LIKELY = st.sampled_from(
    [
        "ada@example.com",
        "+14155552671",
        "2026-03-01T10:00:00Z",
        "page_view",
        "europe",
        "web_form",
        True,
        7,
        {"purpose": "a"},
    ]
)
OBJECTS = st.dictionaries(NAMES | st.text(max_size=8), LIKELY | NASTY, max_size=8)

_FRAGMENTS = st.sampled_from(
    [
        b"{", b"}", b"[", b"]", b",", b":", b'"', b"\\", b"\\ud800", b"\\u0000", b"\x00", b"\xff", b"\xfe\xff", b"\xef\xbb\xbf", b"\n", b"\r\n",
        b"1e999", b"NaN", b"-", b"1" * 5_000, b'"name":', b'{"name":"a","name":"b"}', b"[" * 500, b'{"a":' * 500, b"null", b"//", b"'",
    ]
)  # fmt: skip


def as_json(value: object) -> bytes:
    """JSON, lone surrogates as escapes."""
    return json.dumps(value).encode()


@st.composite
def damaged(draw: st.DrawFn, bodies: st.SearchStrategy[bytes]) -> bytes:
    """A body with something put in, left out or cut off, once to three times; or as it is."""
    body = draw(bodies)
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, len(body)))
        how = draw(st.sampled_from(["in", "out", "cut", "twice"]))
        if how == "in":
            body = body[:place] + draw(_FRAGMENTS | st.binary(max_size=8)) + body[place:]
        elif how == "out":
            body = body[:place] + body[place + draw(st.integers(1, 20)) :]
        elif how == "cut":
            body = body[:place]
        else:
            body += body[:place]
    return body


@st.composite
def mutated(draw: st.DrawFn, document: Any) -> Any:
    """A document of which some values are others, are missing or are there twice."""

    def walk(value: Any) -> Any:
        chance = draw(st.integers(0, 19))
        if chance == 0:
            return draw(NASTY)
        if isinstance(value, dict):
            kept = {name: walk(inner) for name, inner in value.items() if draw(st.integers(0, 24))}
            return {**kept, draw(NAMES | NASTY_TEXTS): draw(NASTY)} if chance == 1 else kept
        if isinstance(value, list):
            items = [walk(inner) for inner in value]
            return items * draw(st.integers(0, 3)) if chance == 1 else items
        return value

    return walk(document)


DEEP = st.builds(
    lambda opening, depth, closed: (
        opening * depth + b"1" + (b"]" if opening == b"[" else b"}") * (depth if closed else 0)
    ),
    st.sampled_from([b"[", b'{"a":', b'{"attributes":', b'{"consent":']),
    st.sampled_from([31, 33, 200, 1_025, 20_000]),
    st.booleans(),
)
ANY_BODY = (
    damaged(OBJECTS.map(as_json) | st.lists(OBJECTS, max_size=5).map(as_json))
    | OBJECTS.map(as_json)
    | st.lists(OBJECTS | NASTY_VALUES, max_size=5).map(as_json)
    | st.lists(OBJECTS.map(as_json), max_size=5).map(b"\n".join)
    | st.lists(_FRAGMENTS, max_size=10).map(b"".join)
    | st.binary(max_size=80)
    | DEEP
    | OBJECTS.map(lambda body: as_json(body).decode().encode("utf-16"))
)


@st.composite
def encoded(draw: st.DrawFn, bodies: st.SearchStrategy[bytes]) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    """A body as it goes over the line, with what its headers say of it, which is not always so."""
    body = draw(bodies)
    how = draw(st.sampled_from(["plain"] * 8 + ["gzip", "broken", "bomb", "lies", "deflate"]))
    if how == "plain":
        return body, []
    if how == "gzip":
        return gzip.compress(body), [(b"content-encoding", b"gzip")]
    if how == "broken":
        packed = gzip.compress(body)
        return packed[: draw(st.integers(0, len(packed)))], [(b"content-encoding", b"gzip")]
    if how == "bomb":
        return BOMB, [(b"content-encoding", b"gzip")]
    if how == "deflate":
        return zlib.compress(body), [(b"content-encoding", b"deflate")]
    return body, [(b"content-encoding", draw(st.sampled_from([b"gzip", b"br", b"\xff", b"gzip, gzip", b""])))]


@st.composite
def pieces(draw: st.DrawFn, body: bytes) -> list[bytes]:
    """The body in one piece or in several."""
    cuts = sorted(draw(st.lists(st.integers(0, len(body)), max_size=3)))
    ends = [*cuts, len(body)]
    return [body[start:end] for start, end in zip([0, *cuts], ends, strict=True)]


HEADER_VALUES = st.sampled_from([b"", b" ", b"a", b"k\x00", b"\xff\xfe", b"a" * 300, b"k" * 10_000, b"\xd8\xb3", b"-1"])
MEDIA_TYPES = st.sampled_from(
    [b"application/json"] * 8
    + [
        b"application/x-ndjson", b"application/json; charset=utf-16", b"application/json; charset=\x00", b"text/json", b"text/plain",
        b"application/ld+json", b"multipart/form-data", b"multipart/form-data; boundary=x", b"application/x-www-form-urlencoded",
        b"application/x-www-form-urlencoded; charset=\x00", b"application/x-www-form-urlencoded; charset=idna", b"text/csv", b"\xff", b"",
        b"application/x-www-form-urlencoded; charset=unicode_escape", b"message/rfc822", b"application/json;charset=\"", b";;;",
    ]
)  # fmt: skip
KEYS = st.sampled_from(
    [FULL_KEY.encode()] * 8 + [PLAIN_KEY.encode(), READ_KEY.encode(), b"", b"nobody", b"\xff", b"lf_abcdefgh_x"]
)


@st.composite
def intake_headers(draw: st.DrawFn) -> list[tuple[bytes, bytes]]:
    """Who sends, what it is, and what else senders say of it."""
    key = draw(KEYS)
    credentials = [(b"x-api-key", key)] if draw(st.booleans()) else [(b"authorization", b"Bearer " + key)]
    headers = [*credentials, (b"content-type", draw(MEDIA_TYPES))]
    names = (b"idempotency-key", b"leadflow-sender", b"content-length", b"accept", b"origin", b"referer", b"expect")
    return [*headers, *((name, draw(HEADER_VALUES)) for name in names if draw(st.integers(0, 7)) == 0)]
