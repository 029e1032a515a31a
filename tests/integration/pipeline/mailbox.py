"""A mail server that keeps what it is handed, or answers as it is told; and a sender of its own process, for a test to kill."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.smtp import SMTP
from prometheus_client import CollectorRegistry

from services.pipeline.assigning import Assigning
from services.pipeline.contacting import Contacting
from services.pipeline.instruments import MessageInstruments, WorkInstruments
from services.pipeline.sending import Messages
from services.pipeline.settings import PipelineSettings
from shared.contracts.policy import Policy
from shared.kit.database import Database
from tests.integration.pipeline.test_routing import with_sections
from tests.unit.pipeline.builders import SECRET

OK = "250 OK"


class Mailbox:
    """What came, and what the server says of a recipient, of a message, and when it is left."""

    def __init__(self) -> None:
        self.got: list[EmailMessage] = []
        self.asked = 0
        self.lingers_seconds = 0.0
        self.of_recipient: Callable[[str], str] = lambda _: OK
        self.of_message = OK
        self.of_leaving = "221 Bye"
        self.url = ""

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:  # noqa: N802
        self.asked += 1
        await asyncio.sleep(self.lingers_seconds)
        said = self.of_recipient(address)
        if said == OK:
            envelope.rcpt_tos.append(address)
        return said

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        if self.of_message == OK:
            message = message_from_bytes(envelope.content, policy=default)
            assert isinstance(message, EmailMessage)
            self.got.append(message)
        return self.of_message

    async def handle_QUIT(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        return self.of_leaving


@asynccontextmanager
async def mailbox() -> AsyncIterator[Mailbox]:
    """A mail server on this machine, in the test's own loop."""
    box = Mailbox()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(box, loop=loop, hostname="mail.example"), "127.0.0.1", 0)
    box.url = f"smtp+plain://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield box


ROUTING: dict[str, Any] = {"owners": {"kim": {}}, "fallback": "kim"}

TEMPLATES: dict[str, Any] = {
    "hello": {
        "fallback": "en",
        "languages": {
            "en": {"subject": "Your request, {first_name|dear reader}", "text": "{owner|We} will call you.\n"},
            "fa": {"subject": "درخواست شما", "text": "سلام {first_name|}\n"},
        },
    }
}


def a_policy(contact: dict[str, Any] | None = None, **step: Any) -> Policy:
    """One in which whoever qualifies is written to at once, and called a day later."""
    steps = [
        {"step": "write", "channel": "email", "send": "hello", **step},
        {"step": "call", "channel": "phone", "wait": "24h"},
    ]
    follow_up = {"cadences": [{"cadence": "all", "respond_within": "4h", "steps": steps}]}
    return with_sections(routing=ROUTING, follow_up=follow_up, templates=TEMPLATES, contact=contact or {})


def messages_of(database: Database, policy: Policy, registry: CollectorRegistry, **settings: Any) -> Messages:
    """Sending on a database."""
    told: dict[str, Any] = {
        "api_token": "a token of the tests",
        "identity_secret": SECRET.decode(),
        "mail_from": "Acme <hello@acme.example>",
        "mail_unsubscribe_url": "https://crm.acme.example/unsubscribe",
        "mail_unsubscribe": "mailto:stop@acme.example?subject={message_id}",
        "mail_retry_seconds": "60,600",
        "webhook_http_loopback": True,
    }
    contacting = Contacting(database, policy, WorkInstruments(CollectorRegistry()))
    return Messages(
        database,
        policy,
        Assigning(policy),
        contacting,
        PipelineSettings(**{**told, **settings}),
        MessageInstruments(registry),
    )


async def _send_from(url: str, smtp: str) -> None:
    database = Database(url, schema="pipeline")
    try:
        posting = messages_of(database, a_policy(), CollectorRegistry(), mail_smtp_url=smtp).posting
        assert posting is not None
        await posting.once()
    finally:
        await database.close()


def main(arguments: Sequence[str]) -> None:
    """Sends what is due on a database by a mail server, and ends."""
    asyncio.run(_send_from(arguments[0], arguments[1]))


if __name__ == "__main__":
    main(sys.argv[1:])
