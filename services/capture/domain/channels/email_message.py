"""One e-mail message (RFC 5322) as text and addresses, whatever is wrong with it. Every header and part is asked for alone,
so that a broken one costs itself and nothing else; how much of each is looked at is bounded."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email.header import decode_header, make_header
from email.headerregistry import AddressHeader
from email.message import EmailMessage, Message
from email.parser import BytesParser
from email.policy import EmailPolicy
from email.utils import getaddresses
from functools import partial
from itertools import islice
from typing import Any, TypeVar, cast

from services.capture.domain.channels.html_text import text_of_html
from services.capture.domain.channels.moments import moment_of
from services.capture.domain.charsets import decoded

T = TypeVar("T")

MAX_HEADER_CHARACTERS = 1_000
MAX_HEADER_LINES = 500
MAX_PART_LINES = 200
"""Lines that may part a message's parts. What comes after so many is not looked at."""

MAX_BOUNDARIES = 64
"""Parts within parts cost more the deeper they are; a message that announces more is read by its headers alone."""

MAX_PARTS = 100
MAX_TEXT_BYTES = 256 * 1024
MAX_RECIPIENTS = 100

HEADERS = (
    *("from", "reply-to", "return-path", "to", "subject", "date", "message-id", "in-reply-to", "references"),
    *("auto-submitted", "precedence", "x-autoreply", "x-autorespond", "x-autorespond-from", "x-failed-recipients"),
    *("list-id", "list-unsubscribe", "x-auto-response-suppress"),
)

_ADDRESS = re.compile(r"[^\s<>\"(),:;@]+@[^\s<>\"(),:;@]+\.[^\s<>\"(),:;@]+")
_END_OF_HEAD = re.compile(rb"\r?\n\r?\n")
_MESSAGE_ID = re.compile(r"<([^<>\s]{1,250})>")


@dataclass(frozen=True, slots=True)
class Mailbox:
    """An address and the name beside it; empty where there is none."""

    name: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True)
class Recipient:
    """Whom a report is about, and what became of the message to them."""

    address: str
    action: str = ""
    status: str = ""


@dataclass(frozen=True, slots=True)
class Mail:
    """What a message says, each part empty where it does not. `report` is the kind of report it is, `recipients` whom that
    is about."""

    sender: Mailbox = Mailbox()
    reply_to: Mailbox = Mailbox()
    subject: str = ""
    at: datetime | None = None
    message_id: str = ""
    answers: str = ""
    body: str = ""
    report: str = ""
    recipients: tuple[Recipient, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)


class _Bounded(EmailPolicy):
    """The modern policy, with headers cut: reading a long one costs more than its length."""

    def header_source_parse(self, sourcelines: Sequence[str]) -> tuple[str, str]:
        """Name and value as they arrived, as much of them as is looked at."""
        name, value = super().header_source_parse(list(sourcelines))
        return name, value[:MAX_HEADER_CHARACTERS]


_PARSER = BytesParser(policy=cast(Any, _Bounded(utf8=True)))


def read_mail(raw: bytes) -> Mail:
    """The message. Bytes that are none are one that says nothing."""
    raw = _bounded(raw)
    lower = raw.lower()
    headers_only = lower.count(b"boundary") + lower.count(b"message/") > MAX_BOUNDARIES
    message: Message = _tried(lambda: _PARSER.parsebytes(raw, headersonly=headers_only), EmailMessage())
    headers = {name: said for name in HEADERS if (said := _header(message, name))}
    nothing: list[Message] = []
    parts = nothing if headers_only else _tried(lambda: list(islice(message.walk(), MAX_PARTS)), nothing)
    is_report = _tried(message.get_content_type, "") == "multipart/report"
    return Mail(
        sender=_mailbox(message, "from"),
        reply_to=_mailbox(message, "reply-to"),
        subject=headers.get("subject", ""),
        at=moment_of(headers.get("date")),
        message_id=_first_id(headers.get("message-id", "")),
        answers=_first_id(headers.get("in-reply-to", "")) or _first_id(headers.get("references", "")),
        body=_text(parts),
        report=_tried(lambda: str(message.get_param("report-type", "")), "").lower() if is_report else "",
        recipients=tuple(islice(_recipients(parts), MAX_RECIPIENTS)),
        headers=headers,
    )


def _bounded(raw: bytes) -> bytes:
    """The message with no more header lines and parts than anybody has: each costs far more than its bytes."""
    pieces = raw.split(b"\n--", MAX_PART_LINES)
    if len(pieces) > MAX_PART_LINES:
        raw = b"\n--".join(pieces[:MAX_PART_LINES])
    end = _END_OF_HEAD.search(raw)
    head = raw if end is None else raw[: end.start()]
    lines = head.split(b"\n", MAX_HEADER_LINES)
    if len(lines) <= MAX_HEADER_LINES:
        return raw
    return b"\n".join(lines[:MAX_HEADER_LINES]) + (b"" if end is None else b"\n\n" + raw[end.end() :])


def addresses_in(text: str) -> list[str]:
    """Every e-mail address in a text."""
    return _ADDRESS.findall(text[:MAX_HEADER_CHARACTERS])[:MAX_RECIPIENTS]


def _tried(read: Callable[[], T], otherwise: T) -> T:
    """What a part of a message says. The library raises many things over malformed ones, none of which is ours to mend."""
    try:
        return read()
    except Exception:
        return otherwise


def _header(message: Message, name: str) -> str:
    """One header, its encoded words as text, on one line."""
    told = _tried(lambda: str(message[name] or ""), None) if name in message else ""
    if told is None:
        told = _unencoded(_raw(message, name))
    return " ".join(_storable(told).split())


def _raw(message: Message, name: str) -> str:
    return next((str(value) for key, value in message.raw_items() if key.lower() == name), "")


def _storable(text: str) -> str:
    """Text as it can be stored: bytes that were no characters become the sign for that."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace").replace("\x00", "")


def _mailbox(message: Message, name: str) -> Mailbox:
    """The first address of a header."""
    for person, address in _tried(lambda: _parsed(message, name), _NOBODY):
        if _ADDRESS.fullmatch(address):
            return Mailbox(_storable(person).strip(), _storable(address))
    raw = _raw(message, name)
    for person, address in _tried(lambda: getaddresses([raw]), _NOBODY):
        if _ADDRESS.fullmatch(address):
            return Mailbox(_storable(_unencoded(person)), _storable(address))
    return Mailbox("", _storable(next(iter(addresses_in(raw)), "")))


_NOBODY: list[tuple[str, str]] = []


def _parsed(message: Message, name: str) -> list[tuple[str, str]]:
    header = cast(AddressHeader, message[name])
    return [(address.display_name, address.addr_spec) for address in header.addresses]


def _unencoded(text: str) -> str:
    return _tried(lambda: str(make_header(decode_header(text))), text)


def _first_id(text: str) -> str:
    found = _MESSAGE_ID.search(text)
    return found[1] if found else text.strip()[:250] if "@" in text and " " not in text.strip() else ""


def _text(parts: Sequence[Message]) -> str:
    """What the person wrote: the plain text part, else the text of the HTML part."""
    for wanted in ("text/plain", "text/html"):
        for part in parts:
            if _tried(part.get_content_type, "") != wanted or _is_attachment(part):
                continue
            text = _decoded(_tried(partial(_content, part), None), part)
            text = text_of_html(text) if wanted == "text/html" else text
            if text.strip():
                return text.strip()
    return ""


def _content(part: Message) -> object:
    return part.get_payload(decode=True)


def _is_attachment(part: Message) -> bool:
    return _tried(part.get_content_disposition, None) == "attachment"


def _decoded(content: object, part: Message) -> str:
    """The text in the character set that is named, else in UTF-8, else with a sign for each byte that is no character."""
    content = content[:MAX_TEXT_BYTES] if isinstance(content, bytes) else b""
    text = decoded(content, (_tried(part.get_content_charset, None), "utf-8"))
    return (content.decode("utf-8", "replace") if text is None else text).replace("\x00", "")


def _recipients(parts: Sequence[Message]) -> Iterator[Recipient]:
    """Whom the machine-readable part of a report names: of a delivery, of a reading, of a complaint."""
    for part in parts:
        kind = _tried(part.get_content_type, "")
        if kind not in ("message/delivery-status", "message/disposition-notification", "message/feedback-report"):
            continue
        payload = part.get_payload()
        groups = [_lines_of(payload)] if isinstance(payload, str) else []
        if isinstance(payload, list):
            groups = [_items_of(group) for group in payload if isinstance(group, Message)]
        for fields in groups:
            named = next((fields[name] for name in _RECIPIENTS if fields.get(name)), "")
            for address in addresses_in(named)[:1]:
                said = next((fields[name] for name in _SAID if fields.get(name)), "")
                yield Recipient(_storable(address), said.lower(), fields.get("status", ""))


_RECIPIENTS = ("final-recipient", "original-recipient", "original-rcpt-to")
_SAID = ("action", "disposition", "feedback-type")


def _items_of(group: Message) -> dict[str, str]:
    return {name.lower(): " ".join(str(value).split()) for name, value in group.raw_items()}


def _lines_of(text: str) -> dict[str, str]:
    """A report that is not parsed as groups is text with a field a line."""
    lines = (line.partition(":") for line in text[:MAX_HEADER_CHARACTERS].splitlines())
    return {name.strip().lower(): value.strip() for name, sign, value in lines if sign}
