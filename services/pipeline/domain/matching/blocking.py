"""Whom to compare with whom: people who share a key. Several keys, so that a slip in one thing leaves the others."""

from __future__ import annotations

from services.pipeline.domain.matching.person import Person
from services.pipeline.domain.matching.words import sounds

LARGEST_BLOCK = 100
"""A key that more people share tells nobody apart: it is passed over, and the others have to find them."""


def keys(one: Person) -> list[str]:
    """Under what somebody is looked for, each with the name of its kind before it."""
    given, surname = _heard(one.given), _heard(one.surname)
    found = [
        ("number", one.number),
        ("birth", one.birth_date),
        ("phone", one.phone[-8:]),
        ("mailbox", one.mailbox if len(one.mailbox) >= 5 else ""),
        ("name", _both(*sorted((given, surname)))),
        ("surname-postcode", _both(surname, one.postcode)),
        ("given-postcode", _both(given, one.postcode)),
        ("surname-company", _both(surname, one.company)),
        ("given-company", _both(given, one.company)),
        ("surname-domain", _both(surname, one.mail_domain)),
        ("given-domain", _both(given, one.mail_domain)),
        *(("street", _both(street, one.house)) for street in one.streets),
        *(("street-given", _both(street, given)) for street in one.streets),
        *(("street-surname", _both(street, surname)) for street in one.streets),
    ]
    return [f"{kind}\x1f{value}" for kind, value in found if value]


def _heard(word: str) -> str:
    heard = sounds(word)
    return heard if len(heard) >= 2 else word


def _both(one: str, other: str) -> str:
    return f"{one}\x1f{other}" if one and other else ""
