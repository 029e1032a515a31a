"""What is held out of scores and numbers, and why: tests that somebody sent on purpose, and what machines send."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from services.capture.domain.companies import company_key
from services.capture.domain.text import clean_line
from shared.contracts.marks import Mark
from shared.contracts.policy import MarkLists, Marks

if TYPE_CHECKING:
    from services.capture.domain.terms import Submission

_LINKS = ("http://", "https://", "www.")


class Marked(NamedTuple):
    """A mark and every reason for it, or neither."""

    mark: Mark | None
    reasons: tuple[str, ...]


NOT_MARKED = Marked(None, ())


class MarkRules:
    """A unit's rules for marks, made ready to be applied many times."""

    def __init__(self, marks: Marks) -> None:
        self._test = _Lists(marks.test)
        self._spam = _Lists(marks.spam)
        self._signs = marks.spam
        self.lists_anybody = self._test.lists_anybody or self._spam.lists_anybody

    def decide(self, submission: Submission, said: bool, texts: Mapping[str, str], email: str | None) -> Marked:
        """The mark of one payload. `said` is that it calls itself a test; `email` is the address as it was read."""
        tests = ["said"] if said else []
        if submission.is_test:
            tests.append("test_form")
        if self._test.lists_anybody:
            tests += self._test.reasons(submission.sender, texts, email)
        spam = self._spam_signs(submission, texts.get("message"))
        if self._spam.lists_anybody:
            spam += self._spam.reasons(submission.sender, texts, email)
        if not tests and not spam:
            return NOT_MARKED
        return Marked("test" if tests else "spam", tuple(dict.fromkeys((*tests, *spam))))

    def _spam_signs(self, submission: Submission, message: str | None) -> list[str]:
        signs, found = self._signs, []
        if submission.hidden_field_filled and signs.hidden_field:
            found.append("hidden_field")
        seconds = submission.filled_in_seconds
        if seconds is not None and seconds < signs.filled_within_seconds:
            found.append("filled_too_fast")
        if message is not None and signs.only_links and all(word.startswith(_LINKS) for word in message.split()):
            found.append("only_links")
        return found


class _Lists:
    """Who is listed, in the spelling that is compared."""

    def __init__(self, lists: MarkLists) -> None:
        self._emails = frozenset(map(_plain_address, lists.emails))
        self._domains = frozenset(domain.strip(" @.").casefold() for domain in lists.domains)
        self._names = frozenset(clean_line(name).casefold() for name in lists.names)
        self._companies = frozenset(map(company_key, lists.companies))
        self._senders = frozenset(lists.senders)
        self.lists_anybody = any(
            (self._emails, self._domains, self._names, self._companies, self._senders),
        )

    def reasons(self, sender: str, texts: Mapping[str, str], email: str | None) -> Iterable[str]:
        """By which lists somebody is listed."""
        if sender in self._senders:
            yield "listed_sender"
        address = email or texts.get("email")
        if address is not None and (self._emails or self._domains):
            plain = _plain_address(address)
            if plain in self._emails:
                yield "listed_email"
            if self._domains and any(one in self._domains for one in _and_above(plain.rpartition("@")[2])):
                yield "listed_domain"
        if self._names and texts.get("name", "").casefold() in self._names:
            yield "listed_name"
        if self._companies and "company" in texts and company_key(texts["company"]) in self._companies:
            yield "listed_company"


def _plain_address(address: str) -> str:
    """An address in one case and without a tag, so that `qa+7@…` is `qa@…`."""
    local, at, domain = address.strip().casefold().rpartition("@")
    return f"{local.partition('+')[0]}{at}{domain}"


def _and_above(domain: str) -> Iterable[str]:
    while domain:
        yield domain
        domain = domain.partition(".")[2]
