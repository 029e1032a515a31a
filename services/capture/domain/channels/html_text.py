"""The text of an HTML document, for reading: no scripts, no styles, no tags, and nothing fetched.

Not the standard library's parser: on text made for that (`<!--` again and again) it takes time with the square of the
length. Each pattern here goes over what it matches once, and always matches where it begins.
"""

from __future__ import annotations

import re
from contextlib import suppress
from html import unescape

MAX_HTML_CHARACTERS = 100_000

_UNSEEN = re.compile(
    r"<!--.*?(?:-->|\Z)"
    r"|<(script|style|head|title|template|noscript|svg|object|iframe)\b[^>]*(?:>|\Z).*?(?:</\1\b[^>]*(?:>|\Z)|\Z)",
    re.IGNORECASE | re.DOTALL,
)
_TAG = re.compile(r"""<(/?[a-z!?][a-z0-9]*)(?:[^>"']|"[^"]*(?:"|\Z)|'[^']*(?:'|\Z))*(?:>|\Z)""", re.IGNORECASE)
_NEW_LINE = frozenset(
    {
        "br",
        "p",
        "div",
        "tr",
        "li",
        "ul",
        "ol",
        "table",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "blockquote",
        "hr",
        "section",
    }
)
_BLANKS = re.compile(r"[ \t\r\f\v\u00a0]+")
_MANY_LINES = re.compile(r"\n{3,}")


def text_of_html(document: str) -> str:
    """What a person would read of it."""
    seen = _UNSEEN.sub(" ", document[:MAX_HTML_CHARACTERS])
    text = _TAG.sub(lambda tag: "\n" if tag[1].lower().strip("/") in _NEW_LINE else "", seen)
    with suppress(ValueError):  # a character by a number that is longer than anybody reads numbers
        text = unescape(text)
    lines = (line.strip() for line in _BLANKS.sub(" ", text).splitlines())
    return _MANY_LINES.sub("\n\n", "\n".join(lines)).strip()
