"""A person as far as they can be compared: what is known of them, made comparable once."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from services.pipeline.domain.matching.words import company_letters, name_words, words
from shared.contracts.identity import MADE_UP_ENDINGS, email_identity, phone_identity
from shared.contracts.mail_domains import is_anybodys

PLACES = ("street", "address", "house_number", "address_2", "city", "postcode")
"""Attributes of a lead that say where somebody lives or works."""

ATTRIBUTES = (*PLACES, "birth_date", "personal_number")
"""Attributes of a lead that are kept with the person, to be compared and forgotten with them."""


@dataclass(frozen=True, slots=True)
class Person:
    """What can be compared. Whatever is shared by many, such as a role address, is left out: it says nothing of who is who."""

    given: str = ""
    surname: str = ""
    whole_name: str = ""
    birth_date: str = ""
    number: str = ""
    mailbox: str = ""
    mail_domain: str = ""
    phone: str = ""
    company: str = ""
    country: str = ""
    house: str = ""
    streets: tuple[str, ...] = ()
    city: str = ""
    postcode: str = ""


def person(
    known: Mapping[str, Any],
    *,
    given: str | None = None,
    surname: str | None = None,
    shared_phones: Collection[str] = (),
) -> Person:
    """Of what pipeline knows of a lead. A name that comes in two parts is given apart."""
    if given is None and surname is None:
        told = name_words(_text(known, "name"))
        given_word, rest = (told[0], "".join(told[1:])) if told else ("", "")
    else:
        given_word, rest = "".join(words(given or "")), "".join(words(surname or ""))
    address = email_identity(_text(known, "email")) or ""
    mailbox, _, domain = address.rpartition("@")
    number = _text(known, "phone")
    return Person(
        given=given_word,
        surname=rest,
        whole_name=given_word + rest,
        birth_date=_digits(_text(known, "birth_date")),
        number="".join(words(_text(known, "personal_number"))),
        mailbox="".join(letter for letter in mailbox if letter.isalnum()),
        mail_domain="" if is_anybodys(domain) else domain,
        phone=_digits(number) if _is_of_one(number, shared_phones) else "",
        company=company_letters(_text(known, "company")),
        country=_text(known, "country").upper(),
        house="".join(words(_text(known, "house_number"))),
        streets=tuple(
            street for name in ("street", "address", "address_2") if (street := "".join(words(_text(known, name))))
        ),
        city="".join(words(_text(known, "city"))),
        postcode="".join(words(_text(known, "postcode"))),
    )


def _is_of_one(number: str, shared_phones: Collection[str]) -> bool:
    return phone_identity(number) is not None and number[-7:] not in MADE_UP_ENDINGS and number not in shared_phones


def _text(known: Mapping[str, Any], name: str) -> str:
    value = known.get(name)
    return value if isinstance(value, str) else "" if value is None else str(value)


def _digits(value: str) -> str:
    return "".join(str(int(letter)) for letter in value if letter.isdecimal())
