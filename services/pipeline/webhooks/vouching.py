"""A webhook goes on for as long as somebody vouches for it: whoever made it, or turned it on last."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import UUID

from services.pipeline.domain.access import Units
from services.pipeline.storage import vouching
from shared.kit.background import again_and_again, running
from shared.kit.database import Database, Transaction
from shared.kit.logs import log

LOOK_SECONDS = 5.0


class Vouching:
    """Pauses what nobody vouches for any more, and says so."""

    def __init__(self, database: Database, *, unseen: timedelta) -> None:
        """`unseen` is how long a person of the identity provider need not be seen: when they lose their role there, nobody tells
        us."""
        self._database = database
        self._unseen = unseen

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Looks until the context ends."""
        async with running(
            again_and_again(self.look, LOOK_SECONDS, "webhooks_not_vouched"), "pipeline-webhook-vouching"
        ):
            yield

    async def look(self) -> int:
        """Pauses what goes on without anybody; how many that were."""

        async def work(tx: Transaction) -> dict[UUID, str]:
            return await vouching.pause(tx, await vouching.without(tx, tx.now - self._unseen))

        await self._database.run(vouching.handed_on)
        return _told(await self._database.run(work))


async def note_seen(database: Database, reached: Mapping[str, Units]) -> int:
    """People of the identity provider came with a role to follow these units; how many webhooks they may vouch for no more."""

    async def work(tx: Transaction) -> dict[UUID, str]:
        return await vouching.pause(tx, await vouching.seen(tx, reached))

    return _told(await database.run(work)) if reached else 0


def _told(paused: Mapping[UUID, str]) -> int:
    for endpoint_id, reason in paused.items():
        log().warning("webhook_disabled", endpoint_id=str(endpoint_id), reason=reason)
    return len(paused)
