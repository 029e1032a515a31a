"""The policy over HTTP: read, judged line by line, tried out on the leads that there are. On real PostgreSQL."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI

from services.pipeline.dry_running import AT_ONCE, DryRuns
from tests.integration.pipeline.conftest import Pipeline
from tests.integration.pipeline.test_commands import do
from tests.unit.pipeline.builders import POLICY, a_lead, a_score, an_interaction, at

NEW = """version: "next"
defaults:
  qualification:
    rules:
      - {rule: asked, when: activity.quote_request >= 1}
      - {rule: high, when: score >= 80, confirm: true}
"""


@pytest.fixture
def trying(app: FastAPI) -> DryRuns:
    return DryRuns(app.state.pipeline.database, POLICY)


async def test_what_holds_for_a_unit_is_shown_whole(http: httpx.AsyncClient) -> None:
    whole = (await http.get("/v1/policy")).json()
    assert (whole["version"], whole["business_units"]) == ("test-1", {})
    one = (await http.get("/v1/policy", params={"business_unit": "north"})).json()
    assert (one["listed"], one["policy"]) == (False, whole["defaults"])
    assert one["policy"]["qualification"]["min_score"] == 40


@pytest.mark.parametrize(
    ("document", "faults"),
    [
        (NEW, []),
        ("version: '1'\ndefaults:\n  horizon_days: 0\n  time_zone: Moon\n", [(3, "horizon_days"), (4, "time_zone")]),
        ("version: '1'\ndefaults:\n  qualification:\n    when: 'score > '\n", [(4, "qualification.when")]),
        ("version: [\n", [(2, "the document")]),
        ("a: &a [x]\nb: [" + "*a, " * 200 + "]", [(2, "the document")]),
        ("[]", [(1, "the document")]),
    ],
)
async def test_every_fault_is_told_with_its_line(
    http: httpx.AsyncClient, document: str, faults: list[tuple[int, str]]
) -> None:
    answer = (await http.post("/v1/policy:validate", json={"document": document})).json()
    assert answer["valid"] == (not faults)
    assert [(one["line"], one["place"].removeprefix("defaults.")) for one in answer["faults"]] == faults
    if faults:
        refused = await do(http, "/v1/policy:dry-run", {"document": document}, status=422)
        assert refused["faults"] == answer["faults"]


async def test_a_dry_run_counts_who_would_qualify_and_what_became_of_them(
    pipeline: Pipeline, http: httpx.AsyncClient, trying: DryRuns
) -> None:
    asked = a_lead("asked@x.example", product="roof")
    high = a_lead("high@x.example", product="wall")
    low = a_lead("low@x.example", product="wall")
    await pipeline.take(
        asked,
        an_interaction("asked@x.example", kind="quote_request", occurred_at=at(1)),
        a_score(asked.lead_id, 10, "D", occurred_at=at(2)),
        high,
        a_score(high.lead_id, 90, "A"),
        low,
        a_score(low.lead_id, 50, "B"),
    )
    await do(http, f"/v1/leads/{high.lead_id}/opportunities", {"opportunity_id": "d"}, status=201)
    before = len(await pipeline.published())
    job = await do(http, "/v1/policy:dry-run", {"document": NEW}, status=202, Idempotency_Key="k")
    assert (job["status"], job["leads"], job["version"]) == ("waiting", 3, "next")
    assert (await do(http, "/v1/policy:dry-run", {"document": NEW}, status=202, Idempotency_Key="k"))["job_id"] == job[
        "job_id"
    ]
    await do(http, "/v1/policy:dry-run", {"document": NEW + "\n"}, status=409, Idempotency_Key="k")
    await trying.all()
    done = (await http.get(f"/v1/policy/dry-runs/{job['job_id']}")).json()
    assert (done["status"], done["leads_done"]) == ("done", 3)
    result = done["result"]

    def told(cell: dict[str, int]) -> Any:
        return tuple(
            cell[name]
            for name in ("leads", "before", "after", "newly", "no_longer", "confirm_after", "converted_after")
        )

    assert told(result["total"]) == (3, 2, 2, 1, 1, 1, 1)
    assert told(result["by_product"]["roof"]) == (1, 0, 1, 1, 0, 0, 0)
    assert told(result["by_grade"]["B"]) == (1, 1, 0, 0, 1, 0, 0)
    changed = {one["lead_id"]: (one["before"] is not None, one["after"] is not None) for one in result["changes"]}
    assert changed == {
        str(asked.lead_id): (False, True),
        str(high.lead_id): (True, True),
        str(low.lead_id): (True, False),
    }
    assert len(await pipeline.published()) == before
    assert [one["job_id"] for one in (await http.get("/v1/policy/dry-runs")).json()["items"]] == [job["job_id"]]
    assert (await http.get(f"/v1/policy/dry-runs/{uuid4()}")).status_code == 404


async def test_a_dry_run_goes_on_where_another_process_left_it(
    pipeline: Pipeline, http: httpx.AsyncClient, app: FastAPI
) -> None:
    leads = [a_lead(f"{place}@x.example") for place in range(AT_ONCE + 5)]
    await pipeline.take(*leads, *(a_score(one.lead_id, 85) for one in leads))
    job = await do(http, "/v1/policy:dry-run", {"document": NEW}, status=202)
    assert await DryRuns(app.state.pipeline.database, POLICY).once()
    middle = (await http.get(f"/v1/policy/dry-runs/{job['job_id']}")).json()
    assert (middle["status"], middle["leads_done"]) == ("running", AT_ONCE)
    await DryRuns(app.state.pipeline.database, POLICY).all()
    done = (await http.get(f"/v1/policy/dry-runs/{job['job_id']}")).json()
    assert (done["status"], done["result"]["total"]["leads"], done["result"]["total"]["confirm_after"]) == (
        "done", AT_ONCE + 5, AT_ONCE + 5,
    )  # fmt: skip
