"""Who may send, how much, and how much at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from hashlib import sha256
from math import ceil

from services.capture.domain.text import clean_line
from services.capture.handlers import Caller
from services.capture.instruments import CaptureInstruments
from services.capture.settings import ApiKey
from shared.kit.errors import Rejected, Retryable

MAX_SENDER_NAME = 100


class Keys:
    """The deployment's API keys. Only digests are known here, so nothing in this process can leak a key."""

    def __init__(self, keys: Mapping[str, ApiKey]) -> None:
        self._keys = keys

    def owner(self, headers: Mapping[bytes, bytes]) -> ApiKey:
        """Whose key this is. Raises `Rejected` with 401."""
        scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
        given = token.strip() if scheme.lower() == b"bearer" else headers.get(b"x-api-key", b"").strip()
        # The digest of what was given is looked up, so the time it takes says nothing about any key.
        key = self._keys.get(sha256(given).hexdigest()) if given else None
        if key is None:
            raise Rejected(
                "The API key is unknown." if given else "This needs an API key.",
                status=401,
                code="unauthorized",
                field="Authorization",
                fix="Send `Authorization: Bearer <key>` or `X-API-Key: <key>` with a key of this deployment.",
                headers={"WWW-Authenticate": 'Bearer realm="leadflow"'},
            )
        return key

    @staticmethod
    def caller(key: ApiKey, headers: Mapping[bytes, bytes]) -> Caller:
        """Who is sending: the key's owner, or the sender it names where it may. Raises `Rejected` with 403."""
        if "write" not in key.scopes:
            raise _forbidden("write", "to send anything", "Authorization")
        sender = key.sender
        if (named := headers.get(b"leadflow-sender")) is not None:
            if "impersonate" not in key.scopes:
                raise _forbidden("impersonate", "to send for another sender", "Leadflow-Sender")
            sender = header_text("Leadflow-Sender", named, MAX_SENDER_NAME)
        return Caller(sender, "backdate" in key.scopes)


def header_text(name: str, value: bytes, limit: int) -> str:
    """A header's text. Raises `Rejected` with 422 when it is empty, too long or no UTF-8."""
    try:
        text = clean_line(value.decode("utf-8"))
    except UnicodeDecodeError:
        text = ""
    if not text or len(text) > limit or "\x00" in text:
        raise Rejected(
            f"{name} is empty, longer than {limit} characters or not UTF-8.",
            code="invalid-fields",
            field=name,
            fix=f"Send 1 to {limit} characters, or leave the header out.",
        )
    return text


def _forbidden(scope: str, purpose: str, field: str) -> Rejected:
    return Rejected(
        f"This API key lacks the scope {scope}, which it takes {purpose}.",
        status=403,
        code="forbidden",
        field=field,
        fix=f"Use a key with the scope {scope}.",
    )


class Bucket:
    """A token bucket. What is taken may exceed what is left once: a batch larger than the bucket is served, and paid
    for by waiting after it."""

    __slots__ = ("_at", "_tokens", "burst", "rate")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self.rate = rate
        self.burst = burst
        self._tokens = burst
        self._at = now

    def left(self, now: float) -> float:
        """Tokens there are; negative while a debt is being paid."""
        self._tokens = min(self.burst, self._tokens + max(0.0, now - self._at) * self.rate)
        self._at = now
        return self._tokens

    def take(self, count: float) -> float:
        """Takes tokens out, whether or not they are there; answers what is left."""
        self._tokens -= count
        return self._tokens


class RateLimit:
    """So many leads and interactions per key and second; 0 is no limit."""

    def __init__(self, rate: float, burst_seconds: float) -> None:
        self._rate = rate
        self._burst = max(1.0, rate * burst_seconds)
        self._buckets: dict[str, Bucket] = {}

    def admit(self, key: ApiKey, now: float) -> dict[str, str]:
        """The headers that tell the caller where it stands. Raises `Rejected` with 429 when nothing is left."""
        if not self._rate:
            return {}
        bucket = self._buckets.get(key.digest)
        if bucket is None:
            bucket = self._buckets[key.digest] = Bucket(self._rate, self._burst, now)
        left = bucket.left(now)
        headers = self._headers(left)
        if left < 1:
            wait = max(1, ceil((1 - left) / self._rate))
            raise Rejected(
                f"This key may send {self._rate:g} leads and interactions a second.",
                status=429,
                code="rate-limited",
                fix=f"Send again in {wait} s, or send fewer.",
                headers={**headers, "Retry-After": str(wait)},
            )
        return headers

    def charge(self, key: ApiKey, count: int) -> dict[str, str]:
        """Takes what was sent from the key's bucket; the headers after it."""
        bucket = self._buckets.get(key.digest)
        if bucket is None:
            return {}
        return self._headers(bucket.take(count))

    def _headers(self, left: float) -> dict[str, str]:
        return {
            "RateLimit-Limit": str(int(self._burst)),
            "RateLimit-Remaining": str(max(0, int(left))),
            "RateLimit-Reset": str(max(0, ceil((self._burst - left) / self._rate))),
        }


class InFlight:
    """Bounds what is worked on at once, by requests and by bytes, so that a slow log costs callers time, not us memory."""

    def __init__(self, max_requests: int, max_bytes: int, instruments: CaptureInstruments) -> None:
        self._max_requests = max_requests
        self._max_bytes = max_bytes
        self._requests = 0
        self._bytes = 0
        self._idle = asyncio.Event()
        self._idle.set()
        instruments.inflight_requests.set_function(lambda: self._requests)
        instruments.inflight_bytes.set_function(lambda: self._bytes)

    def one(self) -> Claim:
        """A place for one request, taken with `with`."""
        return Claim(self)

    def enter(self) -> None:
        """Raises `Retryable` when all places are taken."""
        if self._requests >= self._max_requests:
            raise Retryable("Too many requests are being worked on.", retry_after_seconds=1)
        self._requests += 1
        self._idle.clear()

    def leave(self, held_bytes: int) -> None:
        """Gives a place and its bytes back."""
        self._requests -= 1
        self._bytes -= held_bytes
        if not self._requests:
            self._idle.set()

    def hold(self, count: int) -> None:
        """Raises `Retryable` when so many bytes more are too many."""
        if self._bytes + count > self._max_bytes:
            raise Retryable("Too many bytes are being worked on.", retry_after_seconds=1)
        self._bytes += count

    @asynccontextmanager
    async def drained(self, timeout_seconds: float) -> AsyncIterator[None]:
        """While it lasts, requests come in; at its end those inside get so long to finish."""
        yield
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._idle.wait()
        except TimeoutError:
            pass


class Claim:
    """One request's place and what it holds of the bytes in flight."""

    __slots__ = ("_inflight", "held")

    def __init__(self, inflight: InFlight) -> None:
        self._inflight = inflight
        self.held = 0

    def __enter__(self) -> Claim:
        self._inflight.enter()
        return self

    def __exit__(self, *error: object) -> None:
        self._inflight.leave(self.held)

    def hold(self, count: int) -> None:
        """Raises `Retryable` when so many bytes more are too many."""
        self._inflight.hold(count)
        self.held += count
