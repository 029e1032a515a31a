"""The vocabulary of the domain: what is about to be recorded, what is recorded, and in which order it counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from shared.contracts.envelope import LifecycleEvent


class Key(NamedTuple):
    """When a fact counts, against every other fact of the same person: by time, then by arrival in its own story."""

    occurred_at: datetime
    version: int
    lead_id: UUID


class Draft(NamedTuple):
    """A lifecycle event that was decided and has no place in a story yet.

    `data` holds the event's own facts as they travel, `historical`, `actor` and `policy_version` among them.
    `fingerprint` is a keyed hash of what the sender said, to tell a repetition from a contradiction. `aside` is what was
    said with it and may be personal, such as a note or a proof: it never travels, and can be forgotten. `lead_id` is the id in
    whose story it stands, where that is not the canonical one for certain.
    """

    kind: type[LifecycleEvent]
    event_id: UUID
    occurred_at: datetime
    correlation_id: UUID
    causation_id: UUID | None
    data: Mapping[str, Any]
    fingerprint: str | None = None
    aside: Mapping[str, str] | None = None
    lead_id: UUID | None = None


class Fact(NamedTuple):
    """One entry of one lead's story, for ever. `event` is the name of its class in `lifecycle_events`."""

    lead_id: UUID
    version: int
    event: str
    event_id: UUID
    occurred_at: datetime
    data: Mapping[str, Any]
    fingerprint: str | None = None

    @property
    def key(self) -> Key:
        """Its place in the order of facts."""
        return Key(self.occurred_at, self.version, self.lead_id)


def in_order(facts: Iterable[Fact]) -> list[Fact]:
    """Facts in the order in which they count."""
    return sorted(facts, key=lambda fact: (fact.occurred_at, fact.version, fact.lead_id))


def given(**values: Any) -> dict[str, Any]:
    """The values that are there: an event does not carry nulls, empty tuples or a false `historical`."""
    return {
        name: value
        for name, value in values.items()
        if value or (value is not None and value is not False and value != ())
    }
