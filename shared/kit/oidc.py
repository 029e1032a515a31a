"""Tokens that an identity provider signed (OpenID Connect): verified with the keys that it publishes.

Keys are fetched from the address that is given, or that the issuer's discovery document names, and held. They are fetched again
when they are older than five minutes, without anybody waiting for it, and when a token names a key that is not among them, at
most every ten seconds, so that made-up names do not become requests to the issuer. While the issuer is away the keys that were
seen last hold for a day.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping
from typing import Any

import httpx
import jwt
import orjson
from prometheus_client import CollectorRegistry, Counter

from shared.kit.auth import unauthorized
from shared.kit.errors import Rejected, Retryable
from shared.kit.logs import log

ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"})
"""What may be allowed: signatures whose key only the issuer has. Never `none`, never a shared secret."""

_KEY_KINDS = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}
"""With what kind of key an algorithm signs, by how its name begins."""

FRESH_SECONDS = 300.0
AGAIN_SECONDS = 10.0
KEPT_SECONDS = 86_400.0
TIMEOUT_SECONDS = 3.0
MAX_BYTES = 512 * 1024
MAX_TOKEN = 16 * 1024

FIX = "Get a new one from the identity provider."

_WORDS: tuple[tuple[type[jwt.InvalidTokenError], str], ...] = (
    (jwt.ExpiredSignatureError, "has expired"),
    (jwt.ImmatureSignatureError, "is not valid yet"),
    (jwt.InvalidAudienceError, "was made for somebody else"),
    (jwt.InvalidIssuerError, "is from another issuer"),
    (jwt.MissingRequiredClaimError, "lacks a claim that every token has"),
    (jwt.InvalidSignatureError, "is not signed by its issuer"),
)


class KeySetInstruments:
    """How the issuer's keys are got."""

    def __init__(self, service: str, registry: CollectorRegistry) -> None:
        self.fetches = Counter(
            f"leadflow_{service}_issuer_keys_fetched_total",
            "How often the identity provider was asked for its keys, by how that ended.",
            ["outcome"],
            registry=registry,
        )
        for outcome in ("fetched", "failed"):
            self.fetches.labels(outcome)


class KeySet:
    """The keys of one issuer, by their ids."""

    def __init__(
        self,
        issuer: str,
        url: str | None,
        instruments: KeySetInstruments,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._issuer = issuer
        self._url = url
        self._instruments = instruments
        self._transport = transport
        self._keys: list[Mapping[str, Any]] = []
        self._fetched_at: float | None = None
        self._tried_at: float | None = None
        self._failed = False
        self._fetching: asyncio.Task[None] | None = None

    async def find(self, key_id: str | None, algorithm: str) -> Mapping[str, Any]:
        """The key that a token says it is signed with. Raises `Rejected` with 401 where there is none, and `Retryable` while that
        cannot be known."""
        if self._age(self._fetched_at) > FRESH_SECONDS:
            self._fetch_soon()
        key = self._known(key_id, algorithm)
        if key is None and self._fetch_soon() is not None:
            await self._fetched()
            key = self._known(key_id, algorithm)
        if key is not None:
            return key
        if self._fetched_at is None or self._failed or self._age(self._fetched_at) > KEPT_SECONDS:
            raise Retryable("The identity provider's keys cannot be had now.", retry_after_seconds=AGAIN_SECONDS)
        raise unauthorized("The token is signed with a key that its issuer does not have.", FIX)

    def _known(self, key_id: str | None, algorithm: str) -> Mapping[str, Any] | None:
        if self._age(self._fetched_at) > KEPT_SECONDS:
            return None
        kind = _KEY_KINDS[algorithm[:2]]
        fitting = [key for key in self._keys if key["kty"] == kind and key.get("alg", algorithm) == algorithm]
        if key_id is None:
            return fitting[0] if len(fitting) == 1 else None
        return next((key for key in fitting if key.get("kid") == key_id), None)

    def _fetch_soon(self) -> asyncio.Task[None] | None:
        """The fetch that is under way, or begins now; None where the last one was a moment ago."""
        if self._fetching is not None and not self._fetching.done():
            return self._fetching
        if self._age(self._tried_at) < AGAIN_SECONDS:
            return None
        self._tried_at = _now()
        self._fetching = asyncio.create_task(self._fetch(), name="issuer-keys")
        return self._fetching

    async def _fetched(self) -> None:
        if self._fetching is not None:
            await asyncio.shield(self._fetching)

    async def _fetch(self) -> None:
        try:
            async with httpx.AsyncClient(
                timeout=TIMEOUT_SECONDS, transport=self._transport, follow_redirects=False, trust_env=False
            ) as client:
                url = self._url or await self._discovered(client)
                keys = (await _json(client, url)).get("keys")
            if not isinstance(keys, list):
                raise ValueError("no keys")
            self._keys = [key for key in keys if isinstance(key, dict) and _signs(key)]
            self._fetched_at = _now()
            self._failed = False
            self._instruments.fetches.labels("fetched").inc()
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            self._failed = True
            self._instruments.fetches.labels("failed").inc()
            log().warning("issuer_keys_not_fetched", error_type=type(error).__name__)

    async def _discovered(self, client: httpx.AsyncClient) -> str:
        document = await _json(client, f"{self._issuer.rstrip('/')}/.well-known/openid-configuration")
        url = document.get("jwks_uri")
        if document.get("issuer") != self._issuer or not isinstance(url, str):
            raise ValueError("the discovery document is of another issuer, or names no keys")
        return url

    @staticmethod
    def _age(at: float | None) -> float:
        return float("inf") if at is None else _now() - at


class Issuer:
    """Verifies what one identity provider signed for us."""

    def __init__(
        self, issuer: str, audiences: Collection[str], algorithms: Collection[str], leeway_seconds: float, keys: KeySet
    ) -> None:
        self._issuer = issuer
        self._audiences = list(audiences)
        self._algorithms = frozenset(algorithms) & ALGORITHMS
        self._leeway = leeway_seconds
        self._keys = keys

    async def claims(self, token: str) -> dict[str, Any]:
        """What a token says, once it is found to be ours, of now and unchanged. Raises `Rejected` with 401, or `Retryable`."""
        if len(token) > MAX_TOKEN:
            raise unauthorized("The token is too long.", FIX)
        try:
            header = jwt.get_unverified_header(token)
            algorithm, key_id = header.get("alg"), header.get("kid")
            if not isinstance(algorithm, str) or algorithm not in self._algorithms:
                raise unauthorized("The token is signed in a way that is not allowed here.", FIX)
            data = await self._keys.find(key_id if isinstance(key_id, str) else None, algorithm)
            claims: dict[str, Any] = jwt.decode(
                token,
                jwt.PyJWK(dict(data), algorithm=algorithm),
                algorithms=[algorithm],
                audience=self._audiences,
                issuer=self._issuer,
                leeway=self._leeway,
                options={"require": ["exp", "iss", "aud"]},
            )
        except jwt.PyJWTError as error:
            raise _refused(error) from None
        return claims


def _now() -> float:
    return time.monotonic()


def _refused(error: jwt.PyJWTError) -> Rejected:
    words = next((said for kind, said in _WORDS if isinstance(error, kind)), "cannot be read")
    return unauthorized(f"The token {words}.", FIX)


def _signs(key: Mapping[str, Any]) -> bool:
    """Whether a key is one that only its owner signs with. A shared secret would be everybody's."""
    return key.get("kty") in ("RSA", "EC", "OKP") and key.get("use", "sig") == "sig"


async def _json(client: httpx.AsyncClient, url: str) -> dict[str, Any]:
    async with client.stream("GET", url, headers={"Accept": "application/json"}) as response:
        response.raise_for_status()
        body = bytearray()
        async for part in response.aiter_bytes():
            body += part
            if len(body) > MAX_BYTES:
                raise ValueError("too much")
    document = orjson.loads(bytes(body))
    if not isinstance(document, dict):
        raise ValueError("not a document")
    return document
