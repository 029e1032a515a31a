"""Who may send, how much, and how much at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from hashlib import sha256
from math import ceil
from random import randint
from typing import Protocol

from services.capture.domain.keys import ApiKey, Scope
from services.capture.domain.text import clean_line
from services.capture.handlers import Caller
from services.capture.instruments import CaptureInstruments
from shared.kit.clock import Clock
from shared.kit.errors import Rejected, Retryable

MAX_SENDER_NAME = 100
BUSY_REQUESTS = 64
"""More requests than this at once are a sign that senders wait."""


class KnownKeys(Protocol):
    """Where keys are found."""

    def find(self, digest: str) -> ApiKey | None:
        """The key with this digest, expired or not."""
        ...

    @property
    def knows_all(self) -> bool:
        """Whether a key that is not found is none."""
        ...


class Keys:
    """The deployment's API keys. Only digests are known here, so nothing in this process can leak a key."""

    def __init__(self, known: KnownKeys, clock: Clock) -> None:
        self._known = known
        self._clock = clock

    def owner(self, headers: Mapping[bytes, bytes]) -> ApiKey:
        """Whose key this is. Raises `Rejected` with 401, or `Retryable` while it cannot be known whether it is one."""
        scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
        given = token.strip() if scheme.lower() == b"bearer" else headers.get(b"x-api-key", b"").strip()
        if not given:
            raise _unauthorized("This needs an API key.")
        # The digest of what was given is looked up, so the time it takes says nothing about any key.
        key = self._known.find(sha256(given).hexdigest())
        if key is None:
            if not self._known.knows_all:
                raise Retryable("Whether this key is valid cannot be looked up now.", retry_after_seconds=2)
            raise _unauthorized("The API key is unknown, or was revoked.")
        if key.expires_at is not None and key.expires_at <= self._clock.now():
            raise _unauthorized(f"The API key {key.prefix} expired at {key.expires_at:%Y-%m-%dT%H:%M:%SZ}.")
        return key

    @classmethod
    def caller(cls, key: ApiKey, headers: Mapping[bytes, bytes]) -> Caller:
        """Who is sending. Raises `Rejected` with 403."""
        cls.allow(key, "write", "to send anything")
        return Caller(cls.sender(key, headers), "backdate" in key.scopes)

    @classmethod
    def sender(cls, key: ApiKey, headers: Mapping[bytes, bytes]) -> str:
        """The key's owner, or the sender it names where it may. Raises `Rejected` with 403."""
        named = headers.get(b"leadflow-sender")
        if named is None:
            return key.sender
        cls.allow(key, "impersonate", "to act for another sender", "Leadflow-Sender")
        return header_text("Leadflow-Sender", named, MAX_SENDER_NAME)

    @staticmethod
    def allow(key: ApiKey, scope: Scope, purpose: str, field: str = "Authorization") -> None:
        """Raises `Rejected` with 403 where a key lacks a scope."""
        if scope not in key.scopes:
            raise Rejected(
                f"This API key lacks the scope {scope}, which it takes {purpose}.",
                status=403,
                code="forbidden",
                field=field,
                fix=f"Use a key with the scope {scope}.",
            )


def _unauthorized(detail: str) -> Rejected:
    return Rejected(
        detail,
        status=401,
        code="unauthorized",
        field="Authorization",
        fix="Send `Authorization: Bearer <key>` or `X-API-Key: <key>` with a key of this deployment.",
        headers={"WWW-Authenticate": 'Bearer realm="leadflow"'},
    )


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
    """So many leads and interactions per key and second; 0 is no limit. A key may have a rate of its own."""

    def __init__(self, rate: float, burst_seconds: float) -> None:
        self._rate = rate
        self._burst_seconds = burst_seconds
        self._buckets: dict[str, Bucket] = {}

    def admit(self, key: ApiKey, now: float) -> dict[str, str]:
        """The headers that tell the caller where it stands. Raises `Rejected` with 429 when nothing is left."""
        rate = self._rate if key.rate_per_second is None else key.rate_per_second
        bucket = self._buckets.get(key.digest)
        if not rate:
            if bucket is not None:
                del self._buckets[key.digest]
            return {}
        if bucket is None or bucket.rate != rate:
            bucket = self._buckets[key.digest] = Bucket(rate, max(1.0, rate * self._burst_seconds), now)
        left = bucket.left(now)
        headers = _limits(bucket, left)
        if left < 1:
            # Never before there is something left, and not all at once.
            shortest = max(1, ceil((1 - left) / rate))
            wait = shortest + randint(0, max(1, shortest // 2))
            raise Rejected(
                f"This key may send {rate:g} leads and interactions a second.",
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
        return _limits(bucket, bucket.take(count))


def _limits(bucket: Bucket, left: float) -> dict[str, str]:
    return {
        "RateLimit-Limit": str(int(bucket.burst)),
        "RateLimit-Remaining": str(max(0, int(left))),
        "RateLimit-Reset": str(max(0, ceil((bucket.burst - left) / bucket.rate))),
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

    @property
    def is_busy(self) -> bool:
        """Whether so much is being worked on that what can wait should."""
        return self._requests > BUSY_REQUESTS or 2 * self._bytes > self._max_bytes

    @contextmanager
    def room(self, count: int) -> Iterator[None]:
        """A place for what no request brings, and for its bytes. Raises `Retryable` as for a request."""
        with self.one() as claim:
            claim.hold(count)
            yield

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
