"""One request to somebody else's server: to an address that was looked at, by https, within a time, following nothing."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import NamedTuple

import httpx

from shared.kit.errors import Rejected
from shared.kit.instruments import build_version
from shared.kit.outside import Rules, Target, chosen, target_of

CONNECT_SECONDS = 5.0


class Answer(NamedTuple):
    """How a request was answered: with a status, or with none and why."""

    status: int | None
    error: str | None = None
    retry_after: timedelta | None = None


async def addresses_of(target: Target) -> list[str]:
    """What a target's name leads to now."""
    found = await asyncio.get_running_loop().getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    return [str(one[4][0]) for one in found]


class Poster:
    """Posts. A connection is used for one request: another name at the same address proves itself anew."""

    def __init__(
        self,
        rules: Rules,
        *,
        timeout_seconds: float,
        trusts: ssl.SSLContext | None = None,
        resolve: Callable[[Target], Awaitable[Sequence[str]]] = addresses_of,
    ) -> None:
        self.rules = rules
        self._timeout_seconds = timeout_seconds
        self._resolve = resolve
        self._client = httpx.AsyncClient(
            verify=trusts if trusts is not None else True,
            timeout=httpx.Timeout(timeout_seconds, connect=min(CONNECT_SECONDS, timeout_seconds)),
            limits=httpx.Limits(max_keepalive_connections=0),
            follow_redirects=False,
            trust_env=False,
            headers={"User-Agent": f"Leadflow/{build_version()}", "Content-Type": "application/json"},
        )

    async def close(self) -> None:
        """Gives its connections back."""
        await self._client.aclose()

    async def send(self, url: str, body: bytes, headers: Mapping[str, str], now: datetime) -> Answer:
        """Posts a body and answers with how that went; it never raises for what a receiver does."""
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await self._post(target_of(url, self.rules), body, headers, now)
        except Rejected:
            return Answer(None, "address not allowed")
        except (TimeoutError, httpx.TimeoutException):
            return Answer(None, "timeout")
        except (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError) as error:
            return Answer(None, type(error).__name__)

    async def _post(self, target: Target, body: bytes, headers: Mapping[str, str], now: datetime) -> Answer:
        address = chosen(await self._resolve(target), target, self.rules)
        if address is None:
            return Answer(None, "address not allowed")
        request = self._client.build_request(
            "POST",
            target.at(address),
            content=body,
            headers={**headers, "Host": target.authority},
            extensions={"sni_hostname": target.host},
        )
        response = await self._client.send(request, stream=True)
        try:
            return Answer(response.status_code, retry_after=retry_after(response.headers.get("Retry-After"), now))
        finally:
            await response.aclose()  # what it says beside its status is not read: it may be endless


def retry_after(said: str | None, now: datetime) -> timedelta | None:
    """How long a receiver asks to be left alone: seconds, or a date."""
    if said is None:
        return None
    if said.strip().isascii() and said.strip().isdigit() and len(said.strip()) < 10:
        return timedelta(seconds=int(said))
    with suppress(ValueError, TypeError, OverflowError):
        at = parsedate_to_datetime(said)
        return max((at if at.tzinfo is not None else at.replace(tzinfo=UTC)) - now, timedelta())
    return None
