"""What was done with leads is counted as pipeline lists it."""

from __future__ import annotations

from services.metrics.domain.entries import Measure
from tests.integration.metrics.harness import Metrics
from tests.unit.metrics.stories import Told


async def test_notes_and_calls_of_both_directions_count_with_their_time_and_by_who_did_them(metrics: Metrics) -> None:
    told = Told().tell("a", "LeadCreated", 1, channel="phone").tell("a", "LeadAssigned", 1, owner="kim")
    told.tell("a", "NoteAdded", 2, actor="ali").tell("a", "NoteAdded", 2.5)
    told.tell("a", "ContactAttempted", 3, kind="call", outbound=False, duration_seconds=600)
    told.tell("a", "ContactAttempted", 4, kind="call", duration_seconds=60)
    await metrics.fold_all(told.facts)
    found = await metrics.ask("activities", group_by="owner,reason")
    assert (found["total"]["value"], found["total"]["total_seconds"], found["total"]["timed"]) == (4, 660, 2)
    assert {tuple(one["key"].values()): one["value"] for one in found["groups"]} == {
        ("ali", "note"): 1, ("kim", "note"): 1, ("kim", "call"): 2,
    }  # fmt: skip
    behind = await metrics.leads("activities")
    assert [counted["measure"] for one in behind for counted in one["counted"]] == ["activity"] * 4, (
        "a note is no attempt"
    )
    assert (await metrics.total("speed_to_lead"))["value"] == 3 * 86_400
    assert (await metrics.audit())["differences"] == []


def test_nothing_but_activities_is_stored_by_another_name_than_it_is_told_by() -> None:
    assert [one for one in Measure if one.told != one.value] == [Measure.ACTIVITY]
