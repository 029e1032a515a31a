"""A million people at work: some are written by pipeline itself, from the log, and then copied set-wise with all that it wrote of
them, each copy under other ids, names and addresses, some hours earlier."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

import psycopg

from shared.contracts.capture_events import LeadCaptured, Personal
from shared.contracts.envelope import Event
from shared.contracts.identity import identity, lead_id_from
from shared.contracts.scoring_events import LeadScored
from tests.load.growing import columns, run, without_indexes

SECRET = b"only-for-tests-only-for-tests"
UNITS = ("europe", "north", "south")
OWNERS = 60
GIVEN = (
    "Ann", "Bob", "Carla", "David", "Eva", "Finn", "Greta", "Hassan", "Ida", "Jonas", "Karim", "Lena", "Mohammad", "Nora", "Omar",
    "Paula", "Quirin", "Rosa", "Sara", "Tomas", "Uma", "Viktor", "Wanda", "Xenia", "Yusuf", "Zoë", "محمد", "زهرا", "علی", "דוד", "שרה",
)  # fmt: skip
SURNAMES = (
    "Smith", "Jansen", "Müller", "Rossi", "Novak", "Haddad", "Kaya", "Berg", "Costa", "Dubois", "Eriksen", "Fischer", "García", "Horvat",
    "Ivanova", "Jensen", "Kowalski", "Lopez", "Meyer", "Nielsen", "Olsen", "Petrov", "Quinn", "Ricci", "Silva", "Tanaka", "Unger",
    "Visser", "Weber", "Xu", "Yilmaz", "Zimmer", "رضایی", "کریمی", "حسینی", "כהן", "לוי", "Aksoy", "Bakker", "Conti", "Dekker",
)  # fmt: skip
TRADES = (
    "Bakery", "Bicycles", "Books", "Cargo", "Catering", "Cheese", "Clinics", "Coffee", "Energy", "Flowers", "Foods", "Furniture",
    "Gardens", "Glass", "Hotels", "Insurance", "Logistics", "Machines", "Media", "Optics", "Paper", "Solar", "Textiles", "Tools",
)  # fmt: skip
TABLES = ("leads", "identities", "history", "tasks", "worklist", "owner_loads", "opportunities")
STAGES = ("discovery", "proposal", "negotiation", "contract")
DEALS_EACH = 5
HOURS_APART = 17
MINUTES_APART = 37

POLICY: dict[str, Any] = {
    "version": "load-1",
    "defaults": {
        "qualification": {"automatic": True, "min_score": 40},
        "archive_reasons": ["no budget", "other"],
        "loss_reasons": ["price", "other"],
        "pipelines": {"default": [{"name": stage, "probability": 0.25} for stage in STAGES]},
        "routing": {
            "owners": {f"owner {number}": {} for number in range(OWNERS)},
            "teams": {"everybody": {"strategy": "round_robin", "members": [f"owner {number}" for number in range(OWNERS)]}},
            "rules": [{"rule": "all", "when": 'channel != ""', "to": "everybody"}],
            "fallback": "owner 0",
        },
        "follow_up": {
            "cadences": [
                {
                    "cadence": "all",
                    "respond_within": "4h",
                    "steps": [
                        {"step": "call", "channel": "phone", "within": "8h"},
                        {"step": "write", "channel": "email", "wait": "8h", "within": "8h"},
                    ],
                }
            ]
        },
    },
}  # fmt: skip
"""Every lead that qualifies goes to somebody and has two things due: to be answered, and to be called."""


def captured(number: int, at: datetime, *, mark: str | None = None) -> LeadCaptured:
    """One lead as capture would tell of it."""
    unit = UNITS[0] if number % 10 < 8 else UNITS[1 + number % 2]
    given, surname = GIVEN[number % len(GIVEN)], SURNAMES[(number * 7) % len(SURNAMES)]
    address = f"person.{number}@company{number % 500}.example"
    names = [identity(SECRET, unit, "email", address), identity(SECRET, unit, "external", f"crm\x1f{number}")]
    phone = f"+31612{number % 1_000_000:06d}" if number % 3 == 0 else None
    if phone is not None:
        names.append(identity(SECRET, unit, "phone", phone))
    event_id = uuid5(NAMESPACE_URL, f"crowd {number}")
    return LeadCaptured(
        event_id=event_id, lead_id=lead_id_from(names, event_id), business_unit=unit, occurred_at=at, recorded_at=at,
        correlation_id=event_id, sender="load", channel=("web_form", "paid_search", "event")[number % 3], identities=tuple(names),
        company=f"{SURNAMES[number % 37]} {TRADES[number % 23]} BV", job_title="Head of Sales", mark=mark, mark_reasons=("told",) if mark else (),
        personal=Personal(name=f"{given} {surname}", email=address, phone=phone),
    )  # fmt: skip


def scored(lead: LeadCaptured, score: int) -> LeadScored:
    """Scoring's verdict on it, a moment later."""
    event_id = uuid5(lead.event_id, "scored")
    at = lead.occurred_at + timedelta(milliseconds=1)
    return LeadScored(
        event_id=event_id, lead_id=lead.lead_id, business_unit=lead.business_unit, occurred_at=at, recorded_at=at,
        correlation_id=lead.event_id, score=score, grade="A" if score >= 70 else "B" if score >= 40 else "C", fit=score, engagement=0,
        reasons=(), policy_version="load-1",
    )  # fmt: skip


def base(people: int) -> Iterator[Event]:
    """Those who qualify, one in fifty more each who does not, and who is a test, and those who buy."""
    now = datetime.now(UTC)
    for number in range(people):
        lead = captured(number, now)
        yield lead
        yield scored(lead, 40 + number % 60)
    for number in range(people, people + people // 50):
        lead = captured(number, now)
        yield lead
        yield scored(lead, number % 40)
        yield captured(number + people, now, mark="test")
    for number in buyers(people):
        lead = captured(number, now)
        yield lead
        yield scored(lead, 80)


def buyers(people: int) -> range:
    """One in twenty-five more, with whom there are deals."""
    return range(3 * people, 3 * people + people // 25)


def grow(url: str, copies: int) -> int:
    """Has each of those who are there `copies` times; how many leads that are."""
    with psycopg.connect(url, autocommit=True) as connection:
        for setting in ("maintenance_work_mem = '1GB'", "jit = off", "synchronous_commit = off"):
            run(connection, f"SET {setting}")
        run(connection, "CREATE SCHEMA base")
        for table in TABLES:
            run(connection, f"CREATE TABLE base.{table} AS SELECT * FROM pipeline.{table}")
            mended = without_indexes(connection, "pipeline", table)
            run(connection, _copies(table, columns(connection, "pipeline", table), copies))
            for statement in mended:
                run(connection, statement)
            run(connection, f"VACUUM ANALYZE pipeline.{table}")
        run(connection, "CHECKPOINT")
        found = connection.execute("SELECT count(*) FROM pipeline.leads").fetchone()
    return int(found[0]) if found else 0


_EARLIER = f"copy * interval '{HOURS_APART} hours'"
_LATER = f"interval '1 day' + copy * interval '{MINUTES_APART} minutes'"
_ADDRESS = "replace({}, '@', '.' || copy || '@')"
_TAGGED = "left((tsvector_to_array(words))[1], 6)"


def _copies(table: str, named: dict[str, str] | Any, copies: int) -> str:
    """The statement that fills one table with the copies from the second on."""
    if table == "owner_loads":
        return f"UPDATE pipeline.owner_loads SET leads = leads * {copies}"
    expressions = {name: _changed(table, name, kind) for name, kind in named.items()}
    into = f"INSERT INTO pipeline.{table} ({', '.join(expressions)}) SELECT {', '.join(expressions.values())}"
    return f"{into} FROM base.{table} CROSS JOIN generate_series(1, {copies - 1}) AS copy"


def _changed(table: str, name: str, kind: str) -> str:
    if kind == "uuid":
        return _other(name)
    if kind == "timestamp with time zone":
        return f"{name} + {_LATER}" if name in ("due_at", "starts_at", "fires_at") else f"{name} - {_EARLIER}"
    if name == "opportunity_id":
        return "opportunity_id || ' q' || copy"
    if name == "token":
        return "md5(token || copy)"
    if name == "personal":
        address = _ADDRESS.format("personal ->> 'email'")
        return f"personal || jsonb_build_object('name', (personal ->> 'name') || ' Q' || copy, 'email', {address})"
    if name == "words":
        address = _ADDRESS.format("one")
        return (
            f"(SELECT array_to_tsvector(array_agg(DISTINCT {address}) || ({_TAGGED} || 'q' || copy)) "
            "FROM unnest(tsvector_to_array(words)) AS one)"
        )
    if table == "history" and name == "data":
        moments = ", ".join(
            f"'{moment}', to_jsonb(CAST(data ->> '{moment}' AS timestamptz) + {_LATER})"
            for moment in ("due_at", "starts_at")
        )
        return (
            "data || CASE WHEN data ? 'task_id' THEN jsonb_build_object('task_id', "
            f"{_other('data ->> ' + repr('task_id'))}) ELSE '{{}}' END "
            "|| CASE WHEN data ? 'opportunity_id' THEN jsonb_build_object('opportunity_id', (data ->> 'opportunity_id') || ' q' || copy) "
            "ELSE '{}' END "
            f"|| CASE WHEN data ? 'due_at' THEN jsonb_strip_nulls(jsonb_build_object({moments})) ELSE '{{}}' END"
        )
    return name


def _other(value: str) -> str:
    return f"CAST(md5(CAST({value} AS text) || copy) AS uuid)"


def fall_due(url: str, begins: datetime, a_second: int, seconds: int) -> int:
    """Lets so many timers a second fall due from a moment on, in the tasks and in their histories; how many."""
    with psycopg.connect(url, autocommit=True) as connection:
        found = connection.execute(
            b"""
            WITH chosen AS (
                SELECT task_id, lead_id, %(begins)s + (row_number() OVER () - 1) * %(apart)s AS at
                FROM (SELECT * FROM pipeline.tasks TABLESAMPLE SYSTEM (20) WHERE fires_at IS NOT NULL ORDER BY random()
                    LIMIT %(number)s) one
            ), moved AS (
                UPDATE pipeline.tasks t SET due_at = c.at, fires_at = c.at FROM chosen c WHERE t.task_id = c.task_id
                RETURNING t.task_id, t.lead_id, c.at
            ), said AS (
                UPDATE pipeline.history h SET data = h.data || jsonb_build_object('due_at', m.at) FROM moved m
                WHERE h.lead_id = m.lead_id AND h.event = 'FollowUpScheduled'
                    AND coalesce(h.data ->> 'task_id', CAST(h.event_id AS text)) = CAST(m.task_id AS text)
                RETURNING 1
            ) SELECT count(*) FROM said""",
            {"begins": begins, "apart": timedelta(seconds=1 / a_second), "number": a_second * seconds},
        ).fetchone()
    return int(found[0]) if found else 0


def some_lead(number: int) -> UUID:
    """The id of one of those whom pipeline wrote."""
    return captured(number, datetime.now(UTC)).lead_id
