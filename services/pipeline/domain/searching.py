"""By what people are looked for: the words of what is known of a lead, and what somebody who looks for one may mean."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Literal, get_args
from uuid import UUID

from services.pipeline.domain.matching.words import company_words, name_words, words
from services.pipeline.domain.refusals import Refused
from shared.contracts.addresses import read_email, read_phone
from shared.contracts.capture_events import IdentityKind
from shared.contracts.identity import email_identity, external_identity, phone_identity
from shared.contracts.tokens import spellings

MOST_WORDS = 40
MOST_TERMS = 8
LONGEST_WORD = 64
SHORTEST_BEGINNING = 2
"""One letter alone is looked for as a whole word: as the beginning of one it would find a tenth of everybody."""

_LEAD_ID = re.compile(r"[0-9a-f]{6,8}|[0-9a-f]{8}-?[0-9a-f-]{0,27}")
_NO_DIGITS = re.compile(r"[^0-9]+")
_NUMBER = re.compile(r"[+(]?[\d\s().\-/]{5,}")


@dataclass(frozen=True, slots=True)
class Sought:
    """What a text may mean. `identities` are (kind, normalised value), strongest first; `low` and `high` bound the lead ids
    that begin so; `terms` are alternatives, each a list of words that all have to be there."""

    identities: tuple[tuple[IdentityKind, str], ...]
    low: UUID | None
    high: UUID | None
    terms: tuple[tuple[str, ...], ...]


@lru_cache(maxsize=1024)
def tag(business_unit: str) -> str:
    """What stands before each word of a unit, so that a look into one unit does not meet the people of another."""
    return blake2b(business_unit.encode(), digest_size=3).hexdigest()


def words_of(personal: Mapping[str, Any]) -> list[str]:
    """By which words somebody is found: of their name and company, their whole address, and the digits of their number."""
    told = [
        *words(_in_ascii_digits(_text(personal, "name"))),
        *company_words(_in_ascii_digits(_text(personal, "company"))),
    ]
    told += [_folded(_text(personal, "email")), _digits(_text(personal, "phone"))]
    return list(dict.fromkeys(word[:LONGEST_WORD] for word in told if word))[:MOST_WORDS]


def vector(business_unit: str, personal: Mapping[str, Any]) -> str:
    """The words of a lead as its row has them."""
    before = tag(business_unit)
    return " ".join([_quoted(before + word) for word in words_of(personal)])


Reading = Literal["whole", "last begins"]
"""How the words that are asked for are meant: as they are, or the last as the beginning of one, as it is while somebody types."""

READINGS: tuple[Reading, ...] = get_args(Reading)
"""From the surest to the widest. A beginning is dearer the more words begin so: it is asked for only where whole words found too
few, and never of more than one word."""


def query(units: Iterable[str], terms: Iterable[Sequence[str]], reading: Reading) -> str:
    """The terms as PostgreSQL is asked, in any of these units."""
    alternatives = []
    for unit in sorted(units):
        for told in terms:
            last = len(told) - 1
            words = [
                _term(tag(unit), word, begins=reading == "last begins" and place == last)
                for place, word in enumerate(told)
            ]
            alternatives.append(f"({' & '.join(words)})")
    return " | ".join(alternatives)


def sought(text: str, *, country: str | None, sender: str) -> Sought:
    """Everything that a text may mean. `country` is where a number without its country would be dialled, `sender` the system
    whose own id it may be. Raises `Refused` where it says nothing."""
    plain = text.strip()
    terms = _terms(plain)
    if not terms:
        raise Refused(
            "q has no word, number or id to look for.",
            kind="invalid",
            code="nothing-to-look-for",
            field="q",
            fix="Send a name, a company, an e-mail address, a telephone number, an id of the sender's, or a lead id or its beginning.",
        )
    named: list[tuple[IdentityKind, str]] = []
    if "@" in plain and (address := email_identity(read_email(plain) or "")):
        named.append(("email", address))
    if (number := _number(plain, country)) is not None:
        named.append(("phone", number))
    named += [("external", external_identity(sender, name)) for name in spellings(plain)]
    low, high = _ids(plain.lower())
    return Sought(tuple(named), low, high, terms)


def _terms(plain: str) -> tuple[tuple[str, ...], ...]:
    """Alternatives: an address is looked for as a whole, a number by its digits, all else by its words."""
    if not any(letter.isalnum() for letter in plain):
        return ()
    whole = _folded(plain)[:LONGEST_WORD]
    found: list[tuple[str, ...]]
    if "@" in plain:
        found = [(whole,)]
    elif _NUMBER.fullmatch(plain):
        found = [(_digits(plain)[:LONGEST_WORD],)]
    else:
        told = name_words(_in_ascii_digits(plain))
        found = [tuple(word[:LONGEST_WORD] for word in dict.fromkeys(told))[:MOST_TERMS]]
        if " " not in plain and not plain.isalnum():
            found.append((whole,))
    return tuple(one for one in found if one and all(one))


def _number(plain: str, country: str | None) -> str | None:
    if sum(letter.isdecimal() for letter in plain) < 5:
        return None
    read = read_phone(plain, country)
    return phone_identity(read[0]) if read is not None else None


def _ids(plain: str) -> tuple[UUID | None, UUID | None]:
    if _LEAD_ID.fullmatch(plain) is None:
        return None, None
    digits = plain.replace("-", "")
    if len(digits) > 32:
        return None, None
    return UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))


def _term(before: str, word: str, *, begins: bool) -> str:
    return _quoted(before + word) + (":*" if begins and len(word) >= SHORTEST_BEGINNING else "")


def _folded(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text.replace(" ", "").lower()
    told = unicodedata.normalize("NFKC", text).casefold()
    return "".join(letter for letter in told if letter.isprintable() and letter != " ")


def _digits(text: str) -> str:
    if text.isascii():
        return _NO_DIGITS.sub("", text)
    return "".join(str(int(letter)) for letter in text if letter.isdecimal())


def _in_ascii_digits(text: str) -> str:
    if text.isascii():
        return text
    return "".join(str(int(letter)) if letter.isdecimal() else letter for letter in text)


def _text(personal: Mapping[str, Any], name: str) -> str:
    value = personal.get(name)
    return value if isinstance(value, str) else ""


def _quoted(lexeme: str) -> str:
    doubled = lexeme.replace("\\", "\\\\").replace("'", "''")
    return f"'{doubled}'"
