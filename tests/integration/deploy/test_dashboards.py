"""What monitoring is given, run: a real Prometheus over the running system, with a second replica of metrics. Every expression of
every dashboard, recorded rule and alert is asked of it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.load.traffic import Traffic, bearer
from tests.support.patience import eventually_blocking
from tests.support.prometheus import MISSING, Prometheus, is_installed, running_prometheus
from tests.support.services import API_TOKEN, ROOT, RunningServices, running_services

DASHBOARDS = sorted((ROOT / "deploy" / "grafana" / "dashboards").glob("*.json"))
LEADS = 100
WON = 1
WITHIN_SECONDS = 90.0
RULES = 45
"""At least so many are recorded or watched."""
CREATED = 'leadflow_funnel_leads{stage="created"}'

pytestmark = [pytest.mark.skipif(not is_installed(), reason=MISSING), pytest.mark.timeout(600)]


def expressions(dashboard: Path) -> Iterator[tuple[str, str]]:
    """The title of each panel with each of its expressions, the variables filled in as Grafana does."""
    for panel in json.loads(dashboard.read_text())["panels"]:
        for target in panel["targets"]:
            filled = target["expr"].replace("$__rate_interval", "1m").replace("$unit", ".*").replace("$service", ".*")
            assert "$" not in filled, filled
            yield f"{panel['title']}: {filled}", filled


async def worked(services: RunningServices) -> None:
    """Leads come and are won."""
    async with Traffic(services).open() as traffic:
        for lead_id in await traffic.batch(range(LEADS)):
            await traffic.win(lead_id)
        assert traffic.posted.won == WON


def counted(services: RunningServices) -> bool:
    total: Any = services.kpi("opportunities_won")["total"]
    created: Any = services.kpi("leads_created")["total"]
    return bool(total["value"] == WON and created["value"] == LEADS)


def test_every_expression_finds_data_and_replicas_are_one_business(
    migrated_database: Callable[..., str], fresh_kafka: str, tmp_path: Path
) -> None:
    spool = {"CAPTURE_SPOOL_DIR": str(tmp_path / "spool")}
    with running_services(migrated_database(), fresh_kafka, tmp_path, environment=spool) as services:
        asyncio.run(worked(services))
        assert eventually_blocking(lambda: counted(services), within_seconds=WITHIN_SECONDS)
        told = {"id": str(uuid4()), "checks": {"log": {"checked": LEADS, "different": 0}}}
        post(services, "/v1/audits", told)
        services.start("metrics-2")
        services.wait_until_ready("metrics-2")
        of: dict[str, tuple[str, ...]] = {
            name: (f"127.0.0.1:{services.port(name)}",) for name in ("capture", "scoring", "pipeline", "metrics")
        }
        of["metrics"] += (f"127.0.0.1:{services.port('metrics-2')}",)
        with running_prometheus(tmp_path / "prometheus", of) as prometheus:
            assert eventually_blocking(
                lambda: prometheus.value('count(up{job="leadflow"} == 1)') == 5 and twice_scraped(prometheus),
                within_seconds=WITHIN_SECONDS,
            )
            asyncio.run(worked_on(services))  # so that rates have something to tell
            every_expression_finds_data(prometheus)
            replicas_are_one_business(services, prometheus)
            every_rule_can_be_evaluated(prometheus)


async def worked_on(services: RunningServices) -> None:
    async with Traffic(services).open() as traffic:
        await traffic.batch(range(LEADS, LEADS + 20))


def post(services: RunningServices, path: str, body: Any) -> None:
    answer = httpx.post(
        f"{services.url('metrics')}{path}", json=body, headers=bearer(API_TOKEN), timeout=30, trust_env=False
    )
    assert answer.status_code == 204, answer.text


def twice_scraped(prometheus: Prometheus) -> bool:
    """Whether both replicas have told of the business."""
    return prometheus.value(f"count(count by (instance) ({CREATED}))") == 2


def every_expression_finds_data(prometheus: Prometheus) -> None:
    wanted = [one for dashboard in DASHBOARDS for one in expressions(dashboard)]
    assert len(DASHBOARDS) == 2
    assert len(wanted) >= 40
    silent = dict(wanted)

    def all_speak() -> bool:
        for name, expression in list(silent.items()):
            if any(sample["value"][1] != "NaN" for sample in prometheus.ask(expression)):
                del silent[name]
        return not silent

    try:
        assert eventually_blocking(all_speak, within_seconds=WITHIN_SECONDS, every_seconds=1)
    except TimeoutError:
        assert sorted(silent) == []


def replicas_are_one_business(services: RunningServices, prometheus: Prometheus) -> None:
    """The sum over both doubles, what the docs say does not, and a restart changes nothing."""

    def is_told_once() -> bool:
        leads = LEADS + 20
        return (
            prometheus.value(f"sum({CREATED})") == 2 * leads
            and prometheus.value('sum(leadflow:funnel_leads:max{stage="created"})') == leads
        )

    assert eventually_blocking(is_told_once, within_seconds=WITHIN_SECONDS, every_seconds=1)
    before = time.time()
    services.kill("metrics-2")
    services.start("metrics-2")
    services.wait_until_ready("metrics-2")
    assert eventually_blocking(is_told_once, within_seconds=WITHIN_SECONDS, every_seconds=1)
    seconds = int(time.time() - before) + 1
    once = f'max_over_time(sum(leadflow:funnel_leads:max{{stage="created"}})[{seconds}s:1s])'
    assert prometheus.value(once) == LEADS + 20
    assert prometheus.value(once.replace("max_over", "min_over")) == LEADS + 20


def every_rule_can_be_evaluated(prometheus: Prometheus) -> None:
    rules = [rule for group in prometheus.get("rules")["groups"] for rule in group["rules"]]
    assert len(rules) >= RULES
    assert [(rule["name"], rule.get("lastError")) for rule in rules if rule["health"] != "ok"] == []
    recorded = {rule["name"] for rule in rules if rule["type"] == "recording"}
    silent = {name for name in recorded if not prometheus.ask(name)}
    assert silent == {"leadflow:funnel_leads:delta1d"}  # there was no day before
