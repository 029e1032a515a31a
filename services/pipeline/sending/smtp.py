"""Sending by a mail server."""

from __future__ import annotations

import asyncio
import smtplib
import socket
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, parseaddr

from services.pipeline.domain.mail_server import Server
from services.pipeline.domain.messages import Mail
from services.pipeline.sending.transport import AT_ONCE, Result

UNFOLDED = SMTP.clone(max_line_length=998)
"""An address in a header stays one word, however long it is."""


def as_email(mail: Mail, sender: str) -> EmailMessage:
    """A message as it travels. Its id is that of the message, so that one that arrives twice is known."""
    name, address = parseaddr(sender)
    local, _, domain = address.partition("@")
    email = EmailMessage(policy=UNFOLDED)
    email["From"] = Address(name, local, domain)
    email["To"] = mail.to
    email["Subject"] = mail.subject
    email["Date"] = formatdate()
    email["Message-ID"] = f"<{mail.message_id}@{domain}>"
    email["Auto-Submitted"] = "auto-generated"
    if mail.ways.addresses:
        email["List-Unsubscribe"] = ", ".join(f"<{one}>" for one in mail.ways.addresses)
    if mail.ways.one_click:
        email["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    email["Content-Language"] = mail.language
    email.set_content(mail.text)
    return email


class Deadline:
    """When handing one message over has to have ended: the connection is cut, and nothing is handed over after it. Each step has
    a time of its own besides, and there are many steps."""

    def __init__(self, seconds: float) -> None:
        self._until = time.monotonic() + seconds
        self._is_cut = False
        self.client: smtplib.SMTP | None = None

    @property
    def is_over(self) -> bool:
        """Whether it has passed."""
        return self._is_cut or time.monotonic() >= self._until

    def keep(self) -> None:
        """Raises `TimeoutError` once it has passed."""
        if self.is_over:
            raise TimeoutError

    def cut(self) -> None:
        """Wakes whoever waits for the server, who finds nobody there any more."""
        self._is_cut = True
        connection = self.client.sock if self.client is not None else None
        if connection is not None:
            with suppress(OSError):
                socket.socket.shutdown(connection, socket.SHUT_RDWR)  # that of TLS would first lay its keys down


class _Plain(smtplib.SMTP):
    def __init__(self, deadline: Deadline, server: Server, seconds: float) -> None:
        deadline.client = self  # before it connects, which may take long as well
        super().__init__(server.host, server.port, timeout=seconds)


class _Secure(smtplib.SMTP_SSL):
    def __init__(self, deadline: Deadline, server: Server, seconds: float, context: ssl.SSLContext) -> None:
        deadline.client = self
        super().__init__(server.host, server.port, timeout=seconds, context=context)


class SmtpTransport:
    """Hands each message over on a connection of its own, beside the event loop, in threads of its own: those of the loop are for
    all that looks a host's address up, which would wait for a mail server that hangs."""

    def __init__(
        self,
        server: Server,
        sender: str,
        *,
        timeout_seconds: float = 30.0,
        deadline_seconds: float = 120.0,
    ) -> None:
        self._server = server
        self._sender = sender
        self._timeout_seconds = timeout_seconds
        self._deadline_seconds = deadline_seconds
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="mail")

    async def send(self, mail: Mail) -> Result:
        """What a server refuses for good about the recipient or the words is so for good; what it refuses of us may be mended."""
        deadline = Deadline(self._deadline_seconds)
        loop = asyncio.get_running_loop()
        cut = loop.call_later(self._deadline_seconds, deadline.cut)
        try:
            return await loop.run_in_executor(self._threads, self._hand_over, mail, deadline)
        finally:
            cut.cancel()

    async def close(self) -> None:
        """Gives the threads back, as each has done with what it is at."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _hand_over(self, mail: Mail, deadline: Deadline) -> Result:
        try:
            deadline.keep()
            client = self._connected(deadline)
            try:
                deadline.keep()
                client.send_message(as_email(mail, self._sender), parseaddr(self._sender)[1], [mail.to])
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
            return Result("later", "timeout" if deadline.is_over else type(error).__name__)
        except ValueError as error:
            return Result("failed", type(error).__name__)
        return Result("sent")

    def _connected(self, deadline: Deadline) -> smtplib.SMTP:
        server, seconds = self._server, self._timeout_seconds
        context = ssl.create_default_context()
        if server.secure:
            client: smtplib.SMTP = _Secure(deadline, server, seconds, context)
        else:
            client = _Plain(deadline, server, seconds)
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
