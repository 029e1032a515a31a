"""Reports reach a folder or a receiver once for each period: from several replicas, after a restart, after days of nothing."""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from services.metrics.domain.report_schedule import MOST_ATTEMPTS
from services.metrics.reporting.writing import Reports
from services.metrics.reporting_together import InvalidReports
from services.metrics.storage import reports as storage
from shared.contracts.policy import Policy, UnitPolicy
from shared.contracts.standard_webhooks import secret_of, signed_headers
from shared.kit.errors import Retryable
from tests.integration.metrics.harness import Metrics
from tests.integration.metrics.telling import half_a_year

SECRET = secret_of(b"a secret for tests, and for nothing else")
NOW = datetime(2026, 6, 3, 9, 30, tzinfo=UTC)  # a Wednesday
WEEKLY = {"period": "week", "headlines": ["leads_created"], "funnel": False, "forecast": False}
MONDAY = {"delivery": "board", "at": "08:00", "formats": ["html", "csv"], "folder": "board"}


class Receiver:
    """A server that keeps what it is sent and answers as it is told."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.status = 204
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(receiver.status)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/reports"
        self._thread = Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def receiver() -> Any:
    found = Receiver()
    yield found
    found.close()


@asynccontextmanager
async def a_service(url: str, tmp_path: Path, report: dict[str, Any], now: datetime = NOW) -> AsyncIterator[Metrics]:
    unit = UnitPolicy(time_zone="Europe/Amsterdam", channels=("web_form", "phone"))
    policy = Policy.model_validate(
        {
            "version": "test", "defaults": unit.model_dump(),
            "business_units": {"default": unit.model_dump()}, "reports": {"team": report} if report else {},
        }
    )  # fmt: skip
    settings = {
        "reports_dir": tmp_path, "report_secrets": f"board={SECRET}", "webhook_http_loopback": True,
        "public_url": "https://metrics.example",
    }  # fmt: skip
    metrics = Metrics(url, now, policy, settings)
    yield metrics
    await metrics.close()


def files_in(folder: Path, pattern: str = "*") -> list[str]:
    return sorted(path.name for path in folder.glob(pattern))


async def until_sent(metrics: Metrics) -> None:
    await metrics.reporting.delivering.note()
    await metrics.reporting.delivering.send_all()


async def deliveries(metrics: Metrics, **parameters: Any) -> list[dict[str, Any]]:
    answer = await metrics.client.get("/v1/reports/deliveries", params=parameters)
    return list(answer.json()["items"])


async def test_each_week_is_put_into_the_folder_once(migrated_database: Callable[..., str], tmp_path: Path) -> None:
    url = migrated_database("metrics")
    async with a_service(url, tmp_path, {**WEEKLY, "deliveries": [MONDAY]}) as metrics:
        await metrics.fold_all(half_a_year(40))
        await until_sent(metrics)
        assert files_in(tmp_path) == [], "what was due before it was known is not sent"
        metrics.clock.advance(timedelta(days=7))
        await until_sent(metrics)
        await until_sent(metrics)
        assert files_in(tmp_path / "board") == ["team.board-2026-06-01.csv", "team.board-2026-06-01.html"]
        page = (tmp_path / "board" / "team.board-2026-06-01.html").read_text(encoding="utf-8")
        assert "1 – 7 June 2026" in page
        assert "https://metrics.example/v1/kpis/leads_created" in page
        assert [one["state"] for one in await deliveries(metrics)] == ["sent"]
    async with a_service(url, tmp_path, {**WEEKLY, "deliveries": [MONDAY]}, NOW + timedelta(days=8)) as restarted:
        await until_sent(restarted)
        assert len(await deliveries(restarted)) == 1


async def test_weeks_in_which_nothing_ran_are_made_up_for(
    migrated_database: Callable[..., str], tmp_path: Path
) -> None:
    async with a_service(migrated_database("metrics"), tmp_path, {**WEEKLY, "deliveries": [MONDAY]}) as metrics:
        await until_sent(metrics)
        metrics.clock.advance(timedelta(days=21))
        await until_sent(metrics)
        assert files_in(tmp_path / "board", "*.csv") == [
            "team.board-2026-06-01.csv", "team.board-2026-06-08.csv", "team.board-2026-06-15.csv",
        ]  # fmt: skip


async def test_several_replicas_post_each_period_once_and_signed(
    migrated_database: Callable[..., str], tmp_path: Path, receiver: Receiver
) -> None:
    url = migrated_database("metrics")
    report = {
        **WEEKLY, "language": "fa", "calendar": "jalali",
        "deliveries": [{"delivery": "crm", "webhook": receiver.url, "secret": "board", "formats": ["html", "json"]}],
    }  # fmt: skip
    async with a_service(url, tmp_path, report) as one, a_service(url, tmp_path, report) as other:
        await one.fold_all(half_a_year(40))
        await asyncio.gather(one.reporting.delivering.note(), other.reporting.delivering.note())
        for replica in (one, other):
            replica.clock.advance(timedelta(days=14))
        await asyncio.gather(*(until_sent(replica) for replica in (one, other, one, other)))
        assert len(receiver.got) == 2
        assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 2
        for headers, body in receiver.got:
            expected = signed_headers([SECRET], headers["webhook-id"], int(headers["webhook-timestamp"]), body)
            assert headers["webhook-signature"] == expected["webhook-signature"]
            said = json.loads(body)
            assert said["type"] == "report.told"
            ((name, file),) = [(name, file) for name, file in said["data"]["files"].items() if name.endswith(".html")]
            assert name.startswith("team-1405-03-")
            assert 'lang="fa" dir="rtl"' in b64decode(file["content"]).decode()


async def test_a_receiver_that_is_away_is_tried_again_later_and_later_until_it_is_given_up(
    migrated_database: Callable[..., str], tmp_path: Path, receiver: Receiver
) -> None:
    report = {
        **WEEKLY,
        "deliveries": [{"delivery": "crm", "webhook": receiver.url, "secret": "board", "formats": ["csv"]}],
    }
    async with a_service(migrated_database("metrics"), tmp_path, report) as metrics:
        await until_sent(metrics)
        receiver.status = 503
        metrics.clock.advance(timedelta(days=7))
        await until_sent(metrics)
        await until_sent(metrics)
        assert len(receiver.got) == 1, "not again at once"
        (one,) = await deliveries(metrics, state="due")
        assert "503" in one["error"]
        assert 'leadflow_report_deliveries{state="due"} 1.0' in await scraped(metrics)
        receiver.status = 204
        metrics.clock.advance(timedelta(minutes=2))
        await until_sent(metrics)
        assert len(receiver.got) == 2
        assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 1, "the same one to whoever gets it twice"
        receiver.status = 500
        metrics.clock.advance(timedelta(days=7))
        for _ in range(MOST_ATTEMPTS):
            await until_sent(metrics)
            metrics.clock.advance(timedelta(hours=1))
        (failed,) = await deliveries(metrics, state="failed")
        assert failed["attempts"] == MOST_ATTEMPTS
        assert 'leadflow_report_deliveries{state="failed"} 1.0' in await scraped(metrics)
        receiver.status = 204
        again = await metrics.client.post(f"/v1/reports/deliveries/{failed['delivery_id']}:retry")
        assert (again.status_code, again.json()["state"]) == (200, "due")
        await until_sent(metrics)
        assert await deliveries(metrics, state="failed") == []


async def test_a_replica_that_dies_over_a_report_leaves_it_to_another(
    migrated_database: Callable[..., str], tmp_path: Path
) -> None:
    async with a_service(migrated_database("metrics"), tmp_path, {**WEEKLY, "deliveries": [MONDAY]}) as metrics:
        await until_sent(metrics)
        metrics.clock.advance(timedelta(days=7))
        await metrics.reporting.delivering.note()
        taken = await metrics.database.run(lambda tx: storage.take(tx, timedelta(minutes=15)))
        assert taken is not None, "and nothing more is heard of whoever took it"
        await until_sent(metrics)
        assert files_in(tmp_path / "board") == []
        metrics.clock.advance(timedelta(minutes=16))
        await until_sent(metrics)
        assert len(files_in(tmp_path / "board")) == 2


async def test_a_report_that_cannot_be_made_is_given_up_in_the_end_and_says_why(
    migrated_database: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_service(migrated_database("metrics"), tmp_path, {**WEEKLY, "deliveries": [MONDAY]}) as metrics:

        async def too_long(*_: Any) -> None:
            raise Retryable("The database does not answer.", retry_after_seconds=2)

        monkeypatch.setattr(Reports, "tell", too_long)
        await until_sent(metrics)
        metrics.clock.advance(timedelta(days=7))
        for attempt in range(MOST_ATTEMPTS):
            await until_sent(metrics)
            (one,) = await deliveries(metrics)
            assert (one["attempts"], one["error"]) == (attempt + 1, "Retryable")
            metrics.clock.advance(timedelta(hours=1))
        assert one["state"] == "failed"


async def test_a_report_that_this_version_cannot_read_stops_nobody_elses_and_is_shown(
    migrated_database: Callable[..., str], tmp_path: Path
) -> None:
    async with a_service(migrated_database("metrics"), tmp_path, {**WEEKLY, "deliveries": [MONDAY]}) as metrics:
        kim = {"Leadflow-Actor": "kim"}
        mine = {**WEEKLY, "deliveries": [{**MONDAY, "delivery": "mine"}]}
        assert (await metrics.client.put("/v1/reports/newer", json=mine, headers=kim)).status_code == 200
        await until_sent(metrics)
        metrics.clock.advance(timedelta(days=7))
        await metrics.reporting.delivering.note()
        async with metrics.database.transaction() as tx:
            await tx.execute('UPDATE metrics.reports SET report = report || \'{"told_by": "a newer one"}\'')
        await until_sent(metrics)
        assert files_in(tmp_path / "board") == ["team.board-2026-06-01.csv", "team.board-2026-06-01.html"]
        assert {one["report"]: one["state"] for one in await deliveries(metrics)} == {"team": "sent", "newer": "due"}
        listed = (await metrics.client.get("/v1/reports", headers=kim)).json()["items"]
        assert "another version" in next(one["fault"] for one in listed if one["name"] == "newer")
        refused = await metrics.client.get("/v1/reports/newer/told", headers=kim)
        assert (refused.status_code, refused.json()["field"]) == (409, "name")
        assert (await metrics.client.get("/v1/reports/team/told", headers=kim)).status_code == 200
        assert (await metrics.client.delete("/v1/reports/newer", headers=kim)).status_code == 204


async def test_files_of_different_people_and_deliveries_stand_beside_each_other(
    migrated_database: Callable[..., str], tmp_path: Path
) -> None:
    async with a_service(migrated_database("metrics"), tmp_path, {}) as metrics:
        mine = {
            **WEEKLY,
            "deliveries": [{**MONDAY, "formats": ["csv"]}, {**MONDAY, "delivery": "late", "formats": ["csv"]}],
        }
        for owner in ("kim", "a/b", "a b", ""):
            await metrics.client.put("/v1/reports/week", json=mine, headers={"Leadflow-Actor": owner} if owner else {})
        await until_sent(metrics)
        metrics.clock.advance(timedelta(days=7))
        await until_sent(metrics)
        assert len(await deliveries(metrics, state="sent")) == 8
        found = files_in(tmp_path / "board")
        assert len(found) == 8
        assert "week.late-2026-06-01.csv" in found
        assert {name.split("_")[0] for name in found if ".kim_" in name} == {"week.board.kim", "week.late.kim"}


async def scraped(metrics: Metrics) -> str:
    await metrics.reporting.metrics.refresh()
    return await metrics.scrape()


async def test_people_save_reports_of_their_own_and_see_everybodys(
    migrated_database: Callable[..., str], tmp_path: Path
) -> None:
    async with a_service(migrated_database("metrics"), tmp_path, WEEKLY) as metrics:
        kim, lee = {"Leadflow-Actor": "kim"}, {"Leadflow-Actor": "lee"}
        mine = {
            "title": "Mine",
            "period": "month",
            "headlines": ["win_rate_count"],
            "cuts": [{"by": "owner", "kpis": ["leads_created"]}],
        }
        saved = await metrics.client.put("/v1/reports/mine", json=mine, headers=kim)
        assert (saved.status_code, saved.json()["origin"]) == (200, "own")
        told = await metrics.client.get("/v1/reports/mine/told", params={"format": "json"}, headers=kim)
        assert (told.json()["title"], [one["kpi"] for one in told.json()["numbers"]]) == ("Mine", [])
        assert (await metrics.client.get("/v1/reports/mine", headers=lee)).status_code == 404
        await metrics.client.put("/v1/reports/mine", json={**mine, "title": "Ours"})
        listed = (await metrics.client.get("/v1/reports", headers=lee)).json()["items"]
        assert {(one["name"], one["origin"], one["title"]) for one in listed} >= {
            ("mine", "saved", "Ours"), ("team", "policy", None), ("weekly", "standard", None),
        }  # fmt: skip
        assert (await metrics.client.get("/v1/reports/mine", headers=kim)).json()["title"] == "Mine"
        assert (await metrics.client.delete("/v1/reports/mine", headers=kim)).status_code == 204
        assert (await metrics.client.get("/v1/reports/mine", headers=kim)).json()["title"] == "Ours"
        assert (await metrics.client.delete("/v1/reports/team")).status_code == 404


@pytest.mark.parametrize(
    ("report", "why"),
    [
        ({"headlines": ["profit"]}, "there is no KPI 'profit'"),
        ({"headlines": ["pace"]}, "is of another number"),
        ({"cuts": [{"by": "colour", "kpis": ["leads_created"]}]}, "nothing is cut by 'colour'"),
        ({"business_units": ["mars"]}, "there is no unit 'mars'"),
        ({"deliveries": [{"delivery": "x", "webhook": "https://a.example", "secret": "nobodys"}]}, "METRICS_REPORT_SECRETS lacks"),
        ({"deliveries": [{"delivery": "x"}]}, "either folder or webhook"),
        ({"deliveries": [{"delivery": "x", "folder": "../etc"}]}, "folder"),
        ({"funnel": False, "forecast": False}, "needs headlines"),
    ],
)  # fmt: skip
async def test_a_report_that_could_not_be_told_or_sent_is_refused(
    migrated_database: Callable[..., str], tmp_path: Path, report: dict[str, Any], why: str
) -> None:
    async with a_service(migrated_database("metrics"), tmp_path, {}) as metrics:
        refused = await metrics.client.put("/v1/reports/mine", json=report)
        assert refused.status_code == 422
        assert why in refused.json()["detail"]


def test_a_policy_whose_reports_could_not_be_sent_does_not_start() -> None:
    policy = Policy.model_validate(
        {"version": "1", "reports": {"team": {"headlines": ["profit"], "deliveries": [MONDAY]}}}
    )
    with pytest.raises(InvalidReports, match=r"'profit'[\s\S]*METRICS_REPORTS_DIR"):
        Metrics("postgresql://nobody@127.0.0.1:1/nothing", policy=policy)
