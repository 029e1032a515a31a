"""Which attributes of what was captured enter the ledger: those that rules name, and, to learn from, all others that are
plain values and tell nobody's name."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from typing import Any

MOST_ATTRIBUTES = 40
"""Of one touch, beside those that rules name."""

LONGEST_TEXT = 200
LONGEST_CATEGORY = 64
"""A text that no rule names is kept where it can be a category. What is longer is prose, and may tell who wrote it."""

# fmt: off
PERSONAL_WORDS = frozenset({
    "address", "birth", "birthday", "birthdate", "card", "cookie", "comment", "dob", "email", "fax", "fbclid",
    "firstname", "fullname", "gclid", "iban", "id", "ip", "lastname", "login", "mail", "message", "mobile",
    "msclkid", "name", "nickname", "note", "notes", "passport", "password", "phone", "postcode", "remark",
    "remarks", "secret", "signature", "ssn", "street", "surname", "tax", "tel", "telephone", "token", "url",
    "username", "vat", "website", "whatsapp", "zip",
})
# fmt: on
"""An attribute with one of these words in its name may tell who somebody is, or names one record. It is never kept unless
a rule or `scoring.model.attributes` names it."""

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_a-zA-Z]+")
_DIGITS = re.compile(r"\d")
MOST_DIGITS = 8
"""A text of more digits than a date has may be a number that rings at somebody's."""


class Keeping:
    """What is kept of attributes. `named` always are; `others` says whether the rest is, where nothing speaks against it."""

    def __init__(self, named: Collection[str] = (), *, others: bool = False) -> None:
        self._named = frozenset(named)
        self._others = others
        self._allowed: dict[str, bool] = {}

    def kept(self, sent: Mapping[str, Any]) -> dict[str, Any] | None:
        """The attributes that enter the ledger, in one order whatever order they came in; None for none."""
        kept: dict[str, Any] = {}
        for name in self._named:
            value = sent.get(name)
            if isinstance(value, str):
                value = value[:LONGEST_TEXT] or None
            if _is_plain(value):
                kept[name] = value
        if self._others:
            others = 0
            for name in sorted(sent.keys() - kept.keys()):
                value = sent[name]
                if others < MOST_ATTRIBUTES and self._allows(name) and _is_plain(value) and not _may_tell(value):
                    kept[name] = value
                    others += 1
        return kept or None

    def _allows(self, name: str) -> bool:
        allowed = self._allowed.get(name)
        if allowed is None:
            if len(self._allowed) > 10_000:  # whatever senders make up, memory stays bounded
                self._allowed.clear()
            allowed = self._allowed[name] = name not in self._named and not tells_personal(name)
        return allowed


def tells_personal(name: str) -> bool:
    """Whether an attribute of this name may tell who somebody is."""
    words = [word.casefold() for word in _WORDS.findall(name)]
    return len(name) > LONGEST_TEXT or not PERSONAL_WORDS.isdisjoint([*words, "".join(words)])


def _is_plain(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, bool | int | str) and value != ""


def _may_tell(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    return len(value) > LONGEST_CATEGORY or "@" in value or len(_DIGITS.findall(value)) > MOST_DIGITS
