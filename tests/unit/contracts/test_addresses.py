"""E-mail addresses and telephone numbers: the short ways answer as the libraries do, or not at all."""

from __future__ import annotations

import phonenumbers
import pytest
from email_validator import SPECIAL_USE_DOMAIN_NAMES
from email_validator.rfc_constants import CASE_INSENSITIVE_MAILBOX_NAMES
from hypothesis import example, given, settings
from hypothesis import strategies as st
from phonenumbers import PhoneMetadata

from shared.contracts import addresses
from shared.contracts.addresses import library_email, library_phone, read_email, read_phone


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
_LABEL = st.text(alphabet="abcXYZ019-", min_size=1, max_size=12) | st.sampled_from(["b" * 60, "b" * 63, "b" * 64])
_TOP_LEVEL = st.sampled_from(["com", "COM", "c", "c0m", "xn--p1ai", "a" * 24, "a" * 25, *SPECIAL_USE_DOMAIN_NAMES])
_MAILBOX = st.lists(
    _WORD | st.sampled_from([*CASE_INSENSITIVE_MAILBOX_NAMES, "Sales", "WWW", "m" * 63, "m" * 64]),
    min_size=1,
    max_size=4,
).flatmap(lambda words: st.sampled_from([".", "+", "-", "..", "'"]).map(lambda joint: joint.join(words)))
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


_REGIONS = st.sampled_from(sorted(phonenumbers.SUPPORTED_REGIONS))
_COUNTRIES = _REGIONS | st.none()


@st.composite
def _nationals(draw: st.DrawFn, country: str) -> str:
    """Digits as somebody in this country may dial them: as many as its numbers have, or one more or less, behind whatever it
    dials to get out of the town or the country, or part of that."""
    plan = PhoneMetadata.metadata_for_region(country, None)
    assert plan is not None
    assert plan.general_desc is not None
    lengths = sorted({*plan.general_desc.possible_length, *plan.general_desc.possible_length_local_only})
    length = draw(st.sampled_from(lengths)) + draw(st.sampled_from((0, 0, 0, 0, 1, -1)))
    prefixes = [plan.national_prefix, plan.national_prefix_for_parsing, plan.international_prefix]
    dialled = ["".join(filter(str.isdigit, prefix)) for prefix in prefixes if prefix]
    begins = draw(st.sampled_from(("", "", "", "0", "00", *dialled)))[:length]
    return begins + draw(st.text(alphabet="0123456789", min_size=length - len(begins), max_size=length - len(begins)))


def _spaced(number: str, every: int) -> str:
    return number[:3] + "".join(
        (" " if index % every == 0 else "") + digit for index, digit in enumerate(number[3:], 1)
    )


_OF_A_COUNTRY = _REGIONS.flatmap(lambda country: st.tuples(st.just(country), _nationals(country)))


@settings(max_examples=1000, deadline=None)
@given(_COUNTRIES, _OF_A_COUNTRY, st.integers(2, 20))
@example("IR", ("IR", "9123456789"), 3)
@example("GG", ("GG", "1481960194"), 20)
@example("AR", ("AR", "91123456789"), 20)
def test_the_short_way_of_an_international_number_is_the_librarys(
    country: str | None, number_of: tuple[str, str], every: int
) -> None:
    there, national = number_of
    number = _spaced(f"+{phonenumbers.country_code_for_region(there)}{national}", every)
    assert read_phone(number, country) == library_phone(number, country)


@settings(max_examples=1000, deadline=None)
@given(_OF_A_COUNTRY, _COUNTRIES, st.booleans(), st.integers(2, 20))
@example(("IR", "9123456789"), "IR", True, 3)
@example(("IT", "6698123456"), "IT", True, 20)
@example(("BR", "1123456789"), "BR", True, 20)
def test_the_short_way_of_a_local_number_is_the_librarys(
    number_of: tuple[str, str], elsewhere: str | None, at_home: bool, every: int
) -> None:
    there, national = number_of
    number, country = _spaced(f"0{national}", every), there if at_home else elsewhere
    assert read_phone(number, country) == library_phone(number, country)


def test_most_numbers_of_most_countries_take_the_short_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the two properties above would hold for nothing."""
    asked: list[str] = []
    monkeypatch.setattr(addresses, "library_phone", lambda number, _: asked.append(number))
    numbers = [
        (f"+{found.country_code}{phonenumbers.national_significant_number(found)}", country)
        for country in sorted(phonenumbers.SUPPORTED_REGIONS)
        if (found := phonenumbers.example_number_for_type(country, phonenumbers.PhoneNumberType.MOBILE)) is not None
    ]
    for number, country in numbers:
        read_phone(number, country)
    assert len(numbers) > 200
    assert len(asked) < len(numbers) / 10, asked


def test_numbers_as_they_are_dialled_at_home_take_the_short_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a 0 is dialled first, and the plan has no rule of its own for what follows it."""
    asked: list[str] = []
    monkeypatch.setattr(addresses, "library_phone", lambda number, _: asked.append(number))
    numbers = {
        "NL": "020 123 4567", "DE": "030 901820", "GB": "020 7946 0018", "FR": "01 42 68 53 00", "IR": "0912-345-6789",
        "BE": "02 555 12 12", "CH": "044 668 18 00", "AU": "02 9374 4000", "SE": "08-12 34 56 78", "PK": "0301 2345678",
    }  # fmt: skip
    assert [(country, read_phone(number, country)) for country, number in numbers.items() if number in asked] == []
    assert asked == []
    assert read_phone(numbers["NL"], "NL") == ("+31201234567", True)


def test_addresses_as_most_are_written_take_the_short_way(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(addresses, "library_email", asked.append)
    mailboxes = ("ada", "Ada.Lovelace", "ada+crm", "a_l", "ada-l", "a1")
    domains = ("example.com", "Example.COM", "mail.example.co.uk", "a-b.example.org", "x.example.museum")
    written = [f"{mailbox}@{domain}" for mailbox in mailboxes for domain in domains]
    assert [read_email(one) for one in written] == [
        f"{mailbox}@{domain.lower()}" for mailbox in mailboxes for domain in domains
    ]
    assert asked == []


@settings(deadline=None)
@given(st.text(max_size=60), _COUNTRIES)
def test_any_text_is_a_number_an_address_or_neither_and_never_an_error(text: str, country: str | None) -> None:
    assert read_phone(text, country) == library_phone(text, country)
    assert read_email(text) == library_email(text)
