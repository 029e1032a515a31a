"""What must hold after any fault. Each check answers with what is broken, as sentences; none is good."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from aiokafka import AIOKafkaConsumer

from services.metrics.domain.facts import Fact
from services.metrics.handlers import fact_of
from shared.contracts.envelope import LifecycleEvent
from shared.contracts.identity import event_id_from
from shared.contracts.topics import PIPELINE_LIFECYCLE
from tests.integration.metrics.brute_force import Naive, quantile
from tests.support.services import API_TOKEN

if TYPE_CHECKING:
    from tests.faults.harness.world import World

AUDIT_SECONDS = 400.0
SHOWN = 5
KINDS = {"open": "OpportunityOpened", "win": "OpportunityWon", "lose": "OpportunityLost"}
EVER = (date(2000, 1, 1), date(2100, 1, 1))


async def broken_promises(world: World) -> list[str]:
    """Everything that is wrong once all is quiet."""
    return [
        *await _accepted_are_facts_once(world),
        *await _accepted_leads_are_known(world),
        *await _commands_are_done_once(world),
        *await _dead_letters_are_expected(world),
        *await _kpis_follow_from_the_log(world),
        *await _audit(world),
    ]


async def _accepted_are_facts_once(world: World) -> list[str]:
    counted = Counter(
        {
            str(event_id): times
            for event_id, times in await world.rows(
                """SELECT causation_id, count(*) FROM metrics.facts WHERE event IN ('LeadCreated', 'LeadTouched')
                   GROUP BY causation_id"""
            )
        }
    )
    accepted = world.ledger.event_ids()
    lost = [event_id for event_id in accepted if not counted[event_id]]
    double = [event_id for event_id, times in counted.items() if times > 1]
    world.stage.counts(lost=len(lost), double=len(double))
    return [
        *([f"{len(lost)} of {len(accepted)} accepted events are no facts, as {lost[:SHOWN]}"] if lost else []),
        *([f"{len(double)} events are facts more than once, as {double[:SHOWN]}"] if double else []),
    ]


async def _accepted_leads_are_known(world: World) -> list[str]:
    """A lead under the id that its sender was told, perhaps merged into another by now."""
    known = {str(lead_id) for (lead_id,) in await world.rows("SELECT lead_id FROM pipeline.leads")}
    unknown = [lead_id for lead_id in world.ledger.lead_ids() if lead_id not in known]
    return [f"{len(unknown)} leads are not known under their ids, as {unknown[:SHOWN]}"] if unknown else []


async def _commands_are_done_once(world: World) -> list[str]:
    """A command that was granted is in the story once; one that was refused is not; one without an answer at most once."""
    done = Counter(
        {
            (event_id, event): times
            for event_id, event, times in await world.rows(
                "SELECT event_id, event, count(*) FROM metrics.facts GROUP BY event_id, event"
            )
        }
    )
    faults = []
    for command in world.ledger.commands():
        event_id: UUID = event_id_from("pipeline-api", command.key)
        times = sum(done[event_id, event] for event in _events_of(command.kind))
        granted = command.status is not None and command.status < 300
        at_least, at_most = (1, 1) if granted else (0, 0 if command.status is not None else 1)
        if not at_least <= times <= at_most:
            faults.append(
                f"{command.kind} on {command.target} was answered {command.status} and is there {times} times"
            )
    return [f"{len(faults)} commands: {faults[:SHOWN]}"] if faults else []


def _events_of(kind: str) -> tuple[str, ...]:
    return {
        "assign": ("LeadAssigned",),
        "qualify": ("LeadQualified",),
        "archive": ("LeadArchived",),
        "reopen": ("LeadReopened",),
        "move": ("StageChanged",),
        **{command: (event,) for command, event in KINDS.items()},
    }[kind]


async def _dead_letters_are_expected(world: World) -> list[str]:
    found = await world.rows(
        " UNION ALL ".join(
            f"SELECT '{service}', topic, partition, record_offset, reason, left(detail, 100) FROM {service}.dead_letters"
            for service in ("scoring", "pipeline", "metrics")
        )
    )
    there = {(service, topic, partition, offset): why for service, topic, partition, offset, *why in found}
    wrong = [(place, why) for place, why in there.items() if place not in world.expected_dead_letters]
    missing = world.expected_dead_letters - there.keys()
    return [
        *([f"{len(found) - len(there)} records are dead letters twice"] if len(found) > len(there) else []),
        *([f"{len(wrong)} records must not be dead letters, as {wrong[:SHOWN]}"] if wrong else []),
        *([f"{len(missing)} dead letters are missing, as {sorted(missing)[:SHOWN]}"] if missing else []),
    ]


async def _audit(world: World) -> list[str]:
    """`leadflow audit`: the log against every service's books, and the rollups made again."""
    audit = await asyncio.to_thread(world.services.cli, "audit", "--wait-seconds", "60", timeout_seconds=AUDIT_SECONDS)
    return [] if audit.returncode == 0 else [f"leadflow audit:\n{audit.stdout[-3_000:]}{audit.stderr[-1_000:]}"]


async def _kpis_follow_from_the_log(world: World) -> list[str]:
    """The KPI API's answers against a naive computation from the records of the log alone."""
    as_of = datetime.now(UTC)
    naive = Naive(await lifecycle_facts(world), as_of, *EVER)
    window = {"from": EVER[0].isoformat(), "to": EVER[1].isoformat(), "as_of": as_of.isoformat()}
    faults = []
    for kpi, expected in naive.counts().items():
        said = (await _ask(world, kpi, window))["value"]
        if not _near(said, expected):
            faults.append(f"{kpi} is answered {said} and follows from the log as {expected}")
    for kpi, seconds in naive.durations().items():
        answer = await _ask(world, kpi, window)
        if answer["n"] != len(seconds) or not _near(answer["value"], quantile(seconds, 50)):
            faults.append(f"{kpi} is answered {answer['n']} with median {answer['value']}, the log has {len(seconds)}")
    return faults


def _near(said: Any, expected: float | None) -> bool:
    if said is None or expected is None:
        return said is expected
    return abs(float(said) - expected) <= 1e-6 + 1e-9 * abs(expected)


async def _ask(world: World, kpi: str, window: dict[str, str]) -> dict[str, Any]:
    answer = await world.http.get(
        f"{world.services.url('metrics')}/v1/kpis/{kpi}",
        params=window,
        headers={"Authorization": f"Bearer {API_TOKEN}"},
        timeout=60,
    )
    assert answer.status_code == 200, answer.text
    total: dict[str, Any] = answer.json()["total"]
    return total


async def lifecycle_facts(world: World) -> list[Fact]:
    """Every distinct lifecycle event that the log holds and a reader of the contracts can read."""
    found: dict[tuple[UUID, UUID], Fact] = {}
    consumer = AIOKafkaConsumer(
        PIPELINE_LIFECYCLE.name,
        bootstrap_servers=world.kafka.bootstrap,
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    try:
        ends = await consumer.end_offsets(list(consumer.assignment()))
        begins = await consumer.beginning_offsets(list(ends))
        left = {place for place, end in ends.items() if begins[place] < end}
        while left:
            for place, records in (await consumer.getmany(*left, timeout_ms=500, max_records=5_000)).items():
                for record in records:
                    if (fact := _read(record.value)) is not None:
                        found.setdefault((fact.lead_id, fact.event_id), fact)
                if records[-1].offset + 1 >= ends[place]:
                    left.discard(place)
    finally:
        await consumer.stop()
    return list(found.values())


def _read(value: bytes | None) -> Fact | None:
    try:
        event = PIPELINE_LIFECYCLE.parse(value or b"")
    except ValueError:
        return None
    assert isinstance(event, LifecycleEvent)
    return fact_of(event)
