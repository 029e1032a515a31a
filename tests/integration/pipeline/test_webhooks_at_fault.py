"""One receiver, one address or one moment that is out of order costs no other endpoint anything, and nobody an event."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest

from services.pipeline.domain.webhook_rules import MOST, Answer
from services.pipeline.storage import webhook_queue
from services.pipeline.webhooks import feeding
from shared.kit.database import Transaction
from shared.kit.errors import Rejected
from shared.kit.outside import Target
from tests.integration.pipeline.conftest import Pipeline
from tests.integration.pipeline.hooked import OPERATOR, Hooked
from tests.integration.pipeline.receiving import Receiver
from tests.support.patience import eventually
from tests.unit.pipeline.builders import a_lead, at


async def test_a_name_that_no_server_can_have_is_refused_and_one_from_before_stops_nobody_else(
    pipeline: Pipeline, hooked: Hooked, receiver: Receiver
) -> None:
    with pytest.raises(Rejected, match="no server can have"):
        await hooked.follow("https://a..b/hook")
    poisoned = await hooked.follow("https://crm.example/hook")
    await hooked.database.run(
        lambda tx: tx.execute(
            "UPDATE pipeline.webhook_endpoints SET url = 'https://a..b/hook' WHERE endpoint_id = :id",
            {"id": poisoned["endpoint_id"]},
        )
    )
    await hooked.follow(receiver.url)
    await pipeline.take(a_lead("ann@x.example"))
    await hooked.told()
    assert len(receiver.got) == 1
    assert await hooked.states() == {"delivered": 1, "waiting": 1}


async def test_what_nobody_thought_of_while_sending_is_a_failure_of_that_endpoint_alone(
    pipeline: Pipeline, hooked: Hooked, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def resolve(target: Target) -> Sequence[str]:
        if target.host == "crm.example":
            raise RuntimeError("nobody thought of this")
        return ["127.0.0.1"]

    monkeypatch.setattr(hooked.hooks.sending._poster, "_resolve", resolve)
    made = await hooked.follow("https://crm.example/hook")
    await hooked.follow(receiver.url)
    await pipeline.take(*(a_lead(f"{place}@x.example") for place in range(3)))
    await hooked.told()
    assert len(receiver.got) == 3
    assert await hooked.states() == {"delivered": 3, "waiting": 3}
    assert (await hooked.endpoint(made))["failures"] == 3


async def test_an_answer_that_cannot_be_written_down_keeps_no_other_from_it(
    pipeline: Pipeline, hooked: Hooked, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    leads = [a_lead(f"{place}@x.example") for place in range(4)]
    written = webhook_queue.settle

    async def settle(tx: Transaction, rows: Sequence[Mapping[str, Any]]) -> None:
        if any(row["lead_id"] == leads[0].lead_id for row in rows):
            raise RuntimeError("nobody thought of this")
        await written(tx, rows)

    monkeypatch.setattr(webhook_queue, "settle", settle)
    await hooked.follow(receiver.url)
    await pipeline.take(*leads)
    await hooked.told()
    assert await hooked.states() == {"delivered": 3, "waiting": 1}
    monkeypatch.undo()
    hooked.after(minutes=5)
    await hooked.send()
    assert await hooked.states() == {"delivered": 4}


async def test_what_is_given_out_while_its_endpoint_is_being_enabled_is_told_all_the_same(
    pipeline: Pipeline, hooked: Hooked, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await hooked.follow(receiver.url)
    await hooked.hooks.endpoints.disable(made["endpoint_id"], OPERATOR)
    await pipeline.take(a_lead("ann@x.example"))
    missed = webhook_queue.missed

    async def enabled_meanwhile(tx: Transaction, times: Mapping[UUID, tuple[datetime, datetime]]) -> None:
        await hooked.hooks.endpoints.enable(made["endpoint_id"], OPERATOR, catch_up=True)
        await missed(tx, times)

    monkeypatch.setattr(webhook_queue, "missed", enabled_meanwhile)
    await hooked.give_out()
    monkeypatch.undo()
    await hooked.told()
    assert len(receiver.got) == 1
    shown = await hooked.endpoint(made)
    assert (shown["state"], shown["missed_since"], shown["replay_from"]) == ("live", None, None)


async def test_what_was_missed_is_told_also_where_the_clock_of_who_recorded_it_is_ahead(
    pipeline: Pipeline, hooked: Hooked, receiver: Receiver
) -> None:
    made = await hooked.follow(receiver.url)
    await hooked.hooks.endpoints.disable(made["endpoint_id"], OPERATOR)
    for minutes in (5, 10):
        hooked.after(minutes=minutes)
        await pipeline.take(a_lead(f"{minutes}@x.example", occurred_at=at(minutes)))
        hooked.after(minutes=-minutes)
    await hooked.give_out()
    await hooked.hooks.endpoints.enable(made["endpoint_id"], OPERATOR, catch_up=True)
    await hooked.told()
    assert len(receiver.got) == 2
    await hooked.told()
    assert len(receiver.got) == 2


async def test_whoever_took_a_delivery_before_has_no_say_in_it_any_more(
    pipeline: Pipeline, hooked: Hooked, receiver: Receiver
) -> None:
    await hooked.follow(receiver.url)
    await pipeline.take(a_lead("ann@x.example"))
    await hooked.give_out()
    sending = hooked.hooks.sending
    (slow,) = await hooked.database.run(lambda tx: sending._take(tx, Counter(), 16))
    hooked.after(minutes=5)
    await hooked.send()
    assert await hooked.states() == {"delivered": 1}
    await hooked.database.run(lambda tx: sending._settle(tx, [(slow, Answer(None, "timeout"))]))
    assert await hooked.states() == {"delivered": 1}


async def test_a_unit_whose_receivers_are_all_slow_leaves_room_for_the_others(
    pipeline: Pipeline, hooked: Hooked
) -> None:
    made = [await hooked.follow("http://127.0.0.1:1/slow", description=str(place)) for place in range(5)]
    await pipeline.take(*(a_lead(f"{place}@x.example") for place in range(8)))
    await hooked.give_out()
    assert len(made) == 5
    busy: Counter[UUID] = Counter()
    for _ in range(5):
        for one in await hooked.database.run(lambda tx: hooked.hooks.sending._take(tx, busy, 16 - busy.total())):
            busy[one.key.endpoint_id] += 1
    assert busy.total() == 8
    assert max(busy.values()) - min(busy.values()) <= 1
    await hooked.database.run(
        lambda tx: tx.execute("UPDATE pipeline.webhook_endpoints SET business_unit = 'other' WHERE description = '4'")
    )
    taken = await hooked.database.run(lambda tx: hooked.hooks.sending._take(tx, busy, 16 - busy.total()))
    assert made[4]["endpoint_id"] in {one.key.endpoint_id for one in taken}


async def test_a_unit_has_so_many_webhooks_and_no_more(pipeline: Pipeline, hooked: Hooked, receiver: Receiver) -> None:
    made = [await hooked.follow(receiver.url) for _ in range(MOST)]
    with pytest.raises(Rejected, match="may have no more"):
        await hooked.follow(receiver.url)
    await hooked.follow(receiver.url, business_unit="another")
    await hooked.hooks.endpoints.remove(made[0]["endpoint_id"], OPERATOR)
    await hooked.follow(receiver.url)


async def test_one_that_is_removed_hears_nothing_more_and_what_waited_for_it_is_forgotten_in_portions(
    pipeline: Pipeline, hooked: Hooked, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeding, "SWEPT_AT_ONCE", 2)
    made = await hooked.follow(receiver.url)
    await pipeline.take(*(a_lead(f"{place}@x.example") for place in range(5)))
    await hooked.give_out()
    await hooked.hooks.endpoints.remove(made["endpoint_id"], OPERATOR)
    with pytest.raises(Rejected, match="no webhook"):
        await hooked.endpoint(made)
    with pytest.raises(Rejected, match="no webhook"):
        await hooked.hooks.endpoints.remove(made["endpoint_id"], OPERATOR)
    assert await hooked.hooks.endpoints.listing(None) == []
    assert await hooked.states() == {"waiting": 5}
    await hooked.send()
    assert receiver.got == []
    await hooked.database.run(lambda tx: webhook_queue.sweep_removed(tx, tx.now, 2))
    assert await hooked.states() == {"waiting": 3}
    await hooked.hooks.feeding.sweep()
    assert await hooked.states() == {}
    hooked.after(minutes=11)
    await hooked.hooks.feeding.sweep()
    assert (await pipeline.one("SELECT count(*) AS n FROM pipeline.webhook_endpoints")).n == 0


async def test_what_happens_now_does_not_wait_for_what_is_being_told_again(
    pipeline: Pipeline, hooked: Hooked, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await hooked.follow(receiver.url)
    await pipeline.take(a_lead("ann@x.example"))
    await hooked.told()
    hooked.after(minutes=1)
    await hooked.hooks.endpoints.replay(made["endpoint_id"], at(0), None, OPERATOR)
    begun, ends = asyncio.Event(), asyncio.Event()
    replay = webhook_queue.replay

    async def slow(tx: Transaction, endpoint: Any, since: datetime, until: datetime) -> int:
        queued = await replay(tx, endpoint, since, until)
        begun.set()
        await ends.wait()
        return queued

    monkeypatch.setattr(webhook_queue, "replay", slow)
    async with hooked.hooks.feeding.running(), asyncio.timeout(40):
        await begun.wait()
        await pipeline.take(a_lead("bob@x.example", occurred_at=at(1)))
        await hooked.relay()

        async def heard() -> bool:
            await hooked.send()
            return await hooked.states() == {"delivered": 2}

        await eventually(heard, within_seconds=15)
        assert len(receiver.got) == 2
        ends.set()

        async def told_again() -> bool:
            return (await hooked.endpoint(made))["replay_from"] is None

        await eventually(told_again, within_seconds=15)
    await hooked.send()
    assert [one.id for one in receiver.got].count(receiver.got[0].id) == 2


async def test_what_is_asked_for_while_something_is_being_told_again_is_told_too(
    pipeline: Pipeline, hooked: Hooked, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    await pipeline.take(a_lead("ann@x.example"))
    hooked.after(minutes=10)
    await pipeline.take(a_lead("bob@x.example", occurred_at=at(10)))
    await hooked.give_out()
    made = await hooked.follow(receiver.url)
    hooked.after(minutes=10)
    replay = webhook_queue.replay
    asked: list[datetime] = []

    async def interrupted(tx: Transaction, endpoint: Any, since: datetime, until: datetime) -> int:
        if not asked:
            asked.append(since)
            await hooked.hooks.endpoints.replay(made["endpoint_id"], at(-5), at(5), OPERATOR)
        return await replay(tx, endpoint, since, until)

    monkeypatch.setattr(webhook_queue, "replay", interrupted)
    await hooked.hooks.endpoints.replay(made["endpoint_id"], at(9), None, OPERATOR)
    await hooked.told()
    assert asked == [at(9)]
    assert len({one.data["lead_id"] for one in receiver.got}) == 2
