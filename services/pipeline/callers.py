"""Who comes with a request, by what they show: the deployment's token, an API token, or a token of the identity provider."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import blake2b

from prometheus_client import CollectorRegistry

from services.pipeline.domain.access import DEPLOYMENT, FOLLOWERS, NOTHING, ApiToken, Caller, Units, together
from services.pipeline.domain.claims import ClaimRules, read_meanings
from services.pipeline.settings import PipelineSettings
from services.pipeline.storage.access_tables import TOKENS
from services.pipeline.webhooks.vouching import note_seen
from shared.kit.auth import is_same, unauthorized
from shared.kit.background import again_and_again, running
from shared.kit.database import Database
from shared.kit.errors import Retryable
from shared.kit.keys.minting import BEGINS_WITH, digest_of
from shared.kit.keys.ring import READ_ANYWAY_SECONDS, KeyInstruments, KeyRing
from shared.kit.oidc import Issuer, KeySet, KeySetInstruments

FIX = "Send the header `Authorization: Bearer <token>`; docs/access.md says which there are."


@dataclass(frozen=True, slots=True)
class Provider:
    """Whoever vouches for people by signed tokens."""

    issuer: Issuer
    rules: ClaimRules
    secret: bytes

    async def of(self, given: str) -> Caller:
        """Whose token this is. Raises `Rejected` with 401 for none of theirs, or for one that names nobody."""
        caller = self.rules.caller(await self.issuer.claims(given))
        if caller is None:
            raise unauthorized(f"The token names nobody in {self.rules.subject}.", FIX)
        # The log says that it was the same person, and not who.
        subject = (caller.subject or "").encode()
        return replace(caller, name=f"oidc:{blake2b(subject, key=self.secret[:64], digest_size=8).hexdigest()}")


class Callers:
    """Finds out who a bearer token stands for."""

    def __init__(
        self,
        database: Database,
        registry: CollectorRegistry,
        *,
        api_token: str,
        refresh_seconds: float,
        provider: Provider | None = None,
    ) -> None:
        self._database = database
        self._api_token = api_token
        self._provider = provider
        self._used: list[tuple[str, datetime]] = []
        self._seen: dict[str, Units] = {}
        self.ring: KeyRing[ApiToken] = KeyRing(
            {},
            TOKENS,
            database,
            database.clock,
            KeyInstruments("pipeline", registry),
            noted=self._used.append,
            refresh_seconds=refresh_seconds,
        )

    async def of(self, given: str) -> Caller:
        """Whose token this is. Raises `Rejected` with 401 for nobody's, and `Retryable` while that cannot be known."""
        if is_same(given, self._api_token):
            return DEPLOYMENT
        if given.startswith(BEGINS_WITH):
            return self._by_token(given)
        if self._provider is not None and given.count(".") == 2:
            caller = await self._provider.of(given)
            reach = caller.reach(FOLLOWERS)
            self._see(caller.name, reach.all if reach is not None else NOTHING)
            return caller
        raise unauthorized("This token is nobody's." if given else "This needs a token.", FIX)

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Knows tokens, and notes which are used, while the block runs."""
        async with self.ring.kept():
            noting = again_and_again(self.note, READ_ANYWAY_SECONDS, "token_uses_not_noted")
            async with running(noting, "pipeline-token-uses"):
                yield

    def _by_token(self, given: str) -> Caller:
        # The digest of what was given is looked up, so the time it takes says nothing about any token.
        token = self.ring.find(digest_of(given))
        if token is None:
            if not self.ring.knows_all:
                raise Retryable("Whether this token is valid cannot be looked up now.", retry_after_seconds=2)
            raise unauthorized("This token is unknown, or was revoked.", FIX)
        if token.expires_at is not None and token.expires_at <= self._database.clock.now():
            raise unauthorized(f"The token {token.prefix} expired at {token.expires_at:%Y-%m-%dT%H:%M:%SZ}.", FIX)
        return token.caller

    def _see(self, name: str, units: Units) -> None:
        """Somebody came with a role to follow these units. One token of theirs may say less than another: it takes nothing of what
        that one said meanwhile."""
        self._seen[name] = together((self._seen.get(name, NOTHING), units))

    async def note(self) -> None:
        """Tells the database who came since it was told last; what cannot be told now is told the next time."""
        uses, self._used[:] = list(self._used), []
        seen, self._seen = self._seen, {}
        try:
            if uses:
                await self._database.run(lambda tx: TOKENS.note_used(tx, uses))
            uses = []
            await note_seen(self._database, seen)
        except Exception:
            self._used[:0] = dict(uses).items()
            for name, units in seen.items():
                self._see(name, units)
            raise


def provider_of(settings: PipelineSettings, registry: CollectorRegistry) -> Provider | None:
    """The identity provider, where there is one."""
    if not settings.oidc_issuer:
        return None
    keys = KeySet(settings.oidc_issuer, settings.oidc_jwks_url or None, KeySetInstruments("pipeline", registry))
    issuer = Issuer(
        settings.oidc_issuer,
        settings.oidc_audience.split(),
        settings.oidc_algorithms.split(),
        settings.oidc_leeway_seconds,
        keys,
    )
    rules = ClaimRules(
        settings.oidc_subject_claim,
        settings.oidc_roles_claim,
        settings.oidc_units_claim,
        read_meanings(settings.oidc_roles),
    )
    return Provider(issuer, rules, settings.identity_secret.get_secret_value().encode())
