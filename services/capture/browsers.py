"""What a browser says it is, read by the library for it (the list that browsers' makers keep up to date), and kept without
versions' small print: enough to tell how people come, too little to tell them apart."""

from __future__ import annotations

from functools import lru_cache

import ua_parser

from services.capture.domain.visits import Browser

_BOT_WORDS = (
    "bot",
    "crawl",
    "spider",
    "headless",
    "slurp",
    "preview",
    "monitor",
    "python-",
    "curl/",
    "wget/",
    "go-http",
)
_NOTHING = Browser(None, None, None, bot=False)
_TABLETS = ("ipad", "tablet", "kindle", "galaxy tab")
_PHONE_SYSTEMS = frozenset({"iOS", "Android", "Windows Phone", "BlackBerry OS", "KaiOS", "HarmonyOS"})
_DESKTOP_SYSTEMS = frozenset({"Windows", "Mac OS X", "Linux", "Ubuntu", "Fedora", "Debian", "Chrome OS", "FreeBSD"})


@lru_cache(maxsize=4_096)
def read_browser(user_agent: str) -> Browser:
    """Browser, system and kind of device; a text that names none of them is nothing, never an error."""
    read = ua_parser.parse(user_agent)
    lower = user_agent.lower()
    family, brand = (read.device.family, read.device.brand) if read.device is not None else ("", None)
    bot = family == "Spider" or any(word in lower for word in _BOT_WORDS)
    name = read.user_agent.family if read.user_agent is not None else None
    system = read.os.family if read.os is not None else None
    if name is None and system is None and not bot:
        return _NOTHING
    return Browser(name, system, "bot" if bot else _device(lower, family, brand, system), bot)


def _device(lower: str, family: str, brand: str | None, system: str | None) -> str | None:
    if any(word in lower for word in _TABLETS) or (brand or "").endswith("_Tablet"):
        return "tablet"
    if system == "Android" and "mobile" not in lower:
        return "tablet"
    if system in _PHONE_SYSTEMS:
        return "phone"
    if system in _DESKTOP_SYSTEMS:
        return "desktop"
    return "other" if family else None
