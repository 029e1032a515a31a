"""Where mail is handed over, as a URL says it."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote, urlsplit


@dataclass(frozen=True, slots=True)
class Server:
    """Where mail is handed over. With `secure` from the first byte, with `upgrade` once the server is asked for it."""

    host: str
    port: int
    secure: bool
    upgrade: bool
    user: str | None = None
    password: str | None = None

    @staticmethod
    def of(url: str) -> Server:
        """`smtps://user:password@host:465`, `smtp://…:587` (which has to offer STARTTLS), or `smtp+plain://…` for a server in one's
        own network. Raises `ValueError`."""
        parts = urlsplit(url)
        if parts.scheme not in ("smtp", "smtps", "smtp+plain") or not parts.hostname:
            raise ValueError("is no address such as smtp://user:password@mail.example:587")
        user = unquote(parts.username) if parts.username else None
        password = unquote(parts.password) if parts.password else None
        port = parts.port or {"smtps": 465, "smtp": 587}.get(parts.scheme, 25)
        return Server(parts.hostname, port, parts.scheme == "smtps", parts.scheme == "smtp", user, password)
