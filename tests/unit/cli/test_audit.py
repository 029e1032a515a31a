"""The audit counts each event once and calls a difference a difference."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import UUID

import httpx
import orjson
import pytest

from shared.cli.audit import steps
from shared.cli.audit.ledger import Day, Ledger, open_ledgers
from shared.cli.audit.log import entry_of
from shared.cli.audit.pages import PagedCheck, check_history, check_pages
from shared.cli.audit.steps import (
    CapturedStep,
    Deadline,
    LifecycleStep,
    check_captured,
    check_lifecycle,
    check_scores,
    check_unreadable,
)
from shared.cli.http import CommandFailed
from tests.unit.cli.fake_service import Answer, FakeService

LEAD = UUID(int=1)
KINDS = ("facts", "waiting", "dead_lettered", "unknown")


@pytest.fixture
def ledgers() -> Iterator[tuple[Ledger, Ledger]]:
    with open_ledgers() as opened:
        yield opened


class Books(FakeService):
    """A service that knows how each event ended; `later` are known only from the third question on."""

    def __init__(self, *, later: frozenset[int] = frozenset(), **endings: set[int]) -> None:
        super().__init__(rule=self._ending)
        self.endings = endings
        self.later = later

    def _ending(self, request: httpx.Request) -> Answer:
        ids = [each[1] if isinstance(each, list) else each for each in orjson.loads(request.content)["ids"]]
        known = {kind: self.endings.get(kind, set()) for kind in KINDS}
        if len(self.requests) < 3:
            known = {kind: numbers - self.later for kind, numbers in known.items()}
        answer = {kind: [each for each in ids if UUID(each).int in known[kind]] for kind in KINDS}
        told = {each for found in answer.values() for each in found}
        answer["unknown"] = [each for each in ids if each not in told]
        return 200, answer


def deadline(questions: int = 5) -> Deadline:
    """Time for so many questions."""
    asked = iter(range(1_000))

    async def sleep(seconds: float) -> None:
        return None

    return Deadline(float(questions), lambda: float(next(asked)), sleep)


def captured(ledger: Ledger, *numbers: int) -> None:
    ledger.add([(LEAD, UUID(int=number)) for number in numbers])


async def test_a_delivery_of_the_same_event_is_a_duplicate_and_no_event(ledgers: tuple[Ledger, Ledger]) -> None:
    ledger, story = ledgers
    captured(ledger, 1, 2, 2, 3, 1)
    ledger.add_unreadable((0, 17))
    count = ledger.count()
    assert (count.records, count.distinct, count.duplicates, count.unreadable) == (6, 3, 2, 1)
    story.add([(LEAD, UUID(int=7)), (UUID(int=2), UUID(int=7)), (LEAD, UUID(int=7))])
    assert story.count().distinct == 2


def test_ids_come_back_in_chunks_each_once(ledgers: tuple[Ledger, Ledger]) -> None:
    ledger, _ = ledgers
    captured(ledger, *range(1, 26))
    chunks = list(ledger.chunks(10))
    assert [len(chunk) for chunk in chunks] == [10, 10, 5]
    assert [event.int for chunk in chunks for _, event in chunk] == list(range(1, 26))


async def check(ledger: Ledger, scoring: Books, pipeline: Books, metrics: Books) -> list[CapturedStep]:
    count = ledger.count()
    async with scoring.client("scoring") as one, pipeline.client("pipeline") as two, metrics.client("metrics") as three:
        steps = [CapturedStep("s", one, count), CapturedStep("p", two, count), CapturedStep("m", three, count)]
        await check_captured(ledger, steps[:1], (steps[1], steps[2]), deadline())
    return steps


async def test_it_is_clean_when_each_event_ended_one_way_everywhere(ledgers: tuple[Ledger, Ledger]) -> None:
    ledger, _ = ledgers
    captured(ledger, 1, 2, 3, 4)
    pipeline = Books(facts={1, 2}, waiting={3}, dead_lettered={4})
    steps = await check(ledger, Books(facts={1, 2, 3, 4}), pipeline, Books(facts={1, 2}))
    assert all(each.step.clean for each in steps)
    assert (steps[1].step.facts, steps[1].step.waiting, steps[1].step.dead_lettered) == (2, 1, 1)
    assert steps[2].step.facts == 2  # what waits or died in pipeline is not looked for in metrics


async def test_what_is_in_flight_is_waited_for(ledgers: tuple[Ledger, Ledger]) -> None:
    ledger, _ = ledgers
    captured(ledger, 1, 2)
    late = frozenset({2})
    steps = await check(ledger, Books(facts={1, 2}), Books(facts={1, 2}, later=late), Books(facts={1, 2}, later=late))
    assert [each.step.facts for each in steps] == [2, 2, 2]
    assert all(each.step.clean for each in steps)


async def test_an_event_nobody_knows_is_a_difference_with_its_id(ledgers: tuple[Ledger, Ledger]) -> None:
    ledger, _ = ledgers
    captured(ledger, 1, 2)
    steps = await check(ledger, Books(facts={1, 2}), Books(facts={1, 2}), Books(facts={1}))
    assert [each.step.missing for each in steps] == [0, 0, 1]
    assert steps[2].step.differing == [f"lead {LEAD}: event {UUID(int=2)} is unknown"]
    assert not steps[2].step.clean


async def test_an_event_that_ended_twice_is_a_difference(ledgers: tuple[Ledger, Ledger]) -> None:
    ledger, _ = ledgers
    captured(ledger, 1)
    steps = await check(ledger, Books(facts={1}, dead_lettered={1}), Books(facts={1}), Books(facts={1}))
    assert steps[0].step.contradictory == 1
    assert not steps[0].step.clean


async def test_lifecycle_events_are_looked_for_by_story(ledgers: tuple[Ledger, Ledger]) -> None:
    _, ledger = ledgers
    ledger.add([(LEAD, UUID(int=1)), (UUID(int=2), UUID(int=1)), (LEAD, UUID(int=3))])
    async with Books(facts={1, 3}).client("metrics") as client:
        step = LifecycleStep("l", client, ledger.count())
        await check_lifecycle(ledger, step, deadline())
    assert (step.step.facts, step.step.missing) == (3, 0)


@pytest.mark.parametrize(("offset", "undead"), [(17, 0), (18, 1)])
async def test_an_unreadable_record_has_to_be_a_dead_letter_of_its_place(
    ledgers: tuple[Ledger, Ledger], offset: int, undead: int
) -> None:
    ledger, _ = ledgers
    ledger.add_unreadable((0, 17))
    letter = {"topic": "capture.leads.v1", "partition": 0, "offset": offset}
    service = FakeService((200, {"items": [letter], "next_cursor": None}))
    async with service.client("scoring") as client:
        step = CapturedStep("s", client, ledger.count()).step
        await check_unreadable(ledger, step, client, "capture.leads.v1", deadline())
    assert (step.undead, step.dead_lettered) == (undead, 1 - undead)


async def test_every_unreadable_record_is_looked_for_however_many_there_are(ledgers: tuple[Ledger, Ledger]) -> None:
    ledger, _ = ledgers
    for offset in range(1_500):
        ledger.add_unreadable((offset % 2, offset), date(2026, 3, 1).toordinal())
    letters = [{"topic": "capture.leads.v1", "partition": offset % 2, "offset": offset} for offset in range(1_499)]
    async with FakeService((200, {"items": letters, "next_cursor": None})).client("scoring") as client:
        step = CapturedStep("s", client, ledger.count()).step
        await check_unreadable(ledger, step, client, "capture.leads.v1", deadline(1))
    assert (step.undead, step.dead_lettered) == (1, 1_499)
    assert step.differing == ["partition 1, offset 1499: unreadable, and no dead letter"]
    assert [(day.partition, day.events, day.unreadable, day.missing) for day in ledger.by_day("captured")] == [
        (0, 0, 750, {}),
        (1, 0, 750, {"s": 1}),
    ]


async def test_a_page_that_stays_different_is_reported_by_lead(ledgers: tuple[Ledger, Ledger]) -> None:
    _, ledger = ledgers
    wrong = {"checked": 9, "different": 1, "differences": [{"root_id": str(LEAD), "fault": "missing"}], "next": None}
    async with FakeService((200, wrong)).client("metrics") as client:
        found = await check_pages(ledger, PagedCheck("a", ""), client, "/v1/x", deadline(), lambda _: None)
    assert (found.checked, found.different, found.differences) == (9, 1, [f"lead {LEAD}: fault missing"])
    right = {"checked": 9, "different": 0, "differences": [], "next": None}
    async with FakeService((200, wrong), (200, right)).client("metrics") as client:
        found = await check_pages(ledger, PagedCheck("b", ""), client, "/v1/x", deadline(), lambda _: None)
    assert found.different == 0


async def test_pages_go_on_where_an_audit_was_stopped(tmp_path: Path) -> None:
    def page(following: str | None, different: int = 0) -> Answer:
        return 200, {
            "checked": 5,
            "different": different,
            "differences": [{"lead_id": "a"}] * different,
            "next": following,
        }

    with open_ledgers(tmp_path) as (_, ledger):
        async with FakeService(page("5", 1), page("5", 1), (500, {})).client("pipeline") as client:
            with pytest.raises(CommandFailed):
                await check_pages(ledger, PagedCheck("p", ""), client, "/v1/x", deadline(1), lambda _: None)
    with open_ledgers(tmp_path) as (_, ledger):
        service = FakeService(page(None))
        async with service.client("pipeline") as client:
            found = await check_pages(ledger, PagedCheck("p", ""), client, "/v1/x", deadline(), lambda _: None)
        assert orjson.loads(service.requests[0].content)["after"] == "5"
    assert (found.checked, found.different) == (10, 1)


async def test_asking_goes_on_where_an_audit_was_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "CHUNK", 10)
    with open_ledgers(tmp_path) as (_, ledger):
        ledger.add([(LEAD, UUID(int=number)) for number in range(1, 26)])
        service = FakeService(rule=_first_then_broken())
        async with service.client("metrics") as client:
            step = LifecycleStep("l", client, ledger.count())
            with pytest.raises(CommandFailed):
                await check_lifecycle(ledger, step, deadline())
    with open_ledgers(tmp_path) as (_, ledger):
        books = Books(facts=set(range(1, 26)) - {17})
        async with books.client("metrics") as client:
            step = LifecycleStep("l", client, ledger.count())
            await check_lifecycle(ledger, step, deadline(1))
    assert (step.step.log.records, step.step.facts, step.step.missing) == (25, 24, 1)
    assert len(orjson.loads(books.requests[0].content)["ids"]) == 10
    assert step.step.differing == [f"lead {LEAD}: event {UUID(int=17)} is unknown"]


def _first_then_broken() -> Callable[[httpx.Request], Answer]:
    answers = iter([True])

    def answer(request: httpx.Request) -> Answer:
        if not next(answers, False):
            return 422, {"detail": "no"}
        ids = [each[1] for each in orjson.loads(request.content)["ids"]]
        return 200, {"facts": ids, "waiting": [], "dead_lettered": [], "unknown": []}

    return answer


@pytest.mark.parametrize("stopped_at", range(8))
async def test_wherever_asking_again_is_stopped_what_is_missing_is_told(tmp_path: Path, stopped_at: int) -> None:
    """Pipeline knows of three events only when it is asked again, metrics of one of them."""
    asked = iter(range(1_000))

    def stopping(books: Books) -> Books:
        def answer(request: httpx.Request) -> Answer:
            if next(asked) == stopped_at:
                raise KeyboardInterrupt
            return books._ending(request)

        books._rule = answer
        return books

    pipeline, metrics = Books(facts={1, 2, 3}, later=frozenset({1, 2, 3})), Books(facts={2})
    scoring = Books(facts={1, 2, 3}, later=frozenset({3}))
    with open_ledgers(tmp_path) as (ledger, _):
        captured(ledger, 1, 2, 3)
        with suppress(KeyboardInterrupt):
            await check(ledger, stopping(scoring), stopping(pipeline), stopping(metrics))
    with open_ledgers(tmp_path) as (ledger, _):
        steps = [each.step for each in await check(ledger, scoring, pipeline, metrics)]
    assert [(step.facts, step.missing) for step in steps] == [(3, 0), (3, 0), (1, 2)]
    assert not steps[2].clean
    told = [f"lead {LEAD}: event {UUID(int=number)} is unknown" for number in (1, 3)]
    assert sorted(steps[2].differing) == told


async def test_what_the_log_lacks_of_the_history_is_told_by_lead(ledgers: tuple[Ledger, Ledger]) -> None:
    _, ledger = ledgers
    ledger.add([(LEAD, UUID(int=1))])
    ids = [[str(LEAD), str(UUID(int=1))], [str(LEAD), str(UUID(int=2))]]
    async with FakeService((200, {"ids": ids, "next": None})).client("pipeline") as client:
        found = await check_history(ledger, PagedCheck("history", ""), client, datetime.now(UTC), lambda _: None)
    assert (found.checked, found.different) == (2, 1)
    assert found.differences == [f"lead {LEAD}: event {UUID(int=2)} is in pipeline's history and not in the log"]


def test_what_is_missing_is_told_by_partition_and_day(ledgers: tuple[Ledger, Ledger]) -> None:
    _, ledger = ledgers
    days = [date(2026, 3, 1).toordinal(), date(2026, 3, 2).toordinal()]
    ledger.add([(LEAD, UUID(int=number)) for number in (1, 2, 3)], [(0, days[0]), (0, days[1]), (1, days[1])])
    ledger.put_aside("s", [(LEAD, UUID(int=2))])
    assert ledger.by_day("captured") == [
        Day("captured", 0, "2026-03-01", 1, 0, {}),
        Day("captured", 0, "2026-03-02", 1, 0, {"s": 1}),
        Day("captured", 1, "2026-03-02", 1, 0, {}),
    ]
    assert ledger.told((LEAD, UUID(int=2))) == f"lead {LEAD}: event {UUID(int=2)}, of 2026-03-02 in partition 0,"


@pytest.mark.parametrize("value", [None, b"", b"{", b"[]", b'{"event_id": 7}', b'{"event_id": "x"}', b"\xff"])
def test_a_record_without_an_event_id_is_unreadable(value: bytes | None) -> None:
    assert entry_of(value) is None


async def test_scores_are_made_again_page_by_page_from_where_it_was_stopped(ledgers: tuple[Ledger, Ledger]) -> None:
    difference = {"lead_id": str(LEAD), "fault": "score differ"}
    pages = [
        {"checked": 500, "stale": 2, "unverifiable": 0, "differences": [], "next": str(LEAD)},
        {"checked": 7, "stale": 0, "unverifiable": 1, "differences": [difference], "next": None},
    ]
    service = FakeService((200, pages[0]), ConnectionError("stopped"), (200, pages[1]))
    async with service.client("scoring") as client:
        with pytest.raises(ConnectionError):
            await check_scores(ledgers[1], client)
        found = await check_scores(ledgers[1], client)
        assert await check_scores(ledgers[1], client) == found
    assert (found.checked, found.stale, found.unverifiable, found.different) == (507, 2, 1, 1)
    assert found.differences == (f"{LEAD}: score differ",)
    assert [orjson.loads(request.content)["after"] for request in service.requests] == [None, str(LEAD), str(LEAD)]
