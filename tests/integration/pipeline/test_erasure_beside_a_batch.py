"""Somebody is erased while a batch makes them known. On real PostgreSQL."""

from __future__ import annotations

import httpx
import pytest

from services.pipeline.erasing import take_order
from shared.contracts.erasure_events import ErasureOrdered
from shared.contracts.identity import derived_event_id
from shared.kit.ids import new_id
from tests.integration.pipeline.conftest import Pipeline
from tests.integration.pipeline.erasing import ANN, erase, just_now, person, says_nothing
from tests.integration.pipeline.test_contacts_beside_a_batch import Between
from tests.unit.pipeline.builders import a_lead


@pytest.fixture
def between(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> Between:
    return Between(pipeline, monkeypatch)


async def test_who_is_captured_while_they_are_erased_is_forgotten_too(
    pipeline: Pipeline, http: httpx.AsyncClient, between: Between
) -> None:
    came = a_lead("ann@x.example", **ANN, **just_now())
    done = await between.meet([came], erase(http, email="ann@x.example"))
    assert await person(pipeline, came) == {}
    assert (done["lead_ids"], done["erased"]["leads"]) == ([str(came.lead_id)], 1)
    await says_nothing(pipeline)


async def test_who_is_captured_while_an_order_of_the_log_is_taken_is_forgotten_too(
    pipeline: Pipeline, between: Between
) -> None:
    came = a_lead("ann@x.example", **ANN, **just_now())
    (token,) = (one.token for one in came.identities)
    order_id, now = new_id(), just_now()["recorded_at"]
    order = ErasureOrdered(
        event_id=derived_event_id(order_id, "ordered"),
        lead_id=order_id,
        business_unit="all",
        occurred_at=now,
        recorded_at=now,
        correlation_id=order_id,
        erasure_id=order_id,
        until=now,
        lead_ids=(),
        tokens=(token,),
        actor="kim",
        reason="request 17",
    )
    taking = pipeline.database.run(lambda tx: take_order(tx, order, pipeline.handlers.fingerprint))
    assert await between.meet([came], taking)
    assert await person(pipeline, came) == {}
    await says_nothing(pipeline)
