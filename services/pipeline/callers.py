"""Who comes with a request, by what they show."""

from __future__ import annotations

from services.pipeline.domain.access import DEPLOYMENT, Caller
from shared.kit.auth import is_same, unauthorized


class Callers:
    """Finds out who a bearer token stands for."""

    def __init__(self, api_token: str) -> None:
        self._api_token = api_token

    async def of(self, given: str) -> Caller:
        """Whose token this is. Raises `Rejected` with 401 for nobody's."""
        if is_same(given, self._api_token):
            return DEPLOYMENT
        raise unauthorized(
            "This needs a token." if not given else "This token is unknown, or was revoked.",
            "Send the header `Authorization: Bearer <token>`.",
        )
