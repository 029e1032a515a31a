"""The commands of the command line, each as a process against the real services."""

from __future__ import annotations

import csv
import json
import random
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx
import orjson
import psycopg
import pytest
from aiokafka import AIOKafkaProducer

from tests.support.patience import eventually_blocking
from tests.support.services import API_TOKEN, RunningServices

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def leads_created(leadflow: RunningServices, unit: str) -> int:
    found: Any = leadflow.kpi("leads_created", business_unit=unit)["total"]
    return int(found["value"])


def write_leads(path: Path, unit: str, count: int) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["business_unit", "external_id", "Email", "name", "channel", "occurred_at", "attributes.rooms"])
        for number in range(count):
            day = f"2026-0{1 + number % 9}-1{number % 10}"
            writer.writerow([unit, number, f"p{number}@{unit}.example.com", "سارا", "import", day, number % 7])
    return path


def test_leads_from_a_file_are_counted_once_however_often_they_are_imported(
    leadflow: RunningServices, tmp_path: Path
) -> None:
    file = write_leads(tmp_path / "leads.csv", "files", 2_500)
    for _ in range(2):
        done = leadflow.cli("import", "leads", str(file))
        assert done.returncode == 0, done.stderr
        assert "2,500 leads taken" in done.stdout
    eventually_blocking(lambda: leads_created(leadflow, "files") == 2_500, within_seconds=60)
    assert leads_created(leadflow, "files") == 2_500


def test_a_killed_import_run_again_gives_the_same_result(leadflow: RunningServices, tmp_path: Path) -> None:
    file = write_leads(tmp_path / "leads.csv", "killed", 20_000)
    seed = random.randrange(10**6)
    chance = random.Random(seed)
    for _ in range(3):
        process = subprocess.Popen(
            leadflow.command("import", "leads", str(file)),
            env=dict(leadflow.environment),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(chance.uniform(0.8, 2.0))  # anywhere in the run, so a killed one may also have been done
        process.send_signal(signal.SIGKILL)
        process.wait()
    done = leadflow.cli("import", "leads", str(file))
    assert done.returncode == 0, f"seed {seed}: {done.stderr}"
    assert "20,000 rows read, 20,000 leads taken" in done.stdout
    eventually_blocking(lambda: leads_created(leadflow, "killed") == 20_000, within_seconds=120, every_seconds=0.5)


def test_rejected_lines_are_reported_beside_the_file(leadflow: RunningServices, tmp_path: Path) -> None:
    file = tmp_path / "leads.csv"
    file.write_text(
        "business_unit;email;occurred_at\nfaults;a@faults.example.com;2026-01-01\n"
        "faults;b@faults.example.com;soon\nfaults;c@faults.example.com\nfaults;d@faults.example.com;2999-01-01\n"
    )
    done = leadflow.cli("import", "leads", str(file))
    assert done.returncode == 3
    assert "3 lines were rejected" in done.stdout
    assert "leads.csv.rejected.csv" in done.stdout
    with (tmp_path / "leads.csv.rejected.csv").open() as report:
        rejected = list(csv.DictReader(report, delimiter=";"))
    assert [row["rejected_line"] for row in rejected] == ["3", "4", "5"]
    reasons = [row["rejected_reason"] for row in rejected]
    assert reasons[0].startswith("occurred_at: is no ISO 8601 time")
    assert reasons[1] == "the line has 2 fields, the header has 3"
    assert "in the future" in reasons[2]


def test_a_dry_run_shows_what_would_be_sent_and_sends_nothing(leadflow: RunningServices, tmp_path: Path) -> None:
    file = write_leads(tmp_path / "leads.csv", "dry", 30)
    done = leadflow.cli("import", "leads", str(file), "--dry-run")
    first = json.loads(next(line for line in done.stdout.splitlines() if line.strip().startswith("{")))
    assert (first["business_unit"], first["historical"], first["attributes"]) == ("dry", True, {"rooms": "0"})
    assert leads_created(leadflow, "dry") == 0


def test_the_demo_fills_the_funnel_and_again_adds_nothing(leadflow: RunningServices) -> None:
    first = leadflow.cli("demo", "--seed", "7", "--leads", "150", timeout_seconds=250)
    assert first.returncode == 0, first.stdout + first.stderr
    for channel in ("web_form", "paid_search", "event", "phone", "referral"):
        assert channel in first.stdout
    before = facts(leadflow)
    again = leadflow.cli("demo", "--seed", "7", "--leads", "150", timeout_seconds=250)
    assert again.returncode == 0, again.stdout + again.stderr
    assert facts(leadflow) == before


def test_nothing_waits_in_scoring_that_pipeline_made_a_fact_of(leadflow: RunningServices) -> None:
    assert leadflow.cli("demo", "--seed", "7", "--leads", "150", timeout_seconds=250).returncode == 0
    with psycopg.connect(leadflow.environment["LEADFLOW_DATABASE_URL"]) as connection:
        touches = connection.execute(
            """
            SELECT causation_id, data ? 'recorded_under' FROM pipeline.history
            WHERE event IN ('LeadCreated', 'LeadTouched') AND causation_id IS NOT NULL
            """
        ).fetchall()
    assert any(of_a_visitor for _, of_a_visitor in touches)
    asked = [str(event_id) for event_id, _ in touches]

    def all_are_facts() -> bool:
        found = 0
        for start in range(0, len(asked), 5_000):
            answer = httpx.post(
                f"{leadflow.url('scoring')}/v1/audit/captured",
                json={"ids": asked[start : start + 5_000]},
                headers={"Authorization": f"Bearer {API_TOKEN}"},
                trust_env=False,
            )
            assert answer.status_code == 200, answer.text
            found += len(answer.json()["facts"])
        return found == len(touches)

    eventually_blocking(all_are_facts, within_seconds=60, every_seconds=0.5)


def facts(leadflow: RunningServices) -> dict[str, int]:
    """How many there are of each event, but for grades, which also time changes."""
    with psycopg.connect(leadflow.environment["LEADFLOW_DATABASE_URL"]) as connection:
        counted = "SELECT event, count(*) FROM metrics.facts WHERE event <> 'LeadGraded' GROUP BY event"
        return dict(connection.execute(counted).fetchall())


@pytest.mark.parametrize("form", ["table", "csv", "json", "html"])
def test_a_report_in_each_form(leadflow: RunningServices, tmp_path: Path, form: str) -> None:
    file = tmp_path / f"report.{form}"
    output = ["--output", str(file)] if form == "html" else []
    done = leadflow.cli("report", "--by", "channel", "--period", "1y", "--format", form, *output, timeout_seconds=120)
    assert done.returncode == 0, done.stderr
    if form == "json":
        assert {number["kpi"] for number in json.loads(done.stdout)["numbers"]} >= {
            "leads_created",
            "opportunities_opened",
        }
    elif form == "html":
        assert file.read_text(encoding="utf-8").startswith("<!doctype html>")
    else:
        assert "win_rate_count" in done.stdout if form == "csv" else "Win rate" in done.stdout


def test_a_report_that_there_is_not_is_answered_with_those_that_there_are(leadflow: RunningServices) -> None:
    done = leadflow.cli("report", "daily")
    assert done.returncode == 2
    assert "There is no report of this name" in done.stderr


def test_what_the_audit_finds_wrong_is_put_right_by_a_rebuild(leadflow: RunningServices, tmp_path: Path) -> None:
    assert leadflow.cli("import", "leads", str(write_leads(tmp_path / "leads.csv", "rebuilt", 300))).returncode == 0
    eventually_blocking(lambda: leads_created(leadflow, "rebuilt") == 300, within_seconds=60)
    with psycopg.connect(leadflow.environment["LEADFLOW_DATABASE_URL"]) as connection:
        connection.execute(
            "UPDATE metrics.rollups SET count = count + 7 WHERE business_unit = 'rebuilt' AND measure = 'lead_created'"
        )
    assert leads_created(leadflow, "rebuilt") > 300
    done = leadflow.cli("rebuild", "metrics", timeout_seconds=120)
    assert done.returncode == 0, done.stderr
    assert "sums put right" in done.stdout
    assert leads_created(leadflow, "rebuilt") == 300
    again = leadflow.cli("rebuild", "metrics", timeout_seconds=120)
    assert "everything was right" in again.stdout


async def test_a_poisoned_record_is_a_dead_letter_and_the_audit_stays_clean(leadflow: RunningServices) -> None:
    bootstrap = leadflow.environment["LEADFLOW_KAFKA_BOOTSTRAP"]
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        await producer.send_and_wait("capture.leads.v1", b"no JSON at all", key=b"x")

    def kept() -> bool:
        return all(
            "no open dead letters" not in leadflow.cli("dead-letters", "list", "--service", name).stdout.lower()
            for name in ("scoring", "pipeline")
        )

    eventually_blocking(kept, within_seconds=60, every_seconds=0.5)
    audit = leadflow.cli("audit", "--wait-seconds", "60", timeout_seconds=200)
    assert audit.returncode == 0, audit.stdout + audit.stderr
    assert "No difference" in audit.stdout
    letter = leadflow.cli("dead-letters", "list", "--service", "pipeline").stdout
    number = next(part for part in letter.split() if part.isdigit())
    shown = orjson.loads(leadflow.cli("dead-letters", "show", number, "--service", "pipeline").stdout)
    assert shown["value"] == "no JSON at all"
    assert leadflow.cli("dead-letters", "redrive", number, "--service", "pipeline").returncode == 1
    assert leadflow.cli("dead-letters", "drop", number, "--service", "pipeline").returncode == 0


def test_a_service_that_is_not_there_is_named_with_the_command_that_starts_it(leadflow: RunningServices) -> None:
    away = RunningServices(
        leadflow.folder, leadflow.ports, {**leadflow.environment, "LEADFLOW_METRICS_URL": "http://127.0.0.1:9"}
    )
    done = away.cli("report")
    assert done.returncode == 2
    assert "metrics is not reachable at http://127.0.0.1:9" in done.stderr
    assert "make up" in done.stderr


INVOICES = """InvoiceNo;Article;Quantity;InvoiceDate;UnitPrice;Customer
1;lamp;2;01/03/2024 09:00;10,50;ada
1;bulb;10;01/03/2024 09:00;0,85;ada
2;lamp;1;02/03/2024 10:00;10,50;bob
3;bulb;1;03/03/2024 11:00;0,85;ada
4;bulb;1;03/03/2024 11:00;0,85;
"""
ORDERS = """
together: InvoiceNo
zone: Europe/London
shared:
  business_unit: {constant: europe}
  external_id: Customer
  occurred_at: {column: InvoiceDate, date_format: "%d/%m/%Y %H:%M"}
events:
  - when: {Customer: {present: true}}
    event: lead_created
    channel: {constant: invoices}
  - when: {Customer: {present: true}}
    event: order_placed
    order_id: InvoiceNo
    lines: {product: Article, quantity: Quantity, unit_price: {column: UnitPrice, decimal: ","}}
"""
DEALS = """شناسه,کارشناس,مبلغ,وضعیت,ثبت,بستن
۱,7,۱٬۵۰۰٬۰۰۰,برنده,۱۴۰۲/۱۲/۲۹,۱۴۰۳/۰۱/۰۱
۲,7,۲٬۰۰۰٬۰۰۰,بازنده,۱۴۰۳/۰۲/۰۱,۱۴۰۳/۰۲/۳۱
"""
PERSIAN = """
shared:
  business_unit: {constant: tehran}
  external_id: شناسه
  owner: {column: کارشناس, table: {file: owners.csv, key: id, value: name}}
events:
  - {event: opportunity_opened, occurred_at: {column: ثبت, date_format: jalali %Y/%m/%d}, amount: {column: مبلغ, decimal: "."}}
  - event: {column: وضعیت, values: {برنده: won, بازنده: lost}}
    occurred_at: {column: بستن, date_format: jalali %Y/%m/%d}
"""
ADS = """Ad report
"1 March 2024 - 2 March 2024"
Day,Ad,Impressions,Cost
03/01/2024,a,"1,000","$12.50"
03/01/2024,b,"2,000","$7.50"
03/02/2024,a,"1,000","$20.00"
"""


def told(folder: Path, name: str, text: str, encoding: str = "utf-8") -> str:
    path = folder / name
    path.write_text(text, encoding=encoding)
    return str(path)


def imported(leadflow: RunningServices, *arguments: str) -> None:
    done = leadflow.cli("import", *arguments, timeout_seconds=120)
    assert done.returncode == 0, done.stdout + done.stderr


def asked_for(leadflow: RunningServices, kpi: str, **asked: str) -> dict[str, Any]:
    found: dict[str, Any] = leadflow.kpi(kpi, **asked)
    return found


def test_an_orders_lines_are_one_order_and_ads_of_a_day_are_what_it_cost(
    leadflow: RunningServices, tmp_path: Path
) -> None:
    mapping = told(tmp_path, "orders.yaml", ORDERS)
    imported(leadflow, "history", told(tmp_path, "invoices.csv", INVOICES), "--map", mapping)
    ads = (
        "--header-line", "3", "--date-format", "%m/%d/%Y", "--decimal", ".", "--add-up", "--set", "business_unit=europe",
        "--set", "channel=invoices",
    )  # fmt: skip
    imported(leadflow, "spend", told(tmp_path, "ads.csv", ADS, "utf-16"), *ads)
    own = {"business_unit": "europe", "channel": "invoices"}
    eventually_blocking(lambda: asked_for(leadflow, "orders", **own)["total"]["value"] == 3, within_seconds=60)
    assert asked_for(leadflow, "order_volume", **own)["total"]["value"] == pytest.approx(
        2 * 10.5 + 10 * 0.85 + 10.5 + 0.85
    )
    again = asked_for(leadflow, "repeat_purchase_rate", **own)["total"]
    assert (again["numerator"], again["denominator"]) == (1, 2)
    cost = asked_for(leadflow, "cac", **own)["total"]
    assert (cost["numerator"], cost["denominator"]) == (40, 2)


def test_deals_in_persian_digits_and_days_are_won_in_their_own_month(leadflow: RunningServices, tmp_path: Path) -> None:
    told(tmp_path, "owners.csv", "id,name\n7,سارا احمدی\n")
    mapping = told(tmp_path, "deals.yaml", PERSIAN)
    imported(leadflow, "history", told(tmp_path, "deals.csv", DEALS), "--map", mapping, "--sender", "persian")
    asked = {"business_unit": "tehran", "owner": "سارا احمدی"}
    eventually_blocking(
        lambda: asked_for(leadflow, "win_rate_count", **asked)["total"]["denominator"] == 2, within_seconds=60
    )
    won = asked_for(leadflow, "sales_volume", **asked, group_by="month", calendar="jalali")
    assert [(one["key"]["month"], one["value"]) for one in won["groups"]] == [("1403-01", 1_500_000)]
    lost = asked_for(leadflow, "opportunities_lost", **asked, group_by="month", calendar="jalali")
    assert [(one["key"]["month"], one["value"]) for one in lost["groups"]] == [("1403-02", 1)]
    cycle = asked_for(leadflow, "sales_cycle_from_opportunity", **asked)["total"]
    assert cycle["mean"] == pytest.approx(86_400), "the last day of 1402, a year of 365 days, and the first of 1403"
