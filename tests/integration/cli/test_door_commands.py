"""What operators do about the door from the command line, against a real capture and a real pipeline."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import yaml

from tests.support.brokers import fresh_broker
from tests.support.choice import Server
from tests.support.patience import eventually_blocking
from tests.support.servers import Databases
from tests.support.services import API_TOKEN, CAPTURE_KEY, RunningServices, services_for
from tests.support.topics import create_topics

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

POLICY = {
    "version": "t",
    "defaults": {
        "country": "NL",
        "channels": ["web_form", "partner"],
        "endpoints": {"crm": {"adapter": "json", "channel": "partner"}},
    },
}


@pytest.fixture(scope="module")
def system(databases: Databases, broker: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServices]:
    """Capture and pipeline over a database and a log of their own."""
    folder = tmp_path_factory.mktemp("door")
    policy = folder / "policy.yaml"
    policy.write_text(yaml.safe_dump(POLICY))
    url = databases.migrated()
    with fresh_broker(broker) as bootstrap:
        asyncio.run(create_topics(bootstrap, partitions=2))
        services = services_for(url, bootstrap, folder, policy_file=policy)
        try:
            for service in ("capture", "pipeline"):
                services.start(service)
            services.wait_until_ready("capture", "pipeline")
            yield services
        finally:
            services.end()
    databases.drop(url)


def post(system: RunningServices, path: str, body: Any, key: str = CAPTURE_KEY, **headers: str) -> httpx.Response:
    """What a sender sends; bytes as they are."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return httpx.post(
        f"{system.url('capture')}{path}",
        content=content,
        headers={"X-API-Key": key, "Content-Type": "application/json", **headers},
        timeout=30,
        trust_env=False,
    )


def lead(system: RunningServices, lead_id: str) -> dict[str, Any]:
    """A lead as pipeline shows it, once it is there."""

    def found() -> httpx.Response:
        answer = httpx.get(
            f"{system.url('pipeline')}/v1/leads/{lead_id}",
            headers={"Authorization": f"Bearer {API_TOKEN}"},
            trust_env=False,
        )
        assert answer.status_code == 200
        return answer

    document: dict[str, Any] = eventually_blocking(found, within_seconds=30).json()
    return document


def ok(system: RunningServices, *arguments: str, code: int = 0) -> str:
    """What a command says that ends as it should."""
    done = system.cli(*arguments)
    assert done.returncode == code, (done.stdout, done.stderr)
    return done.stdout


# ---- quarantine


def test_what_was_refused_is_found_mended_and_released(system: RunningServices, tmp_path: Path) -> None:
    body = {"name": ["Lovelace"], "email": "ada@example.com", "record_id": "q1"}
    entry = post(system, "/v1/leads", body).json()["quarantine_id"]
    eventually_blocking(lambda: entry in ok(system, "quarantine", "list", "--sender", "development"), within_seconds=30)
    assert "Lovelace" not in ok(system, "quarantine", "show", entry)
    assert "Lovelace" in ok(system, "quarantine", "show", entry, "--reveal", "--by", "kim")
    assert "name" in ok(system, "quarantine", "fix", entry, "--set", 'name={"a": 1}', code=1)
    assert "mend" not in ok(system, "quarantine", "release", entry, code=1)
    assert "nothing is wrong" in ok(system, "quarantine", "fix", entry, "--set", "name=Ada Lovelace")
    said = ok(system, "quarantine", "release", entry, "--by", "kim")
    event_id = said.split("event ")[1].split()[0]
    assert post(system, "/v1/leads", {**body, "name": "Ada Lovelace"}).json()["event_id"] == event_id
    done = [one["action"] for one in json.loads(ok(system, "quarantine", "show", entry))["actions"]]
    assert done == ["revealed", "mended", "mended", "released"]
    assert entry in ok(system, "quarantine", "list", "--status", "released")


def test_a_delivery_that_cannot_be_read_is_mended_from_a_file_and_released(
    system: RunningServices, tmp_path: Path
) -> None:
    answer = post(system, "/v1/channels/default/crm", b'[{"email": "bo@example.com"', **{"Idempotency-Key": "d1"})
    assert answer.status_code == 422, answer.text
    entry = answer.json()["quarantine_id"]
    eventually_blocking(lambda: "delivery" in ok(system, "quarantine", "list", "--sender", "crm"), within_seconds=30)
    file = tmp_path / "mended.json"
    file.write_text('[{"email": "bo@example.com"}, {"email": "cy@example.com"}]')
    assert "nothing is wrong" in ok(system, "quarantine", "fix", entry, "--payload", str(file))
    assert "1 released" in ok(system, "quarantine", "release", "--all", "--sender", "crm")
    whole = json.loads(file.read_text())
    again = post(system, "/v1/channels/default/crm", whole, **{"Idempotency-Key": "d1"}).json()["items"]
    for item in again:
        assert lead(system, item["lead_id"])["version"] >= 1
    with psycopg.connect(system.environment["LEADFLOW_DATABASE_URL"]) as connection:
        leads = connection.execute("SELECT count(*) FROM pipeline.leads").fetchone()
    assert leads is not None
    assert leads[0] >= 2


def test_what_is_given_up_is_dropped_and_what_is_not_there_is_said(system: RunningServices) -> None:
    entry = post(system, "/v1/leads", {"name": [1]}).json()["quarantine_id"]
    eventually_blocking(lambda: entry in ok(system, "quarantine", "list"), within_seconds=30)
    assert "dropped" in ok(system, "quarantine", "drop", entry, "--note", "a try")
    assert entry in ok(system, "quarantine", "list", "--status", "dropped")
    assert "No open entries" in ok(system, "quarantine", "list", "--sender", "nobody")
    missing = system.cli("quarantine", "show", "00000000-0000-0000-0000-000000000000")
    assert missing.returncode == 2
    assert "There is no entry" in missing.stderr


# ---- marks


def test_a_test_is_listed_released_and_held_out_again(system: RunningServices) -> None:
    taken = post(system, "/v1/leads", {"email": "dee@example.com", "test": True}).json()
    assert lead(system, taken["lead_id"])["mark"] == "test"
    listed = ok(system, "marks", "list", "--mark", "test")
    assert taken["lead_id"] in listed
    assert "dee" not in listed
    assert taken["lead_id"] not in ok(system, "marks", "list", "--mark", "spam")
    assert "1 released" in ok(system, "marks", "release", taken["lead_id"], "--by", "kim", "--note", "a customer")
    assert lead(system, taken["lead_id"])["mark"] is None
    assert "0 released, 1 left" in ok(system, "marks", "release", taken["lead_id"], code=1)
    assert "1 held out as spam" in ok(system, "marks", "mark", taken["lead_id"], "--as", "spam", "--by", "kim")
    held = lead(system, taken["lead_id"])
    assert (held["mark"], held["mark_reasons"][-1]) == ("spam", "said by kim")
    more = post(system, "/v1/leads", {"email": "eve@example.com", "test": True}).json()["lead_id"]
    assert lead(system, more)["mark"] == "test"
    assert "1 released" in ok(system, "marks", "release", "--all", "--mark", "test")
    assert lead(system, taken["lead_id"])["mark"] == "spam"
    assert ok(system, "marks", "list", "--mark", "test").startswith("Nothing is held out")
    assert system.cli("marks", "release").returncode == 2


# ---- keys


def test_a_key_is_shown_once_works_within_its_scopes_and_ends(system: RunningServices) -> None:
    made = system.cli("keys", "create", "shop", "--scope", "write", "--rate", "50", "--expires", "365d")
    key = made.stdout.strip()
    prefix = key[: len("lf_") + 8]
    assert made.returncode == 0
    assert made.stderr.startswith(prefix)
    assert key not in made.stderr
    listed = ok(system, "keys", "list", "--sender", "shop")
    assert prefix in listed
    assert key not in listed
    with psycopg.connect(system.environment["LEADFLOW_DATABASE_URL"]) as connection:
        rows = str(connection.execute("SELECT * FROM capture.api_keys").fetchall())
    assert key not in rows
    assert hashlib.sha256(key.encode()).hexdigest() in rows

    def answers(one: str, status: int, **body: Any) -> None:
        def as_promised() -> bool:
            return post(system, "/v1/leads", {"email": "shop@example.com", **body}, key=one).status_code == status

        eventually_blocking(as_promised, within_seconds=10)

    answers(key, 202)
    answers(key, 403, historical=True, occurred_at="2024-01-01T00:00:00Z")
    limit = post(system, "/v1/leads", {"email": "shop@example.com"}, key=key).headers["ratelimit-limit"]
    assert limit == "250"  # five seconds' worth of its own rate
    turned = system.cli("keys", "rotate", prefix, "--overlap", "1h")
    new = turned.stdout.strip()
    assert turned.returncode == 0
    assert f"{prefix} works until" in turned.stderr
    answers(new, 202)
    answers(key, 202)
    assert "revoked" in ok(system, "keys", "revoke", new[:11])
    answers(new, 401)
    assert new[:11] not in ok(system, "keys", "list", "--sender", "shop")
    assert "revoked" in ok(system, "keys", "list", "--sender", "shop", "--all")
    short = ok(system, "keys", "create", "brief", "--expires", "3s").strip()
    answers(short, 401)
    strange = system.cli("keys", "create", "shop", "--scope", "everything")
    assert strange.returncode == 2
    assert "Traceback" not in strange.stderr


# ---- reconciliation


def test_a_senders_own_count_is_compared_and_what_is_missing_is_named(system: RunningServices, tmp_path: Path) -> None:
    key = ok(system, "keys", "create", "partner", "--scope", "write", "--scope", "reconcile").strip()
    ids = [f"r{number}" for number in range(1_240)]
    sent = [{"email": f"p{one}@example.com", "record_id": one} for one in ids if one not in ("r77", "r901")]

    def taken() -> bool:
        return post(system, "/v1/leads:batch", sent, key=key).status_code == 202

    eventually_blocking(taken, within_seconds=10)
    file = tmp_path / "ids.csv"
    file.write_text("record_id,name\n" + "".join(f"{one},x\n" for one in ids))

    def compared() -> str:
        said = ok(system, "reconcile", "--sender", "partner", "--expect", str(file), code=1)
        assert "not read yet" not in said
        return said

    said = eventually_blocking(compared, within_seconds=60)
    assert said.startswith("expected 1,240, accepted 1,238: these two ids are missing")
    assert [line.strip() for line in said.splitlines()[1:3]] == ["r77", "r901"]
    post(system, "/v1/leads", {"email": "pr77@example.com", "record_id": "r77"}, key=key)
    post(system, "/v1/leads", {"email": "pr901@example.com", "record_id": "r901"}, key=key)
    eventually_blocking(
        lambda: "they agree" in system.cli("reconcile", "--sender", "partner", "--expect", str(file)).stdout,
        within_seconds=60,
    )
    count = ok(system, "reconcile", "--sender", "partner", "--expected", "1250", code=1)
    assert "10 are missing" in count
    post(system, "/v1/leads", {"name": [1]}, key=key)

    def by_hour() -> None:
        table = ok(system, "reconcile", "--sender", "partner", "--hours")
        (row,) = [line for line in table.splitlines() if "partner" in line]
        cells = [cell.strip() for cell in row.strip("│").split("│")]
        assert cells[2] == "lead"
        # received, taken, repeated, ignored, rejected, contradicted, deferred, quarantined, spooled; published, accepted, …
        assert cells[3:] == ["1,241", "1,240", "0", "0", "1", "0", "0", "1", "0", "1,240", "1,240", "0", "0"]

    eventually_blocking(by_hour, within_seconds=30)
