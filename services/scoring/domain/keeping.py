"""Which attributes of what was captured enter the ledger: those that rules name, and, to learn from, others that are plain
values and tell nobody's name."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from typing import Any, Literal

from services.scoring.domain.attribute_names import is_plain, tells_personal

MOST_ATTRIBUTES = 40
"""Of one touch, beside those that rules name."""

LONGEST_TEXT = 200
LONGEST_CATEGORY = 64
"""A text that no rule names is kept where it can be a category. What is longer is prose, and may tell who wrote it."""

_DIGITS = re.compile(r"\d")
MOST_DIGITS = 8
"""A text or number of more digits than a date has may be one that rings at somebody's."""

MOST_WORDS = 8

Others = Literal["none", "plain", "all"]
"""What is kept beside what rules name: nothing; what has a plain name; whatever has not a personal one."""


class Keeping:
    """What is kept of attributes. `named` always are; `others` says what of the rest is, where its value tells nobody."""

    def __init__(self, named: Collection[str] = (), *, others: Others = "none") -> None:
        self._named = frozenset(named)
        self._others = others
        self._allowed: dict[str, bool] = {}

    def named(self, sent: Mapping[str, Any]) -> dict[str, Any] | None:
        """Those that are named, in one order whatever order they came in; None for none."""
        kept: dict[str, Any] = {}
        for name in self._named:
            value = sent.get(name)
            if isinstance(value, str):
                value = value[:LONGEST_TEXT] or None
            if _is_value(value):
                kept[name] = value
        return kept or None

    def kept(self, sent: Mapping[str, Any]) -> dict[str, Any] | None:
        """All that enter the ledger, in one order whatever order they came in; None for none."""
        kept = self.named(sent) or {}
        if self._others != "none":
            others = 0
            for name in sorted(sent.keys() - kept.keys()):
                value = sent[name]
                if others < MOST_ATTRIBUTES and self._allows(name) and _is_value(value) and not may_tell(value):
                    kept[name] = value
                    others += 1
        return kept or None

    def _allows(self, name: str) -> bool:
        allowed = self._allowed.get(name)
        if allowed is None:
            if len(self._allowed) > 10_000:  # whatever senders make up, memory stays bounded
                self._allowed.clear()
            fits = is_plain(name) if self._others == "plain" else not tells_personal(name)
            allowed = self._allowed[name] = name not in self._named and fits
        return allowed


def _is_value(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, bool | int | str) and value != ""


def may_tell(value: float | str) -> bool:
    """Whether a value may be somebody's own: prose, an address of any kind, a number that names or rings."""
    if not isinstance(value, str):
        return bool(abs(value) >= 10**MOST_DIGITS)
    return (
        len(value) > LONGEST_CATEGORY
        or "@" in value
        or "://" in value
        or len(_DIGITS.findall(value)) > MOST_DIGITS
        or len(value.split()) > MOST_WORDS
    )
