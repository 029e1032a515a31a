"""Contacts that are added and removed while somebody is captured with their address. On real PostgreSQL."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import httpx
import pytest

from services.pipeline.storage import loading
from shared.kit.database import Transaction
from tests.integration.pipeline.conftest import Pipeline
from tests.integration.pipeline.test_commands import do
from tests.integration.pipeline.test_contacts import BOB, an_organisation
from tests.support.patience import eventually
from tests.unit.pipeline.builders import a_lead, a_score, at


class Between:
    """Holds a batch between the identities it took and the leads it takes next, until somebody waits for it."""

    def __init__(self, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reached, self.go_on = asyncio.Event(), asyncio.Event()
        self.tries = 0
        self._pipeline = pipeline
        self._claim = loading.claim_identities
        monkeypatch.setattr(loading, "claim_identities", self._claiming)

    async def _claiming(self, transaction: Transaction, *said: Any) -> Any:
        self.tries += 1
        claimed = await self._claim(transaction, *said)
        self.reached.set()
        await self.go_on.wait()
        return claimed

    async def meet(self, batch: list[Any], command: Any) -> Any:
        """A command that begins there, and waits for the batch without being waited for."""

        async def waits() -> bool:
            return bool((await self._pipeline.one("SELECT count(*) AS n FROM pg_locks WHERE NOT granted")).n)

        taking = asyncio.create_task(self._pipeline.take(*batch))
        await self.reached.wait()
        commanding = asyncio.ensure_future(command)
        await eventually(waits)
        self.go_on.set()
        await taking
        return await commanding


async def locked_out(pipeline: Pipeline) -> int:
    return int((await pipeline.one("SELECT deadlocks AS n FROM pg_stat_database WHERE datname = current_database()")).n)


@pytest.fixture
def between(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> Between:
    return Between(pipeline, monkeypatch)


async def test_a_contact_who_is_added_beside_a_batch_that_claims_the_address_and_touches_the_lead_waits_and_locks_nobody_out(
    pipeline: Pipeline, http: httpx.AsyncClient, between: Between
) -> None:
    between.go_on.set()
    path = await an_organisation(pipeline)
    before = await locked_out(pipeline)
    between.go_on.clear()
    between.reached.clear()
    came = a_lead("bob@acme.example", occurred_at=at(5))
    again = a_score(UUID(path.rpartition("/")[2]), 40)
    between.tries = 0
    added = await between.meet([came, again], do(http, f"{path}/contacts", BOB, status=201))
    assert [one["email"] for one in added["contacts"]] == ["bob@acme.example"]
    assert (between.tries, await locked_out(pipeline) - before) == (1, 0)
    assert (await pipeline.lead(came.lead_id)).root_id == came.lead_id


async def test_a_contact_who_is_removed_while_somebody_is_captured_with_the_address_leaves_it_to_them(
    pipeline: Pipeline, http: httpx.AsyncClient, between: Between
) -> None:
    between.go_on.set()
    path = await an_organisation(pipeline)
    (bob,) = (await do(http, f"{path}/contacts", BOB, status=201))["contacts"]
    before = await locked_out(pipeline)
    between.go_on.clear()
    between.reached.clear()
    between.tries = 0
    came = a_lead("bob@acme.example", occurred_at=at(5))
    await between.meet([came], do(http, f"{path}/contacts/{bob['contact_id']}:remove"))
    assert (between.tries, await locked_out(pipeline) - before) == (1, 0)
    assert str((await pipeline.lead(came.lead_id)).root_id) in path
    (token,) = (one.token for one in came.identities)
    owner = await pipeline.one("SELECT lead_id FROM pipeline.identities WHERE token = :token", token=token)
    assert owner.lead_id == came.lead_id
