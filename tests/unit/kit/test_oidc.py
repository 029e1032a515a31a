"""A token counts when its issuer signed it, for us, for now; whatever else is tried does not."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from prometheus_client import CollectorRegistry

from shared.kit import oidc
from shared.kit.errors import Rejected, Retryable
from shared.kit.oidc import Issuer, KeySet, KeySetInstruments
from tests.support.provider import AUDIENCE, ISSUER, Provider, an_rsa_key


@pytest.fixture(scope="module")
def made() -> Provider:
    """Keys take time to make."""
    return Provider()


@pytest.fixture
def provider(made: Provider) -> Provider:
    fresh = Provider.__new__(Provider)
    Provider.__init__(fresh)
    fresh.keys = dict(made.keys)
    return fresh


def the_issuer(
    provider: Provider, *, url: str | None = None, algorithms: tuple[str, ...] = ("RS256", "ES256")
) -> Issuer:
    keys = KeySet(ISSUER, url, KeySetInstruments("tests", CollectorRegistry()), provider.transport)
    return Issuer(ISSUER, [AUDIENCE], algorithms, 30.0, keys)


@pytest.fixture
def issuer(provider: Provider) -> Issuer:
    return the_issuer(provider)


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Moves the time by which keys grow old."""
    passed = [0.0]
    monkeypatch.setattr(oidc, "_now", lambda: time.monotonic() + passed[0])

    def move(seconds: float) -> None:
        passed[0] += seconds

    return move


async def refused(issuer: Issuer, token: str) -> str:
    with pytest.raises(Rejected) as error:
        await issuer.claims(token)
    assert error.value.status == 401
    assert token not in error.value.detail
    return error.value.detail


async def test_a_token_that_the_issuer_signed_for_us_counts(provider: Provider, issuer: Issuer) -> None:
    assert (await issuer.claims(provider.token(sub="lee")))["sub"] == "lee"
    assert (await issuer.claims(provider.token(aud=["other", AUDIENCE])))["sub"] == "kim"
    assert (await the_issuer(provider, url=f"{ISSUER}/elsewhere").claims(provider.token()))["sub"] == "kim"


async def test_a_token_of_an_elliptic_key_counts(provider: Provider, issuer: Issuer) -> None:
    provider.keys["curve"] = ec.generate_private_key(ec.SECP256R1())
    assert (await issuer.claims(provider.token(kid="curve", alg="ES256")))["sub"] == "kim"


async def test_a_token_that_names_no_key_counts_where_there_is_but_one(provider: Provider, issuer: Issuer) -> None:
    assert (await issuer.claims(provider.token(kid=None)))["sub"] == "kim"
    provider.keys["two"] = an_rsa_key()
    assert "key" in await refused(the_issuer(provider), provider.token(kid=None))


async def test_a_token_that_names_no_key_counts_where_one_alone_signs_as_it_is_signed(provider: Provider) -> None:
    provider.keys["curve"] = ec.generate_private_key(ec.SECP256R1())
    issuer = the_issuer(provider)
    assert (await issuer.claims(provider.token(kid=None)))["sub"] == "kim"
    assert (await issuer.claims(provider.token(kid=None, key=provider.keys["curve"], alg="ES256")))["sub"] == "kim"
    assert "does not have" in await refused(issuer, provider.token(kid="curve", key=provider.keys["one"]))


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"exp": int(time.time()) - 3600}, "has expired"),
        ({"nbf": int(time.time()) + 3600}, "not valid yet"),
        ({"iat": int(time.time()) + 3600}, "not valid yet"),
        ({"aud": "somebody else"}, "for somebody else"),
        ({"aud": None}, "lacks a claim"),
        ({"exp": None}, "lacks a claim"),
        ({"iss": None}, "lacks a claim"),
        ({"iss": "https://login.example/other"}, "another issuer"),
    ],
)
async def test_a_token_of_another_time_place_or_maker_does_not(
    provider: Provider, issuer: Issuer, claims: dict[str, Any], words: str
) -> None:
    assert words in await refused(issuer, provider.token(**claims))


async def test_clocks_may_differ_a_little(provider: Provider, issuer: Issuer) -> None:
    now = int(time.time())
    await issuer.claims(provider.token(exp=now - 5, nbf=now + 5))


def part(value: Any) -> str:
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


async def test_a_forged_token_does_not_count(provider: Provider, issuer: Issuer) -> None:
    good = provider.token()
    header, body, signature = good.split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    changed = part({**claims, "sub": "boss"})
    secret = f"{part({'alg': 'HS256', 'kid': 'one'})}.{changed}"
    by_public_key = part(hmac.new(provider.public_pem(), secret.encode(), hashlib.sha256).digest())
    for token, words in (
        (f"{header}.{changed}.{signature}", "not signed by its issuer"),
        (f"{part({'alg': 'none'})}.{changed}.", "not allowed"),
        (f"{part({'alg': 'NONE', 'kid': 'one'})}.{changed}.", "not allowed"),
        (f"{part({'alg': []})}.{changed}.", "not allowed"),
        (f"{part({'alg': {}, 'kid': 'one'})}.{changed}.", "not allowed"),
        (f"{part({'kid': 'one'})}.{changed}.", "not allowed"),
        (f"{secret}.{by_public_key}", "not allowed"),
        (provider.token(key=an_rsa_key()), "not signed by its issuer"),
        (provider.token(alg="RS512"), "not allowed"),
        (f"{header}.{body}.", "not signed by its issuer"),
        ("a.b.c", "cannot be read"),
        ("..", "cannot be read"),
        ("x" * 20_000, "too long"),
    ):
        assert words in await refused(issuer, token)
    assert (await issuer.claims(good))["sub"] == "kim"


async def test_a_secret_among_the_published_keys_signs_nothing(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = {"kty": "oct", "kid": "shared", "k": part(b"x" * 32), "alg": "HS256"}
    monkeypatch.setattr(provider, "published", lambda: [secret])
    _, body, _ = provider.token().split(".")
    said = f"{part({'alg': 'HS256', 'kid': 'shared'})}.{body}"
    signed = part(hmac.new(b"x" * 32, said.encode(), hashlib.sha256).digest())
    assert "not allowed" in await refused(the_issuer(provider), f"{said}.{signed}")


async def test_a_key_that_was_added_is_found_and_one_that_was_taken_away_is_not(
    provider: Provider, issuer: Issuer, later: Any
) -> None:
    await issuer.claims(provider.token())
    provider.keys = {"two": an_rsa_key()}
    later(11)
    assert (await issuer.claims(provider.token(kid="two")))["sub"] == "kim"


async def test_unknown_keys_are_asked_for_at_most_every_ten_seconds(
    provider: Provider, issuer: Issuer, later: Any
) -> None:
    stranger = an_rsa_key()
    for _ in range(20):
        assert "does not have" in await refused(issuer, provider.token(kid="made up", key=stranger))
    assert provider.asked == 1
    later(11)
    for _ in range(20):
        await refused(issuer, provider.token(kid="made up", key=stranger))
    assert provider.asked == 2


async def test_many_who_come_at_once_ask_once(provider: Provider, issuer: Issuer) -> None:
    tokens = [provider.token(sub=str(place)) for place in range(20)]
    found = await asyncio.gather(*map(issuer.claims, tokens))
    assert [one["sub"] for one in found] == [str(place) for place in range(20)]
    assert provider.asked == 1


async def test_keys_hold_for_a_day_while_the_issuer_is_away(provider: Provider, issuer: Issuer, later: Any) -> None:
    await issuer.claims(provider.token())
    provider.is_away = True
    later(3600)
    assert (await issuer.claims(provider.token()))["sub"] == "kim"
    with pytest.raises(Retryable):
        await issuer.claims(provider.token(kid="new", key=an_rsa_key()))
    later(24 * 3600)
    with pytest.raises(Retryable):
        await issuer.claims(provider.token())
    provider.is_away = False
    later(11)
    assert (await issuer.claims(provider.token()))["sub"] == "kim"


async def test_who_cannot_be_verified_yet_is_not_called_wrong(provider: Provider, issuer: Issuer, later: Any) -> None:
    provider.is_away = True
    with pytest.raises(Retryable):
        await issuer.claims(provider.token())
    provider.is_away = False
    later(11)
    await issuer.claims(provider.token())


@pytest.mark.parametrize("document", [{"issuer": "https://evil.example", "jwks_uri": "x"}, {"issuer": ISSUER}])
async def test_a_discovery_document_of_another_issuer_is_not_believed(
    provider: Provider, issuer: Issuer, document: dict[str, Any]
) -> None:
    provider.document = document
    with pytest.raises(Retryable):
        await issuer.claims(provider.token())
    assert provider.asked == 0
