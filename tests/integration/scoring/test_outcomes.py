"""What came of leads is kept once, in any order, under the id it was told of, and changes no score."""

from __future__ import annotations

from typing import Any

from shared.contracts.envelope import Event
from tests.integration.scoring.conftest import Scoring
from tests.unit.scoring.builders import (
    an_id,
    archived,
    at,
    attempted,
    captured,
    interacted,
    marked,
    merged,
    opened,
    touched,
    unmerged,
    won,
)

STORY: list[Event] = [captured(), attempted(), opened(), won(), archived("other"), opened("other", deal="second")]


async def outcomes(scoring: Scoring) -> list[tuple[Any, ...]]:
    rows = await scoring.database.rows(
        "SELECT lead_id, kind, occurred_at, known_at, opportunity_id FROM scoring.outcomes ORDER BY lead_id, kind"
    )
    return [tuple(row) for row in rows]


async def test_each_outcome_is_kept_once_however_often_and_in_whatever_order_it_comes(scoring: Scoring) -> None:
    await scoring.take(*reversed(STORY), *STORY)
    first = await outcomes(scoring)
    assert sorted((kind, deal) for _, kind, _, _, deal in first) == [
        ("archived", None),
        ("contacted", None),
        ("opened", "deal"),
        ("opened", "second"),
        ("won", "deal"),
    ]
    assert len(scoring.duplicates) == len(STORY)
    for event in STORY:
        await scoring.take(event)
    assert await outcomes(scoring) == first
    assert len(scoring.published) == 1


async def test_a_merge_moves_no_outcome_so_that_unmerging_takes_none_away(scoring: Scoring) -> None:
    await scoring.take(captured("a", "1"), captured("b", "2"), opened("a"))
    before = await outcomes(scoring)
    await scoring.take(merged("a", "b", 9))
    await scoring.take(unmerged("a", "b", 10))
    assert await outcomes(scoring) == before
    assert before[0][0] == an_id("a")


async def test_a_contact_that_nobody_of_ours_made_is_not_kept(scoring: Scoring) -> None:
    await scoring.take(attempted(human=False))
    assert await outcomes(scoring) == []
    assert scoring.duplicates == []


async def test_a_touch_is_known_of_a_lead_from_when_both_were_known(scoring: Scoring) -> None:
    async def known(event: str) -> Any:
        [row] = await scoring.database.rows(
            "SELECT known_at FROM scoring.touches WHERE event_id = :id", id=an_id(event)
        )
        return row.known_at

    visit, later = (
        interacted("visitor", name, minutes, recorded_at=at(minutes + 1)) for name, minutes in (("v1", 1), ("v2", 2))
    )
    joined, joined_before = (touched(one).model_copy(update={"recorded_at": at(50)}) for one in (visit, later))
    await scoring.take(captured(minutes=0, recorded_at=at(3)), visit)
    assert (await known("capture"), await known("v1")) == (at(3), at(2))
    await scoring.take(joined, joined_before)
    await scoring.take(later)
    assert (await known("v1"), await known("v2")) == (at(50), at(50))
    await scoring.take(captured("imported", "history", minutes=7, recorded_at=at(99), historical=True))
    assert await known("history") == at(7)


async def test_marks_are_kept_of_captures_and_of_what_was_said_of_a_lead(scoring: Scoring) -> None:
    await scoring.take(captured(mark="spam"), interacted(), marked("test", 3), marked(None, 4))
    touches = await scoring.database.rows("SELECT mark FROM scoring.touches ORDER BY kind NULLS FIRST")
    words = await scoring.database.rows("SELECT mark, version FROM scoring.outcomes ORDER BY version")
    assert [row.mark for row in touches] == ["spam", None]
    assert [tuple(row) for row in words] == [("test", 3), (None, 4)]
