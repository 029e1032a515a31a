"""By what a message and the fact that it was decided on are known: from its task alone, so that whoever decides again decides the same."""

from __future__ import annotations

from uuid import UUID

from shared.contracts.identity import derived_event_id


def message_id_of(task_id: UUID) -> UUID:
    """A task sends one message at most, whoever decides on it how often."""
    return derived_event_id(task_id, "message")


def decided_id(message_id: UUID) -> UUID:
    """The fact that a message was decided on."""
    return derived_event_id(message_id, "ContactAttempted:decided")
