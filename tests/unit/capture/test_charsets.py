"""A character set is named by whoever sends: none of them costs more than reading does, and nothing is lost over its name."""

from __future__ import annotations

import time

import pytest

from services.capture.api.parts import FormReader
from services.capture.domain.channels.email_message import read_mail
from services.capture.domain.charsets import decoded

STRANGE = [
    "punycode",
    "idna",
    "unicode_escape",
    "raw_unicode_escape",
    "undefined",
    "rot13",
    "hex",
    "none-such",
    "\x00",
    "a\x00b",
    "",
]
SLOW = b"a-" + b"9" * 250_000


@pytest.mark.parametrize("charset", STRANGE)
def test_what_is_no_character_set_is_read_as_utf_8_and_at_once(charset: str) -> None:
    began = time.process_time()
    assert decoded("سارا".encode() + SLOW, (charset, "utf-8")) == "سارا" + SLOW.decode()
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize("charset", STRANGE)
def test_a_form_in_no_character_set_keeps_its_fields(charset: str) -> None:
    reader = FormReader(f"application/x-www-form-urlencoded; charset={charset}", max_field_bytes=300_000)
    began = time.process_time()
    reader.write(b"name=Ada&message=" + SLOW)
    assert dict(reader.fields()) == {"name": "Ada", "message": SLOW.decode()}
    assert time.process_time() - began < 1


@pytest.mark.parametrize("charset", STRANGE)
def test_a_message_in_no_character_set_is_read(charset: str) -> None:
    head = f"From: ada@example.com\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset={charset}\r\n\r\n"
    began = time.process_time()
    read_mail(head.encode() + SLOW)
    assert time.process_time() - began < 2


def test_a_character_set_that_is_one_is_read_in() -> None:
    assert decoded("é".encode("windows-1252"), ("windows-1252", "utf-8")) == "é"
    assert decoded(b"\xff", ("utf-8", None)) is None
