"""What pipeline publishes of what a lead is: a person or an organisation, and who of an organisation there is to speak with."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from shared.contracts.envelope import LifecycleEvent, Name


class LeadDescribed(LifecycleEvent):
    """Somebody said what the lead is, or what it needs. The need itself does not travel."""

    event: Literal["LeadDescribed"] = "LeadDescribed"
    kind: Literal["person", "organisation"] | None = None


class LeadContactChanged(LifecycleEvent):
    """Somebody to speak with about the lead, in a role, was added, is to be reached otherwise or has another role, or is none any
    more. Who it is does not travel."""

    event: Literal["LeadContactChanged"] = "LeadContactChanged"
    contact_id: UUID
    change: Literal["added", "changed", "removed"]
    role: Name
