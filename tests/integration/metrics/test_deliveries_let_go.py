"""Deliveries that end otherwise than by arriving: dropped, forgotten, given back; and schedules that come back or went ahead."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from services.metrics.reporting.delivering import GONE
from shared.contracts.policy import Policy
from shared.kit.posting import Answer
from tests.integration.metrics.harness import Metrics
from tests.integration.metrics.telling import half_a_year
from tests.integration.metrics.test_delivering import MONDAY, WEEKLY, a_service, deliveries, files_in, until_sent

CRM = {"delivery": "crm", "webhook": "http://127.0.0.1:1/x", "secret": "board", "formats": ["csv"]}
POSTED = {**WEEKLY, "deliveries": [CRM]}
NEVER = Answer(410)


async def given_up(metrics: Metrics, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A delivery that a receiver does not want any more."""

    async def send(*_: Any) -> Answer:
        return NEVER

    monkeypatch.setattr(metrics.reporting._poster, "send", send)
    await until_sent(metrics)
    metrics.clock.advance(timedelta(days=7))
    await until_sent(metrics)
    (failed,) = await deliveries(metrics, state="failed")
    return failed


async def test_one_that_was_given_up_is_dropped_and_it_is_kept_who_did(
    migrated_database: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_service(migrated_database("metrics"), tmp_path, POSTED) as metrics:
        failed = await given_up(metrics, monkeypatch)
        where = f"/v1/reports/deliveries/{failed['delivery_id']}"
        dropped = await metrics.client.delete(where, headers={"Leadflow-Actor": "kim"})
        assert (dropped.status_code, dropped.json()["state"]) == (200, "dropped")
        (listed,) = await deliveries(metrics, state="dropped")
        assert "kim" in listed["error"]
        await metrics.reporting.metrics.refresh()
        assert 'leadflow_report_deliveries{state="failed"} 0.0' in await metrics.scrape()
        assert (await metrics.client.post(f"{where}:retry")).json()["state"] == "dropped"
        await until_sent(metrics)
        assert len(await deliveries(metrics)) == 1
        unknown = await metrics.client.delete("/v1/reports/deliveries/00000000-0000-0000-0000-000000000000")
        assert unknown.status_code == 404


async def test_a_report_that_is_forgotten_leaves_nothing_that_can_never_arrive(
    migrated_database: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_service(migrated_database("metrics"), tmp_path, {}) as metrics:
        await metrics.client.put("/v1/reports/mine", json=POSTED)
        await given_up(metrics, monkeypatch)
        assert (await metrics.client.delete("/v1/reports/mine")).status_code == 204
        assert await deliveries(metrics) == []


async def test_a_replica_that_is_stopped_over_a_report_gives_it_back(
    migrated_database: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_service(migrated_database("metrics"), tmp_path, POSTED) as metrics:
        begun = asyncio.Event()

        async def send(*_: Any) -> Answer:
            begun.set()
            await asyncio.Event().wait()
            return NEVER

        monkeypatch.setattr(metrics.reporting._poster, "send", send)
        await until_sent(metrics)
        metrics.clock.advance(timedelta(days=7))
        await metrics.reporting.delivering.note()
        sending = asyncio.create_task(metrics.reporting.delivering.send())
        await asyncio.wait_for(begun.wait(), 60)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        (one,) = await deliveries(metrics, state="due")
        assert datetime.fromisoformat(one["next_try_at"]) <= metrics.clock.now(), "another one may send it at once"


async def test_a_clock_that_went_ahead_holds_nothing_back_once_it_is_right(
    migrated_database: Callable[..., str], tmp_path: Path
) -> None:
    daily = {**WEEKLY, "period": "day", "deliveries": [MONDAY]}
    ahead, now = timedelta(days=400), datetime.now(UTC) + timedelta(days=1)
    async with a_service(migrated_database("metrics"), tmp_path, daily, now) as metrics:
        await until_sent(metrics)
        metrics.clock.advance(ahead)
        await metrics.reporting.delivering.note()
        metrics.clock.advance(-ahead)
        before = len(await deliveries(metrics))
        await metrics.reporting.delivering.note()
        metrics.clock.advance(timedelta(days=2))
        await metrics.reporting.delivering.note()
        assert len(await deliveries(metrics)) == before + 2


async def test_a_delivery_that_is_back_after_months_begins_anew(
    migrated_database: Callable[..., str], tmp_path: Path
) -> None:
    url = migrated_database("metrics")
    now = datetime(2026, 6, 3, 9, 30, tzinfo=UTC)
    with_it, without = {**WEEKLY, "deliveries": [MONDAY]}, {**WEEKLY, "deliveries": []}
    async with a_service(url, tmp_path, with_it, now) as metrics:
        await until_sent(metrics)
    async with a_service(url, tmp_path, without, now + GONE + timedelta(days=1)) as metrics:
        await until_sent(metrics)
    async with a_service(url, tmp_path, with_it, now + timedelta(days=90)) as metrics:
        await until_sent(metrics)
        assert files_in(tmp_path / "board") == []
        metrics.clock.advance(timedelta(days=7))
        await until_sent(metrics)
        assert len(files_in(tmp_path / "board", "*.csv")) == 1


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("crm.example", "no https URL"),
        ("http://10.0.0.7/x", "not public"),
        ("https://10.0.0.7/x", "not public"),
    ],
)
async def test_a_report_is_not_saved_that_may_not_be_posted_there(
    migrated_database: Callable[..., str], tmp_path: Path, url: str, why: str
) -> None:
    async with a_service(migrated_database("metrics"), tmp_path, {}) as metrics:
        refused = await metrics.client.put("/v1/reports/mine", json={**WEEKLY, "deliveries": [{**CRM, "webhook": url}]})
        assert refused.status_code == 422
        assert "delivery 'crm' may not be posted there" in refused.json()["detail"]
        assert why in refused.json()["detail"]


async def test_links_lead_somewhere_also_where_the_service_listens_everywhere(
    migrated_database: Callable[..., str], tmp_path: Path
) -> None:
    policy = Policy.model_validate({"version": "1", "reports": {"team": {**WEEKLY, "deliveries": [MONDAY]}}})
    for host, expected in (("0.0.0.0", "http://127.0.0.1:8004/"), ("::", "http://[::1]:8004/")):  # noqa: S104
        settings = {"reports_dir": tmp_path / expected[7:10], "host": host, "port": 8004}
        metrics = Metrics(migrated_database("metrics"), datetime(2026, 6, 3, 9, 30, tzinfo=UTC), policy, settings)
        await metrics.fold_all(half_a_year(4))
        await until_sent(metrics)
        metrics.clock.advance(timedelta(days=7))
        await until_sent(metrics)
        (page,) = (tmp_path / expected[7:10] / "board").glob("*.html")
        assert f"{expected}v1/kpis/leads_created" in page.read_text(encoding="utf-8")
        await metrics.close()


async def test_a_report_of_a_unit_that_there_is_not_is_no_report_of_nothing(
    migrated_database: Callable[..., str], tmp_path: Path
) -> None:
    async with a_service(migrated_database("metrics"), tmp_path, {}) as metrics:
        refused = await metrics.client.get("/v1/reports/weekly/told", params={"business_unit": "defualt"})
        assert (refused.status_code, refused.json()["field"]) == (422, "business_unit")
        assert "default" in refused.json()["fix"]
