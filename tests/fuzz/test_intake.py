"""One lead, many, interactions, uploads: any body under any headers."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.budget import examples
from tests.fuzz.inputs import ANY_BODY, NASTY_TEXTS, OBJECTS, as_json, damaged, encoded, intake_headers, pieces
from tests.fuzz.serving import Serving
from tests.unit.capture.fakes import FULL_KEY

CSV = st.lists(
    st.lists(NASTY_TEXTS | st.sampled_from(["Ada", "ada@example.com", "7"]), min_size=1, max_size=4), max_size=5
)


@examples(40, 3)
@given(st.data())
def test_any_body_for_one_or_many(capture: Serving, data: st.DataObject) -> None:
    path = data.draw(
        st.sampled_from(["/v1/leads", "/v1/interactions", "/v1/leads:batch", "/v1/interactions:batch"]), label="path"
    )
    body, said = data.draw(encoded(ANY_BODY), label="body")
    headers = [*data.draw(intake_headers(), label="headers"), *said]
    capture.send(f"POST {path}", "POST", path, headers, data.draw(pieces(body), label="pieces"))


@examples(20)
@given(st.lists(OBJECTS, min_size=1, max_size=8), st.integers(0, 8), st.booleans())
def test_nothing_accepted_is_lost_while_the_log_fails(
    capture: Serving, items: list[dict[str, Any]], fails_after: int, many: bool
) -> None:
    capture.log.fails_after = len(capture.log.records) + fails_after
    try:
        headers = [(b"x-api-key", FULL_KEY.encode()), (b"content-type", b"application/json")]
        path = "/v1/leads:batch" if many else "/v1/leads"
        capture.send(f"POST {path}, log failing", "POST", path, headers, [as_json(items if many else items[0])])
    finally:
        capture.log.fails_after = None


@examples(8, 0.3)
@given(
    damaged(CSV.map(lambda rows: "\n".join(",".join(row) for row in rows).encode("utf-8", "surrogatepass")))
    | st.binary(max_size=200),
    st.sampled_from(["a.csv", "a.xlsx", "a", "\u202e.csv", "../a.csv", "a" * 300]),
    st.dictionaries(
        st.sampled_from(["zone", "mapping", "live", "delimiter", "sheet", "channel", "x"]), NASTY_TEXTS, max_size=3
    ),
    st.booleans(),
)
def test_any_file_as_an_upload(
    capture: Serving, body: bytes, name: str, options: dict[str, str], preview: bool
) -> None:
    path = "/v1/uploads:preview" if preview else "/v1/uploads"
    parts = [
        f'--edge\r\nContent-Disposition: form-data; name="{option}"\r\n\r\n{value}\r\n'.encode("utf-8", "surrogatepass")
        for option, value in options.items()
    ]
    parts.append(f'--edge\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode())
    headers = [(b"x-api-key", FULL_KEY.encode()), (b"content-type", b"multipart/form-data; boundary=edge")]
    capture.send(f"POST {path}", "POST", path, headers, [*parts, body, b"\r\n--edge--\r\n"])
