"""Looks for leads by whatever somebody types, and gives words to leads that were there before there was a search."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from services.pipeline.domain import searching as rules
from services.pipeline.storage import queries, search
from shared.contracts.identity import Tokens
from shared.contracts.policy import Policy
from shared.kit.background import again_and_again, running
from shared.kit.database import Database, Transaction

AT_ONCE = 500
EVERY_SECONDS = 60.0


class Searching:
    """Looks, and one task beside the consumer."""

    def __init__(self, database: Database, policy: Policy, secret: bytes) -> None:
        self._database = database
        self._policy = policy
        self._tokens = Tokens(secret)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Gives words to leads without any, as a version that knew none wrote them, until the context ends."""
        async with running(again_and_again(self.word, EVERY_SECONDS, "leads_not_worded"), "pipeline-words"):
            yield

    async def word(self) -> None:
        """Everybody who has no words."""
        while await self._database.run(self._some, deadline_seconds=30) == AT_ONCE:
            pass

    async def look(
        self, text: str, units: Collection[str] | None, *, sender: str, limit: int
    ) -> tuple[list[dict[str, Any]], bool]:
        """Who may be meant, surest first, each with by what it was found, and whether others may be found by more words; in
        all units where none are named. Who is recognised by an identity or an id is meant, and nobody who has such words. Raises `Refused` where nothing is asked for."""
        plain = rules.sought(text, country=None, sender=sender)
        if units is None:
            units = await queries.units_with_leads(self._database)
        matched: dict[UUID, list[str]] = {}
        for kind, root_id in await search.by_identity(self._database, self._named(text, units, sender)):
            matched.setdefault(root_id, []).append(kind)
        if plain.low is not None and plain.high is not None:
            for root_id in await search.by_id(self._database, plain.low, plain.high, units, limit):
                matched.setdefault(root_id, []).append("lead_id")
        more = False
        for reading in rules.READINGS if not matched else ():
            found, more = await search.by_words(self._database, units, rules.query(units, plain.terms, reading))
            for root_id in found:
                matched.setdefault(root_id, ["words"])
            if len(matched) >= (limit if reading == "whole" else 1):
                break
        chosen = list(matched)[:limit]
        leads = await search.documents(self._database, chosen)
        items = [{**leads[one], "matched": sorted(set(matched[one]))} for one in chosen if one in leads]
        return items, more or len(matched) > len(chosen) or len(chosen) == limit

    def _named(self, text: str, units: Collection[str], sender: str) -> list[dict[str, str]]:
        return [
            {"business_unit": unit, "kind": kind, "token": self._tokens.token(unit, kind, value)}
            for unit in sorted(units)
            for kind, value in rules.sought(text, country=self._policy.unit(unit).country, sender=sender).identities
        ]

    async def _some(self, transaction: Transaction) -> int:
        rows = await search.unworded(transaction, AT_ONCE)
        await search.word(transaction, {row.lead_id: rules.vector(row.business_unit, row.personal) for row in rows})
        return len(rows)
