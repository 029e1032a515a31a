"""A unit's own words: exact and other spellings become the word itself, what is nearly one is kept with a suggestion,
anything else is kept. Nothing is dropped."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

from services.capture.domain.companies import company_key
from shared.contracts.policy import Vocabulary

Alike = Callable[[str, Sequence[str], float], str | None]
"""The most alike of some words, if it is at least so alike (0 to 1), else None."""

_BETWEEN = re.compile(r"[\s_./-]+")


class Understood(NamedTuple):
    """What a word was understood as. `value` is the unit's word, the suggested one, or the word as it is."""

    value: str
    how: Literal["known", "near", "unknown"]


class Words:
    """The vocabulary of one field."""

    def __init__(self, field: str, vocabulary: Vocabulary, values: Iterable[str], alike: Alike) -> None:
        self._key = company_key if field == "company" else word_key
        self._known = {self._key(synonym): value for synonym, value in vocabulary.synonyms.items()}
        self._known |= {self._key(value): value for value in values}
        self._keys = tuple(self._known)
        self._floor = vocabulary.suggest_from
        self._alike = alike
        self.understand = lru_cache(maxsize=4096)(self._understand)

    def _understand(self, word: str) -> Understood:
        key = self._key(word)
        known = self._known.get(key)
        if known is not None:
            return Understood(known, "known")
        near = self._alike(key, self._keys, self._floor)
        return Understood(word, "unknown") if near is None else Understood(self._known[near], "near")


def word_key(word: str) -> str:
    """A word in one case, with one space for whatever stands between its parts."""
    return _BETWEEN.sub(" ", word.casefold()).strip()
