"""What pipeline's events say came of a lead."""

from __future__ import annotations

import pytest

from services.scoring.domain.outcomes import OUTCOME_EVENTS, outcome
from shared.contracts.envelope import Event
from tests.unit.scoring.builders import an_id, archived, at, attempted, captured, marked, merged, opened, won


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (opened(), "opened"),
        (won(), "won"),
        (archived(), "archived"),
        (attempted(), "contacted"),
        (attempted(human=False), None),
        (attempted(outbound=False), None),
        (captured(), None),
        (merged("lead", "other", 1), None),
        (marked("spam", 3), "marked"),
    ],
)
def test_an_event_says_what_came_of_its_lead_or_nothing(event: Event, kind: str | None) -> None:
    found = outcome(event)
    assert (found.kind if found else None) == kind
    assert (type(event) in OUTCOME_EVENTS) or found is None


def test_an_outcome_was_known_when_it_was_recorded_and_imported_history_when_it_happened() -> None:
    late = opened(minutes=10, recorded_at=at(99))
    told, imported = outcome(late), outcome(late.model_copy(update={"historical": True}))
    assert told is not None
    assert imported is not None
    assert (told.lead_id, told.occurred_at, told.known_at, told.opportunity_id) == (
        an_id("lead"),
        at(10),
        at(99),
        "deal",
    )
    assert imported.known_at == at(10)


def test_a_word_about_a_mark_is_kept_with_its_place_in_the_leads_story() -> None:
    said = [outcome(marked(mark, version)) for mark, version in (("test", 3), (None, 7))]
    assert [(one.mark, one.version) for one in said if one] == [("test", 3), (None, 7)]
