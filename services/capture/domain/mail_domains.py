"""What the domain of an e-mail address says: that another was probably meant, or that nobody reads it for long."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from services.capture.domain.vocabulary import Alike
from shared.contracts.mail_domains import DISPOSABLE, REAL

SUGGESTED = (
    "gmail.com",
    "yahoo.com",
    "hotmail.com",
    "outlook.com",
    "icloud.com",
    "googlemail.com",
    "protonmail.com",
)
"""Where nearly everybody is who mistypes: only these are suggested."""

SUGGEST_FROM = 0.85
"""One letter of up to thirteen, two of more."""


class DomainNotes(NamedTuple):
    """What is noted of a domain: another that was probably meant, and whether its addresses are thrown away."""

    suggestion: str | None
    disposable: bool


NOTHING_NOTED = DomainNotes(None, False)
"""Almost every domain."""

MANY_DOMAINS = 50_000


class MailDomains(dict[str, DomainNotes]):
    """What a unit notes of domains in lower case, each looked at once. `disposable` are those it adds."""

    def __init__(self, alike: Alike, disposable: Iterable[str]) -> None:
        super().__init__()
        self._alike = alike
        self._disposable = DISPOSABLE | {domain.strip(" @.").casefold() for domain in disposable}

    def __missing__(self, domain: str) -> DomainNotes:
        suggestion = None if domain in REAL else self._alike(domain, SUGGESTED, SUGGEST_FROM)
        disposable = domain in self._disposable
        notes = DomainNotes(suggestion, disposable) if suggestion or disposable else NOTHING_NOTED
        if len(self) >= MANY_DOMAINS:
            self.clear()
        self[domain] = notes
        return notes
