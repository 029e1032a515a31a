"""An answer of the KPI API is the same in JSON, CSV, Arrow and Parquet, and runs nothing in a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from pyarrow import BufferReader, ipc, parquet

from services.metrics.domain.definitions import DEFINITIONS
from tests.integration.metrics.harness import Metrics
from tests.unit.metrics.stories import Told

EVIL = '=HYPERLINK("http://evil.example")'
JANUARY = {"from": "2026-01-01", "to": "2026-02-01"}


async def told(metrics: Metrics) -> None:
    story = Told()
    for number in range(7):
        source = EVIL if number < 3 else "spring"
        story.tell(f"l{number}", "LeadCreated", 2 + number, channel="web_form", source=source)
        story.tell(f"l{number}", "OpportunityOpened", 5 + number, opportunity_id="o", amount="10", currency="EUR")
    for number, currency in enumerate(("EUR", "EUR", "USD")):
        story.tell(f"l{number}", "OpportunityWon", 12, opportunity_id="o", amount="100", currency=currency)
    story.tell("l5", "OpportunityLost", 13, opportunity_id="o", reason="price")
    await metrics.fold_all(story.facts)


async def as_rows(metrics: Metrics, kpi: str, media_type: str, **parameters: Any) -> list[dict[str, Any]]:
    answer = await metrics.client.get(f"/v1/kpis/{kpi}", params=parameters, headers={"Accept": media_type})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].partition(";")[0] == media_type
    assert answer.headers["vary"] == "Accept"
    if media_type == "text/csv":
        return list(csv.DictReader(io.StringIO(answer.text)))
    if media_type.endswith("parquet"):
        return list(parquet.read_table(BufferReader(answer.content)).to_pylist())
    return list(ipc.open_stream(answer.content).read_all().to_pylist())


@pytest.mark.parametrize(
    "media_type", ["application/vnd.apache.arrow.stream", "application/vnd.apache.parquet", "text/csv"]
)
async def test_every_kpi_says_the_same_in_every_form(metrics: Metrics, media_type: str) -> None:
    await told(metrics)
    names: set[tuple[str, ...]] = set()
    for definition in DEFINITIONS:
        cut = "owner" if definition.id == "forecast_accuracy" else "source"
        parameters = {**JANUARY, "group_by": cut}
        said = await metrics.ask(definition.id, **parameters)
        rows = await as_rows(metrics, definition.id, media_type, **parameters)
        names.add(tuple(name for name in rows[0] if name != cut))
        total = said["total"]
        expected = total.get("by_currency") or {total.get("currency"): total}
        for currency, values in expected.items():
            (row,) = [
                one for one in rows if str(one["is_total"]).lower() == "true" and (one["currency"] or None) == currency
            ]
            found = None if row["value"] in ("", None) else float(row["value"])
            assert found == pytest.approx(values["value"]), definition.id
            assert int(row["n"]) == values["n"], definition.id
        assert {one[cut] or None for one in rows} - {None} <= {EVIL, f"'{EVIL}", "spring"}
    assert len(names) == 1, "the columns are the same for every KPI"


@pytest.mark.parametrize("media_type", ["application/vnd.apache.arrow.stream", "application/vnd.apache.parquet"])
async def test_parts_of_a_lead_stay_parts_in_every_form(metrics: Metrics, media_type: str) -> None:
    story = Told().tell("a", "LeadCreated", 0, channel="web_form", source="ads")
    story.tell("a", "LeadTouched", 7, kind="call", channel="phone")
    story.tell("a", "OpportunityOpened", 8, opportunity_id="o").tell("a", "OpportunityWon", 9, opportunity_id="o")
    await metrics.fold_all(story.facts)
    parameters = {"group_by": "channel", "attribution": "linear"}
    said = await metrics.ask("opportunities_won", **parameters)
    rows = await as_rows(metrics, "opportunities_won", media_type, **parameters)
    found = {one["channel"]: (one["value"], one["n"]) for one in rows if not one["is_total"]}
    assert found == {one["key"]["channel"]: (one["value"], one["n"]) for one in said["groups"]}
    assert found == {"web_form": (0.5, 0.5), "phone": (0.5, 0.5)}


async def test_what_is_said_of_all_currencies_together_is_on_the_line_of_each(metrics: Metrics) -> None:
    await told(metrics)
    story = Told().tell("x", "LeadCreated", 3, channel="phone").tell("x", "OpportunityWon", 12, opportunity_id="x")
    await metrics.fold_all(story.facts)
    asked = {**JANUARY, "currency": "EUR"}
    said = await metrics.total("sales_volume", **asked)
    assert (said["without_rate"], said["without_amount"], said["n"]) == (["USD"], 1, 4)
    rows = await as_rows(metrics, "sales_volume", "text/csv", **asked)
    assert [(row["currency"], row["value"], row["n"], row["without_amount"]) for row in rows] == [
        ("EUR", "200.0", "2", "1"), ("USD", "100.0", "1", "1"),
    ]  # fmt: skip
    assert [json.loads(row["more"]) for row in rows] == [{"n_of_all": 4, "without_rate": ["USD"]}] * 2
    for row in rows:
        assert (row["asked_currency"], row["rates"]) == ("EUR", "event")
    restated = await as_rows(metrics, "sales_volume", "text/csv", **asked, rates="as_of")
    assert {row["rates"] for row in restated} == {"as_of"}


@pytest.mark.parametrize(
    "media_type", ["application/vnd.apache.arrow.stream", "application/vnd.apache.parquet", "text/csv"]
)
async def test_a_file_says_by_which_rule_it_was_cut_and_how_far_the_total_moved(
    metrics: Metrics, media_type: str
) -> None:
    await told(metrics)
    asked = {
        "from": "2026-01-05",
        "to": "2026-01-09",
        "compare": "previous",
        "group_by": "source",
        "attribution": "linear",
    }
    change = (await metrics.ask("leads_created", **asked))["comparison"]["change"]
    rows = await as_rows(metrics, "leads_created", media_type, **asked)
    assert {row["attribution"] for row in rows} == {"linear"}
    moved = {
        (row["window"], str(row["is_total"]).lower()): (row["change_absolute"], row["change_relative"]) for row in rows
    }
    absolute, relative = moved.pop(("asked", "true"))
    assert [float(absolute), float(relative)] == pytest.approx([change["absolute"], change["relative"]])
    assert set(moved.values()) <= {(None, None), ("", "")}
    await metrics.client.put("/v1/targets?by=kim", json={"kpi": "leads_created", "period": "2026-01", "value": "9"})
    (row,) = await as_rows(metrics, "target_attainment", media_type, **JANUARY, of="leads_created")
    assert row["of"] == "leads_created"


@pytest.mark.parametrize("media_type", ["application/vnd.apache.arrow.stream", "text/csv"])
async def test_a_file_says_how_many_days_before_customers_came_it_was_spent_on_them(
    metrics: Metrics, media_type: str
) -> None:
    await told(metrics)
    for asked, said in (({"lag_days": 90}, 90), ({}, 0)):
        rows = await as_rows(metrics, "cac", media_type, **JANUARY, **asked, compare="previous")
        written = str(said) if media_type == "text/csv" else said
        assert {row["lag_days"] for row in rows} == {written}
        why = await metrics.client.get("/v1/kpis/cac/why", params={**JANUARY, **asked, "compare": "previous"})
        assert (why.status_code, why.json()["lag_days"]) == (200, said), why.text


async def test_a_comparison_stands_below_what_was_asked(metrics: Metrics) -> None:
    await told(metrics)
    rows = await as_rows(
        metrics, "leads_created", "text/csv", **{"from": "2026-02-01", "to": "2026-03-01"}, compare="previous"
    )
    assert [(row["window"], row["from"], row["value"]) for row in rows] == [
        ("asked", "2026-02-01", "0"), ("compared", "2026-01-01", "7"),
    ]  # fmt: skip


async def test_a_cell_of_a_spreadsheet_runs_nothing(metrics: Metrics) -> None:
    await told(metrics)
    rows = await as_rows(metrics, "leads_created", "text/csv", group_by="source")
    assert {row["source"] for row in rows} == {f"'{EVIL}", "spring", ""}


@pytest.mark.parametrize(
    ("accept", "parameter", "expected"),
    [
        (None, None, "application/json"),
        ("*/*", None, "application/json"),
        ("text/html, */*;q=0.8", None, "application/json"),
        ("text/csv;q=0.5, application/json;q=0.4", None, "text/csv"),
        ("text/*", None, "text/csv"),
        ("application/json", "csv", "text/csv"),
        ("text/csv", "json", "application/json"),
        ("image/png", "parquet", "application/vnd.apache.parquet"),
    ],
)
async def test_the_parameter_decides_and_else_what_is_accepted(
    metrics: Metrics, accept: str | None, parameter: str | None, expected: str
) -> None:
    headers = {"Accept": accept} if accept else {}
    answer = await metrics.client.get(
        "/v1/kpis/leads_created", params={"format": parameter} if parameter else {}, headers=headers
    )
    assert answer.headers["content-type"].partition(";")[0] == expected


async def test_what_cannot_be_written_is_said(metrics: Metrics) -> None:
    refused = await metrics.client.get("/v1/kpis/leads_created", headers={"Accept": "image/png, text/csv;q=0"})
    assert (refused.status_code, refused.json()["type"]) == (406, "urn:leadflow:problem:not-acceptable")
    refused = await metrics.client.get("/v1/kpis/leads_created", params={"format": "xlsx"})
    assert (refused.status_code, refused.json()["field"]) == (422, "format")


async def test_periods_may_be_those_of_a_calendar_that_is_named(metrics: Metrics) -> None:
    await told(metrics)
    answer = await metrics.ask("leads_created", group_by="month", calendar="jalali")
    assert {one["key"]["month"]: one["value"] for one in answer["groups"]} == {"1404-10": 7}
    compared = await metrics.ask(
        "leads_created", start="2026-01-21", to="2026-02-20", calendar="jalali", compare="previous"
    )
    assert (compared["comparison"]["from"], compared["comparison"]["total"]["value"]) == ("2025-12-22", 7)
    refused = await metrics.client.get("/v1/kpis/leads_created", params={"calendar": "mayan"})
    assert (refused.status_code, refused.json()["field"]) == (422, "calendar")
