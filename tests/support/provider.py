"""An identity provider in a test's hand: it has keys, publishes them, signs tokens, and can be away."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ISSUER = "https://login.example/realm"
AUDIENCE = "leadflow"

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def an_rsa_key() -> rsa.RSAPrivateKey:
    """A key of the kind that signs RS256."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


class Provider:
    """Discovery, keys and tokens. `asked` counts how often its keys were asked for."""

    def __init__(self) -> None:
        self.keys: dict[str, PrivateKey] = {"one": an_rsa_key()}
        self.is_away = False
        self.asked = 0
        self.document: dict[str, Any] = {"issuer": ISSUER, "jwks_uri": f"{ISSUER}/keys"}
        self.transport = httpx.MockTransport(self._answer)

    def token(self, *, kid: str | None = "one", key: Any = None, alg: str = "RS256", **claims: Any) -> str:
        """A token that holds for an hour; a claim that is given as None is left out."""
        now = int(time.time())
        said = {"iss": ISSUER, "aud": AUDIENCE, "sub": "kim", "iat": now, "exp": now + 3600, **claims}
        headers = {} if kid is None else {"kid": kid}
        signing = key if key is not None else self.keys[kid or "one"]
        return jwt.encode({name: one for name, one in said.items() if one is not None}, signing, alg, headers=headers)

    def public_pem(self, kid: str = "one") -> bytes:
        """What anybody can read of a key."""
        return self.keys[kid].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def published(self) -> list[Mapping[str, Any]]:
        """The keys as they are published."""
        found: list[Mapping[str, Any]] = []
        for kid, key in self.keys.items():
            kind = jwt.algorithms.RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else jwt.algorithms.ECAlgorithm
            found.append({**json.loads(kind.to_jwk(key.public_key())), "kid": kid, "use": "sig"})  # type: ignore[arg-type]
        return found

    def _answer(self, request: httpx.Request) -> httpx.Response:
        if self.is_away:
            raise httpx.ConnectError("away", request=request)
        if request.url.path.endswith("/.well-known/openid-configuration"):
            return httpx.Response(200, json=self.document)
        self.asked += 1
        return httpx.Response(200, json={"keys": self.published()})
