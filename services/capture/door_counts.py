"""How the door answers, counted by sender and quarter of an hour: in memory at once, in the database a moment later."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from services.capture.bookkeeping import Sums
from services.capture.domain.reconciliation import QUARTER, DoorKey, Outcome, quarter_of
from services.capture.domain.terms import Kind, Submission
from shared.kit.errors import Rejected, Retryable

COME_AGAIN = frozenset({408, 429})
"""Refusals that say nothing about what was sent."""


class DoorCounts:
    """Counts items by how each ended. What is counted here may lose its last half second at a `kill -9`; what was accepted
    is counted from the log, and loses nothing."""

    def __init__(self, sums: Sums[DoorKey]) -> None:
        self._sums = sums
        self._quarter: datetime | None = None
        self._until: datetime | None = None

    def add(self, at: datetime, sender: str, kind: Kind, outcome: Outcome, items: int = 1) -> None:
        """Counts items that came at a moment; none is not worth a row."""
        if not items:
            return
        if self._quarter is None or self._until is None or not self._quarter <= at < self._until:
            self._quarter = quarter_of(at)
            self._until = self._quarter + QUARTER
        self._sums.add(DoorKey(self._quarter, sender, kind, outcome), items)

    def failed(self, at: datetime, sender: str, kind: Kind, error: Exception) -> None:
        """Counts an item by the error it ended in, and whether that was kept."""
        again = isinstance(error, Retryable) or (isinstance(error, Rejected) and error.status in COME_AGAIN)
        contradicted = isinstance(error, Rejected) and error.status == 409
        self.add(at, sender, kind, "deferred" if again else "contradicted" if contradicted else "rejected")
        if isinstance(error, Rejected) and "quarantine_id" in error.extra:
            self.add(at, sender, kind, "quarantined")

    def published(
        self, submission: Submission, kind: Kind, *, new: int, again: int, failures: Collection[Exception]
    ) -> None:
        """Counts what was given to the log at once, `new` of it taken in and `again` known already."""
        at, sender = submission.received_at, submission.sender
        self.add(at, sender, kind, "taken", new)
        self.add(at, sender, kind, "repeated", again)
        for error in failures:
            self.failed(at, sender, kind, error)
