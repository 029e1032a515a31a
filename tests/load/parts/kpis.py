"""KPI queries over growing tables. What metrics keeps of five thousand people is written by metrics itself, from events; the
larger sizes are that many times over, made set-wise in SQL: other ids, each copy some seconds later. The smallest is
checked by the service's own audit."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import httpx
import psycopg
from confluent_kafka import Producer

from services.metrics.domain.definitions import BY_ID
from services.metrics.domain.questions import SUMMED
from services.metrics.storage.sketched import is_sketched
from shared.contracts.envelope import LifecycleEvent
from shared.contracts.lifecycle_events import (
    LeadCreated,
    LeadGraded,
    LeadQualified,
    LeadTouched,
    OpportunityOpened,
    OpportunityWon,
)
from shared.contracts.topics import PIPELINE_LIFECYCLE
from tests.load import mix
from tests.load.arithmetic import percentile
from tests.load.findings import Finding
from tests.load.growing import run as execute
from tests.load.growing import without_indexes
from tests.load.run import Run
from tests.load.stage import Stage, running_stage
from tests.load.traffic import bearer
from tests.support.services import API_TOKEN, RunningServices

PEOPLE = 5_000
SIZES = (50_000, 500_000, 5_000_000)
QUICK_SIZES = (10_000, 100_000)
DAYS = 365
SHIFT_SECONDS = 7
"""Between two copies of the same person, so that a thousand copies stay on their local day."""
REPEATS, SECONDS_A_KPI = 20, 6.0
ASKED = tuple(kpi for kpi, definition in BY_ID.items() if definition.measures)
"""Those that are of targets say first whose."""
AUDITED_UP_TO = 50_000
SPREAD_OVER = 25
"""Copies of one person would all fall into one bucket; beyond what is audited they are spread over so many, as people are."""


def story(number: int, begins: datetime) -> Iterator[LifecycleEvent]:
    """All that pipeline would tell about one lead of the mix."""
    lead_id = uuid5(NAMESPACE_URL, f"lead {number}")
    sent = mix.lead(number)
    version = 0

    def told(what: type[LifecycleEvent], at: datetime, /, **facts: Any) -> LifecycleEvent:
        nonlocal version
        version += 1
        event_id = uuid5(lead_id, f"{version}")
        return what(
            event=what.__name__, event_id=event_id, lead_id=lead_id, business_unit=mix.UNIT, occurred_at=at,
            recorded_at=at, correlation_id=event_id, causation_id=uuid5(event_id, "cause"), version=version, **facts,
        )  # fmt: skip

    came_from = {name: sent[name] for name in ("channel", "source", "campaign")}
    yield told(LeadCreated, begins, sender="load", **came_from)
    qualified = number % mix.QUALIFIED_EVERY == 0
    yield told(LeadGraded, begins, score=42 if qualified else 22, grade="B" if qualified else "C")
    if qualified:
        yield told(LeadQualified, begins, automatic=True)
    for place in range(mix.INTERACTIONS):
        yield told(LeadTouched, begins + timedelta(minutes=5 * (place + 1)), kind="page_view", channel=sent["channel"])
    if mix.is_won(number):
        deal = {"opportunity_id": f"deal {number}", "amount": f"{1000 + number % 7 * 250}.00", "currency": "EUR"}
        yield told(OpportunityOpened, begins + timedelta(days=2 + number % 9), **deal, stage="discovery", position=0)
        yield told(OpportunityWon, begins + timedelta(days=12 + number % 30), **deal)


def kpis(run: Run) -> list[Finding]:
    """Every KPI, cut by channel over the last ninety days, at each size."""
    sizes = QUICK_SIZES if run.quick else SIZES
    with running_stage(run) as stage:
        services = stage.configured(METRICS_MERGE_WITHIN_SECONDS="0.5")
        _written_by_the_service(stage, services)
        _keep_base(stage)
        took: dict[int, dict[str, list[float]]] = {}
        for size in sizes:
            began = time.monotonic()
            services.stop("metrics")
            rows = _grow(stage, size // PEOPLE, with_facts=size <= AUDITED_UP_TO)
            services.start("metrics")
            services.wait_until_ready("metrics")
            run.say(f"{size:,} leads, {rows:,} entries made in {time.monotonic() - began:.0f} s")
            if size == sizes[0]:
                _audited(services, run)
            took[size] = _asked(services)
            slow = sorted(took[size], key=lambda kpi: -percentile(took[size][kpi], 0.95))[:3]
            run.say("; ".join(f"{kpi} p95 {percentile(took[size][kpi], 0.95):,.0f} ms" for kpi in slow))
    spread = [kpi for kpi in ASKED if is_sketched(BY_ID[kpi].form)]
    rolled = [kpi for kpi in ASKED if isinstance(BY_ID[kpi].form, SUMMED)]
    others = [kpi for kpi in ASKED if kpi not in spread and kpi not in rolled]
    return [
        *_lines(took, rolled, f"answered from sums ({len(rolled)} of {len(ASKED)})"),
        *_lines(took, spread, f"answered from sketches ({len(spread)} of {len(ASKED)})"),
        *_lines(took, others, f"answered from entries ({len(others)} of {len(ASKED)})"),
    ]


def _lines(took: dict[int, dict[str, list[float]]], names: Sequence[str], what: str) -> list[Finding]:
    smallest, largest = min(took), max(took)

    def at(size: int, share: float) -> float:
        return percentile([one for name in names for one in took[size][name]], share)

    slowest = max(names, key=lambda name: percentile(took[largest][name], 0.95))
    detail = {f"p95 ms at {size:,}": at(size, 0.95) for size in took}
    detail[f"slowest: {slowest}, p95 ms"] = percentile(took[largest][slowest], 0.95)
    title, against = f"KPI queries {what}, {largest:,} leads", f"at {smallest:,}"
    return [
        Finding("kpis", f"{title}, p50", at(largest, 0.5), "ms", at(smallest, 0.5), against),
        Finding("kpis", f"{title}, p95", at(largest, 0.95), "ms", target=100, of_ratio=False, less_is_better=True, detail=detail),
        Finding("kpis", f"{title}, p95", at(largest, 0.95), "ms", at(smallest, 0.95), against, target=1.5, less_is_better=True),
    ]  # fmt: skip


def _written_by_the_service(stage: Stage, services: RunningServices) -> None:
    """Metrics folds the stories of five thousand people, spread over a year that ended yesterday."""
    producer = Producer({"bootstrap.servers": stage.bootstrap, "acks": "all", "linger.ms": 5})
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    told = 0
    for number in range(PEOPLE):
        # Deals need six weeks; nothing of a story lies in the future.
        days_ago = 1 + (number * 7919) % DAYS + (45 if mix.is_won(number) else 0)
        begins = midnight - timedelta(days=days_ago) + timedelta(hours=8, seconds=(number * 104_729) % (8 * 3600))
        for event in story(number, begins):
            producer.produce(PIPELINE_LIFECYCLE.name, event.to_json(), str(event.lead_id))
            told += 1
        producer.poll(0)
    producer.flush(30)
    services.start("metrics")
    services.wait_until_ready("metrics")
    give_up_at = time.monotonic() + 120
    while stage.scalar("SELECT sum(facts) FROM metrics.progress") < told:
        if time.monotonic() > give_up_at:
            raise RuntimeError(f"metrics did not fold {told:,} events:\n{services.log('metrics')[-2000:]}")
        time.sleep(0.1)
    give_up_at = time.monotonic() + 120
    while stage.scalar("SELECT count(*) FROM metrics.sketch_changes"):
        if time.monotonic() > give_up_at:
            raise RuntimeError("metrics does not merge what batches left")
        time.sleep(0.1)


TABLES = ("leads", "facts", "entries", "rollups", "sketches")
ORDER = {"leads": "lead_id", "facts": "occurred_at", "entries": "at"}
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
        found = connection.execute("SELECT count(*) FROM metrics.entries").fetchone()
    return int(found[0]) if found else 0


def _copies(connection: psycopg.Connection, table: str, copies: int) -> str:
    """The statement that fills one table."""
    if table == "sketches":
        return _spread(copies)
    expressions = {}
    for column, kind in connection.execute(
        "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = 'metrics' "
        "AND table_name = %s ORDER BY ordinal_position",
        [table],
    ):
        if kind == "uuid":
            changed = f"CASE WHEN copy = 0 THEN {column} ELSE CAST(md5(CAST({column} AS text) || copy) AS uuid) END"
        elif kind == "timestamp with time zone":
            changed = f"{column} + copy * interval '{SHIFT_SECONDS} seconds'"
        elif table == "rollups" and column in ("count", "durations", "duration_microseconds", "amount"):
            changed = f"{column} * {copies}"
        else:
            changed = column
        expressions[column] = changed
    into = f"INSERT INTO metrics.{table} ({', '.join(expressions)}) SELECT {', '.join(expressions.values())}"
    if table == "rollups":
        return f"{into} FROM base.rollups"
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
        raise RuntimeError(f"the generated tables are not what the service writes: {found}")
    run.say(f"the service's audit finds all {found['checked']:,} entries and sums as it would have written them")


def _asked(services: RunningServices) -> dict[str, list[float]]:
    """Milliseconds of each answer by KPI. Raises `RuntimeError` at any that is refused: how fast that came is no result."""
    today = datetime.now(UTC).date()
    window = {"from": str(today - timedelta(days=90)), "to": str(today), "group_by": "channel"}
    took: dict[str, list[float]] = {}
    with httpx.Client(headers=bearer(API_TOKEN), timeout=120, trust_env=False) as client:
        for kpi in ASKED:
            url = f"{services.url('metrics')}/v1/kpis/{kpi}"
            began = time.monotonic()
            took[kpi] = []
            # The first one warms up; where one alone takes all the time there is, it is the answer.
            while not took[kpi] or (len(took[kpi]) <= REPEATS and time.monotonic() - began < SECONDS_A_KPI):
                started = time.perf_counter()
                answer = client.get(url, params=window)
                took[kpi].append((time.perf_counter() - started) * 1e3)
                if answer.status_code != 200:
                    after = f"after {took[kpi][-1]:,.0f} ms"
                    raise RuntimeError(f"{kpi} answered {answer.status_code} {after}: {answer.text[:200]}")
            took[kpi] = took[kpi][1:] or took[kpi]
    return took
