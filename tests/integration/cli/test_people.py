"""A person is shown everything, and then forgotten by every service, while all numbers stay what they were."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import httpx
import psycopg
import pytest
from aiokafka import AIOKafkaConsumer

from shared.contracts.topics import CAPTURE_LEADS, TOPICS
from shared.kit.database import Database
from tests.support.patience import eventually_blocking
from tests.support.services import CAPTURE_KEY, RunningServices
from tests.support.tables import tables_saying

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

SCHEMAS = ("capture", "scoring", "pipeline", "metrics")
SECRETS = ("zoe@people.example.com", "31612345699", "Zoe Zimmer", "ring me tonight", "Keeper of clocks")


def post(leadflow: RunningServices, path: str, body: dict[str, Any], status: int = 202) -> dict[str, Any]:
    answer = httpx.post(
        leadflow.url("capture") + path,
        json={"business_unit": "people", "channel": "web_form", **body},
        headers={"Authorization": f"Bearer {CAPTURE_KEY}"},
        timeout=30,
        trust_env=False,
    )
    assert answer.status_code == status, answer.text
    said: dict[str, Any] = answer.json()
    return said


def rows(leadflow: RunningServices, sql: str) -> list[Any]:
    with psycopg.connect(leadflow.environment["LEADFLOW_DATABASE_URL"]) as connection:
        return connection.execute(sql.encode()).fetchall()


def numbers(leadflow: RunningServices) -> list[Any]:
    return rows(leadflow, "SELECT md5(string_agg(r::text, ',' ORDER BY r::text)) FROM metrics.rollups r")


def saying(leadflow: RunningServices) -> dict[str, Any]:
    """In which tables anything of the person stands."""

    async def look() -> dict[str, Any]:
        found: dict[str, Any] = {}
        for schema in SCHEMAS:
            database = Database(leadflow.environment["LEADFLOW_DATABASE_URL"], schema=schema)
            found |= {
                f"{schema}.{name}": said for name, said in (await tables_saying(database, schema, SECRETS)).items()
            }
            await database.close()
        return found

    return asyncio.run(look())


def topics_saying(leadflow: RunningServices) -> set[str]:
    """On which topics anything of the person stands."""

    async def look() -> set[str]:
        consumer = AIOKafkaConsumer(
            *TOPICS,
            bootstrap_servers=leadflow.environment["LEADFLOW_KAFKA_BOOTSTRAP"],
            group_id=None,
            auto_offset_reset="earliest",
        )
        await consumer.start()
        found: set[str] = set()
        try:
            ends = await consumer.end_offsets(list(consumer.assignment()))
            while any([await consumer.position(place) < end for place, end in ends.items()]):
                for place, records in (await consumer.getmany(timeout_ms=500)).items():
                    said = "\n".join((record.value or b"").decode("utf-8", "replace") for record in records)
                    found |= {place.topic for secret in SECRETS if secret in said}
        finally:
            await consumer.stop()
        return found

    return asyncio.run(look())


def test_a_person_is_shown_and_forgotten_and_returns(leadflow: RunningServices) -> None:
    email, phone, name, message, title = SECRETS
    post(leadflow, "/v1/leads", {"phone": "+" + phone, "name": name, "message": message, "record_id": "z1"})
    post(leadflow, "/v1/leads", {"email": email, "phone": "+" + phone, "name": name, "job_title": title})
    post(leadflow, "/v1/interactions", {"email": email, "kind": "download", "value": "prices"})
    post(leadflow, "/v1/leads", {"email": email, "name": [name]}, status=422)

    def there() -> bool:
        merged = rows(
            leadflow, "SELECT count(*) FROM pipeline.leads WHERE business_unit = 'people' AND root_id <> lead_id"
        )
        counted = rows(leadflow, "SELECT count(*) FROM metrics.facts WHERE business_unit = 'people'")
        written = rows(
            leadflow,
            "SELECT count(*) FROM pipeline.history WHERE lead_id IN (SELECT lead_id FROM pipeline.leads WHERE business_unit = 'people')",
        )
        quarantined = rows(leadflow, "SELECT count(*) FROM capture.quarantine WHERE payload IS NOT NULL")
        return merged == [(1,)] and counted == written and quarantined == [(1,)]

    eventually_blocking(there, within_seconds=60)
    settled: list[Any] = []

    def quiet() -> bool:
        settled.append(rows(leadflow, "SELECT count(*) FROM metrics.facts"))
        return len(settled) > 4 and settled[-1] == settled[-4]

    eventually_blocking(quiet, within_seconds=60, every_seconds=0.5)
    shown = leadflow.cli("export-person", email, "--by", "kim")
    assert shown.returncode == 0, shown.stderr
    document = json.loads(shown.stdout)
    for secret in SECRETS:
        assert secret in shown.stdout
    assert document["capture"]["held"]["quarantine"] == 1
    nobody = leadflow.cli("export-person", "nobody@people.example.com")
    assert (nobody.returncode, "Nobody is known" in nobody.stderr) == (1, True)

    before = numbers(leadflow)
    dry = leadflow.cli("erase", "+" + phone, "--dry-run")
    assert dry.returncode == 0, dry.stderr
    assert "2 lead ids are this person" in dry.stdout
    assert set(saying(leadflow)) == {"capture.quarantine", "pipeline.leads", "scoring.touches"}

    done = leadflow.cli("erase", "+" + phone, "--yes", "--reason", "case 17", "--by", "kim")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Nothing is found where nothing may be." in done.stdout
    assert re.search(
        r"capture\.leads\.v1 partition \d+: the last of them at or before offset \d+, gone by 20", done.stdout
    )
    assert saying(leadflow) == {}
    assert topics_saying(leadflow) == {CAPTURE_LEADS.name}
    assert numbers(leadflow) == before
    audit = leadflow.cli("audit")
    assert audit.returncode == 0, audit.stdout

    (erasure,) = re.findall(r"Erasure ([0-9a-f-]{36}), by kim: case 17", done.stdout)
    proof = leadflow.cli("erasures", "show", erasure, "--log")
    assert proof.returncode == 0, proof.stdout + proof.stderr
    assert "records name the person" in proof.stdout
    listed = leadflow.cli("erasures", "list")
    assert erasure in listed.stdout
    assert not any(secret in done.stdout + listed.stdout + proof.stdout for secret in SECRETS[1:3])

    post(leadflow, "/v1/leads", {"email": email, "company": "Back Ltd"})

    def back() -> bool:
        found = rows(
            leadflow, "SELECT personal FROM pipeline.leads WHERE business_unit = 'people' AND personal <> '{}'"
        )
        return len(found) == 1 and found[0][0].keys() >= {"email", "company"} and "name" not in found[0][0]

    eventually_blocking(back, within_seconds=60)
    assert leadflow.cli("erasures", "show", erasure).returncode == 0, "what was said since counts as left"


@pytest.mark.parametrize(
    "arguments", [("erase", "zoe", "--reason", "r"), ("erase", "z@x.example"), ("erasures", "show", "x")]
)
def test_what_cannot_be_asked_is_told_with_a_fix(leadflow: RunningServices, arguments: tuple[str, ...]) -> None:
    done = leadflow.cli(*arguments)
    assert done.returncode == 2
    assert "Error:" in done.stderr
