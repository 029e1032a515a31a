"""Who may call: one bearer token for people and systems that operate a service, and one for what only few may do with
personal data, where the deployment has one."""

from __future__ import annotations

import hmac
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from shared.kit.errors import Rejected

bearer = HTTPBearer(
    auto_error=False, scheme_name="operator", description="The deployment's API token, LEADFLOW_API_TOKEN."
)


Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]
"""Asked for so that the OpenAPI document says what is needed."""


def is_operator(request: Request) -> bool:
    """Whether a request comes with the deployment's token."""
    return is_same(bearer_of(request), request.app.state.api_token)


async def require_token(request: Request, _bearer: Bearer = None) -> None:
    """Refuses a request without the deployment's token."""
    _require(request, request.app.state.api_token, "API token", "LEADFLOW_API_TOKEN")


async def require_privacy_token(request: Request, _bearer: Bearer = None) -> None:
    """Refuses a request without the token for personal data; the API token will do where there is no such token."""
    if token := request.app.state.privacy_token:
        _require(request, token, "privacy token", "LEADFLOW_PRIVACY_TOKEN")
    else:
        await require_token(request)


def bearer_of(request: Request) -> str:
    """The bearer token that a request comes with; empty where there is none."""
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    return given.strip() if scheme.lower() == "bearer" else ""


def is_same(given: str, expected: str) -> bool:
    """Compares in constant time; nothing is the same as no token."""
    return bool(expected) and hmac.compare_digest(given.encode(), expected.encode())


def unauthorized(detail: str, fix: str) -> Rejected:
    """Nobody known came with the request."""
    return Rejected(
        detail, status=401, code="unauthorized", fix=fix, headers={"WWW-Authenticate": 'Bearer realm="leadflow"'}
    )


def _require(request: Request, expected: str, name: str, variable: str) -> None:
    if not is_same(bearer_of(request), expected):
        raise unauthorized(f"This needs the {name}.", f"Send the header `Authorization: Bearer <{variable}>`.")
