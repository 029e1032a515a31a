"""What turns out never to have been asked for is answered by nobody, and qualifies nobody."""

from __future__ import annotations

from typing import Any

import pytest

from services.pipeline.domain.qualification import heard
from services.pipeline.storage import loading
from shared.contracts.lifecycle_events import FollowUpCancelled, FollowUpScheduled, LeadTouched
from tests.integration.pipeline.conftest import Pipeline
from tests.integration.pipeline.test_lead_shape import asking
from tests.unit.pipeline.builders import a_lead, an_id, an_interaction, at

__all__ = ["asking"]


def asked(minute: int, **values: Any) -> Any:
    return an_interaction("ann@x.example", kind="quote_request", occurred_at=at(minute), **values)


async def statuses(pipeline: Pipeline) -> list[tuple[str, str | None]]:
    rows = await pipeline.database.rows("SELECT status, outcome FROM pipeline.tasks ORDER BY due_at")
    return [(row.status, row.outcome) for row in rows]


@pytest.mark.parametrize("at_once", [True, False])
async def test_what_was_taken_back_is_answered_by_nobody(asking: Pipeline, at_once: bool) -> None:
    request = asked(1)
    events = [a_lead("ann@x.example"), request, asked(2, retracts=request.event_id)]
    for batch in [events] if at_once else [[one] for one in events]:
        await asking.take(*batch)
    assert await statuses(asking) == [("cancelled", "taken back")]
    said = await asking.published()
    assert [one.retracts for one in said if isinstance(one, LeadTouched)] == [None, request.event_id]
    assert [type(one) for one in said if isinstance(one, FollowUpScheduled | FollowUpCancelled)] == [
        FollowUpScheduled, FollowUpCancelled,
    ]  # fmt: skip
    await asking.take(asked(3))
    assert await statuses(asking) == [("cancelled", "taken back"), ("open", None)]


@pytest.mark.parametrize("first", [True, False])
async def test_what_was_asked_for_once_more_is_answered_until_that_is_taken_back_too(
    asking: Pipeline, first: bool
) -> None:
    both = [asked(1), asked(2)]
    await asking.take(a_lead("ann@x.example"), *both)
    gone, stays = both if first else reversed(both)
    await asking.take(asked(3, retracts=gone.event_id))
    assert await statuses(asking) == [("open", None)]
    await asking.take(an_interaction("ann@x.example", kind="retraction", retracts=stays.event_id, occurred_at=at(4)))
    assert await statuses(asking) == [("cancelled", "taken back")]


async def test_taking_back_something_else_asks_for_nothing_and_calls_nothing_off(asking: Pipeline) -> None:
    lead = a_lead("ann@x.example")
    await asking.take(lead, asked(1, retracts=an_id()))
    assert (await statuses(asking), (await asking.lead(lead.lead_id)).status) == ([], "new")
    visit = an_interaction("ann@x.example", occurred_at=at(2))
    await asking.take(asked(3), visit, asked(4, retracts=visit.event_id))
    assert await statuses(asking) == [("open", None)]


async def test_neither_of_the_two_is_activity(asking: Pipeline) -> None:
    lead, request = a_lead("ann@x.example"), asked(1)
    await asking.take(lead, request, asked(2), asked(3, retracts=request.event_id))

    async def known(tx: Any) -> dict[str, Any]:
        ledger = await loading.lock_groups(tx, [lead.lead_id])
        await loading.load_stories(tx, ledger, [lead.lead_id])
        return heard(ledger.facts(lead.lead_id), ledger.root(lead.lead_id).state)

    found = await asking.database.run(known)
    assert (found["activity.quote_request"], found["activity.any"]) == (1, 1)


@pytest.mark.parametrize("at_once", [True, False])
async def test_what_was_taken_back_before_it_came_is_asked_of_nobody_and_moves_nobody(
    asking: Pipeline, at_once: bool
) -> None:
    lead, request = a_lead("ann@x.example"), asked(1)
    events = [
        lead,
        an_interaction("ann@x.example", kind="retraction", retracts=request.event_id, occurred_at=at(2)),
        request,
    ]
    for batch in [events] if at_once else [[one] for one in events]:
        await asking.take(*batch)
    assert (await statuses(asking), (await asking.lead(lead.lead_id)).status) == ([], "new")
    await asking.take(asked(3))
    assert (await statuses(asking), (await asking.lead(lead.lead_id)).status) == ([("open", None)], "working")
