"""Where a lead stands until it is sold to: new, being worked, qualified; and how long it stood there."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from services.metrics.domain.facts import TAKEN_BACK, Fact
from services.metrics.domain.opportunities import OPPORTUNITY_EVENTS, Held

SOLD = OPPORTUNITY_EVENTS | {"OrderPlaced"}
MOVES = SOLD | {"LeadAssigned", "LeadReopened", "ContactAttempted", "LeadTouched", TAKEN_BACK, "LeadQualified"}
"""What can change where a lead stands."""


class Stood(NamedTuple):
    """One stay in a status, from entering to leaving it."""

    status: str
    since: datetime
    until: datetime
    held: Held


class Statuses:
    """The stays of one lead as its facts have made them so far. It stands somewhere from its creation on; whoever is put aside,
    or sold to, stands nowhere. Coming back from there is a stay of its own."""

    status: str | None = None
    since: datetime | None = None
    _worked = False
    _qualified = False
    _sold = False

    def __init__(self) -> None:
        self.stays: list[Stood] = []

    def begin(self, at: datetime) -> None:
        """The lead was created now, whatever is told of it from before."""
        self.stays.clear()
        self.status, self.since = None, at

    def apply(self, fact: Fact) -> None:
        """One more fact. Whoever is assigned, spoken with, reopened or asks for something is worked."""
        event, data = fact.event, fact.data
        if event in ("LeadAssigned", "LeadReopened"):
            self._worked = True
        elif event == "ContactAttempted":
            self._worked = self._worked or bool(data.get("human", True))
        elif event in ("LeadTouched", TAKEN_BACK):
            self._worked = self._worked or bool(data.get("moves"))
        elif event == "LeadQualified":
            self._qualified = True
        elif event in SOLD:
            self._sold = True

    def settle(self, at: datetime, held: Held, *, archived: bool) -> bool:
        """Where the lead stands after a moment; whether that is somewhere else."""
        status = None
        if not archived and not self._sold:
            status = "qualified" if self._qualified else "working" if self._worked else "new"
        if status == self.status:
            return False
        if self.status is not None and self.since is not None:
            self.stays.append(Stood(self.status, self.since, at, held))
        self.status, self.since = status, at
        return True
