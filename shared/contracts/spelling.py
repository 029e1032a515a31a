"""Labels that people write, a channel or a purpose, however they are spelled: what somebody permits hangs on no letter's case."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

LONGEST = 200
"""Of how many characters a label is at most: one that small letters make longer stays as it is."""

_BETWEEN = re.compile(r"[\s_‐-―-]+")

_MEANT = {
    **dict.fromkeys(("e mail", "electronic mail"), "email"),
    **dict.fromkeys(("call", "phone call", "telephone", "telephone call", "tel"), "phone"),
    **dict.fromkeys(("text message", "text messages"), "sms"),
    "whats app": "whatsapp",
}
"""What else the usual channels are called, without what stands between words."""


@lru_cache(maxsize=4096)
def one_label(text: str) -> str:
    """The same for every spelling of a label: `Product News`, `product-news` and `PRODUCT_NEWS` are one, and so are `E-Mail` and
    `email`. To compare by; `written` is what is shown."""
    words = _BETWEEN.sub(" ", unicodedata.normalize("NFKC", text).casefold()).strip()
    return _MEANT.get(words, words).replace(" ", "_")


@lru_cache(maxsize=4096)
def written(text: str) -> str:
    """A label as it is recorded and shown: in small letters, a channel by its usual name. What stands between its words stays."""
    words = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    return _MEANT.get(_BETWEEN.sub(" ", words).strip(), words if len(words) <= LONGEST else text)
