"""What operators and senders ask: quarantine, reconciliation, keys, uploads, health, and paths there are none of."""

from __future__ import annotations

from datetime import UTC
from typing import Any
from urllib.parse import quote, urlencode
from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.budget import examples
from tests.fuzz.inputs import ANY_BODY, HEADER_VALUES, NASTY, NASTY_TEXTS, OBJECTS, as_json
from tests.fuzz.serving import OPERATOR_TOKEN, Serving
from tests.unit.capture.fakes import FULL_KEY, PLAIN_KEY

JSON = (b"content-type", b"application/json")
CREDENTIALS = st.sampled_from(
    [
        b"Bearer " + token.encode()
        for token in (OPERATOR_TOKEN, OPERATOR_TOKEN, OPERATOR_TOKEN, FULL_KEY, PLAIN_KEY, "x")
    ]
    + [b"", b"Bearer", b"Basic \xff"]
)
QUERIES = st.dictionaries(
    st.sampled_from(
        [
            "status", "reason", "kind", "sender", "business_unit", "cursor", "limit", "reveal", "from", "to", "time_zone", "after", "before",
        ]
    ),
    NASTY_TEXTS
    | st.sampled_from(
        ["open", "1", "0", "-1", "true", "dev", "lead", "delivery", "2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z", "Asia/Tehran", "UTC"]
    ),
    max_size=5,
)  # fmt: skip


def asked(query: dict[str, str]) -> str:
    """A query string of any text."""
    return urlencode({name: value.encode("utf-8", "surrogatepass") for name, value in query.items()})


def an_entry(capture: Serving) -> str:
    """The id of something that is in quarantine, or soon will be."""
    body = [as_json({"name": ["Lovelace"], "record_id": str(uuid4())})]
    answer = capture.send("POST /v1/leads", "POST", "/v1/leads", [(b"x-api-key", FULL_KEY.encode()), JSON], body)
    found: str = answer.json()["quarantine_id"]
    return found


@examples(25, 1.5)
@given(st.data())
def test_any_command_on_quarantine(capture: Serving, data: st.DataObject) -> None:
    which = data.draw(st.sampled_from(["real", "real", "none", "nonsense"]), label="entry")
    name = {
        "real": lambda: an_entry(capture),
        "none": lambda: str(uuid4()),
        "nonsense": lambda: quote(data.draw(NASTY_TEXTS).encode("utf-8", "replace")),
    }[which]()
    command = data.draw(st.sampled_from(["", ":fix", ":release", ":drop", ":nothing"]), label="command")
    body = data.draw(
        st.builds(lambda one: as_json({"patch": one}), OBJECTS)
        | st.builds(lambda one: as_json({"payload": one}), OBJECTS | NASTY)
        | st.just(b"")
        | st.builds(lambda one: as_json({"note": one}), NASTY_TEXTS)
        | ANY_BODY,
        label="body",
    )
    headers = [(b"authorization", data.draw(CREDENTIALS)), JSON]
    if data.draw(st.booleans()):
        headers.append((b"leadflow-actor", data.draw(HEADER_VALUES)))
    method = "GET" if command == "" else "POST"
    query = data.draw(QUERIES, label="query")
    capture.send(
        f"{method} /v1/quarantine/ID{command}",
        method,
        f"/v1/quarantine/{name}{command}?{asked(query)}",
        headers,
        [body],
    )


@examples(25, 1.5)
@given(
    st.sampled_from(
        ["/v1/quarantine", "/v1/quarantine/counts", "/v1/keys", "/v1/reconciliation", "/v1/uploads", "/v1/dead-letters", "/livez",
         "/readyz", "/startupz", "/metrics", "/leadflow.js", "/openapi.json", "/docs", "/", "/v1", "/v1/leads", "//", "/\x00", "/%ff"]
    ),
    QUERIES,
    CREDENTIALS,
)  # fmt: skip
def test_any_question(capture: Serving, path: str, query: dict[str, str], credentials: bytes) -> None:
    capture.send(f"GET {path}", "GET", f"{path}?{asked(query)}", [(b"authorization", credentials)])


def counted(**given: Any) -> bytes:
    """A sender's count of a day."""
    return as_json({"from": "2026-03-02T00:00:00Z", "to": "2026-03-03T00:00:00Z", **given})


@examples(20)
@given(
    st.builds(
        lambda ids: counted(record_ids=ids), st.lists(NASTY_TEXTS | st.integers() | st.text(max_size=5), max_size=5)
    )
    | st.builds(
        lambda expected, ids: counted(expected=expected, event_ids=ids),
        st.integers() | NASTY,
        st.lists(st.uuids().map(str), max_size=3),
    )
    | st.builds(lambda extra: counted(**{key: value for key, value in extra.items() if key.isidentifier()}), OBJECTS)
    | ANY_BODY,
    CREDENTIALS,
)
def test_any_count_to_compare(capture: Serving, body: bytes, credentials: bytes) -> None:
    capture.send(
        "POST /v1/reconciliation", "POST", "/v1/reconciliation", [(b"authorization", credentials), JSON], [body]
    )


@examples(12, 0.6)
@given(
    st.sampled_from(
        [
            "/v1/keys",
            "/v1/keys/lf_abcdefgh:rotate",
            "/v1/keys/lf_abcdefgh:revoke",
            "/v1/keys/%00:revoke",
            "/v1/uploads/x:cancel",
        ]
    ),
    st.builds(
        lambda sender, scopes, rate: as_json({"sender": sender, "scopes": scopes, "rate_per_second": rate}),
        NASTY_TEXTS | st.just("shop"),
        st.lists(st.sampled_from(["write", "reconcile", "x"]) | NASTY_TEXTS, max_size=3) | NASTY,
        NASTY,
    )
    | ANY_BODY,
    CREDENTIALS,
)
def test_any_order_about_keys(capture: Serving, path: str, body: bytes, credentials: bytes) -> None:
    capture.send(f"POST {path}", "POST", path, [(b"authorization", credentials), JSON], [body])


@examples(20)
@given(
    st.builds(
        lambda ids, tokens, until, whole: as_json({"lead_ids": ids, "tokens": tokens, "until": until, "whole": whole}),
        st.lists(st.uuids().map(str), max_size=3),
        st.lists(st.text(alphabet="0123456789abcdef", min_size=32, max_size=32), max_size=4),
        st.datetimes(timezones=st.just(UTC)).map(lambda at: at.isoformat()) | st.none(),
        st.booleans(),
    )
    | st.builds(
        lambda ids, tokens, until: as_json({"lead_ids": ids, "tokens": tokens, "until": until}),
        st.just([]) | NASTY,
        st.lists(NASTY_TEXTS, max_size=4) | NASTY,
        st.none() | NASTY_TEXTS,
    )
    | ANY_BODY,
    CREDENTIALS,
)
def test_any_question_about_people(capture: Serving, body: bytes, credentials: bytes) -> None:
    capture.send("POST /v1/people:held", "POST", "/v1/people:held", [(b"authorization", credentials), JSON], [body])
