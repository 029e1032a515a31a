"""Builders for lifecycle facts: name a lead, say what happened on which day."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from services.metrics.domain.contributions import contributions
from services.metrics.domain.entries import Entry, Measure
from services.metrics.domain.facts import Fact
from shared.contracts.identity import derived_event_id

DAY_0 = datetime(2026, 1, 1, tzinfo=UTC)
NAMES = UUID("1f0c3c1e-7f2d-5a55-9a70-3d1d0c0a5b11")


def lead_id(name: str) -> UUID:
    """The id of the lead with this name in a test."""
    return uuid5(NAMES, name)


def day(number: float) -> datetime:
    """So many days after the beginning of every test's time."""
    return DAY_0 + timedelta(days=number)


class Told:
    """Facts as they are told, each lead's with rising versions."""

    def __init__(self, business_unit: str = "default") -> None:
        self.facts: list[Fact] = []
        self.business_unit = business_unit
        self._versions: dict[UUID, int] = defaultdict(int)

    def tell(self, lead: str, event: str, on: float, **data: Any) -> Told:
        """One more fact; `on` in days."""
        lead_key = lead_id(lead)
        self._versions[lead_key] += 1
        version = self._versions[lead_key]
        event_id = uuid5(lead_key, f"{version}")
        fact = Fact(lead_key, event_id, version, event, day(on), day(on), None, self.business_unit, data)
        self.facts.append(fact)
        return self

    def take_back(self, lead: str, on: float) -> Told:
        """What was told last was an interaction that never happened, as this lead says."""
        last = self.facts[-1]
        interaction = uuid5(last.event_id, "interaction")
        self.facts[-1] = last._replace(event_id=derived_event_id(interaction, "LeadTouched"))
        return self.tell(lead, "LeadTouched", on, kind="retraction", channel="api", retracts=str(interaction))

    def answered_by_merge(self, lead: str, on: float, **data: Any) -> Told:
        """The merge that was told last shows that this lead had been answered."""
        merge = self.facts[-1]
        self.tell(lead, "FollowUpDone", on, kind="first_response", **data)
        self.facts[-1] = self.facts[-1]._replace(causation_id=merge.event_id)
        return self

    def entries(self, *measures: Measure, as_of: float | None = None) -> list[Entry]:
        """What one group of all these facts counts as, at some day or until further notice."""
        found = contributions(lead_id("a"), self.facts, currency="EUR")
        return [one for one in found if (not measures or one.measure in measures) and holds(one, as_of)]


def holds(entry: Entry, as_of: float | None) -> bool:
    """Whether an entry counts at a moment."""
    if as_of is None:
        return entry.valid_to is None
    return entry.valid_from <= day(as_of) and (entry.valid_to is None or entry.valid_to > day(as_of))


def the_only(entries: Sequence[Entry]) -> Entry:
    """The one entry there is."""
    assert len(entries) == 1, entries
    return entries[0]


def vector_leads(
    weeks: int = 8, per_week: float = 1.0, growth: float = 1.0, first: int = 0
) -> list[tuple[str, list[tuple[str, float]]]]:
    """Every week 10 leads arrive: 3 convert after 10, 25 and 40 days, 4 are archived after 5, 12, 20 and 33, 3 stay."""
    leads: list[tuple[str, list[tuple[str, float]]]] = []
    for week in range(first, weeks):
        for copy in range(round(per_week * growth ** (week - first))):
            for number in range(10):
                story = [("LeadCreated", 7.0 * week)]
                if number < 3:
                    story.append(("OpportunityOpened", 7.0 * week + (10, 25, 40)[number]))
                elif number < 7:
                    story.append(("LeadArchived", 7.0 * week + (5, 12, 20, 33)[number - 3]))
                leads.append((f"{week}-{copy}-{number}", story))
    return leads
