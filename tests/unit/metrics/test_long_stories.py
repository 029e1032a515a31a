"""What one person did a thousand times is told in a thousand steps, not in a million: a fold that takes longer than its transaction
may stand still would be tried again for ever."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

import pytest

from services.metrics.domain.contributions import contributions
from services.metrics.domain.entries import Entry, Ledger
from tests.unit.metrics.stories import Told, lead_id

Tell = Callable[[Told, int], object]


def _refund(told: Told, number: int) -> None:
    told.tell("a", "OrderRefunded", 3 + number / 100, order_id="o", amount="1")


def _move(told: Told, number: int) -> None:
    told.tell("a", "StageChanged", 3 + number / 100, opportunity_id="d", stage="ab"[number % 2], position=number % 2)


def _answer(told: Told, number: int) -> None:
    told.tell("a", "FollowUpDone", 3 + number / 100, kind="first_response", task_id=f"task {number}")


def _put_aside_or_back(told: Told, number: int) -> None:
    told.tell("a", "LeadReopened" if number % 2 else "LeadArchived", 1.01 + number / 1000)


def _order_beside_won_deals(told: Told, number: int) -> None:
    if number % 2:
        told.tell("a", "OpportunityWon", 3 + number / 100, opportunity_id=f"d{number}", amount="5")
    else:
        told.tell("a", "OrderPlaced", 3 + number / 100, order_id=f"more {number}", amount="5")


def _told(tell: Tell, times: int) -> Told:
    told = Told().tell("a", "LeadCreated", 1, channel="phone")
    if tell is not _put_aside_or_back:
        told.tell("a", "OrderPlaced", 2, order_id="o", amount="5000")
    for number in range(times):
        tell(told, number)
    return told


@pytest.mark.parametrize("tell", [_refund, _move, _answer, _put_aside_or_back, _order_beside_won_deals])
def test_four_times_as_much_of_one_person_is_four_times_the_work(tell: Tell, monkeypatch: pytest.MonkeyPatch) -> None:
    said = 0

    class Counting(Ledger):
        def settle(self, scope: str, now: datetime, snapshot: Iterable[Entry]) -> None:
            nonlocal said
            entries = list(snapshot)
            said += 1 + len(entries)
            super().settle(scope, now, entries)

    monkeypatch.setattr("services.metrics.domain.contributions.Ledger", Counting)
    work = []
    for times in (50, 200):
        said = 0
        contributions(lead_id("a"), _told(tell, times).facts, currency="EUR")
        work.append(said)
    assert work[1] < 5 * work[0]
