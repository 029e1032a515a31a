"""Steps that send: through a real mail server, once, to whom may be written to, and to a person otherwise."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from prometheus_client import CollectorRegistry

from services.pipeline.assigning import Assigning
from services.pipeline.commands import Commands
from services.pipeline.domain import decisions
from services.pipeline.domain.consents import decide_consent
from services.pipeline.domain.mail_server import Server
from services.pipeline.domain.messages import Mail
from services.pipeline.erasing import Erasing, Person
from services.pipeline.handlers import Handlers
from services.pipeline.instruments import PipelineInstruments, WorkInstruments
from services.pipeline.sending.smtp import SmtpTransport
from services.pipeline.sending.transport import Result
from services.pipeline.timers import Timers
from shared.contracts.lifecycle_events import ContactAttempted, FollowUpDone, FollowUpScheduled
from shared.contracts.policy import Policy
from tests.integration.pipeline.conftest import Pipeline
from tests.integration.pipeline.mailbox import Mailbox, a_policy, mailbox, messages_of
from tests.integration.pipeline.receiving import receiving
from tests.integration.pipeline.test_routing import do
from tests.support.clock import FakeClock
from tests.unit.pipeline.builders import SECRET, a_lead, a_score, at

SECRET_OF_PROVIDER = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class Office:
    """A pipeline that writes to whoever qualifies, at a time that the test moves."""

    def __init__(self, pipeline: Pipeline, policy: Policy, **settings: Any) -> None:
        instruments = PipelineInstruments(CollectorRegistry())
        self.clock = FakeClock(at(0))
        self.pipeline = pipeline
        pipeline.database.clock = self.clock
        pipeline.handlers = Handlers(policy, SECRET, instruments, pipeline.routes)
        self.policy = policy
        self.commands = Commands(pipeline.database, policy, SECRET, instruments)
        self.registry = CollectorRegistry()
        self.messages = messages_of(pipeline.database, policy, self.registry, **settings)
        work = WorkInstruments(CollectorRegistry())
        self.timers = Timers(
            pipeline.database, Assigning(policy), work, interval_seconds=1, deciding=self.messages.deciding
        )

    async def lead(self, email: str | None = "ann@x.example", **said: Any) -> UUID:
        """A qualified lead."""
        lead = a_lead(email, occurred_at=self.clock.now(), **said)
        await self.pipeline.take(lead, a_score(lead.lead_id, 70, occurred_at=self.clock.now()))
        return lead.lead_id

    async def decide(self) -> None:
        """What is due now fires."""
        while await self.timers.once():
            pass

    async def send(self) -> None:
        """What was decided on is sent."""
        assert self.messages.posting is not None
        while await self.messages.posting.once():
            pass

    async def work(self) -> None:
        await self.decide()
        await self.send()

    async def said(self, kind: type[Any]) -> list[Any]:
        """What the log has of a kind."""
        return [event for event in await self.pipeline.published() if isinstance(event, kind)]

    async def task(self, name: str = "write") -> Any:
        return await self.pipeline.one("SELECT * FROM pipeline.tasks WHERE name = :name", name=name)

    async def status(self) -> str:
        return str((await self.pipeline.one("SELECT status FROM pipeline.messages")).status)

    def after(self, **time: float) -> None:
        self.clock.advance(timedelta(**time))


@pytest.fixture
async def box() -> AsyncIterator[Mailbox]:
    async with mailbox() as one:
        yield one


async def test_who_qualifies_is_written_to_in_their_language_once_and_the_next_step_is_due(
    pipeline: Pipeline, box: Mailbox
) -> None:
    office = Office(pipeline, a_policy(), mail_smtp_url=box.url)
    lead_id = await office.lead(name="Ann van Dam", language="fa-IR")
    await office.work()
    (mail,) = box.got
    (attempt,) = await office.said(ContactAttempted)
    assert mail["To"] == "ann@x.example"
    assert mail["From"] == "Acme <hello@acme.example>"
    assert mail["Subject"] == "درخواست شما"
    assert mail.get_content().strip() == "سلام Ann"
    assert mail["Message-ID"] == f"<{attempt.message_id}@acme.example>"
    click, other = mail["List-Unsubscribe"].split(", ")
    assert click.strip().startswith("<https://crm.acme.example/unsubscribe/")
    assert other.strip() == f"<mailto:stop@acme.example?subject={attempt.message_id}>"
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert (attempt.kind, attempt.human, attempt.outbound, attempt.template) == ("email", False, True, "hello")
    assert (await pipeline.lead(lead_id)).first_response_at is None
    assert (await office.task()).outcome == "sent"
    assert (await office.task("call")).due_at == office.clock.now() + timedelta(hours=32)
    assert (await office.task("first_response")).status == "open"
    await office.work()
    assert len(box.got) == 1
    kept = await pipeline.database.rows("SELECT CAST(m AS text) AS said FROM pipeline.messages m")
    assert not any("ann" in row.said.lower() for row in kept)


async def test_killed_between_sending_and_noting_it_is_sent_again_and_can_be_known_by_its_id(
    pipeline: Pipeline, box: Mailbox
) -> None:
    office = Office(pipeline, a_policy(), mail_smtp_url=box.url)
    await office.lead()
    await office.decide()
    url = pipeline.database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    killed = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.integration.pipeline.mailbox", url, box.url,
        env={**os.environ, "LEADFLOW_FAILPOINT": "after-message-sent"},
    )  # fmt: skip
    assert await killed.wait() == -signal.SIGKILL
    assert (len(box.got), await office.status()) == (1, "waiting")
    office.after(days=3650)
    await office.send()
    first, again = box.got
    assert first["Message-ID"] == again["Message-ID"]
    assert await office.status() == "sent"
    assert len(await office.said(ContactAttempted)) == 1


async def test_what_a_limit_or_quiet_hours_forbid_is_sent_when_it_is_allowed(pipeline: Pipeline, box: Mailbox) -> None:
    limits = {"limits": [{"at_most": 1, "within_hours": 2, "channel": "email"}]}
    office = Office(pipeline, a_policy(limits), mail_smtp_url=box.url)
    lead = a_lead("ann@x.example", occurred_at=at(0))
    await pipeline.take(lead)
    await do(office.commands, lead.lead_id, ":record-contact", _contact)
    await pipeline.take(a_score(lead.lead_id, 70, occurred_at=at(0)))
    await office.work()
    assert box.got == []
    task = await office.task()
    assert (task.starts_at, task.fires_at) == (at(120), at(120))
    assert (await office.said(FollowUpScheduled))[-1].reason == "limit"
    office.after(minutes=121)
    await office.work()
    assert len(box.got) == 1


def _contact(state: Any, _: Any, act: Any) -> Any:
    return decisions.decide_contact(state, act, kind="email", outcome=None, owner=None, human=False, outbound=True)


@pytest.mark.parametrize("unsent", ["person", "skip"])
async def test_without_consent_nobody_is_written_to_and_the_policy_says_what_then(
    pipeline: Pipeline, box: Mailbox, unsent: str
) -> None:
    office = Office(pipeline, a_policy({"consent": {"email": "newsletter"}}, unsent=unsent), mail_smtp_url=box.url)
    await office.lead()
    await office.work()
    assert box.got == []
    assert await office.said(ContactAttempted) == []
    task = await office.task()
    if unsent == "person":
        assert (task.status, task.send, task.owner, task.fires_at) == ("open", None, "kim", task.due_at)
        assert (await office.said(FollowUpScheduled))[-1].reason == "no consent"
    else:
        (skipped,) = await office.said(FollowUpDone)
        assert (skipped.outcome, skipped.reason) == ("skipped", "no consent")
        assert (await office.task("call")).status == "open"


async def test_consent_that_is_taken_back_before_it_is_sent_holds(pipeline: Pipeline, box: Mailbox) -> None:
    office = Office(pipeline, a_policy({"consent": {"email": "newsletter"}}), mail_smtp_url=box.url)
    lead = a_lead("ann@x.example", occurred_at=at(0))
    await pipeline.take(lead)
    await _permit(office, lead.lead_id, granted=True)
    await pipeline.take(a_score(lead.lead_id, 70, occurred_at=at(0)))
    await office.decide()
    assert await office.status() == "waiting"
    office.after(minutes=1)
    await _permit(office, lead.lead_id, granted=False)
    await office.send()
    assert (box.got, box.asked, await office.status()) == ([], 0, "withdrawn")
    attempts = await office.said(ContactAttempted)
    assert [one.outcome for one in attempts] == [None, "withdrawn"]
    assert (await office.task()).send is None


async def _permit(office: Office, lead_id: UUID, *, granted: bool) -> None:
    def decide(state: Any, _: Any, act: Any) -> Any:
        about: dict[str, Any] = dict.fromkeys(("lawful_basis", "text_version", "proof"))
        return decide_consent(act, purpose="newsletter", granted=granted, **about)

    await do(office.commands, lead_id, ":record-consent", decide)


async def test_somebody_without_an_address_is_somebodys_to_reach(pipeline: Pipeline, box: Mailbox) -> None:
    office = Office(pipeline, a_policy(), mail_smtp_url=box.url)
    await office.lead(None, phone="+31612345678")
    await office.work()
    assert box.got == []
    assert (await office.said(FollowUpScheduled))[-1].reason == "no address"


async def test_where_nothing_sends_steps_that_would_are_somebodys(pipeline: Pipeline) -> None:
    office = Office(pipeline, a_policy())
    await office.lead()
    await office.decide()
    assert office.messages.posting is None
    task = await office.task()
    assert (task.send, task.status) == (None, "open")


async def test_who_is_erased_before_it_is_sent_is_not_written_to(pipeline: Pipeline, box: Mailbox) -> None:
    office = Office(pipeline, a_policy(), mail_smtp_url=box.url)
    lead_id = await office.lead()
    await office.decide()
    erasing = Erasing(pipeline.database, office.policy, SECRET, pipeline.handlers.fingerprint)
    await erasing.erase(Person(lead_id=lead_id), reason="case 1", actor="kim", key=None)
    await office.send()
    assert (box.got, box.asked, await office.status()) == ([], 0, "withdrawn")


async def test_what_a_server_does_not_take_now_is_sent_later_and_at_last_is_somebodys(
    pipeline: Pipeline, box: Mailbox
) -> None:
    office = Office(pipeline, a_policy(), mail_smtp_url=box.url)
    box.of_message = "451 try again"
    await office.lead()
    await office.work()
    assert (box.got, await office.status()) == ([], "waiting")
    await office.send()
    assert box.asked == 1
    office.after(minutes=2)
    await office.send()
    office.after(minutes=20)
    await office.send()
    assert (box.asked, await office.status()) == (3, "failed")
    assert [one.outcome for one in await office.said(ContactAttempted)] == [None, "failed"]
    assert ((await office.task()).send, (await office.said(FollowUpScheduled))[-1].reason) == (None, "failed")
    assert office.registry.get_sample_value("leadflow_pipeline_messages_total", {"outcome": "later"}) == 3


async def test_what_was_taken_is_sent_whatever_the_server_says_when_it_is_left(
    pipeline: Pipeline, box: Mailbox
) -> None:
    office = Office(pipeline, a_policy(), mail_smtp_url=box.url)
    box.of_leaving = "421 too busy to say more"
    await office.lead()
    await office.work()
    assert await office.status() == "sent"
    office.after(hours=1)
    await office.send()
    assert len(box.got) == 1


async def test_a_server_that_takes_its_time_at_every_step_is_left_before_anybody_else_takes_the_message(
    box: Mailbox,
) -> None:
    box.lingers_seconds = 3.0
    transport = SmtpTransport(Server.of(box.url), "hello@acme.example", timeout_seconds=10.0, deadline_seconds=0.5)
    mail = Mail(UUID(int=1), "ann@x.example", "Hello", "You will be called.\n", "en")
    begun = asyncio.get_running_loop().time()
    assert await transport.send(mail) == Result("later", "timeout")
    assert asyncio.get_running_loop().time() - begun < 2.5
    box.lingers_seconds = 0.0
    assert (await transport.send(mail), len(box.got)) == (Result("sent"), 1)


async def test_whoever_took_a_message_before_has_no_say_in_it_any_more_but_that_it_was_sent(
    pipeline: Pipeline, box: Mailbox
) -> None:
    office = Office(pipeline, a_policy(), mail_smtp_url=box.url)
    await office.lead()
    await office.decide()
    posting = office.messages.posting
    assert posting is not None
    _, (slow,) = await pipeline.database.run(posting._take)
    office.after(minutes=4)
    _, (quick,) = await pipeline.database.run(posting._take)
    await pipeline.database.run(lambda tx: posting._settle(tx, slow.row, Result("bounced", "late")))
    assert await office.status() == "waiting"
    await pipeline.database.run(lambda tx: posting._settle(tx, slow.row, Result("sent")))
    assert await office.status() == "sent"
    for result in (Result("failed", "second"), Result("later", "second"), Result("sent")):
        await pipeline.database.run(lambda tx, result=result: posting._settle(tx, quick.row, result))  # type: ignore[misc]
    assert await office.status() == "sent"
    assert [one.outcome for one in await office.said(ContactAttempted)] == [None]


async def test_an_address_that_nobody_has_bounces_and_the_step_is_somebodys(pipeline: Pipeline, box: Mailbox) -> None:
    office = Office(pipeline, a_policy(), mail_smtp_url=box.url)
    box.of_recipient = lambda _: "550 no such user"
    await office.lead()
    await office.work()
    assert await office.status() == "bounced"
    assert [one.outcome for one in await office.said(ContactAttempted)] == [None, "bounced"]
    task = await office.task()
    assert (task.send, task.status, task.owner) == (None, "open", "kim")
    row = await pipeline.one("SELECT last_error FROM pipeline.messages")
    assert row.last_error == "recipient refused with 550"


async def test_two_processes_send_each_message_once(pipeline: Pipeline, box: Mailbox) -> None:
    office = Office(pipeline, a_policy(), mail_smtp_url=box.url)
    for place in range(8):
        await office.lead(f"{place}@x.example")
    other = messages_of(pipeline.database, office.policy, CollectorRegistry(), mail_smtp_url=box.url)
    await asyncio.gather(office.timers.once(), office.timers.once())
    assert other.posting is not None
    assert office.messages.posting is not None
    await asyncio.gather(office.messages.posting.once(), other.posting.once())
    await office.work()
    assert sorted(str(mail["To"]) for mail in box.got) == sorted(f"{place}@x.example" for place in range(8))


async def test_a_new_owner_meanwhile_does_not_send_it_twice(pipeline: Pipeline, box: Mailbox) -> None:
    office = Office(pipeline, a_policy(), mail_smtp_url=box.url)
    lead_id = await office.lead()
    await office.decide()
    office.after(minutes=1)
    await do(
        office.commands, lead_id, ":assign",
        lambda state, _, act: decisions.decide_assign(state, act, owner="lee", team=None),
    )  # fmt: skip
    await office.work()
    await office.work()
    assert len(box.got) == 1
    assert (await office.task()).outcome == "sent"


async def test_a_provider_is_posted_the_message_signed_under_its_id(pipeline: Pipeline) -> None:
    with receiving() as provider:
        office = Office(pipeline, a_policy(), mail_provider_url=provider.url, mail_provider_secret=SECRET_OF_PROVIDER)
        await office.lead(name="Ann van Dam")
        await office.decide()
        provider.answer = lambda _: (503, {})
        await office.send()
        provider.answer = lambda _: (202, {})
        office.after(minutes=2)
        await office.send()
        first, again = provider.got
        assert (first.id, again.data) == (again.id, first.data)
        assert again.signed_by(SECRET_OF_PROVIDER)
        assert (again.data["to"], again.data["subject"]) == ("ann@x.example", "Your request, Ann")
        assert again.id == str((await office.said(ContactAttempted))[0].message_id)
        assert (await office.task()).outcome == "sent"
        assert office.messages.posting is not None
        await office.messages.posting._transport.close()


async def test_a_message_that_cannot_be_sent_in_a_way_nobody_foresaw_leaves_the_others_sent_once(
    pipeline: Pipeline, box: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = Office(pipeline, a_policy(), mail_smtp_url=box.url)
    await office.lead("ann@x.example")
    await office.lead("bob@x.example")
    await office.decide()
    assert office.messages.posting is not None
    transport = office.messages.posting._transport
    send = transport.send

    async def breaks(mail: Mail) -> Result:
        if mail.to == "bob@x.example":
            raise LookupError("unforeseen")
        return await send(mail)

    monkeypatch.setattr(transport, "send", breaks)
    await office.send()
    rows = await office.pipeline.database.rows("SELECT status, last_error FROM pipeline.messages ORDER BY status")
    assert [(row.status, row.last_error) for row in rows] == [("sent", None), ("waiting", "LookupError")]
