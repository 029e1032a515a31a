"""HTML forms: what a browser sends becomes a lead, and nothing a person typed costs them the submission."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.capture.api.parts import FormReader, parse_form
from services.capture.domain import Refused
from services.capture.domain.channels import ADAPTERS, Delivery, Draft, File, FormFields, Ignored
from shared.kit.errors import Rejected
from tests.unit.capture.channels.support import an_endpoint

LIMIT = 100_000
URLENCODED = "application/x-www-form-urlencoded"


def submitted(*fields: tuple[str, Any], headers: dict[str, str] | None = None, **given: Any) -> Draft:
    """The draft that a form becomes."""
    reading = ADAPTERS["form"].read(Delivery(content=list(fields), headers=headers or {}), an_endpoint("form", **given))
    assert not isinstance(reading, Refused | Ignored)
    (draft,) = reading
    return draft


def test_a_form_is_a_lead() -> None:
    draft = submitted(("given-name", "Ada"), ("family-name", "Lovelace"), ("email", "ada@example.com"), ("tel", ""))
    assert (draft.kind, draft.body) == ("lead", {"name": "Ada Lovelace", "email": "ada@example.com"})


def test_a_form_that_names_a_kind_is_an_interaction() -> None:
    draft = submitted(("kind", "page_view"), ("visitor_id", "v1"), ("url", "https://www.example.com/pricing"))
    assert draft.kind == "interaction"


def test_a_filled_honeypot_is_a_mark_and_no_refusal() -> None:
    draft = submitted(("email", "a@example.com"), ("website", "http://spam.example"), honeypot="website")
    assert draft.hidden_field_filled
    assert draft.body == {"email": "a@example.com"}
    assert not submitted(("email", "a@example.com"), ("website", ""), honeypot="website").hidden_field_filled


def test_boxes_of_one_name_are_a_list() -> None:
    assert submitted(("topic", "crm"), ("topic", "forms"), ("topic", "tea")).body == {"topic": ["crm", "forms", "tea"]}


def test_of_a_field_of_ours_that_is_there_twice_the_first_counts_and_the_others_stay() -> None:
    draft = submitted(("email", "a@example.com"), ("email", "b@example.com"))
    assert draft.body == {"email": "a@example.com", "attributes.other_email": ["b@example.com"]}


def test_a_file_is_named_and_flagged() -> None:
    draft = submitted(("cv", File("ada.pdf", "application/pdf", b"")), ("photo", File("", "", b"")))
    assert (draft.body, draft.flags) == ({"cv": "ada.pdf"}, ("file_not_kept",))


@pytest.mark.parametrize(
    "name", ["channel", "historical", "lead_id", "occurred_at", "record_id", "retracts", "retracts_event_id", "test"]
)
def test_what_only_senders_may_say_a_visitor_says_in_vain(name: str) -> None:
    assert submitted((name, "x")).body == {f"attributes.{name}": "x"}


def test_the_browsers_own_words_about_the_visit_are_read_where_no_script_told_more() -> None:
    headers = {"referer": "https://www.example.com/contact", "user-agent": "Mozilla/5.0"}
    draft = submitted(("email", "a@example.com"), headers=headers)
    assert (draft.body["url"], draft.body["user_agent"]) == (headers["referer"], headers["user-agent"])
    told = submitted(("url", "https://www.example.com/contact?utm_source=x"), headers=headers)
    assert told.body["url"] == "https://www.example.com/contact?utm_source=x"


def test_the_scripts_own_fields_are_read_and_not_kept() -> None:
    draft = submitted(("leadflow_submission", "s1"), ("leadflow_seconds", "12.5"), ("email", "a@example.com"))
    assert (draft.key, draft.filled_in_seconds, draft.body) == ("s1", 12.5, {"email": "a@example.com"})


@pytest.mark.parametrize("seconds", ["", "soon", "-1", "nan", "inf", "1e30"])
def test_seconds_that_are_none_say_nothing(seconds: str) -> None:
    assert submitted(("leadflow_seconds", seconds)).filled_in_seconds is None


# ---- bodies


def multipart(*parts: bytes, boundary: bytes = b"xYzZY") -> bytes:
    """A body of these parts."""
    return b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts) + b"--" + boundary + b"--\r\n"


MULTIPART = "multipart/form-data; boundary=xYzZY"
NAME = 'Content-Disposition: form-data; name="name"\r\n\r\nسارا'.encode()
CV = b'Content-Disposition: form-data; name="cv"; filename="ada.pdf"\r\nContent-Type: application/pdf\r\n\r\n'


@pytest.mark.parametrize(
    ("body", "content_type", "fields"),
    [
        (b"", URLENCODED, []),
        (
            b"name=Ada+Lovelace&email=ada%40example.com",
            URLENCODED,
            [("name", "Ada Lovelace"), ("email", "ada@example.com")],
        ),
        (b"a=1&a=2&b", URLENCODED, [("a", "1"), ("a", "2"), ("b", "")]),
        (b"&&a=1&", URLENCODED, [("a", "1")]),
        ("نام=سارا".encode(), URLENCODED, [("نام", "سارا")]),
        (b"name=%D8%B3", URLENCODED, [("name", "س")]),
        (b"name=%E9", URLENCODED, [("name", "é")]),
        (b"name=%D3", f"{URLENCODED}; charset=windows-1256", [("name", "س")]),
        (b"name=%zz%", f"{URLENCODED}; charset=nonsense", [("name", "%zz%")]),
        (multipart(NAME), MULTIPART, [("name", "سارا")]),
        (multipart(CV + b"%PDF"), MULTIPART, [("cv", File("ada.pdf", "application/pdf", b"%PDF"))]),
    ],
)
def test_bodies_are_read_as_browsers_write_them(body: bytes, content_type: str, fields: FormFields) -> None:
    assert parse_form(body, content_type, max_field_bytes=LIMIT) == fields


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_a_body_reads_the_same_however_it_arrives_and_files_are_read_past(size: int) -> None:
    body = multipart(CV + b"x" * 200_000, NAME)
    reader = FormReader(MULTIPART, max_field_bytes=1_000)
    for start in range(0, len(body), size if size > 100 else 997 * size):
        reader.write(body[start : start + (size if size > 100 else 997 * size)])
    assert reader.fields() == [("cv", File("ada.pdf", "application/pdf", b"")), ("name", "سارا")]


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"x", "multipart/form-data", 400),
        (b"x", f"multipart/form-data; boundary={'b' * 300}", 400),
        (b"no boundary at all", MULTIPART, 400),
        (multipart(NAME)[:-10], MULTIPART, 400),
        (b"", MULTIPART, 400),
        (b"--xYzZY\r\nno header\r\n", MULTIPART, 400),
        (b"&".join([b"a=1"] * 501), URLENCODED, 413),
        (multipart(*[NAME] * 501), MULTIPART, 413),
        (b"a=" + b"x" * LIMIT, URLENCODED, 413),
        (multipart(NAME + b"x" * LIMIT), MULTIPART, 413),
        (multipart(CV + b"x" * LIMIT + b"x"), MULTIPART, 413),
    ],
)
def test_what_is_no_form_or_too_much_is_refused(body: bytes, content_type: str, status: int) -> None:
    with pytest.raises(Rejected) as refusal:
        parse_form(body, content_type, max_field_bytes=LIMIT)
    assert refusal.value.status == status


@given(st.binary(max_size=200), st.sampled_from([URLENCODED, MULTIPART, "multipart/form-data; boundary=", "x"]))
def test_any_bytes_are_read_or_refused(body: bytes, content_type: str) -> None:
    with suppress(Rejected):
        parse_form(body, content_type, max_field_bytes=LIMIT)
