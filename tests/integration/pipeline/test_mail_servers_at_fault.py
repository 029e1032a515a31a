"""What a mail server does not do, or says of a message, is nothing that anybody else waits for, and no sign that somebody was reached."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
from prometheus_client import CollectorRegistry

from services.pipeline.domain import decisions
from services.pipeline.domain.mail_server import Server
from services.pipeline.domain.messages import Mail
from services.pipeline.instruments import HygieneInstruments
from services.pipeline.sending.smtp import SmtpTransport
from services.pipeline.sending.transport import AT_ONCE, Result
from services.pipeline.tidying import Tidying
from tests.integration.pipeline.conftest import Pipeline
from tests.integration.pipeline.mailbox import Mailbox, a_policy
from tests.integration.pipeline.test_messages import Office, box
from tests.integration.pipeline.test_routing import do
from tests.support.patience import eventually

__all__ = ["box"]


async def test_a_server_that_hangs_keeps_nobody_from_finding_a_host(box: Mailbox) -> None:
    box.lingers_seconds = 30.0
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(1))
    transport = SmtpTransport(Server.of(box.url), "hello@acme.example", timeout_seconds=20.0, deadline_seconds=8.0)
    mail = Mail(UUID(int=1), "ann@x.example", "Hello", "You will be called.\n", "en")
    sending = [asyncio.create_task(transport.send(mail)) for _ in range(AT_ONCE)]
    await eventually(lambda: box.asked == AT_ONCE)
    assert await asyncio.wait_for(loop.getaddrinfo("localhost", 80), 5.0)
    assert not any(one.done() for one in sending)
    assert await asyncio.gather(*sending) == [Result("later", "timeout")] * AT_ONCE
    await transport.close()


@pytest.mark.parametrize(
    ("of_recipient", "of_message", "status"),
    [("250 OK", "554 not this one", "failed"), ("250 OK", "250 OK", "sent"), ("550 nobody", "250 OK", "bounced")],
)
async def test_what_became_of_a_message_is_no_sign_that_somebody_was_reached(
    pipeline: Pipeline, box: Mailbox, of_recipient: str, of_message: str, status: str
) -> None:
    office = Office(pipeline, a_policy(), mail_smtp_url=box.url)
    lead_id = await office.lead(phone="+31612345678", name="Ann")
    await office.decide()
    office.after(minutes=1)
    await do(office.commands, lead_id, ":record-contact", _wrong_number)
    office.after(minutes=1)
    box.of_recipient, box.of_message = lambda _: of_recipient, of_message
    await office.send()
    assert await office.status() == status
    assert await unreachable(office) == "wrong number"


async def test_who_was_never_reached_and_whose_mail_came_back_is_unreachable(pipeline: Pipeline, box: Mailbox) -> None:
    office = Office(pipeline, a_policy(), mail_smtp_url=box.url)
    await office.lead()
    box.of_recipient = lambda _: "550 nobody"
    await office.work()
    assert await unreachable(office) == "e-mail came back"


async def unreachable(office: Office) -> str | None:
    """Why the lead is on the list."""
    instruments = HygieneInstruments(CollectorRegistry())
    database = office.pipeline.database
    tidying = Tidying(database, office.policy, instruments, interval_seconds=60, max_age_seconds=0)
    office.after(minutes=2)
    while await tidying.once():
        pass
    rows = await database.rows("SELECT facts FROM pipeline.hygiene WHERE kind = 'unreachable'")
    return str(rows[0].facts["outcome"]) if rows else None


def _wrong_number(state: Any, _: Any, act: Any) -> Any:
    outcome = "wrong number"
    return decisions.decide_contact(state, act, kind="phone", outcome=outcome, owner=None, human=True, outbound=True)
