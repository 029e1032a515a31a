"""Who may call: one bearer token for people and systems that operate a service."""

from __future__ import annotations

import hmac

from fastapi import Request
from fastapi.security import HTTPBearer

from shared.kit.errors import Rejected

bearer = HTTPBearer(auto_error=False, description="The deployment's API token, LEADFLOW_API_TOKEN.")


async def require_token(request: Request) -> None:
    """Refuses a request without the deployment's token. Compares in constant time."""
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    expected: str = request.app.state.api_token
    if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), expected.encode()):
        raise Rejected(
            "This needs the API token.",
            status=401,
            code="unauthorized",
            fix="Send the header `Authorization: Bearer <LEADFLOW_API_TOKEN>`.",
            headers={"WWW-Authenticate": "Bearer"},
        )
