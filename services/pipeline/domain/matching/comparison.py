"""Two people side by side: how far each thing that is known of both agrees, as one of a few levels."""

from __future__ import annotations

from itertools import product

from rapidfuzz.distance import OSA

from services.pipeline.domain.matching.person import Person
from services.pipeline.domain.matching.words import is_slip, sounds

LEVELS: dict[str, tuple[str, ...]] = {
    "given name": ("same", "nearly", "initial", "differs"),
    "surname": ("same", "nearly", "differs"),
    "birth date": ("same", "nearly", "differs"),
    "personal number": ("same", "nearly", "differs"),
    "mailbox": ("same", "nearly", "differs"),
    "telephone": ("same", "nearly", "differs"),
    "company": ("same", "same domain", "nearly", "differs"),
    "street": ("same with number", "same", "nearly", "differs"),
    "place": ("same", "half", "nearly", "differs"),
    "country": ("same", "differs"),
}
"""What is compared and how far it can agree. What is not known of both says nothing."""

Comparison = tuple[tuple[str, str], ...]
"""(what was compared, its level), in the order of `LEVELS`."""


def compare(one: Person, other: Person) -> Comparison:
    """Level by level. The two may stand in either order."""
    given, surname = _names(one, other)
    told = {
        "given name": given,
        "surname": surname,
        "birth date": _date(one.birth_date, other.birth_date),
        "personal number": _code(one.number, other.number),
        "mailbox": _text(one.mailbox, other.mailbox),
        "telephone": _phone(one.phone, other.phone),
        "company": _company(one, other),
        "street": _street(one, other),
        "place": _place(one, other),
        "country": _same(one.country, other.country),
    }
    return tuple((what, level) for what, level in told.items() if level is not None)


def _names(one: Person, other: Person) -> tuple[str | None, str | None]:
    if one.whole_name and one.whole_name == other.whole_name and one.surname and other.surname:
        return "same", "same"
    straight = _given(one.given, other.given), _name(one.surname, other.surname)
    if "differs" in straight or "initial" in straight:
        crossed = _name(one.given, other.surname), _name(one.surname, other.given)
        if crossed[0] in ("same", "nearly") and crossed[1] in ("same", "nearly"):
            return crossed
    return straight


def _given(one: str, other: str) -> str | None:
    level = _name(one, other)
    if level == "differs" and 1 in (len(one), len(other)) and one[0] == other[0]:
        return "initial"
    return level


def _name(one: str, other: str) -> str | None:
    level = _text(one, other)
    if level == "differs" and len(sound := sounds(one)) >= 2 and sound == sounds(other):
        return "nearly"
    return level


def _text(one: str, other: str) -> str | None:
    if not one or not other:
        return None
    return "same" if one == other else "nearly" if is_slip(one, other) else "differs"


def _same(one: str, other: str) -> str | None:
    return None if not one or not other else "same" if one == other else "differs"


def _code(one: str, other: str) -> str | None:
    """A number that was given to somebody: one digit wrong, or two exchanged, is nearly it."""
    if not one or not other:
        return None
    if one == other:
        return "same"
    return "nearly" if min(len(one), len(other)) >= 4 and OSA.distance(one, other, score_cutoff=1) <= 1 else "differs"


def _date(one: str, other: str) -> str | None:
    level = _code(one, other)
    if level == "differs" and len(one) == len(other) == 8 and one[:4] + one[6:] + one[4:6] == other:
        return "nearly"  # day and month exchanged
    return level


def _phone(one: str, other: str) -> str | None:
    if one and other and one != other and one[-8:] == other[-8:]:
        return "same"  # with and without its country
    return _code(one, other)


def _company(one: Person, other: Person) -> str | None:
    level = _text(one.company, other.company)
    shorter, longer = sorted((one.company, other.company), key=len)
    if level == "differs" and len(shorter) >= 5 and longer.startswith(shorter):
        level = "nearly"
    if one.mail_domain and one.mail_domain == other.mail_domain:
        return "same" if level in ("same", "nearly") else "same domain"
    return level


def _street(one: Person, other: Person) -> str | None:
    levels = {_text(mine, theirs) for mine, theirs in product(one.streets, other.streets)}
    if not levels:
        return None
    is_number_same = one.house != "" and one.house == other.house
    if levels & {"same", "nearly"} and is_number_same:
        return "same with number"
    return "same" if "same" in levels else "nearly" if "nearly" in levels else "differs"


def _place(one: Person, other: Person) -> str | None:
    city, postcode = _text(one.city, other.city), _code(one.postcode, other.postcode)
    if city is None and postcode is None:
        return None
    agree = [city, postcode].count("same")
    if agree == 2:
        return "same"
    if agree == 1:
        return "half"
    return "nearly" if "nearly" in (city, postcode) else "differs"
