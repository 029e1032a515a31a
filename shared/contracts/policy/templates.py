"""What is written to leads, by language: words with places for what is known of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated

from pydantic import Field, model_validator

from shared.contracts.policy.section import Section

PLACES = ("name", "first_name", "company", "job_title", "country", "product", "owner")
"""What a place can name. A lead may lack any of it."""

_PLACE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")

Language = Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$")]


def parts_of(text: str) -> Iterator[tuple[str, str | None, str | None]]:
    """A text as (words, name of the place behind them, what stands there instead). Raises `ValueError` for what is neither words
    nor a place; `{{` and `}}` are braces."""
    words, at = "", 0
    for found in _PLACE.finditer(text):
        words += text[at : found.start()]
        at = found.end()
        if found[0] in ("{{", "}}"):
            words += found[0][0]
            continue
        if found[1] is None:
            raise ValueError(f"a {found[0]!r} belongs to nothing; write it twice where a brace is meant")
        name, bar, instead = found[1].partition("|")
        yield words, name.strip(), instead if bar else None
        words = ""
    yield words + text[at:], None, None


class Wording(Section):
    """A message in one language, in plain text."""

    subject: Annotated[str, Field(min_length=1, max_length=300)]
    text: Annotated[str, Field(min_length=1, max_length=20_000)]

    @model_validator(mode="after")
    def _can_always_be_filled_in(self) -> Wording:
        if "\n" in self.subject or "\r" in self.subject:
            raise ValueError("a subject is one line")
        for text in (self.subject, self.text):
            for _, name, instead in parts_of(text):
                if name is not None and name not in PLACES:
                    raise ValueError(f"there is no place {{{name}}}; there are: {', '.join(PLACES)}")
                if name is not None and instead is None:
                    raise ValueError(
                        f"a lead may lack what {{{name}}} stands for; write {{{name}|what to say instead}}, or {{{name}|}}"
                    )
        return self


class Template(Section):
    """A message in several languages. Whoever has none of them gets the one of `fallback`."""

    fallback: Language
    languages: dict[Language, Wording]

    @model_validator(mode="after")
    def _has_its_fallback(self) -> Template:
        if self.fallback not in self.languages:
            raise ValueError(f"fallback is {self.fallback!r}, which is not under languages")
        return self

    def chosen(self, language: str | None) -> str:
        """The language for somebody who speaks `language`: that, or what it begins with, or the fallback."""
        wanted = (language or "").replace("_", "-")
        by_name = {one.lower(): one for one in self.languages}
        while wanted:
            if wanted.lower() in by_name:
                return by_name[wanted.lower()]
            wanted = wanted.rpartition("-")[0]
        return self.fallback
