"""How good the record of a lead is: what it lacks, whether it came twice, and how late it was told."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from uuid import UUID

from services.metrics.domain.entries import Dims, Entry, Measure
from services.metrics.domain.facts import Fact
from services.metrics.domain.opportunities import NOTHING_KNOWN
from services.metrics.domain.places import dims_of, place_of

CONTACTS = {"email": Measure.LEAD_WITHOUT_EMAIL, "phone": Measure.LEAD_WITHOUT_PHONE}
"""By what a lead can be reached, and what one counts as that has no valid one."""

LACKING = (Measure.LEAD_UNTOLD, *CONTACTS.values(), Measure.LEAD_WITHOUT_SOURCE, Measure.LEAD_UNREACHABLE)
"""What a record can lack, each counted by itself, so that sums tell of it by any dimension."""

SOON_SECONDS = 60.0
"""Whoever is told of within a minute was told of at once."""


@cache
def lacking(contacts: frozenset[str] | None, *, sourced: bool) -> tuple[Measure, ...]:
    """What the record of a lead lacks. One that was captured before it was told by what leads can be reached is `LEAD_UNTOLD` only.
    `LEAD_UNREACHABLE` is one of a known source that there is nothing to reach by: those without a source are out already."""
    found = [Measure.LEAD_UNTOLD] if contacts is None else [of for kind, of in CONTACTS.items() if kind not in contacts]
    if not sourced:
        found.append(Measure.LEAD_WITHOUT_SOURCE)
    elif not contacts:
        found.append(Measure.LEAD_UNREACHABLE)
    return tuple(found)


def of_captures(captures: Sequence[Fact], root_id: UUID, of_lead: Iterable[Entry]) -> list[Entry]:
    """What captures in the order of their times count as: the first, where it was told late, as the lead that it created, for as
    long as that one holds (it is among those `of_lead`), and each further one as a repetition, where that came from. History is not
    late."""
    first = captures[0]
    seconds = (first.recorded_at - first.occurred_at).total_seconds()
    found = [
        _entry(
            Measure.LEAD_REPEATED, fact, f"{Measure.LEAD_REPEATED}:{fact.lead_id}:{fact.event_id}", _from(fact), root_id
        )
        for fact in captures[1:]
    ]  # fmt: skip
    if seconds > SOON_SECONDS and not first.data.get("historical"):
        found += [
            one._replace(measure=Measure.LEAD_LATE, key=Measure.LEAD_LATE, duration_seconds=seconds)
            for one in of_lead
            if one.measure is Measure.LEAD_CREATED and one.at == first.occurred_at
        ]
    return found


def _from(fact: Fact) -> Dims:
    data = fact.data
    return dims_of(place_of(data.get("channel"), data.get("source"), data.get("campaign")), NOTHING_KNOWN)


def _entry(measure: Measure, fact: Fact, key: str, dims: Dims, root_id: UUID) -> Entry:
    at = fact.occurred_at
    return Entry(measure, key, fact.business_unit, at, at, dims, None, None, None, False, None, None, root_id, at)
