"""Addresses of pages, read for what they tell and kept without what they give away: no query, no fragment, and no part
of a path that looks like somebody's address, number or secret link."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

MAX_PARAMETERS = 200
MAX_PAGE = 500
HIDDEN = ":hidden"

_WEB = frozenset({"", "http", "https"})
_TELLS_WHO = re.compile(r"@|%40|\d{9}|^\w{32,}$|^[\da-f]{8}-[\da-f]{4}-|^ey[\w-]{8,}\.", re.IGNORECASE)
_HOST = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?|[^\x00-\x7f][^\s/]*|\[[0-9a-f:.]+\]")


@dataclass(frozen=True, slots=True)
class Page:
    """One address: its scheme, its host in lower case without `www.`, a path that tells nobody's name, its parameters
    by name in lower case."""

    scheme: str
    host: str
    path: str
    parameters: Mapping[str, str]

    def __str__(self) -> str:
        return (self.host + self.path)[:MAX_PAGE]


def read_page(text: str) -> Page | None:
    """The page an address names, None for what is no address of a page. A path alone is one of a page, too."""
    try:
        parts = urlsplit(text)
        host = (parts.hostname or "").removeprefix("www.")
        pairs = parse_qsl(parts.query, keep_blank_values=False, max_num_fields=MAX_PARAMETERS) if parts.query else ()
    except ValueError:
        return None
    app = parts.scheme in ("android-app", "ios-app")
    if not app and (parts.scheme not in _WEB or (parts.scheme and not host)):
        return None
    if host and _HOST.fullmatch(host) is None:
        return None
    if not host and not parts.path.startswith("/"):
        # An address as people write it: `example.com/pricing`.
        return read_page(f"//{text}") if "." in parts.path.partition("/")[0] and ":" not in text else None
    parameters: dict[str, str] = {}
    for name, value in pairs:
        parameters.setdefault(name.lower(), value)
    path = "/".join(HIDDEN if _TELLS_WHO.search(part) else part for part in parts.path.split("/"))
    return Page(parts.scheme, host, path.rstrip("/") if host else path, parameters)


def same_site(host: str, other: str) -> bool:
    """Whether two hosts are of one site: the same, or one inside the other."""
    return bool(host and other) and (host == other or host.endswith(f".{other}") or other.endswith(f".{host}"))
