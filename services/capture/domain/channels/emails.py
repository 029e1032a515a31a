"""E-mail, posted by a mail gateway as it arrived: who wrote is a lead, who answered has also answered. What machines write
is no lead: answers of empty desks, reports of what could not be delivered, and mail from nobody."""

from __future__ import annotations

import re

from services.capture.domain.channels.email_message import Mail, Mailbox, Recipient, addresses_in, read_mail
from services.capture.domain.channels.terms import Delivery, Draft, Ignored, Reading
from services.capture.domain.faults import Fault
from services.capture.domain.fields import LEAD_TEXTS
from services.capture.domain.terms import Refused
from shared.contracts.policy import Endpoint

MESSAGE_CUT = "message_cut"
BULK_MAIL = "bulk_mail"
ROOM = LEAD_TEXTS["message"].limit

_NOBODY = re.compile(
    r"(?:no-?_?\.?reply|do-?_?\.?not-?_?\.?reply|mailer-?daemon|postmaster|bounces?|notifications?|autoreply)\b[^@]*@",
    re.IGNORECASE,
)
_AWAY_SUBJECTS = re.compile(
    r"(?:auto(?:matic|mated)?[ -]?(?:reply|response|antwort)|out of (?:the )?office|on (?:vacation|holiday|leave)\b|"
    r"abwesenheit|automatische antwort|automatisch antwoord|afwezig|r[ée]ponse automatique|absence du bureau|"
    r"respuesta autom[áa]tica|fuera de (?:la )?oficina|risposta automatica|fuori ufficio|resposta autom[áa]tica|"
    r"autosvar|automatiskt svar|automaattinen vastaus|automatyczna odpowied|otomatik yan[ıi]t|автоответ|"
    r"پاسخ خودکار|خارج از دفتر|مرخصی|מענה אוטומטי|תשובה אוטומטית|מחוץ למשרד|رد تلقائي|خارج المكتب|自動応答|自动回复)",
    re.IGNORECASE,
)
_FAILED_SUBJECTS = re.compile(
    r"(?:undeliver(?:able|ed)|delivery (?:status notification|failure|has failed)|mail delivery failed|"
    r"returned mail|failure notice|unzustellbar|onbestelbaar)",
    re.IGNORECASE,
)
_HARD = "5"

HEAD_BYTES = 512 * 1024
"""How much of a message is looked at. People's words stand before what they attach."""


def read_email(delivery: Delivery, endpoint: Endpoint) -> Reading:
    """One message. Its id is the record's, so a gateway may deliver it again."""
    raw = delivery.content if isinstance(delivery.content, bytes) else delivery.body
    mail = read_mail(raw)
    if not mail.headers:
        fix = "Post the message as it arrived, headers first, as message/rfc822."
        return Refused((Fault("body", "is no e-mail message: it has no headers", fix),))
    if mail.report or "x-failed-recipients" in mail.headers or _is_bounce(mail):
        return _report(mail)
    writer = _writer(mail)
    if writer is None:
        return Ignored("mail from nobody: no address that can be answered")
    common: dict[str, object] = {**endpoint.constants, "email": writer.address}
    if mail.at is not None:
        common["occurred_at"] = mail.at.isoformat()
    if _is_automatic(mail):
        body = {**common, "kind": "email_auto_reply", "direction": "inbound"}
        return [Draft("interaction", body, _key(mail, "auto"))]
    flags = (BULK_MAIL,) if "list-id" in mail.headers or "list-unsubscribe" in mail.headers else ()
    message, whole = _message(mail)
    lead = {**common, "name": writer.name, "message": message}
    drafts = [Draft("lead", lead, _key(mail, ""), flags if whole else (*flags, MESSAGE_CUT))]
    if mail.answers:
        reply = {**common, "kind": "email_reply", "direction": "inbound"}
        drafts.append(Draft("interaction", reply, _key(mail, ""), flags))
    return drafts


def _writer(mail: Mail) -> Mailbox | None:
    """Who wrote: the address that answers are wanted at, where the sender's own is nobody's or differs."""
    for box in (mail.reply_to, mail.sender):
        if box.address and not _NOBODY.match(box.address):
            name = box.name or (mail.sender.name if not _NOBODY.match(mail.sender.address) else "")
            return Mailbox(name if "@" not in name else "", box.address)
    return None


def _is_automatic(mail: Mail) -> bool:
    """Whether a machine wrote it: RFC 3834, what came before it, and subjects that say so."""
    headers = mail.headers
    submitted = headers.get("auto-submitted", "no").lower()
    return (
        not submitted.startswith("no")
        or ("list-id" not in headers and headers.get("precedence", "").lower() in ("auto_reply", "bulk", "junk"))
        or any(name in headers for name in ("x-autoreply", "x-autorespond", "x-autorespond-from"))
        or headers.get("return-path", "").replace(" ", "") == "<>"
        or _AWAY_SUBJECTS.search(mail.subject[:100]) is not None
    )


def _is_bounce(mail: Mail) -> bool:
    local = mail.sender.address.partition("@")[0].lower()
    return local in ("mailer-daemon", "postmaster") and _FAILED_SUBJECTS.search(mail.subject) is not None


def _report(mail: Mail) -> Reading:
    """What a report says of each recipient: their mailbox takes nothing, they read it, they complained."""
    about = mail.recipients or tuple(
        Recipient(address, "failed") for address in addresses_in(mail.headers.get("x-failed-recipients", ""))
    )
    drafts: list[Draft] = []
    for place, recipient in enumerate(about):
        kind = _reported(mail.report, recipient)
        if kind is None:
            continue
        body: dict[str, object] = {"email": recipient.address, "kind": kind}
        if mail.at is not None:
            body["occurred_at"] = mail.at.isoformat()
        if kind == "email_bounce":
            body["outcome"] = "hard" if recipient.status.startswith(_HARD) or not recipient.status else "soft"
            if recipient.status:
                body["attributes.status"] = recipient.status[:20]
        drafts.append(Draft("interaction", body, _key(mail, f"report:{place}")))
    return drafts or Ignored("a report that names nobody, or nothing that happened yet")


def _reported(report: str, recipient: Recipient) -> str | None:
    if report == "disposition-notification":
        return "email_open" if "displayed" in recipient.action else None
    if report == "feedback-report":
        return "unsubscribe" if "opt-out" in recipient.action else "spam_complaint"
    return "email_bounce" if recipient.action in ("failed", "") else None


def _message(mail: Mail) -> tuple[str, bool]:
    """Subject and text as a lead's message, as far as there is room, and whether that is all. What a person quotes below
    their answer is what we wrote."""
    body = mail.body
    if mail.answers:
        body = _without_quotation(body[: 2 * ROOM]) or body
    whole = f"{mail.subject}\n\n{body}".strip()
    return whole[:ROOM].strip(), len(whole) <= ROOM


def _without_quotation(text: str) -> str:
    """The text without the lines it quotes at its end, and the one that announces them."""
    lines = text.splitlines()
    end = len(lines)
    while end and (not lines[end - 1].strip() or lines[end - 1].startswith(">")):
        end -= 1
    if end == len(lines) or not any(line.startswith(">") for line in lines[end:]):
        return text
    if end and lines[end - 1].rstrip().endswith(":"):
        end -= 1
    return "\n".join(lines[:end]).strip()


def _key(mail: Mail, what: str) -> str | None:
    """The message's own id; a gateway that delivers it again sends the same."""
    if not mail.message_id:
        return None
    return f"{mail.message_id}:{what}" if what else mail.message_id
