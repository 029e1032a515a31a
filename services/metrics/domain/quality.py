"""How good the record of a lead is: what it lacks, whether it came twice, and how late it was told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from uuid import UUID

from services.metrics.domain.entries import Dims, Entry, Measure
from services.metrics.domain.facts import Fact

CONTACTS = ("email", "phone")
NOT_TOLD = "not told"
"""Of a lead that was captured before it was told by what it can be reached."""

SOON_SECONDS = 60.0
"""Whoever is told of within a minute was told of at once."""


def lacking(contacts: frozenset[str] | None) -> str | None:
    """Of what a lead has no valid one; None where it has all."""
    if contacts is None:
        return NOT_TOLD
    return ",".join(kind for kind in CONTACTS if kind not in contacts) or None


def of_captures(captures: Sequence[Fact], root_id: UUID) -> Iterator[Entry]:
    """What captures in the order of their times count as: the first, where it was told late, and each further one as a
    repetition. History is not late."""

    def entry(measure: Measure, fact: Fact, key: str, seconds: float | None) -> Entry:
        data, at = fact.data, fact.occurred_at
        dims = Dims(data.get("channel") or None, data.get("source") or None, data.get("campaign") or None)
        return Entry(
            measure, key, fact.business_unit, at, at, dims, None, None, seconds, False, None, None, root_id, at
        )

    first, *others = captures
    seconds = (first.recorded_at - first.occurred_at).total_seconds()
    if seconds > SOON_SECONDS and not first.data.get("historical"):
        yield entry(Measure.LEAD_LATE, first, Measure.LEAD_LATE, seconds)
    for fact in others:
        yield entry(Measure.LEAD_REPEATED, fact, f"{Measure.LEAD_REPEATED}:{fact.lead_id}:{fact.event_id}", None)
