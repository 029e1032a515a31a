"""Plain pages for people whose browser posted a form: thanks, or what went wrong, in their language. No script, nothing
loaded from anywhere."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from html import escape
from typing import Literal

from fastapi import Response

Language = Literal["en", "fa", "he"]
RIGHT_TO_LEFT: frozenset[Language] = frozenset({"fa", "he"})


@dataclass(frozen=True, slots=True)
class Words:
    """One language's texts."""

    thanks: str
    received: str
    sorry: str
    check: str
    large: str
    often: str
    later: str
    broken: str
    back: str


WORDS: dict[Language, Words] = {
    "en": Words(
        thanks="Thank you",
        received="Your message has arrived.",
        sorry="That did not work",
        check="Please go back, check these fields and send the form again:",
        large="What you sent is too large. Please go back and send less.",
        often="You have sent this form many times in a row. Please wait a minute, then send it again.",
        later="Your message could not be saved just now. Please wait a moment, then reload this page to send it again.",
        broken="The form could not be read. Please go back and send it again.",
        back="Back",
    ),
    "fa": Words(
        thanks="سپاسگزاریم",
        received="پیام شما به دست ما رسید.",
        sorry="فرستادن فرم انجام نشد",
        check="لطفاً بازگردید، این بخش‌ها را بررسی کنید و فرم را دوباره بفرستید:",
        large="آنچه فرستادید بیش از اندازه بزرگ است. لطفاً بازگردید و کوتاه‌تر بفرستید.",
        often="این فرم را چند بار پشت سر هم فرستاده‌اید. لطفاً یک دقیقه صبر کنید و دوباره بفرستید.",
        later="در این لحظه پیام شما ذخیره نشد. لطفاً کمی صبر کنید و همین صفحه را دوباره بارگذاری کنید تا باز فرستاده شود.",
        broken="فرم خوانده نشد. لطفاً بازگردید و دوباره بفرستید.",
        back="بازگشت",
    ),
    "he": Words(
        thanks="תודה",
        received="הפנייה שלך התקבלה.",
        sorry="השליחה לא הצליחה",
        check="נא לחזור, לבדוק את השדות האלה ולשלוח את הטופס שוב:",
        large="מה ששלחת גדול מדי. נא לחזור ולשלוח פחות.",
        often="הטופס נשלח פעמים רבות ברצף. נא להמתין דקה ולשלוח שוב.",
        later="לא הצלחנו לשמור את הפנייה כרגע. נא להמתין רגע ולטעון את הדף מחדש כדי לשלוח שוב.",
        broken="לא הצלחנו לקרוא את הטופס. נא לחזור ולשלוח שוב.",
        back="חזרה",
    ),
}

_LANGUAGES: dict[str, Language] = {"en": "en", "fa": "fa", "he": "he", "iw": "he"}
_STYLE = (
    "body{font:1.125rem/1.6 system-ui,sans-serif;max-width:40rem;margin:4rem auto;padding:0 1rem}"
    "li{unicode-bidi:plaintext}"
)
_STYLE_HASH = b64encode(sha256(_STYLE.encode()).digest()).decode()
_HEADERS = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def language_of(accepted: str) -> Language:
    """The first language of ours in an Accept-Language header, by the weights in it; English where there is none."""
    best: tuple[float, Language] = (0.0, "en")
    for part in accepted.split(",")[:50]:
        tag, _, parameter = part.partition(";")
        language = _LANGUAGES.get(tag.strip().lower().partition("-")[0])
        weight = _weight(parameter)
        if language is not None and weight > best[0]:
            best = (weight, language)
    return best[1]


def _weight(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    try:
        return min(1.0, float(value)) if name == "q" else 1.0
    except ValueError:
        return 0.0


def thanks(language: Language, back: str | None) -> Response:
    """The page after a form was taken."""
    words = WORDS[language]
    return _page(language, words.thanks, (words.received,), (), back, 200)


def sorry(language: Language, status: int, fields: Sequence[str], back: str | None) -> Response:
    """The page after a form was not taken, and which fields to check."""
    words = WORDS[language]
    said = {413: words.large, 422: words.check, 429: words.often, 503: words.later}.get(status, words.broken)
    return _page(language, words.sorry, (said,), fields if status == 422 else (), back, status)


def _page(
    language: Language, title: str, said: Sequence[str], items: Sequence[str], back: str | None, status: int
) -> Response:
    direction = "rtl" if language in RIGHT_TO_LEFT else "ltr"
    listed = "".join(f"<li>{escape(item)}</li>" for item in items)
    content = "".join(
        (
            f'<!doctype html><html lang="{language}" dir="{direction}"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">',
            f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body><main><h1>{escape(title)}</h1>",
            *(f"<p>{escape(sentence)}</p>" for sentence in said),
            f"<ul>{listed}</ul>" if listed else "",
            "" if back is None else f'<p><a href="{escape(back)}">{escape(WORDS[language].back)}</a></p>',
            "</main></body></html>",
        )
    )
    headers = {**_HEADERS, "Content-Language": language}
    return Response(content, status, headers=headers, media_type="text/html; charset=utf-8")
