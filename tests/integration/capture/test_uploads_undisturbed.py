"""Files are imported whatever else happens: the log or the database away, several processes, files whose time has come."""

from __future__ import annotations

from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from services.capture import storage
from services.capture.instruments import UploadInstruments
from services.capture.uploads import Sweeper, UploadDirectory
from shared.kit.database import Database
from tests.faults.harness.postgres import FaultyPostgres
from tests.integration.capture.uploading import OPERATOR, Place, Uploads, people, table
from tests.support.clock import FakeClock
from tests.support.patience import eventually
from tests.unit.capture.fakes import NOW, problem

MAPPING = '[{"name": "name", "email": "email"}]'


async def test_a_stretch_finds_room_where_little_may_be_in_flight(place: Place) -> None:
    place.settings.update(max_inflight_bytes=1 << 20, upload_max_bytes=8 << 20)
    text = table(["name", "message"], [[f"Lead {n}", "x" * 4_000] for n in range(600)])
    async with place.capture() as uploads:
        assert (await uploads.imported(text))["leads"]["accepted"] == 600


async def test_while_the_log_is_away_a_job_waits_and_says_so(uploads: Uploads) -> None:
    uploads.log.away = True
    job = await uploads.send(people(700))

    async def waits() -> Any:
        shown = await uploads.show(job["upload_id"])
        return shown if shown["last_error"] else None

    waiting = await eventually(waits)
    assert waiting["status"] == "running"
    assert "goes on by itself" in waiting["last_error"]["fix"]
    assert waiting["leads"]["accepted"] == 0
    uploads.log.away = False
    done = await uploads.ended(job["upload_id"])
    assert done["leads"] == {"accepted": 700, "duplicate": 0, "rejected": 0, "quarantined": 0}
    assert set(uploads.times().values()) == {1}


async def test_two_processes_share_the_jobs_of_a_disk_and_never_work_on_the_same(place: Place) -> None:
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(place.capture(upload_rows_per_second=3_000))
        await stack.enter_async_context(place.capture(upload_rows_per_second=3_000))
        jobs = [await first.send(people(1_000, start=1_000 * n)) for n in range(4)]
        done = [await first.ended(job["upload_id"]) for job in jobs]
    assert [job["leads"]["accepted"] for job in done] == [1_000] * 4
    times = [event.event_id for event in place.log.events()]
    assert len(times) == len(set(times)) == 4_000
    with psycopg.connect(place.url) as connection:
        (workers,) = connection.execute("SELECT count(*) FROM capture.uploads WHERE worker IS NOT NULL").fetchone() or (
            9,
        )
    assert workers == 0


async def test_files_of_another_disk_are_left_to_whoever_has_it(place: Place, tmp_path: Path) -> None:
    async with place.capture(upload_rows_per_second=1) as first:
        job = await first.send(people(30))
    async with place.capture(upload_dir=tmp_path / "elsewhere") as other:
        assert (await other.imported(people(5)))["status"] == "done"
        assert (await other.show(job["upload_id"]))["status"] in ("waiting", "running")
    async with place.capture() as again:
        assert (await again.ended(job["upload_id"]))["leads"]["accepted"] == 30


async def test_files_go_after_their_time_and_until_then_it_is_known_which_hold_data(uploads: Uploads) -> None:
    job = await uploads.imported(people(3))
    clock = FakeClock(NOW)
    database = Database(uploads.url, schema="capture", clock=clock)
    keep = timedelta(hours=72)
    try:
        (held,) = await storage.held_files(database, keep)
        assert (str(held.upload_id), held.sender) == (job["upload_id"], "dev")
        assert held.deleted_at == datetime.fromisoformat(job["ended_at"]) + keep
        asked = {"lead_ids": [], "tokens": [], "until": "2027-01-01T00:00:00Z"}
        told = await uploads.client.post("/v1/people:held", json=asked, headers=OPERATOR)
        assert [one["upload_id"] for one in told.json()["uploads"]] == [job["upload_id"]]
        before = {**asked, "until": "2026-01-01T00:00:00Z"}
        assert (await uploads.client.post("/v1/people:held", json=before, headers=OPERATOR)).json()["uploads"] == []
        registry = CollectorRegistry()
        sweeper = Sweeper(database, UploadDirectory(uploads.directory), UploadInstruments(registry), keep)
        folder = uploads.directory / "files" / job["upload_id"]
        await sweeper.once()
        assert folder.exists()
        assert registry.get_sample_value("leadflow_capture_uploads_kept_bytes") == len(people(3))
        assert registry.get_sample_value("leadflow_capture_uploads_moved_timestamp_seconds") == 0
        clock.advance(keep + timedelta(seconds=1))
        await sweeper.once()
        assert not folder.exists()
        assert await storage.held_files(database, keep) == []
        assert (await uploads.show(job["upload_id"]))["file_deleted_at"] is not None
        gone = await database.run(lambda tx: storage.delete_met_rows(tx, clock.now(), 2_000))
        assert gone == 3
        assert await database.run(lambda tx: storage.delete_uploads(tx, clock.now() + keep, 2_000)) == 1
    finally:
        await database.close()
    problem(await uploads.client.get(f"/v1/uploads/{job['upload_id']}"), 404, "not-found")


async def test_a_cancelled_job_whose_file_is_gone_goes_on_when_the_file_comes_again(place: Place) -> None:
    place.settings["upload_file_hours"] = 0
    async with place.capture(upload_rows_per_second=100) as uploads:
        job = await uploads.send(people(300), "Ada Lovelace.csv", mapping=MAPPING)
        await uploads.command(job["upload_id"], "cancel")
    place.clock.advance(timedelta(hours=1))
    async with place.capture() as uploads:

        async def gone() -> bool:
            return (await uploads.show(job["upload_id"]))["file_deleted_at"] is not None

        await eventually(gone)
        assert "deleted" in (await uploads.command(job["upload_id"], "resume", status=409))["detail"]
        assert (await uploads.show(job["upload_id"]))["filename"] == "file.csv"
        with psycopg.connect(place.url) as connection:
            assert "name" not in str(connection.execute("SELECT filename, options FROM capture.uploads").fetchall())
        again = await uploads.send(people(300), "Ada Lovelace.csv", mapping=MAPPING)
        assert (again["upload_id"], again["filename"]) == (job["upload_id"], "Ada Lovelace.csv")
        done = await uploads.ended(job["upload_id"])
        assert (done["status"], done["leads"]["accepted"]) == ("done", 300)
        assert len(uploads.times()) == 300
        later = [
            event for event in uploads.log.events() if event.recorded_at > datetime.fromisoformat(job["created_at"])
        ]
        assert later, "what came with the second file was received with the second file"


async def test_without_a_directory_or_a_database_uploads_are_told_to_be_off(place: Place) -> None:
    async with place.capture(upload_dir=None) as uploads:
        problem(await uploads.client.post("/v1/uploads", content=b"x"), 409, "no-uploads")
    async with place.capture(database_url=SecretStr("")) as uploads:
        problem(await uploads.client.get("/v1/uploads"), 409, "no-database")


async def test_while_the_database_is_away_a_job_pauses_and_intake_goes_on(
    postgres: FaultyPostgres, tmp_path: Path
) -> None:
    place = Place(postgres.url, tmp_path)
    async with place.capture(upload_rows_per_second=400) as uploads:
        job = await uploads.send(people(1_000))

        async def begun() -> bool:
            return bool((await uploads.show(job["upload_id"]))["rows"]["read"])

        await eventually(begun)
        postgres.stop_immediately()
        published = len(place.log.records)
        live = await uploads.client.post("/v1/leads", json={"email": "live@example.com"})
        assert live.status_code == 202
        assert (await uploads.client.get(f"/v1/uploads/{job['upload_id']}")).status_code == 503
        assert (await uploads.client.post("/v1/uploads", content=people(5))).status_code == 503
        assert len(place.log.records) <= published + 1 + 500
        postgres.start()
        done = await uploads.ended(job["upload_id"], within_seconds=60)
        assert done["leads"] == {"accepted": 1_000, "duplicate": 0, "rejected": 0, "quarantined": 0}
        assert len(uploads.times()) == 1_001
