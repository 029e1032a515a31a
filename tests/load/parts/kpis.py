"""KPI queries over growing tables. What metrics keeps of five thousand people is written by metrics itself, from events; the
larger sizes are that many times over, made set-wise in SQL: other ids, each copy some seconds later. The smallest is
checked by the service's own audit."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import psycopg
from confluent_kafka import Producer

from services.metrics.domain.entries import KEPT_WHEN
from shared.contracts.policy import Policy
from shared.contracts.topics import PIPELINE_LIFECYCLE, PIPELINE_VISITS
from shared.kit.documents import read_yaml
from tests.load.asking import Took, answers, questions
from tests.load.findings import Finding
from tests.load.growing import run as execute
from tests.load.growing import without_indexes
from tests.load.run import Run
from tests.load.sized import Sized
from tests.load.stage import Stage, running_stage
from tests.load.stories import DAYS, story, visits
from tests.load.traffic import bearer
from tests.support.servers import run_migrations
from tests.support.services import API_TOKEN, ROOT, RunningServices

PEOPLE = 5_000
SIZES = (50_000, 5_000_000)
QUICK_SIZES = (10_000, 100_000)
SHIFT_SECONDS = 7
"""Between two copies of the same person, so that a thousand copies stay on their local day."""
KEPT = [measure.value for measure in sorted(KEPT_WHEN)]
AUDITED_UP_TO = 50_000
SPREAD_OVER = 25
"""Copies of one person would all fall into one bucket; beyond what is audited they are spread over so many, as people are."""
SHOWN = 10


def kpis(run: Run) -> list[Finding]:
    """Every KPI over several windows with each single cut, at each size, and what else can be asked."""
    sizes = QUICK_SIZES if run.quick else SIZES
    asked = questions(read_yaml(ROOT / "policy.yaml", Policy), quick=run.quick)
    with running_stage(run) as stage:
        databases = Sized(stage.database_url)
        migrated = stage.database_url
        again = databases.is_whole("kpis_base")
        if not again:
            stage.database_url = databases.copy(migrated, "kpis_base")
            _written_by_the_service(stage)
            _keep_base(stage)
            databases.finished("kpis_base")
        took: dict[int, Took] = {}
        for size in sizes:
            name, made = f"kpis_{size}", time.monotonic()
            is_new = not databases.is_whole(name)
            stage.database_url = databases.copy(databases.url("kpis_base"), name) if is_new else databases.url(name)
            run_migrations("metrics", stage.database_url)
            if again:
                _execute(stage, "TRUNCATE metrics.consumer_offsets")  # the log is another one
            if is_new:
                rows = _grow(stage, size // PEOPLE, with_facts=size <= AUDITED_UP_TO)
                databases.finished(name)
                run.say(f"{size:,} leads, {rows:,} entries made in {time.monotonic() - made:.0f} s")
            services = stage.configured(METRICS_MERGE_WITHIN_SECONDS="1")
            services.start("metrics")
            services.wait_until_ready("metrics")
            _until(stage, "SELECT -count(*) FROM metrics.visitor_changes", 0)
            if is_new and size == sizes[0]:
                _audited(services, run)
            took[size] = answers(services.url("metrics"), asked)
            services.stop("metrics")
            _tell(run, size, took[size])
    return _lines(took)


def _tell(run: Run, size: int, took: Took) -> None:
    """What was measured at a size, by group, and the slowest."""
    for group in took.groups:
        n = sum(one.group == group for one in took.times)
        half, most = took.share(0.5, group=group), took.share(0.95, group=group)
        run.say(f"{size:,}: {group}: p50 {half:,.1f} ms, p95 {most:,.1f} ms of {n:,} questions")
    for promised in (True, False):
        run.say(f"{size:,}: the slowest {'of any period with up to one cut' if promised else 'of the others'}")
        for ms, one in took.slowest(SHOWN, promised=promised):
            run.say(f"  {ms:9,.1f} ms  {one}")
    for one, why in took.refused.items():
        run.say(f"{size:,}: refused: {one}: {why}")


def _lines(took: Mapping[int, Took]) -> list[Finding]:
    smallest, largest = min(took), max(took)
    whole = {"ms at": "", **{f"p95 at {size:,}": one.share(0.95) for size, one in took.items()}}
    slowest, *_ = took[largest].slowest(1)
    whole |= {"questions": len(took[largest].times), "slowest": f"{slowest[1]}, {slowest[0]:,.0f} ms"}
    if refused := sum(len(one.refused) for one in took.values()):
        raise RuntimeError(f"{refused} questions were not answered, see above")
    title, against = f"KPI queries, any period, up to one cut, {largest:,} leads", f"at {smallest:,}"
    found = [
        Finding("kpis", f"{title}, p50", took[largest].share(0.5), "ms", took[smallest].share(0.5), against),
        Finding(
            "kpis", f"{title}, p95", took[largest].share(0.95), "ms", target=100, of_ratio=False, less_is_better=True, detail=whole
        ),
        Finding(
            "kpis", f"{title}, p95", took[largest].share(0.95), "ms", took[smallest].share(0.95), against, target=1.5,
            less_is_better=True,
        ),
    ]  # fmt: skip
    for group in took[largest].groups:
        at = {size: one.share(0.95, group=group) for size, one in took.items()}
        detail = {f"p95 ms at {size:,}": ms for size, ms in at.items()}
        found.append(
            Finding("kpis", f"KPI queries, {group}, p95", at[largest], "ms", at[smallest], against, detail=detail)
        )
    return found


def _execute(stage: Stage, statement: str) -> None:
    with psycopg.connect(stage.database_url, autocommit=True) as connection:
        execute(connection, statement)


def _written_by_the_service(stage: Stage) -> None:
    """Metrics folds the stories of five thousand people, spread over a year that ended yesterday, and is told what was spent, what is
    aimed for and what currencies are worth."""
    services = stage.configured(METRICS_MERGE_WITHIN_SECONDS="0.5")
    producer = Producer({"bootstrap.servers": stage.bootstrap, "acks": "all", "linger.ms": 5})
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    told = seen = 0
    for number in range(PEOPLE):
        for event in story(number, midnight):
            producer.produce(PIPELINE_LIFECYCLE.name, event.to_json(), str(event.lead_id))
            told += 1
        producer.poll(0)
    for visit in visits(midnight):
        producer.produce(PIPELINE_VISITS.name, visit.to_json(), str(visit.lead_id))
        seen += 1
    producer.flush(30)
    services.start("metrics")
    services.wait_until_ready("metrics")
    _until(stage, "SELECT sum(facts) FROM metrics.progress", told)
    _until(stage, "SELECT count(*) FROM metrics.visitors", seen)
    for path, how, body in _said(midnight.date()):
        answer = httpx.request(
            how, f"{services.url('metrics')}{path}", json=body, headers=bearer(API_TOKEN), timeout=60, trust_env=False
        )
        answer.raise_for_status()
    _until(stage, "SELECT -count(*) FROM metrics.sketch_changes", 0)
    services.stop("metrics")


def _until(stage: Stage, sql: str, least: int) -> None:
    give_up_at = time.monotonic() + 600
    while stage.scalar(sql) < least:
        if time.monotonic() > give_up_at:
            log = stage.services[-1].log("metrics")[-2000:]
            raise RuntimeError(f"metrics does not come to an end with {sql}, {least:,}:\n{log}")
        time.sleep(0.1)


def _said(today: date) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """What metrics is told over its API, as (path, method, body)."""
    begin = today - timedelta(days=DAYS + 60)
    days = [begin + timedelta(days=30 * place) for place in range(15)]
    spent = [
        {"kind": kind, "first_day": f"{day}", "last_day": f"{day + timedelta(days=29)}", "amount": "3000", **place}
        for day in days
        for kind, places in (
            ("advertising", [{"channel": one} for one in ("web_form", "paid_search", "event")]),
            ("salaries", [{}]),
        )
        for place in places
    ]
    yield "/v1/spending", "POST", {"rows": spent}
    rates = [{"currency": "USD", "into": "EUR", "day": f"{day}", "rate": f"0.{90 + day.month}"} for day in days]
    yield "/v1/rates", "POST", {"rows": rates}
    window = {"from": f"{today - timedelta(days=90)}", "to": f"{today}"}
    for kpi, more in (("sales_volume", {"currency": "EUR"}), ("leads_created", {})):
        for cut in ({}, *({"team": f"team {number}"} for number in range(6)), {"channel": "web_form"}):
            yield "/v1/targets", "PUT", {"kpi": kpi, "value": "100000", "cut": cut, **window, **more}


TABLES = ("leads", "facts", "entries", "rollups", "open_deals", "sketches", "visitors")
SUMS = {
    "rollups": ("count", "durations", "duration_microseconds", "duration_carried", "amount"),
    "open_deals": ("count", "total", "squares", "cubes", "below", "above"),
}
"""What is as many times more as there are copies."""

ORDER = {"leads": "lead_id", "facts": "occurred_at", "entries": "at", "visitors": "at"}
"""Rows lie in tables in the order in which they came."""


def _keep_base(stage: Stage) -> None:
    with psycopg.connect(stage.database_url, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA base")
        for table in TABLES:
            execute(connection, f"CREATE TABLE base.{table} AS SELECT * FROM metrics.{table}")


def _grow(stage: Stage, copies: int, *, with_facts: bool) -> int:
    """Fills the tables with so many copies of the base; how many entries that are. No KPI reads facts, so large sizes go
    without them."""
    with psycopg.connect(stage.database_url, autocommit=True) as connection:
        execute(connection, "SET maintenance_work_mem = '1GB'")
        execute(connection, "SET jit = off")
        for table in TABLES:
            mended = without_indexes(connection, "metrics", table)
            execute(connection, f"TRUNCATE metrics.{table}")
            execute(connection, f"ALTER TABLE metrics.{table} SET UNLOGGED")
            if table != "facts" or with_facts:
                execute(connection, _copies(connection, table, copies))
            for statement in mended:
                execute(connection, statement)
            execute(connection, f"VACUUM ANALYZE metrics.{table}")
        execute(connection, "TRUNCATE metrics.visitor_registers")
        execute(connection, "INSERT INTO metrics.visitor_changes (day) SELECT DISTINCT day FROM metrics.visitors")
        found = connection.execute("SELECT count(*) FROM metrics.entries").fetchone()
    return int(found[0]) if found else 0


KEY = """
    CASE WHEN copy = 0 OR length(key) <= 73 OR substr(key, length(key) - 36, 1) <> ':' THEN key
    ELSE left(key, -73) || CAST(md5(left(right(key, 73), 36) || copy) AS uuid) || ':' || CAST(md5(right(key, 36) || copy) AS uuid) END"""
"""What ends with a lead's id and an event's ends with those of its copy."""

MOMENTS = ("due_at", "expected_close", "runs_until")
DATA = f"""data || jsonb_strip_nulls(jsonb_build_object({
    ", ".join(
        f"'{name}', CAST(data ->> '{name}' AS timestamptz) + copy * interval '{SHIFT_SECONDS} seconds'"
        for name in MOMENTS
    )
}))"""


def _copies(connection: psycopg.Connection, table: str, copies: int) -> str:
    """The statement that fills one table."""
    if table == "sketches":
        return _spread(copies)
    later = SHIFT_SECONDS * 1_000_000 * sum(range(copies))
    expressions = {}
    for column, kind in connection.execute(
        "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = 'metrics' "
        "AND table_name = %s ORDER BY ordinal_position",
        [table],
    ):
        if column == "key":
            changed = KEY
        elif kind == "jsonb":
            changed = DATA
        elif kind == "uuid":
            changed = f"CASE WHEN copy = 0 THEN {column} ELSE CAST(md5(CAST({column} AS text) || copy) AS uuid) END"
        elif kind == "timestamp with time zone":
            changed = f"{column} + copy * interval '{SHIFT_SECONDS} seconds'"
        elif table == "rollups" and column == "duration_microseconds":
            changed = f"{column} * {copies} + CASE WHEN measure = ANY(ARRAY{KEPT}) THEN count * {later} ELSE 0 END"
        elif column in SUMS.get(table, ()):
            changed = f"{column} * {copies}"
        else:
            changed = column
        expressions[column] = changed
    into = f"INSERT INTO metrics.{table} ({', '.join(expressions)}) SELECT {', '.join(expressions.values())}"
    if table in SUMS:
        return f"{into} FROM base.{table}"
    ordered = f"(SELECT * FROM base.{table} ORDER BY {ORDER[table]})"
    return f"{into} FROM {ordered} AS one CROSS JOIN LATERAL generate_series(0, {copies - 1}) AS copy"


def _spread(copies: int) -> str:
    """The statement that fills the sketches: as many as there are copies, over neighbouring buckets."""
    over = 1 if copies * PEOPLE <= AUDITED_UP_TO else min(SPREAD_OVER, copies)
    share = f"({{0}} * {copies} / {over} + CASE WHEN place = 0 THEN {{0}} * {copies} % {over} ELSE 0 END)"
    sums = ", ".join(f"sum({share.format(one)}) AS {one}" for one in ("count", "total", "squares"))
    return f"""
        INSERT INTO metrics.sketches SELECT measure, kind, dimension, block, business_unit, value, currency, bucket + place,
            age_days, {sums}
        FROM base.sketches CROSS JOIN LATERAL generate_series(0, {over - 1}) AS place
        GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9"""


def _audited(services: RunningServices, run: Run) -> None:
    """What was made must be what the service would have written."""
    url = f"{services.url('metrics')}/v1/audit/rollups"
    answer = httpx.post(url, headers=bearer(API_TOKEN), timeout=300, trust_env=False)
    answer.raise_for_status()
    found = answer.json()
    if found["different"] or not found["checked"]:
        raise RuntimeError(f"the generated tables are not what the service writes: {str(found)[:2000]}")
    run.say(f"the service's audit finds all {found['checked']:,} entries and sums as it would have written them")
