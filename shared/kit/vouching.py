"""Whose token something is, asked of the service that knows: one question for a token in a few seconds, whatever it is used for.

While that service is away what it said last holds for a while; of a token that it was not asked about nothing is known then, and it
is not called wrong.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple

import httpx
import orjson

from shared.kit.auth import unauthorized
from shared.kit.errors import Retryable
from shared.kit.keys.minting import BEGINS_WITH, digest_of

FRESH_SECONDS = 2.0
KEPT_SECONDS = 300.0
TIMEOUT_SECONDS = 3.0
MOST_KNOWN = 2_000
MOST_REFUSED = 200
"""Tokens that are nobody's are remembered apart from the others: made up, they would push out everybody's."""

MOST_ASKED = 16
MAX_TOKEN = 16 * 1024
FIX = "Send the header `Authorization: Bearer <token>`; docs/access.md says which there are."


class _Said(NamedTuple):
    at: float
    who: dict[str, Any] | None


class Voucher:
    """Asks at `url`, with the token itself, who it is of."""

    def __init__(
        self,
        url: str,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = url
        self._clock = clock
        self._said: OrderedDict[str, _Said] = OrderedDict()
        self._refused: OrderedDict[str, _Said] = OrderedDict()
        self._asking: dict[str, asyncio.Task[_Said]] = {}
        self._turns = asyncio.Semaphore(MOST_ASKED)
        self._client = httpx.AsyncClient(
            timeout=TIMEOUT_SECONDS, transport=transport, follow_redirects=False, trust_env=False
        )

    async def of(self, token: str) -> dict[str, Any]:
        """Who it is, as that service says. Raises `Rejected` with 401 for nobody's, and `Retryable` while that cannot be known."""
        shaped = token.startswith(BEGINS_WITH) or token.count(".") == 2
        if not shaped or not token.isascii() or len(token) > MAX_TOKEN:
            raise unauthorized("This token is nobody's." if token else "This needs a token.", FIX)
        digest = digest_of(token)
        said = self._said.get(digest) or self._refused.get(digest)
        if said is None or self._clock() - said.at >= FRESH_SECONDS:
            try:
                said = await self._asked(digest, token)
            except Retryable:
                if said is None or said.who is None or self._clock() - said.at >= KEPT_SECONDS:
                    raise
        if said.who is None:
            raise unauthorized("This token is unknown, has expired or was revoked.", FIX)
        return said.who

    async def close(self) -> None:
        """Ends its connections."""
        await self._client.aclose()

    async def _asked(self, digest: str, token: str) -> _Said:
        """Whoever asks about the same token meanwhile gets the same answer."""
        asking = self._asking.get(digest)
        if asking is None:
            asking = self._asking[digest] = asyncio.create_task(self._ask(token), name="voucher")
            asking.add_done_callback(lambda _: self._asking.pop(digest, None))
        said = await asyncio.shield(asking)
        _keep(self._said, digest, said if said.who is not None else None, MOST_KNOWN)
        _keep(self._refused, digest, said if said.who is None else None, MOST_REFUSED)
        return said

    async def _ask(self, token: str) -> _Said:
        try:
            async with self._turns:
                response = await self._client.get(self._url, headers={"Authorization": f"Bearer {token}"})
            if response.status_code == 401:
                return _Said(self._clock(), None)
            if response.status_code == 403:
                return _Said(self._clock(), {})
            response.raise_for_status()
            who = orjson.loads(response.content)
        except (httpx.HTTPError, httpx.InvalidURL, orjson.JSONDecodeError) as error:
            raise Retryable("Whose token this is cannot be looked up now.", retry_after_seconds=2) from error
        if not isinstance(who, dict):
            raise Retryable("Whose token this is cannot be looked up now.", retry_after_seconds=2)
        return _Said(self._clock(), who)


def _keep(known: OrderedDict[str, _Said], digest: str, said: _Said | None, most: int) -> None:
    """The latest of so many; None is forgotten."""
    known.pop(digest, None)
    if said is not None:
        known[digest] = said
        while len(known) > most:
            known.popitem(last=False)
