"""E-mail: people who write are leads; machines, empty desks and nobody are not; and no message, however broken, does harm."""

from __future__ import annotations

from email.message import EmailMessage
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.capture.domain import Refused
from services.capture.domain.channels.email_message import read_mail
from services.capture.domain.channels.emails import BULK_MAIL, MESSAGE_CUT, ROOM, read_email
from services.capture.domain.channels.html_text import text_of_html
from services.capture.domain.channels.terms import Delivery, Draft, Ignored
from tests.unit.capture.channels.support import an_endpoint, ignored, read, refused

PLAIN = """\
Return-Path: <ada@example.com>
From: Ada Lovelace <ada@example.com>
To: Sales <sales@we.example>
Subject: A quote for 40 people
Date: Mon, 2 Mar 2026 09:00:00 +0100
Message-ID: <m-1@example.com>
MIME-Version: 1.0
Content-Type: text/plain; charset="utf-8"

Dear all,

what does it cost?
"""

BOUNCE = """\
Return-Path: <>
From: Mail Delivery System <MAILER-DAEMON@mx.example>
To: news@we.example
Subject: Undelivered Mail Returned to Sender
Date: Mon, 2 Mar 2026 09:00:00 +0000
Message-ID: <b-1@mx.example>
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="XX"

--XX
Content-Type: text/plain

I am sorry to have to tell you that your message could not be delivered.

--XX
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example
Arrival-Date: Mon, 2 Mar 2026 08:59:58 +0000

Final-Recipient: rfc822; gone@example.com
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 User unknown

Final-Recipient: rfc822; full@example.com
Action: failed
Status: 4.2.2

Final-Recipient: rfc822; late@example.com
Action: delayed
Status: 4.4.1

--XX
Content-Type: message/rfc822

From: news@we.example
Subject: News

Hello
--XX--
"""


def mail(text: str = PLAIN, **headers: str) -> bytes:
    """A message; a header given here replaces the one there, and an empty one takes it out."""
    head, _, body = text.partition("\n\n")
    lines = head.split("\n")
    for name, value in headers.items():
        title = name.replace("_", "-").title()
        lines = [line for line in lines if not line.lower().startswith(f"{title.lower()}:")]
        if value:
            lines.append(f"{title}: {value}")
    return ("\n".join(lines) + "\n\n" + body).encode()


def drafts(raw: bytes) -> list[Draft]:
    """What a message becomes."""
    return read("email", raw, channel="email")


def test_whoever_writes_is_a_lead_with_what_they_wrote() -> None:
    (lead,) = drafts(mail())
    assert (lead.kind, lead.key, lead.flags) == ("lead", "m-1@example.com", ())
    assert lead.body == {
        "email": "ada@example.com",
        "name": "Ada Lovelace",
        "occurred_at": "2026-03-02T09:00:00+01:00",
        "message": "A quote for 40 people\n\nDear all,\n\nwhat does it cost?",
    }


def test_an_answer_is_a_reply_too_without_what_it_quotes() -> None:
    body = PLAIN + "\nOn 1 Mar 2026 we wrote:\n> Our news\n> of March\n"
    lead, reply = drafts(mail(body, in_reply_to="<news-3@we.example>"))
    assert (reply.kind, reply.body["kind"], reply.key) == ("interaction", "email_reply", "m-1@example.com")
    assert lead.body["message"] == "A quote for 40 people\n\nDear all,\n\nwhat does it cost?"
    assert [draft.kind for draft in drafts(mail(references="<a@b.c> <d@e.f>"))] == ["lead", "interaction"]


@pytest.mark.parametrize(
    ("subject", "text"),
    [
        ("=?utf-8?b?2K/Ysdiu2YjYp9iz2Kog2YLbjNmF2Ko=?=", "درخواست قیمت"),
        ("=?windows-1256?q?=C7=E1=D3=E1=C7=E3?=", "السلام"),
        ("=?utf-8?q?=D7=91=D7=A7=D7=A9=D7=94?= =?utf-8?q?_=D7=9C=D7=94=D7=A6=D7=A2=D7=94?=", "בקשה להצעה"),
        ("=?windows-1255?b?+eztLg==?=", "שלם."),
        ("=?no-such-charset?q?abc?=", "abc"),
        ("=?utf-8?b?broken", "=?utf-8?b?broken"),
    ],
)
def test_a_subject_in_any_script_is_text(subject: str, text: str) -> None:
    assert read_mail(mail(subject=subject)).subject == text


@pytest.mark.parametrize(
    ("sender", "name", "address"),
    [
        ("=?utf-8?b?2LnZhNuMINqp2LHbjNmF24w=?= <ali@example.com>", "علی کریمی", "ali@example.com"),
        ('"Lovelace, Ada" <ada@example.com>', "Lovelace, Ada", "ada@example.com"),
        ("ada@example.com", "", "ada@example.com"),
        ("ada@example.com (Ada)", "", "ada@example.com"),
        ("Ada Lovelace ada@example.com>", "", "ada@example.com"),
        ("<ada@example.com>, Bob <bob@example.com>", "", "ada@example.com"),
        ("nobody at all", "", ""),
    ],
)
def test_who_wrote_is_found(sender: str, name: str, address: str) -> None:
    found = read_mail(mail(**{"from": sender})).sender
    assert (found.name if address and name else "", found.address) == (name, address)


def test_a_form_that_mails_from_nobody_is_about_whoever_it_says_to_answer() -> None:
    (lead,) = drafts(mail(**{"from": "Our site <no-reply@we.example>"}, reply_to="Ada <ada@example.com>"))
    assert (lead.body["email"], lead.body["name"]) == ("ada@example.com", "Ada")


@pytest.mark.parametrize(
    "address", ["no-reply", "noreply", "donotreply", "do-not-reply", "mailer-daemon", "postmaster", "bounce"]
)
def test_mail_from_nobody_is_ignored_visibly(address: str) -> None:
    assert ignored("email", mail(**{"from": f"{address}@example.com"}, return_path=""))


@pytest.mark.parametrize("address", ["norepl@example.com", "noreplyson@example.com", "ann.noreply@example.com"])
def test_somebody_whose_name_is_like_that_is_somebody(address: str) -> None:
    assert drafts(mail(**{"from": address}))[0].body["email"] == address


@pytest.mark.parametrize(
    "headers",
    [
        {"auto_submitted": "auto-replied"},
        {"auto_submitted": "auto-generated (vacation)"},
        {"precedence": "auto_reply"},
        {"precedence": "bulk"},
        {"x_autoreply": "yes"},
        {"x_autorespond": "1"},
        {"return_path": "<>"},
        {"subject": "Automatic reply: A quote"},
        {"subject": "Out of Office: back on Monday"},
        {"subject": "Out of the office until 3 May"},
        {"subject": "Abwesenheitsnotiz"},
        {"subject": "Réponse automatique : bonjour"},
        {"subject": "=?utf-8?b?2b7Yp9iz2K4g2K7ZiNiv2qnYp9ix?="},
        {"subject": "=?utf-8?b?157Xoteg15Qg15DXldeY15XXnteY15k=?="},
    ],
)
def test_an_empty_desk_is_no_lead(headers: dict[str, str]) -> None:
    (answered,) = drafts(mail(**headers))
    assert (answered.kind, answered.body["kind"]) == ("interaction", "email_auto_reply")
    assert answered.body["email"] == "ada@example.com"


@pytest.mark.parametrize("headers", [{"auto_submitted": "no"}, {"subject": "Your office, out of curiosity"}])
def test_a_person_is_not_taken_for_an_empty_desk(headers: dict[str, str]) -> None:
    assert drafts(mail(**headers))[0].kind == "lead"


def test_mail_through_a_list_is_a_lead_and_flagged() -> None:
    (lead,) = drafts(mail(list_id="<sales.we.example>", precedence="list"))
    assert (lead.kind, lead.flags) == ("lead", (BULK_MAIL,))


def test_a_bounce_is_about_whom_the_message_was_for() -> None:
    hard, soft = drafts(BOUNCE.encode())
    assert {draft.kind for draft in (hard, soft)} == {"interaction"}
    assert (hard.body["email"], hard.body["kind"], hard.body["outcome"]) == ("gone@example.com", "email_bounce", "hard")
    assert (soft.body["email"], soft.body["outcome"], soft.body["attributes.status"]) == (
        "full@example.com",
        "soft",
        "4.2.2",
    )
    assert len({hard.key, soft.key}) == 2


def test_a_bounce_in_its_own_words_is_one_if_it_names_somebody() -> None:
    named = mail(
        **{"from": "postmaster@mx.example"}, x_failed_recipients="gone@example.com", subject="Undeliverable: x"
    )
    (bounce,) = drafts(named)
    assert (bounce.body["kind"], bounce.body["email"]) == ("email_bounce", "gone@example.com")
    assert ignored("email", mail(**{"from": "MAILER-DAEMON@mx.example"}, subject="Undeliverable: x"))
    assert ignored("email", BOUNCE.replace("Action: failed", "Action: delayed").encode())


def test_a_complaint_and_a_receipt_are_about_whom_the_message_was_for() -> None:
    complaint = BOUNCE.replace("delivery-status", "feedback-report")
    complaint = complaint.replace(
        "Reporting-MTA: dns; mx.example", "Feedback-Type: abuse\nOriginal-Rcpt-To: ada@example.com"
    )
    (complained,) = drafts(complaint.encode())
    assert (complained.body["kind"], complained.body["email"]) == ("spam_complaint", "ada@example.com")
    shown = "Final-Recipient: rfc822; ada@example.com\nDisposition: manual-action/MDN-sent-manually; displayed"
    receipt = BOUNCE.replace("delivery-status", "disposition-notification").replace(
        "Reporting-MTA: dns; mx.example", shown
    )
    (read_it,) = drafts(receipt.encode())
    assert (read_it.body["kind"], read_it.body["email"]) == ("email_open", "ada@example.com")


def test_html_is_read_and_neither_run_nor_kept() -> None:
    message = EmailMessage()
    message["From"] = "Ada <ada@example.com>"
    message["Subject"] = "Hi"
    message.set_content(
        "<p>Dear <b>all</b>,</p><script>steal()</script><style>p{}</style>bye&nbsp;&amp; thanks<br>Ada", subtype="html"
    )
    message.add_attachment(b"\x00" * 99, maintype="application", subtype="pdf", filename="cv.pdf")
    (lead,) = drafts(message.as_bytes())
    assert lead.body["message"] == "Hi\n\nDear all,\nbye & thanks\nAda"


def test_plain_text_goes_before_html_and_attachments_are_not_read() -> None:
    message = EmailMessage()
    message["From"] = "ada@example.com"
    message.set_content("plain")
    message.add_alternative("<p>html</p>", subtype="html")
    message.add_attachment("a file", filename="note.txt")
    assert read_mail(message.as_bytes()).body == "plain"


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ("a<br/>b", "a\nb"),
        ("<table><tr><td>a</td></tr><tr><td>b</td></tr></table>", "a\n\nb"),
        ("<script>x</script", ""),
        ("<SCRIPT type='x'>if (a<b) c()</SCRIPT >d", "d"),
        ("a <!-- b --> c", "a c"),
        ("<style>a</style>b<svg><text>c</text></svg>d", "b d"),
        ("1 < 2 &lt;b&gt; &#1587;", "1 < 2 <b> س"),
        ('<a title="a > b" href=x>c</a>', "c"),
        ("&#" + "9" * 5000 + ";", "&#" + "9" * 5000 + ";"),
    ],
)
def test_html_is_its_text(document: str, text: str) -> None:
    assert text_of_html(document) == text


def test_a_long_message_is_cut_and_says_so() -> None:
    (lead,) = drafts(mail(PLAIN + "x" * 20_000))
    assert len(str(lead.body["message"])) <= ROOM
    assert lead.flags == (MESSAGE_CUT,)


def test_what_the_wrong_charset_or_encoding_says_is_read_as_far_as_it_goes() -> None:
    assert read_mail(mail(content_type='text/plain; charset="no-such"')).body.startswith("Dear all")
    latin = PLAIN.replace("utf-8", "us-ascii").replace("Dear", "Chère").encode("latin-1")
    assert "Ch" in read_mail(latin).body
    assert read_mail(mail(content_transfer_encoding="base64")).sender.address == "ada@example.com"
    assert read_mail(mail(content_transfer_encoding="x-none")).body


def test_bytes_that_are_no_message_are_refused() -> None:
    assert refused("email", b"") == {"body": "is no e-mail message: it has no headers"}
    assert refused("email", b"hello there") == {"body": "is no e-mail message: it has no headers"}


def test_a_message_made_to_be_slow_is_read_by_its_headers() -> None:
    nested = b"From: ada@example.com\nSubject: x\n" + b"".join(
        b'Content-Type: multipart/mixed; boundary="%d"\n\n--%d\n' % (depth, depth) for depth in range(3_000)
    )
    assert drafts(nested)[0].body["email"] == "ada@example.com"
    assert drafts(mail(subject="=?utf-8?q?a?= " * 20_000))[0].body["email"] == "ada@example.com"
    assert ignored("email", mail(**{"from": "(" * 50_000 + "ada@example.com"}))


@pytest.mark.parametrize(
    "piece", ["<", "<!--", "<a ", "</", "<script>", "<a href='", "&", "&#", "<!", "<?", "<a>", "\n"]
)
def test_no_html_takes_longer_than_its_length(piece: str) -> None:
    times = []
    for size in (20_000, 160_000):
        document = piece * (size // len(piece))
        began = process_time()
        text_of_html(document)
        times.append(process_time() - began)
    assert times[1] < 8 * 8 * max(times[0], 0.001), "eight times the length takes about eight times as long"
    assert times[1] < 2


pieces = st.sampled_from(
    [
        *PLAIN.encode().splitlines(keepends=True),
        *BOUNCE.encode().splitlines(keepends=True),
        b"\n",
        b"\r\n",
        b"\x00",
        b"\xff:",
    ]
)


@given(st.lists(pieces | st.binary(max_size=30), max_size=60).map(b"".join))
@settings(max_examples=300, deadline=None)
def test_nothing_makes_the_adapter_raise(raw: bytes) -> None:
    reading = read_email(Delivery(content=raw), an_endpoint("email"))
    assert isinstance(reading, list | Refused | Ignored)
    if isinstance(reading, list):
        for draft in reading:
            assert "\x00" not in str(draft.body)
            str(draft.body).encode()


@given(st.text(max_size=300), st.text(max_size=80), st.text(max_size=80))
@settings(deadline=None)
def test_no_header_or_text_makes_the_adapter_raise(body: str, subject: str, sender: str) -> None:
    raw = f"From: {sender}\nSubject: {subject}\nDate: {subject}\nContent-Type: {sender}\n\n{body}".encode(
        "utf-8", "replace"
    )
    assert isinstance(read_email(Delivery(content=raw), an_endpoint("email")), list | Refused | Ignored)
