"""An id of another system is one id, with marks that nobody sees and without, wherever it is sent to."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from shared.contracts.capture_events import LeadCaptured
from shared.contracts.identity import external_identity, identity
from tests.integration.pipeline.conftest import Pipeline
from tests.integration.pipeline.erasing import erase, just_now
from tests.integration.pipeline.test_history import row, send
from tests.unit.pipeline.builders import SECRET, a_lead

MARKED = "\u200fA-17"
"""As exports from right to left have it."""


def known_as(external_id: str) -> LeadCaptured:
    """Somebody whom a CRM knows by an id, as capture made an identity of it."""
    who = identity(SECRET, "default", "external", external_identity("crm", external_id))
    return a_lead("ann@x.example", identities=(who,), **just_now())


async def test_history_with_a_mark_is_of_the_lead_that_was_captured_without(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    lead = known_as("A-17")
    await pipeline.take(lead)
    won = row("won", "2026-01-02", MARKED, amount=5)
    assert (await send(http, won, sender="crm"))["accepted"] == 1
    (listed,) = (await http.get("/v1/leads", params={"external_id": MARKED, "sender": "crm"})).json()["items"]
    assert (listed["lead_id"], listed["status"]) == (str(lead.lead_id), "customer")
    (found,) = (await http.get("/v1/search", params={"q": MARKED, "sender": "crm"})).json()["items"]
    assert (found["lead_id"], found["matched"]) == (str(lead.lead_id), ["external"])
    job = {"doing": "assign", "said": {"owner": "kim"}, "external_ids": [MARKED], "sender": "crm"}
    begun = await http.post("/v1/bulk", json=job)
    (item,) = (await http.get(f"/v1/bulk/{begun.json()['job_id']}/items")).json()["items"]
    assert item["lead_id"] == str(lead.lead_id)
    assert (await pipeline.one("SELECT count(*) AS n FROM pipeline.leads")).n == 1


@pytest.mark.parametrize("written", [MARKED, "A\u0301-17"], ids=["marked", "in parts"])
async def test_whom_history_knew_by_the_id_as_it_was_written_is_found_by_it_everywhere(
    pipeline: Pipeline, http: httpx.AsyncClient, written: str
) -> None:
    lead = str((before := known_as(written)).lead_id)
    await pipeline.take(before)
    (listed,) = (await http.get("/v1/leads", params={"external_id": written, "sender": "crm"})).json()["items"]
    (found,) = (await http.get("/v1/search", params={"q": written, "sender": "crm"})).json()["items"]
    job = {"doing": "assign", "said": {"owner": "kim"}, "external_ids": [written], "sender": "crm"}
    begun = await http.post("/v1/bulk", json=job)
    (item,) = (await http.get(f"/v1/bulk/{begun.json()['job_id']}/items")).json()["items"]
    erased = await erase(http, external_id=written, sender="crm")
    assert [listed["lead_id"], found["lead_id"], item["lead_id"], *erased["lead_ids"]] == [lead] * 4


@pytest.mark.parametrize("written", ["A-17", MARKED])
async def test_an_erasure_reaches_history_however_the_id_is_written(
    pipeline: Pipeline, http: httpx.AsyncClient, written: str
) -> None:
    told: dict[str, Any] = row("interaction", "2026-01-02", MARKED, value="likes tea")
    await send(http, told, sender="crm")
    done = await erase(http, external_id=written, sender="crm")
    assert done["erased"]["notes_and_proofs"] == 1


async def test_whom_history_knew_with_the_mark_is_that_lead_when_the_file_is_sent_again(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    before = known_as(MARKED)
    await pipeline.take(before)
    told = [
        row("won", "2026-01-02", MARKED, amount=5),
        row("order_placed", "2026-01-03", MARKED, amount=5, order_id="o"),
    ]
    assert (await send(http, *told, sender="crm"))["accepted"] == 2
    assert (await pipeline.lead(before.lead_id)).status == "customer"
    assert (await send(http, *told, sender="crm"))["duplicates"] == 2
    done = await erase(http, external_id=MARKED, sender="crm")
    assert done["lead_ids"] == [str(before.lead_id)]
