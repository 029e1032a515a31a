"""Whoever follows by webhook hears everything once or more under one id, in order of each lead, whatever happens, on real HTTP."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from datetime import timedelta
from uuid import UUID

from prometheus_client import CollectorRegistry

from services.pipeline.asking import Asked
from services.pipeline.commands import Commands
from services.pipeline.domain import decisions
from services.pipeline.domain.webhook_rules import RESTS_FROM
from services.pipeline.instruments import PipelineInstruments
from tests.integration.pipeline.conftest import Pipeline
from tests.integration.pipeline.hooked import OPERATOR, Hooked
from tests.integration.pipeline.receiving import Got, Receiver, receiving
from tests.unit.pipeline.builders import POLICY, SECRET, a_lead, a_score, at


async def test_who_follows_hears_each_event_once_in_order_of_each_lead_with_a_signature_that_holds(
    pipeline: Pipeline, hooked: Hooked, receiver: Receiver
) -> None:
    made = await hooked.follow(receiver.url)
    leads = [a_lead(f"{place}@x.example") for place in range(5)]
    await pipeline.take(*leads)
    await pipeline.take(*(a_score(one.lead_id, 70) for one in leads))
    await hooked.told()
    said = await pipeline.published()
    assert sorted(one.id for one in receiver.got) == sorted(str(event.event_id) for event in said)
    for lead in leads:
        versions = [one.data["version"] for one in receiver.got if one.data["lead_id"] == str(lead.lead_id)]
        assert versions == sorted(versions)
    assert len(versions) >= 3
    assert all(one.signed_by(made["secret"]) for one in receiver.got)
    assert not any(one.signed_by("whsec_" + "A" * 44) for one in receiver.got)
    event = next(one for one in said if str(one.event_id) == receiver.got[0].id)
    shown = receiver.got[0].data
    assert {name: shown[name] for name in ("event", "lead_id", "version")} == {
        "event": event.event,
        "lead_id": str(event.lead_id),
        "version": event.version,
    }
    assert "person" not in shown
    assert b"x.example" not in b"".join(one.body for one in receiver.got)
    await hooked.told()
    assert len(receiver.got) == len(said)
    assert await hooked.states() == {"delivered": len(said)}


async def test_an_endpoint_hears_what_it_asked_for_of_its_unit(
    pipeline: Pipeline, hooked: Hooked, receiver: Receiver
) -> None:
    await hooked.follow(receiver.url, events=["LeadQualified"])
    with receiving() as elsewhere:
        await hooked.follow(elsewhere.url, business_unit="another")
        lead = a_lead("ann@x.example")
        await pipeline.take(lead, a_score(lead.lead_id, 70))
        await hooked.told()
        assert [one.said["type"] for one in receiver.got] == ["LeadQualified"]
        assert elsewhere.got == []


async def test_killed_between_sending_and_noting_it_is_sent_again_under_the_same_id(
    pipeline: Pipeline, hooked: Hooked, receiver: Receiver
) -> None:
    await hooked.follow(receiver.url)
    await pipeline.take(a_lead("ann@x.example"))
    await hooked.give_out()
    url = pipeline.database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    killed = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.integration.pipeline.hooked", url,
        env={**os.environ, "LEADFLOW_FAILPOINT": "after-webhook-sent"},
    )  # fmt: skip
    assert await killed.wait() == -signal.SIGKILL
    assert len(receiver.got) == 1
    assert await hooked.states() == {"waiting": 1}
    await hooked.send()
    assert len(receiver.got) == 1  # whoever took it might be alive
    hooked.after(days=3650)  # it was taken by the machine's clock
    await hooked.send()
    first, again = receiver.got
    assert (first.id, first.data) == (again.id, again.data)
    assert await hooked.states() == {"delivered": 1}


async def test_what_fails_is_tried_again_and_holds_up_its_lead_only(
    pipeline: Pipeline, hooked: Hooked, receiver: Receiver
) -> None:
    await hooked.follow(receiver.url)
    bad, good = a_lead("bad@x.example"), a_lead("good@x.example")
    await pipeline.take(bad, good, a_score(bad.lead_id, 70), a_score(good.lead_id, 70))
    receiver.answer = lambda got: (500 if got.data["lead_id"] == str(bad.lead_id) else 204, {})
    await hooked.told()
    heard = [one.data["version"] for one in receiver.got if one.data["lead_id"] == str(good.lead_id)]
    assert heard == list(range(1, len(heard) + 1))
    assert len(heard) >= 3
    assert [one.data["version"] for one in receiver.got if one.data["lead_id"] == str(bad.lead_id)] == [1]
    receiver.answer = lambda _: (204, {})
    hooked.after(seconds=2)
    await hooked.send()
    assert len([one for one in receiver.got if one.data["lead_id"] == str(bad.lead_id)]) == 1
    hooked.after(seconds=15)
    await hooked.send()
    versions = [one.data["version"] for one in receiver.got if one.data["lead_id"] == str(bad.lead_id)]
    assert versions == [1, *range(1, len(heard) + 1)]


async def test_what_is_never_taken_is_dead_after_the_schedule_and_lets_its_lead_go_on_until_it_is_revived(
    pipeline: Pipeline, hooked: Hooked, receiver: Receiver
) -> None:
    made = await hooked.follow(receiver.url)
    lead = a_lead("ann@x.example")
    await pipeline.take(lead, a_score(lead.lead_id, 10))
    receiver.answer = lambda got: (400 if got.data["version"] == 1 else 204, {})
    for minutes in (0, 1, 2):
        hooked.after(minutes=minutes)
        await hooked.told()
    assert [one.data["version"] for one in receiver.got] == [1, 1, 1, 2]
    assert await hooked.states() == {"dead": 1, "delivered": 1}
    outcome = "leadflow_pipeline_webhook_deliveries_total"
    assert hooked.registry.get_sample_value(outcome, {"outcome": "dead"}) == 1
    receiver.answer = lambda _: (200, {})
    assert await hooked.hooks.endpoints.revive(made["endpoint_id"], None, OPERATOR) == 1
    await hooked.send()
    assert receiver.got[-1].id == receiver.got[0].id
    assert await hooked.states() == {"delivered": 2}


async def test_a_receiver_that_is_slow_is_given_up_on_for_now_and_keeps_nobody_else_waiting(
    pipeline: Pipeline, receiver: Receiver
) -> None:
    hooked = Hooked(pipeline.database, webhook_timeout_seconds=0.4)
    await hooked.follow(receiver.url)

    def slowly(_: Got) -> tuple[int, dict[str, str]]:
        time.sleep(1.5)
        return 204, {}

    receiver.answer = slowly
    with receiving() as quick:
        await hooked.follow(quick.url)
        await pipeline.take(*(a_lead(f"{place}@x.example") for place in range(6)))
        await hooked.told()
        assert len(quick.got) == 6
    (row,) = await pipeline.database.rows(
        "SELECT DISTINCT last_error FROM pipeline.webhook_deliveries WHERE status = 'waiting' AND attempts > 0"
    )
    assert row.last_error == "timeout"
    await hooked.hooks.sending._poster.close()


async def test_an_endpoint_that_fails_is_asked_with_one_at_a_time_and_rests_until_it_answers(
    pipeline: Pipeline, hooked: Hooked, receiver: Receiver
) -> None:
    await hooked.follow(receiver.url)
    receiver.answer = lambda _: (503, {})
    await pipeline.take(*(a_lead(f"{place}@x.example") for place in range(30)))
    await hooked.told()
    asked = len(receiver.got)
    assert RESTS_FROM <= asked < RESTS_FROM + 4
    hooked.after(seconds=12)
    await hooked.send()
    assert len(receiver.got) == asked + 1
    receiver.answer = lambda _: (204, {})
    hooked.after(minutes=10)
    await hooked.send()
    assert await hooked.states() == {"delivered": 30}


async def test_retry_after_is_kept_to(pipeline: Pipeline, hooked: Hooked, receiver: Receiver) -> None:
    await hooked.follow(receiver.url)
    receiver.answer = lambda _: (429, {"Retry-After": "3600"})
    await pipeline.take(a_lead("ann@x.example"))
    await hooked.told()
    receiver.answer = lambda _: (204, {})
    await pipeline.take(a_lead("bob@x.example"))
    hooked.after(minutes=59)
    await hooked.told()
    assert len(receiver.got) == 1
    hooked.after(minutes=2)
    await hooked.told()
    assert len(receiver.got) == 3


async def test_one_that_is_gone_is_disabled_and_hears_everything_it_missed_once_it_is_enabled(
    pipeline: Pipeline, hooked: Hooked, receiver: Receiver
) -> None:
    made = await hooked.follow(receiver.url)
    receiver.answer = lambda _: (410, {})
    await pipeline.take(a_lead("ann@x.example"))
    await hooked.told()
    shown = await hooked.endpoint(made)
    assert (shown["state"], shown["disabled_reason"], shown["waiting"]) == ("disabled", "gone", 1)
    hooked.after(minutes=5)
    await pipeline.take(a_lead("bob@x.example", occurred_at=at(5)))
    await hooked.told()
    assert len(receiver.got) == 1
    receiver.answer = lambda _: (204, {})
    hooked.after(minutes=5)
    await hooked.hooks.endpoints.enable(made["endpoint_id"], OPERATOR, catch_up=True)
    await hooked.told()
    told = {one.id for one in receiver.got}
    assert told == {str(event.event_id) for event in await pipeline.published()}
    await hooked.hooks.watching.refresh()
    assert hooked.registry.get_sample_value("leadflow_pipeline_webhook_endpoints", {"state": "live"}) == 1


async def test_one_that_fails_for_days_is_disabled(pipeline: Pipeline, hooked: Hooked, receiver: Receiver) -> None:
    made = await hooked.follow(receiver.url)
    receiver.answer = lambda _: (500, {})
    await pipeline.take(a_lead("ann@x.example"))
    await hooked.told()
    hooked.after(hours=121)
    await hooked.send()
    shown = await hooked.endpoint(made)
    assert (shown["state"], shown["disabled_reason"]) == ("disabled", "failing")
    await hooked.hooks.watching.refresh()
    assert hooked.registry.get_sample_value("leadflow_pipeline_webhook_endpoints", {"state": "given_up"}) == 1


async def test_while_a_secret_is_replaced_both_sign(pipeline: Pipeline, hooked: Hooked, receiver: Receiver) -> None:
    made = await hooked.follow(receiver.url)
    endpoint_id: UUID = made["endpoint_id"]
    newer = (await hooked.hooks.endpoints.rotate(endpoint_id, timedelta(hours=1), OPERATOR))["secret"]
    await pipeline.take(a_lead("ann@x.example"))
    await hooked.told()
    assert (receiver.got[0].signed_by(made["secret"]), receiver.got[0].signed_by(newer)) == (True, True)
    newest = (await hooked.hooks.endpoints.rotate(endpoint_id, timedelta(hours=1), OPERATOR))["secret"]
    await pipeline.take(a_lead("bob@x.example"))
    await hooked.told()
    signed = [receiver.got[-1].signed_by(secret) for secret in (made["secret"], newer, newest)]
    assert signed == [False, True, True]
    hooked.after(hours=2)
    await pipeline.take(a_lead("eve@x.example"))
    await hooked.told()
    assert [receiver.got[-1].signed_by(secret) for secret in (newer, newest)] == [False, True]


async def test_what_was_recorded_from_a_time_on_is_told_again_under_the_same_ids(
    pipeline: Pipeline, hooked: Hooked, receiver: Receiver
) -> None:
    await pipeline.take(a_lead("before@x.example"))
    hooked.after(minutes=10)
    later = a_lead("later@x.example", occurred_at=at(10))
    await pipeline.take(later, a_score(later.lead_id, 70, occurred_at=at(10)))
    await hooked.give_out()
    made = await hooked.follow(receiver.url)
    hooked.after(minutes=10)
    for _ in range(2):
        await hooked.hooks.endpoints.replay(made["endpoint_id"], at(5), None, OPERATOR)
        await hooked.told()
    ids = [str(event.event_id) for event in await pipeline.published() if event.lead_id == later.lead_id]
    assert [one.id for one in receiver.got] == ids * 2
    assert (await hooked.endpoint(made))["replay_from"] is None


async def test_who_a_lead_is_goes_only_to_whom_it_was_declared_and_to_nobody_once_they_are_erased(
    pipeline: Pipeline, hooked: Hooked, receiver: Receiver
) -> None:
    made = await hooked.follow(receiver.url, personal=True)
    lead = a_lead("ann@x.example", name="Ann Lee")
    await pipeline.take(lead)
    await hooked.told()
    assert receiver.got[0].data["person"]["email"] == "ann@x.example"
    await hooked.database.run(lambda tx: tx.execute("UPDATE pipeline.leads SET personal = '{}', personal_at = NULL"))
    hooked.after(minutes=1)
    await hooked.hooks.endpoints.replay(made["endpoint_id"], at(0), None, OPERATOR)
    await hooked.told()
    assert receiver.got[-1].data["person"] == {}
    kept = await pipeline.database.rows("SELECT CAST(d AS text) AS said FROM pipeline.webhook_deliveries d")
    assert kept
    assert not any("ann" in row.said.lower() for row in kept)


async def test_a_redirect_is_a_failure_and_is_not_followed(
    pipeline: Pipeline, hooked: Hooked, receiver: Receiver
) -> None:
    with receiving() as inside:
        await hooked.follow(receiver.url)
        receiver.answer = lambda _: (307, {"Location": inside.url})
        await pipeline.take(a_lead("ann@x.example"))
        await hooked.told()
        assert (len(receiver.got), inside.got) == (1, [])
        assert await hooked.states() == {"waiting": 1}


async def test_what_is_said_of_each_id_of_a_person_is_heard_of_each(
    pipeline: Pipeline, hooked: Hooked, receiver: Receiver
) -> None:
    await pipeline.take(a_lead("ann@x.example"), a_lead(phone="+31612345678"))
    await pipeline.take(a_lead("ann@x.example", phone="+31612345678", occurred_at=at(1)))
    root = (await pipeline.one("SELECT root_id FROM pipeline.leads LIMIT 1")).root_id
    await hooked.follow(receiver.url, events=["LeadMarked"])
    await hooked.give_out()
    commands = Commands(pipeline.database, POLICY, SECRET, PipelineInstruments(CollectorRegistry()))
    await commands.on_person(
        root, Asked(":mark", {}), lambda state, _, act: decisions.decide_mark(state, act, mark="test", note=None)
    )
    await hooked.told()
    marked = receiver.of("LeadMarked")
    assert len(marked) == 2
    assert len({one.id for one in marked}) == 2
    assert len({one.data["event_id"] for one in marked}) == 1
