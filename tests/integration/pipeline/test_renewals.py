"""What runs out is somebody's to renew in time, and who came back somebody's to look at: timers on real PostgreSQL."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from services.pipeline import renewing
from services.pipeline.assigning import Assigning
from services.pipeline.renewing import Renewals
from services.pipeline.storage import loading, orders
from shared.contracts.lifecycle_events import FollowUpMissed, FollowUpScheduled
from shared.contracts.policy import Policy
from tests.integration.pipeline.conftest import Pipeline
from tests.integration.pipeline.erasing import erase
from tests.integration.pipeline.test_commands import do
from tests.integration.pipeline.test_history import row, send
from tests.integration.pipeline.test_routing import ROUTING, with_sections
from tests.integration.pipeline.test_timers import Work
from tests.unit.pipeline.builders import a_lead, at, identities

DAY = 24 * 60


@pytest.fixture
def rules() -> Policy:
    return with_sections(routing=ROUTING, renewing={"ahead_days": 10})


@pytest.fixture
def work(pipeline: Pipeline, rules: Policy, app: FastAPI) -> Work:
    one = Work(pipeline, rules)
    app.state.database.clock = one.clock
    return one


async def a_customer(work: Work, http: httpx.AsyncClient, **said: Any) -> str:
    """Somebody with an order that runs for thirty days."""
    lead = a_lead("ann@x.example", name="Ann")
    await work.pipeline.take(lead)
    path = f"/v1/leads/{lead.lead_id}"
    await do(http, f"{path}:assign", {"owner": "kim"})
    order = {"order_id": "o1", "amount": "100", "runs_until": at(30 * DAY).isoformat(), **said}
    await do(http, f"{path}/orders", order, status=201)
    return path


async def renewals(work: Work) -> list[Any]:
    return list(
        await work.pipeline.database.rows("SELECT * FROM pipeline.tasks WHERE kind = 'renewal' ORDER BY due_at")
    )


async def test_an_order_that_runs_out_is_to_be_renewed_by_whoever_has_the_customer(
    work: Work, http: httpx.AsyncClient
) -> None:
    path = await a_customer(work, http)
    (task,) = await renewals(work)
    assert (task.order_id, task.owner, task.status, task.name) == ("o1", "kim", "open", "renew")
    assert (task.starts_at, task.due_at) == (at(20 * DAY), at(30 * DAY))
    await do(http, f"{path}:assign", {"owner": "lee"})
    assert [one.owner for one in await renewals(work)] == ["lee"]
    work.after(31 * DAY)
    assert await work.timers.once() == 1
    (missed,) = [one for one in await work.pipeline.published() if isinstance(one, FollowUpMissed)]
    assert (missed.kind, missed.order_id, missed.occurred_at) == ("renewal", "o1", at(30 * DAY))
    (shown,) = (await http.get("/v1/queue", params={"owner": "lee"})).json()["items"]
    assert shown["urgency"] == "late"


async def test_the_order_that_renews_it_does_the_task_and_has_one_of_its_own(
    work: Work, http: httpx.AsyncClient
) -> None:
    path = await a_customer(work, http)
    renewing = {"order_id": "o2", "amount": "100", "renews": "o1", "runs_until": at(60 * DAY).isoformat()}
    for status in (201, 200):
        await do(http, f"{path}/orders", renewing, status=status)
    first, second = await renewals(work)
    assert (first.status, first.outcome) == ("done", "renewed")
    assert (second.status, second.order_id, second.starts_at) == ("open", "o2", at(50 * DAY))


async def test_an_order_whose_renewal_is_cancelled_is_to_be_renewed_again(work: Work, http: httpx.AsyncClient) -> None:
    path = await a_customer(work, http)
    for name in ("o2", "o3"):
        await do(http, f"{path}/orders", {"order_id": name, "amount": "100", "renews": "o1"}, status=201)
    said = {"reason": "other", "note": "a mistake"}
    await do(http, "/v1/orders/o2:cancel", said)
    assert [one.status for one in await renewals(work)] == ["done"]  # o3 renews it still
    await do(http, "/v1/orders/o3:cancel", said)
    first, again = await renewals(work)
    assert (first.status, again.status) == ("done", "open")
    assert (again.order_id, again.owner, again.starts_at, again.due_at) == ("o1", "kim", at(20 * DAY), at(30 * DAY))


async def test_an_order_that_is_told_after_it_ran_out_is_nobodys_to_renew(work: Work, http: httpx.AsyncClient) -> None:
    path = await a_customer(work, http, runs_until=None)
    work.after(40 * DAY)
    order = {"order_id": "o2", "amount": "1", "occurred_at": at(1).isoformat(), "runs_until": at(30 * DAY).isoformat()}
    await do(http, f"{path}/orders", order, status=201)
    assert await renewals(work) == []


@pytest.mark.parametrize(
    ("command", "said", "reason"),
    [
        ("/v1/orders/o1:cancel", {"reason": "other", "note": "a mistake"}, "cancelled"),
        ("/v1/orders/o1:refund", {"reason": "other", "note": "a mistake"}, "refunded"),
        (":churn", {"reason": "other", "note": "moved away"}, "churned"),
        (":mark", {"mark": "test"}, "test"),
    ],
)
async def test_what_need_not_be_renewed_is_called_off_with_why(
    work: Work, http: httpx.AsyncClient, command: str, said: dict[str, Any], reason: str
) -> None:
    path = await a_customer(work, http)
    await do(http, command if command.startswith("/") else f"{path}{command}", said)
    (task,) = await renewals(work)
    assert (task.status, task.outcome) == ("cancelled", reason)


async def test_an_imported_renewal_is_seen_when_the_task_is_due(work: Work, http: httpx.AsyncClient) -> None:
    who = identities(email="ann@x.example", external="import\x1fc1")
    lead = a_lead("ann@x.example", identities=who)
    await work.pipeline.take(lead)
    order = {"order_id": "o1", "amount": "100", "runs_until": at(30 * DAY).isoformat()}
    await do(http, f"/v1/leads/{lead.lead_id}/orders", order, status=201)
    work.after(29 * DAY)
    renewed = row("order_placed", at(25 * DAY).isoformat(), order_id="o2", renews="o1", amount="100")
    assert (await send(http, renewed))["accepted"] == 1
    work.after(2 * DAY)
    assert await work.timers.once() == 1
    assert [(one.status, one.outcome) for one in await renewals(work)] == [("done", "renewed")]


async def an_imported_order(work: Work, http: httpx.AsyncClient, **said: Any) -> str:
    """Of a customer whom kim has, told as history: it runs for thirty days."""
    who = identities(email="ann@x.example", external="import\x1fc1")
    lead = a_lead("ann@x.example", identities=who)
    await work.pipeline.take(lead)
    path = f"/v1/leads/{lead.lead_id}"
    await do(http, f"{path}:assign", {"owner": "kim"})
    told = {"order_id": "o1", "amount": "100", "runs_until": at(30 * DAY).isoformat(), **said}
    assert (await send(http, row("order_placed", at(0).isoformat(), **told)))["accepted"] == 1
    return path


async def test_an_imported_order_is_somebodys_to_renew_when_it_runs_out_soon(
    work: Work, http: httpx.AsyncClient
) -> None:
    path = await an_imported_order(work, http)
    looking = Renewals(work.pipeline.database, work.policy, Assigning(work.policy))
    assert await looking.look() == 0
    work.after(20 * DAY)
    assert sorted(await asyncio.gather(looking.look(), looking.look())) == [0, 1]
    (task,) = await renewals(work)
    assert (task.order_id, task.owner, task.status, str(task.lead_id)) == ("o1", "kim", "open", path.rpartition("/")[2])
    assert (task.starts_at, task.due_at) == (at(20 * DAY), at(30 * DAY))
    await do(http, f"/v1/tasks/{task.task_id}:cancel", {"note": "they know"})
    assert await looking.look() == 0
    assert [one.status for one in await renewals(work)] == ["cancelled"]


async def test_many_that_run_out_at_once_are_all_somebodys(
    work: Work, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(renewing, "AT_ONCE", 2)
    await an_imported_order(work, http)
    told = [
        row("order_placed", at(0).isoformat(), order_id=f"m{place}", amount="1", runs_until=at(29 * DAY).isoformat())
        for place in range(4)
    ]
    assert (await send(http, *told))["accepted"] == 4
    work.after(20 * DAY)
    looking = Renewals(work.pipeline.database, work.policy, Assigning(work.policy))
    assert [await looking.look(), await looking.look()] == [5, 0]
    assert sorted(one.order_id for one in await renewals(work)) == ["m0", "m1", "m2", "m3", "o1"]


NEEDLESS = ["renewed", "churned", "cancelled", "does not run out", "archived", "marked", "erased"]


@pytest.mark.parametrize("what", NEEDLESS)
async def test_an_imported_order_that_need_not_be_renewed_is_nobodys_and_its_lead_is_not_asked_for(
    work: Work, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    asked: list[Any] = []

    async def locked(*said: Any) -> None:
        asked.append(said)

    path = await an_imported_order(work, http, **({"runs_until": None} if what == "does not run out" else {}))
    match what:
        case "renewed":
            renewal = row("order_placed", at(DAY).isoformat(), order_id="o2", renews="o1", amount="100")
            work.after(2 * DAY)
            assert (await send(http, renewal))["accepted"] == 1
        case "churned":
            work.after(DAY)
            await do(http, f"{path}:churn", {"reason": "other", "note": "moved away"})
        case "cancelled":
            await do(http, "/v1/orders/o1:cancel", {"reason": "other", "note": "a mistake"})
        case "archived":
            assert (await send(http, row("archived", at(1).isoformat(), reason="silence")))["accepted"] == 1
        case "marked":
            await do(http, f"{path}:mark", {"mark": "test"})
        case "erased":
            await erase(http, email="ann@x.example")
    work.after(20 * DAY)
    monkeypatch.setattr(loading, "lock_groups", locked)
    assert await Renewals(work.pipeline.database, work.policy, Assigning(work.policy)).look() == 0
    assert await renewals(work) == []
    assert asked == []


async def running_out(work: Work) -> list[str]:
    """The orders whose leads a look would ask for."""
    found = await orders.running_out(work.pipeline.database, "default", at(31 * DAY), None, 100)
    return [one.order_id for one in found if not one.has_left]


async def test_who_left_and_bought_again_has_both_orders_to_renew(work: Work, http: httpx.AsyncClient) -> None:
    path = await an_imported_order(work, http)
    left = row("churned", at(DAY).isoformat(), reason="other")
    bought = row(
        "order_placed", at(2 * DAY).isoformat(), order_id="o2", amount="1", runs_until=at(29 * DAY).isoformat()
    )
    work.after(20 * DAY)
    other = a_lead("bob@x.example", occurred_at=at(3 * DAY))
    await work.pipeline.take(other)
    assert (await send(http, left))["accepted"] == 1
    assert await running_out(work) == []
    assert (await send(http, bought))["accepted"] == 1
    await do(http, f"{path}:merge", {"other_lead_id": str(other.lead_id)})
    assert await running_out(work) == ["o2", "o1"]
    looking = Renewals(work.pipeline.database, work.policy, Assigning(work.policy))
    assert await looking.look() == 2
    assert await running_out(work) == []


async def test_a_look_that_meets_another_leaves_it_all_to_that(work: Work, http: httpx.AsyncClient) -> None:
    await an_imported_order(work, http)
    work.after(20 * DAY)
    looking = Renewals(work.pipeline.database, work.policy, Assigning(work.policy))
    async with work.pipeline.database.transaction() as other:
        assert await orders.look_alone(other)
        assert await looking.look() == 0
    assert await looking.look() == 1


async def test_who_is_erased_while_a_look_goes_on_has_nothing_to_renew(
    work: Work, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await an_imported_order(work, http)
    work.after(20 * DAY)
    found = await orders.running_out(work.pipeline.database, "default", at(31 * DAY), None, 100)
    assert [one.order_id for one in found] == ["o1"]
    await erase(http, email="ann@x.example")

    async def found_before(*_: Any) -> list[orders.RunningOut]:
        return found

    monkeypatch.setattr(orders, "running_out", found_before)
    assert await Renewals(work.pipeline.database, work.policy, Assigning(work.policy)).look() == 0
    assert await renewals(work) == []


async def test_what_does_not_run_out_or_has_run_out_is_nobodys_to_renew(work: Work, http: httpx.AsyncClient) -> None:
    path = await a_customer(work, http, runs_until=None)
    past = {"order_id": "o2", "amount": "1", "runs_until": at(-1).isoformat()}
    await do(http, f"{path}/orders", past, status=201)
    assert await renewals(work) == []


async def test_a_renewal_goes_with_its_order_where_a_merge_ends(work: Work, http: httpx.AsyncClient) -> None:
    path = await a_customer(work, http)
    other = a_lead("bob@x.example", occurred_at=at(-5))
    await work.pipeline.take(other)
    await do(http, f"{path}:merge", {"other_lead_id": str(other.lead_id)})
    await do(http, f"/v1/leads/{other.lead_id}:assign", {"owner": "lee"})
    await do(http, f"{path}:unmerge")
    work.after(31 * DAY)
    assert await work.timers.once() == 1
    (task,) = await renewals(work)
    assert (task.lead_id, task.status, task.missed_at) == (UUID(path.rpartition("/")[2]), "open", at(30 * DAY))


async def who_came_back(work: Work, http: httpx.AsyncClient) -> Any:
    lead = a_lead("ann@x.example")
    await work.pipeline.take(lead)
    path = f"/v1/leads/{lead.lead_id}"
    await do(http, f"{path}:assign", {"owner": "kim"})
    await do(http, f"{path}/orders", {"order_id": "o1", "amount": "5"}, status=201)
    work.after(60)
    said = await work.pipeline.take(a_lead("ann@x.example", occurred_at=at(60)))
    (task,) = [one for one in said if isinstance(one, FollowUpScheduled)]
    assert task.kind == "return"
    return task


async def test_nobody_who_came_back_is_forgotten(work: Work, http: httpx.AsyncClient) -> None:
    task = await who_came_back(work, http)
    work.clock.advance(task.due_at - work.clock.now() - timedelta(seconds=1))
    assert await work.timers.once() == 0
    work.after(1)
    assert await work.timers.once() == 1
    (missed,) = [one for one in await work.pipeline.published() if isinstance(one, FollowUpMissed)]
    assert (missed.kind, missed.owner, missed.occurred_at) == ("return", "kim", task.due_at)
    assert await work.timers.once() == 0


@pytest.mark.parametrize(("end", "outcome"), [("deal", "open"), ("mark", "spam"), ("archive", "archived")])
async def test_who_came_back_and_is_seen_to_otherwise_is_not_missed(
    work: Work, http: httpx.AsyncClient, end: str, outcome: str
) -> None:
    task = await who_came_back(work, http)
    if end == "mark":
        await do(http, f"/v1/leads/{task.lead_id}:mark", {"mark": "spam"})
    else:
        both = a_lead(
            "ann@x.example", identities=identities(email="ann@x.example", external="import\x1fc1"), occurred_at=at(61)
        )
        await work.pipeline.take(both)
        told = (
            row("opportunity_opened", at(70).isoformat(), opportunity_id="d1")
            if end == "deal"
            else row("archived", at(70).isoformat(), reason="silence")
        )
        work.after(30)
        assert (await send(http, told))["accepted"] == 1
    work.after(3 * DAY)
    await work.timers.once()
    row_of = await work.pipeline.one("SELECT status, outcome FROM pipeline.tasks WHERE kind = 'return'")
    assert (row_of.status, row_of.outcome) == ("cancelled", outcome)
