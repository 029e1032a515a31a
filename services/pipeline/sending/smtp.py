"""Sending by a mail server."""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from contextlib import suppress
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, parseaddr

from services.pipeline.domain.mail_server import Server
from services.pipeline.domain.messages import Mail
from services.pipeline.sending.transport import Result


def as_email(mail: Mail, sender: str, unsubscribe: str | None) -> EmailMessage:
    """A message as it travels. Its id is that of the message, so that one that arrives twice is known."""
    name, address = parseaddr(sender)
    local, _, domain = address.partition("@")
    email = EmailMessage(policy=SMTP)
    email["From"] = Address(name, local, domain)
    email["To"] = mail.to
    email["Subject"] = mail.subject
    email["Date"] = formatdate()
    email["Message-ID"] = f"<{mail.message_id}@{domain}>"
    email["Auto-Submitted"] = "auto-generated"
    if unsubscribe:
        email["List-Unsubscribe"] = f"<{unsubscribe.replace('{message_id}', str(mail.message_id))}>"
    email["Content-Language"] = mail.language
    email.set_content(mail.text)
    return email


class SmtpTransport:
    """Hands each message over on a connection of its own, beside the event loop."""

    def __init__(self, server: Server, sender: str, *, unsubscribe: str | None, timeout_seconds: float = 30.0) -> None:
        self._server = server
        self._sender = sender
        self._unsubscribe = unsubscribe
        self._timeout_seconds = timeout_seconds

    async def send(self, mail: Mail) -> Result:
        """What a server refuses for good about the recipient or the words is so for good; what it refuses of us may be mended."""
        return await asyncio.to_thread(self._hand_over, mail)

    async def close(self) -> None:
        """There is nothing to give back."""

    def _hand_over(self, mail: Mail) -> Result:
        try:
            client = self._connected()
            try:
                client.send_message(
                    as_email(mail, self._sender, self._unsubscribe), parseaddr(self._sender)[1], [mail.to]
                )
            finally:
                _part(client)
        except smtplib.SMTPRecipientsRefused as error:
            (code, _), *_ = error.recipients.values()
            return Result("bounced" if code >= 500 else "later", f"recipient refused with {code}")
        except smtplib.SMTPDataError as error:
            return Result("failed" if error.smtp_code >= 500 else "later", f"refused with {error.smtp_code}")
        except smtplib.SMTPNotSupportedError:
            return Result("failed", "address or words that the server cannot take")
        except (smtplib.SMTPException, OSError) as error:
            return Result("later", type(error).__name__)
        except ValueError as error:
            return Result("failed", type(error).__name__)
        return Result("sent")

    def _connected(self) -> smtplib.SMTP:
        server, seconds = self._server, self._timeout_seconds
        context = ssl.create_default_context()
        if server.secure:
            client: smtplib.SMTP = smtplib.SMTP_SSL(server.host, server.port, timeout=seconds, context=context)
        else:
            client = smtplib.SMTP(server.host, server.port, timeout=seconds)
        try:
            if server.upgrade:
                client.starttls(context=context)
            if server.user is not None:
                client.login(server.user, server.password or "")
        except BaseException:
            client.close()
            raise
        return client


def _part(client: smtplib.SMTP) -> None:
    """Takes leave. What a server says to that changes nothing about what it has taken."""
    try:
        with suppress(smtplib.SMTPException, OSError, ValueError):
            client.quit()
    finally:
        client.close()
