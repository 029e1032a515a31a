"""E-mail addresses and telephone numbers: the short ways answer as the libraries do, or not at all."""

from __future__ import annotations

import phonenumbers
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.capture.addresses import library_email, library_phone, read_email, read_phone


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("Ada.Lovelace@Example.COM", "Ada.Lovelace@example.com"),
        ("ada+crm@example.com", "ada+crm@example.com"),
        ("INFO@example.com", "info@example.com"),
        ("o'neil@example.co.uk", "o'neil@example.co.uk"),
        ("ada@xn--bcher-kva.example", "ada@bücher.example"),
        ("ada@bücher.example", "ada@bücher.example"),
        ("ada@shop.test", "ada@shop.test"),
        ("ada@example", None),
        ("ada@host.local", None),
        ("ada@@example.com", None),
        ("ada lovelace@example.com", None),
        ("ada@-example.com", None),
        ("ada@example..com", None),
        ("not an address", None),
        ("@", None),
    ],
)
def test_an_address_is_read_or_found_malformed(sent: str, kept: str | None) -> None:
    assert read_email(sent) == kept


@pytest.mark.parametrize(
    ("sent", "country", "kept"),
    [
        ("+31 20 123 4567", None, ("+31201234567", True)),
        ("020 123 4567", "NL", ("+31201234567", True)),
        ("(020) 123-4567", "NL", ("+31201234567", True)),
        ("09123456789", "IR", ("+989123456789", True)),
        ("0098 912 345 6789", "IR", ("+989123456789", True)),
        ("+44 (0)20 7946 0018", None, ("+442079460018", True)),
        ("(415) 555-2671", "US", ("+14155552671", True)),
        ("+39 06 698 12345", None, ("+390669812345", True)),  # an Italian zero belongs to the number
        ("06 698 12345", "IT", ("+390669812345", True)),
        ("+1 415 555 2671 ext. 12", None, ("+14155552671", False)),
        ("020 123 4567", None, None),
        ("020 123 4567", "XX", None),
        ("12", "NL", None),
        ("+999 123456789", None, None),
        ("call me", "NL", None),
        ("", "NL", None),
    ],
)
def test_a_number_is_read_in_its_country_or_found_impossible(
    sent: str, country: str | None, kept: tuple[str, bool] | None
) -> None:
    assert read_phone(sent, country) == kept


_WORD = st.text(alphabet="abcXYZ019_", min_size=1, max_size=12)
_LABEL = st.text(alphabet="abcXYZ019-", min_size=1, max_size=12)
_TOP_LEVEL = st.sampled_from(
    ["com", "COM", "test", "local", "onion", "invalid", "arpa", "c", "c0m", "example", "xn--p1ai"]
)
_MAILBOX = st.lists(_WORD | st.sampled_from(["info", "Sales", "www"]), min_size=1, max_size=4).flatmap(
    lambda words: st.sampled_from([".", "+", "-", "..", "'"]).map(lambda joint: joint.join(words))
)
_LIKELY_EMAIL = st.tuples(_MAILBOX, st.lists(_LABEL, min_size=0, max_size=4), _TOP_LEVEL).map(
    lambda parts: f"{parts[0]}@{'.'.join([*parts[1], parts[2]])}"
)


@settings(max_examples=400, deadline=None)
@given(_LIKELY_EMAIL | st.emails())
@example("a" * 65 + "@example.com")
@example("a@" + "b" * 64 + ".com")
@example("a@b--c.com")
@example("a@ab--c.com")
def test_the_short_way_of_an_address_is_the_librarys(address: str) -> None:
    assert read_email(address) == library_email(address)


_COUNTRIES = st.sampled_from(sorted(phonenumbers.SUPPORTED_REGIONS)) | st.none()
_DIGITS = st.text(alphabet="0123456789", min_size=4, max_size=15)
_CODES = st.sampled_from(sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)).map(str)


def _spaced(number: str, every: int) -> str:
    return number[:3] + "".join(
        (" " if index % every == 0 else "") + digit for index, digit in enumerate(number[3:], 1)
    )


@settings(max_examples=1500, deadline=None)
@given(_COUNTRIES, _CODES, _DIGITS, st.integers(2, 20))
@example("IR", "98", "9123456789", 3)
@example("GG", "44", "1481960194", 20)
@example("AR", "54", "91123456789", 20)
def test_the_short_way_of_an_international_number_is_the_librarys(
    country: str | None, code: str, digits: str, every: int
) -> None:
    number = _spaced(f"+{code}{digits}", every)
    assert read_phone(number, country) == library_phone(number, country)


@settings(max_examples=1500, deadline=None)
@given(_COUNTRIES, _DIGITS, st.integers(2, 20))
@example("IR", "9123456789", 3)
@example("IT", "6698123456", 20)
@example("BR", "1123456789", 20)
def test_the_short_way_of_a_local_number_is_the_librarys(country: str | None, digits: str, every: int) -> None:
    number = _spaced(f"0{digits}", every)
    assert read_phone(number, country) == library_phone(number, country)


@settings(deadline=None)
@given(st.text(max_size=60), _COUNTRIES)
def test_any_text_is_a_number_an_address_or_neither_and_never_an_error(text: str, country: str | None) -> None:
    assert read_phone(text, country) == library_phone(text, country)
    assert read_email(text) == library_email(text)
