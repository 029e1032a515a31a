"""An import sends everything once, accounts for what is refused, and goes on where it stopped."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from shared.cli.http import CommandFailed
from shared.cli.importing.sending import (
    CaptureDestination,
    Destination,
    HistoryDestination,
    chunks,
    run_import,
)
from shared.cli.importing.state import ImportState, Progress, RejectedReport, report_path
from shared.tabular.mapping import MappedEvent
from shared.tabular.plain import Shape, plain_event
from shared.tabular.source import Row, SourceFile
from tests.unit.cli.fake_service import Answer, FakeService

LEADS = Shape("leads")


def a_file(folder: Path, rows: int, name: str = "leads.csv") -> Path:
    path = folder / name
    path.write_text("email,name\n" + "".join(f"p{number}@example.com,Person {number}\n" for number in range(rows)))
    return path


def capture(refuses: Callable[[dict[str, Any]], int] = lambda lead: 0) -> tuple[FakeService, set[str]]:
    """A capture that takes every lead but those it refuses, and the records it holds."""
    taken: set[str] = set()

    def answer(request: httpx.Request) -> Answer:
        items = []
        for index, lead in enumerate(orjson.loads(request.content)):
            status = refuses(lead)
            if status:
                problem = {"field": "email", "detail": "is malformed", "fix": "Mend it."}
                items.append({"index": index, "status": status, "problem": problem})
            else:
                taken.add(lead["record_id"])
                items.append({"index": index, "status": 202, "event_id": "e", "lead_id": "l", "flags": []})
        return 207, {"items": items}

    return FakeService(rule=answer), taken


async def imported(
    path: Path,
    destination: Destination,
    folder: Path,
    *,
    stop_after_rows: int | None = None,
    in_flight: int = 3,
    max_items: int = 10,
) -> Progress:
    def convert(row: Row) -> list[MappedEvent]:
        return [MappedEvent(0, plain_event(row.columns, LEADS))]

    with SourceFile(path) as source:
        state = ImportState(path, purpose="test", folder=folder)
        begun = state.load() or Progress()
        report = RejectedReport(source, report_path(path, source.format), keep_bytes=begun.report_bytes)

        def rows() -> Iterator[Row]:
            for number, row in enumerate(source.rows(begun.position)):
                if number == stop_after_rows:
                    raise KeyboardInterrupt
                yield row

        return await run_import(
            chunks(rows(), convert, max_items=max_items),
            destination,
            state=state,
            report=report,
            begun=begun,
            in_flight=in_flight,
            on_progress=lambda progress: None,
        )


def remembered(folder: Path) -> list[Path]:
    return list(folder.glob("*.json"))


def reported(path: Path) -> list[dict[str, str]]:
    with path.with_name(path.name + ".rejected.csv").open() as report:
        return list(csv.DictReader(report))


async def test_every_row_is_sent_once_in_chunks(tmp_path: Path) -> None:
    service, taken = capture()
    async with service.client() as client:
        done = await imported(a_file(tmp_path, 35), CaptureDestination(client, "crm", patience_seconds=9), tmp_path)
    assert (done.rows, done.accepted, done.rejected_lines, len(taken)) == (35, 35, 0, 35)
    assert [len(orjson.loads(request.content)) for request in service.requests] == [10, 10, 10, 5]
    assert {request.headers["Leadflow-Sender"] for request in service.requests} == {"crm"}
    assert not (tmp_path / "leads.csv.rejected.csv").exists()


async def test_refused_rows_are_reported_with_line_and_reason_and_can_be_imported_again(tmp_path: Path) -> None:
    service, _ = capture(lambda lead: 422 if lead["email"] in ("p3@example.com", "p33@example.com") else 0)
    path = a_file(tmp_path, 35)
    async with service.client() as client:
        done = await imported(path, CaptureDestination(client, "crm", patience_seconds=9), tmp_path)
    assert (done.accepted, done.rejected_lines) == (33, 2)
    first, second = reported(path)
    assert (first["rejected_line"], first["email"]) == ("5", "p3@example.com")
    assert first["rejected_reason"] == "email: is malformed (Mend it.)"
    assert second["rejected_line"] == "35"
    with SourceFile(tmp_path / "leads.csv.rejected.csv") as mended:
        assert next(row.columns for row in mended.rows()) == {"email": "p3@example.com", "name": "Person 3"}


@pytest.mark.parametrize("stop_after_rows", [0, 7, 12, 30, 34])
async def test_an_interrupted_import_goes_on_and_gives_the_same_result(tmp_path: Path, stop_after_rows: int) -> None:
    refuses = {f"p{number}@example.com" for number in (2, 11, 12, 29, 34)}
    path = a_file(tmp_path, 35)
    service, taken = capture(lambda lead: 422 if lead["email"] in refuses else 0)
    async with service.client() as client:
        destination = CaptureDestination(client, "crm", patience_seconds=9)
        with pytest.raises(KeyboardInterrupt):
            await imported(path, destination, tmp_path, stop_after_rows=stop_after_rows)
        done = await imported(path, destination, tmp_path)
    assert (done.rows, done.accepted, done.rejected_lines, len(taken)) == (35, 30, 5, 30)
    assert [int(row["rejected_line"]) for row in reported(path)] == [4, 13, 14, 31, 36]
    assert not remembered(tmp_path)  # a finished import leaves nothing to go on from


async def test_a_changed_file_is_imported_from_its_beginning(tmp_path: Path) -> None:
    service, _ = capture()
    path = a_file(tmp_path, 35)
    async with service.client() as client:
        destination = CaptureDestination(client, "crm", patience_seconds=9)
        with pytest.raises(KeyboardInterrupt):
            await imported(path, destination, tmp_path, stop_after_rows=30, in_flight=1)
        a_file(tmp_path, 40)
        assert (await imported(path, destination, tmp_path)).rows == 40


async def test_items_that_cannot_be_taken_now_are_sent_again_alone(tmp_path: Path) -> None:
    busy = ["p4@example.com"]
    service, taken = capture(lambda lead: 503 if lead["email"] in busy and not busy.clear() else 0)  # type: ignore[func-returns-value]
    async with service.client() as client:
        done = await imported(a_file(tmp_path, 10), CaptureDestination(client, "crm", patience_seconds=9), tmp_path)
    assert (done.accepted, done.rejected_lines, len(taken)) == (10, 0, 10)
    assert [len(orjson.loads(request.content)) for request in service.requests] == [10, 1]


async def test_a_batch_that_is_too_large_is_halved(tmp_path: Path) -> None:
    inner, taken = capture()

    def answer(request: httpx.Request) -> Answer:
        if len(orjson.loads(request.content)) > 3:
            return 413, {"detail": "too large"}
        return 207, orjson.loads(inner._answer(request).content)

    service = FakeService(rule=answer)
    async with service.client() as client:
        done = await imported(a_file(tmp_path, 10), CaptureDestination(client, "crm", patience_seconds=9), tmp_path)
    assert (done.accepted, len(taken)) == (10, 10)


async def test_a_refused_request_ends_the_import_with_its_reason_and_keeps_the_place(tmp_path: Path) -> None:
    service = FakeService((401, {"detail": "unknown key"}))
    path = a_file(tmp_path, 10)
    async with service.client() as client:
        with pytest.raises(CommandFailed, match="refused the credentials"):
            await imported(path, CaptureDestination(client, "crm", patience_seconds=9), tmp_path)


async def test_history_is_sent_in_the_order_of_the_file_and_counts_what_was_known(tmp_path: Path) -> None:
    seen: list[str] = []

    def answer(request: httpx.Request) -> Answer:
        document = orjson.loads(request.content)
        assert document["sender"] == "crm"
        seen.extend(row["email"] for row in document["rows"])
        rejected = {"index": 1, "problem": {"field": "stage", "detail": "is missing"}}
        return 207, {"accepted": len(document["rows"]) - 2, "duplicates": 1, "rejected": 1, "items": [rejected]}

    async with FakeService(rule=answer).client("pipeline") as client:
        path = a_file(tmp_path, 25)
        done = await imported(path, HistoryDestination(client, "crm"), tmp_path, in_flight=1)
    assert seen == [f"p{number}@example.com" for number in range(25)]
    assert (done.accepted, done.duplicates, done.rejected_lines) == (19, 3, 3)
    assert [int(row["rejected_line"]) for row in reported(path)] == [3, 13, 23]


async def test_a_chunk_is_bounded_in_bytes(tmp_path: Path) -> None:
    rows = [Row(number, {"email": "x" * 400_000}, SourcePlace) for number in range(6)]
    made = list(chunks(rows, lambda row: [MappedEvent(0, dict(row.columns))], max_items=1_000))
    assert [len(chunk.items) for chunk in made] == [2, 2, 2]


SourcePlace = Progress().position
