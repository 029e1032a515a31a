"""Reconciliation: what a sender believes to have sent against what the log has of it, and how the door answered the rest.

Counts are kept by quarters of an hour, from which the hours and days of every time zone can be made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from services.capture.domain.terms import Kind

QUARTER = timedelta(minutes=15)
KINDS: dict[str, Kind] = {"LeadCaptured": "lead", "InteractionRecorded": "interaction"}

Outcome = Literal["taken", "repeated", "ignored", "rejected", "contradicted", "deferred", "quarantined", "spooled"]
ENDINGS: tuple[Outcome, ...] = ("taken", "repeated", "ignored", "rejected", "contradicted", "deferred")
"""How the door answers an item, each exactly one way: taken in; known already; nothing in it to take; refused for good;
refused since it says other things than before under the same id; told to come again."""

AMONG_THEM: tuple[Outcome, ...] = ("quarantined", "spooled")
"""What else became of some of them: kept although refused; taken in to disk while the log was away."""

_WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


class LogKey(NamedTuple):
    """What one count of the log is about."""

    quarter: datetime
    sender: str
    business_unit: str
    kind: Kind


class DoorKey(NamedTuple):
    """What one count of the door is about."""

    quarter: datetime
    sender: str
    kind: Kind
    outcome: Outcome


@dataclass(slots=True)
class LogCount:
    """Records there are, events among them, the same event again, and the same id with other content."""

    published: int = 0
    accepted: int = 0
    duplicates: int = 0
    conflicts: int = 0


def quarter_of(at: datetime) -> datetime:
    """The beginning of the quarter of an hour."""
    return at.replace(minute=at.minute // 15 * 15, second=0, microsecond=0)


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a sender's count compares. `missing` are its own names for what the log does not have."""

    expected: int
    accepted: int
    missing: Sequence[str] | None
    behind_records: int | None

    @property
    def agrees(self) -> bool:
        return self.expected == self.accepted and not self.missing

    def sentence(self) -> str:
        """The answer in words."""
        return f"expected {self.expected:,}, accepted {self.accepted:,}: {self._finding()}{self._reserve()}"

    def _finding(self) -> str:
        if self.agrees:
            return "they agree"
        if self.missing:
            count = len(self.missing)
            return "this id is missing" if count == 1 else f"these {_counted(count)} ids are missing"
        if self.expected > self.accepted:
            count = self.expected - self.accepted
            hint = "; send your ids to learn which" if self.missing is None else ", of which no id was given"
            return f"{_counted(count)} {'is' if count == 1 else 'are'} missing{hint}"
        return f"{_counted(self.accepted - self.expected)} more than expected"

    def _reserve(self) -> str:
        if self.behind_records == 0:
            return ""
        if self.behind_records is None:
            return ", as far as the log was read; how far that is cannot be told now"
        return f", with {self.behind_records:,} records of the log not read yet"


def _counted(count: int) -> str:
    return _WORDS[count] if count < len(_WORDS) else f"{count:,}"
