"""`leadflow bulk`: one thing done to many leads, as a job of pipeline that is looked at, cancelled and gone on with."""

from __future__ import annotations

import asyncio
import csv
import uuid
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shared.cli.exit_codes import FAILED_EXIT_CODE
from shared.cli.http import CommandFailed, explained
from shared.cli.operating import By, operator_client

app = typer.Typer(help="Do one thing to many leads, and see what became of each.", no_args_is_help=True)

PATH = "/v1/bulk"
LOOK_SECONDS = 0.5
COLUMNS = ("lead_id", "external_id")


class Doing(StrEnum):
    """What can be done to many."""

    ASSIGN = "assign"
    ARCHIVE = "archive"
    REOPEN = "reopen"
    QUALIFY = "qualify"
    REQUALIFY = "requalify"
    MARK = "mark"
    RELEASE = "release"


class Only(StrEnum):
    """What became of a lead."""

    DONE = "done"
    REFUSED = "refused"
    LEFT = "left"


Job = Annotated[str, typer.Argument(help="Its id.")]
Pair = Annotated[list[str] | None, typer.Option("--say", help="What it says, as owner=kim, reason=…, mark=test.")]
Where = Annotated[
    list[str] | None,
    typer.Option("--where", help="Whom it means, as status=new, owner=kim, created_before=2026-01-01."),
]


@app.command()
@explained
def start(
    doing: Annotated[Doing, typer.Argument(help="What is done.")],
    by: By,
    say: Pair = None,
    lead: Annotated[list[str] | None, typer.Option("--lead", help="A lead's id; as often as wanted.")] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            "--file",
            exists=True,
            dir_okay=False,
            help="A CSV file with a column lead_id or external_id, or a lead id a line.",
        ),
    ] = None,
    where: Where = None,
    every: Annotated[bool, typer.Option("--all", help="Everybody, of --unit if that is given.")] = False,
    sender: Annotated[str, typer.Option(help="The system that external ids are from.")] = "import",
    unit: Annotated[str | None, typer.Option("--unit", help="Only in this business unit.")] = None,
    key: Annotated[str | None, typer.Option(help="Under one key a job is begun once.")] = None,
    wait: Annotated[bool, typer.Option(help="Until it has ended.")] = True,
) -> None:
    """Begin a job, and wait for it. Broken off, it goes on by itself."""
    chosen = [one for one in (lead, file, where, every) if one]
    if len(chosen) != 1:
        raise CommandFailed(
            "It is not said for whom, or in several ways.", "Give one of --lead, --file, --where and --all."
        )
    means = {"lead_ids": lead} if lead else read(file) if file else {"filter": pairs(where or [], "--where")}
    document = {
        "doing": doing.value,
        "said": pairs(say or [], "--say"),
        "sender": sender,
        **means,
        **({"business_unit": unit} if unit else {}),
    }
    job = asyncio.run(_start(document, by, key or str(uuid.uuid4()), wait))
    _show([job])
    if job["items"]["refused"]:
        Console().print(f"Why: leadflow bulk items {job['job_id']} --only refused", soft_wrap=True)
        raise typer.Exit(FAILED_EXIT_CODE)


def pairs(given: Sequence[str], option: str) -> dict[str, str]:
    """What is given as name=value."""
    found = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not equals or not name or not value:
            raise CommandFailed(f"{option} {one} is no name=value.", f"Write {option} owner=kim.")
        found[name.strip()] = value.strip()
    return found


def read(file: Path) -> dict[str, list[str]]:
    """The ids of a file, by what they are."""
    with file.open(encoding="utf-8-sig", newline="") as lines:
        rows = [row for row in csv.reader(lines) if any(cell.strip() for cell in row)]
    if not rows:
        raise CommandFailed(f"{file} is empty.", "Give a file with an id a line.")
    header = [cell.strip().casefold() for cell in rows[0]]
    column = next((name for name in COLUMNS if name in header), None)
    if column is None and len(header) > 1:
        raise CommandFailed(f"{file} has no column lead_id or external_id.", "Name the column with the ids so.")
    place = header.index(column) if column else 0
    ids = [row[place].strip() for row in (rows[1:] if column else rows) if len(row) > place and row[place].strip()]
    return {f"{column or 'lead_id'}s": ids}


@app.command("list")
@explained
def listing(
    status: Annotated[str | None, typer.Option(help="waiting, running, done or cancelled.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="At most so many.")] = 20,
) -> None:
    """List jobs, newest first."""
    found = asyncio.run(_get(PATH, status=status, limit=limit))["items"]
    if found:
        _show(found)
    else:
        Console().print("There is no job.")


@app.command()
@explained
def show(job: Job) -> None:
    """Show a job and how far it has come."""
    _show([asyncio.run(_get(f"{PATH}/{job}"))])


@app.command()
@explained
def items(
    job: Job,
    only: Annotated[Only | None, typer.Option("--only", help="Only what became so.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 100,
) -> None:
    """Show what became of each lead, by its place in the list."""
    table = Table("place", "lead", "outcome", "why")
    for one in asyncio.run(_items(job, only, limit)):
        told = (str(one["place"]), one["lead_id"] or "", one["outcome"] or "left", one["detail"] or "")
        table.add_row(*map(escape, told))
    Console().print(table)


@app.command()
@explained
def cancel(job: Job) -> None:
    """End a job; what it has done stays done."""
    _show([asyncio.run(_post(f"{PATH}/{job}:cancel"))])


@app.command()
@explained
def resume(job: Job) -> None:
    """Go on with a job that was cancelled."""
    _show([asyncio.run(_post(f"{PATH}/{job}:resume"))])


async def _start(document: Mapping[str, Any], by: str, key: str, wait: bool) -> Any:
    async with operator_client("pipeline") as pipeline:
        job = await pipeline.post(PATH, document, headers={"Leadflow-Actor": by, "Idempotency-Key": key})
        while wait and not job["is_ended"]:
            await asyncio.sleep(LOOK_SECONDS)
            job = await pipeline.get(f"{PATH}/{job['job_id']}")
        return job


async def _get(path: str, **asked: Any) -> Any:
    async with operator_client("pipeline") as pipeline:
        return await pipeline.get(path, **{name: value for name, value in asked.items() if value is not None})


async def _post(path: str) -> Any:
    async with operator_client("pipeline") as pipeline:
        return await pipeline.post(path, {})


async def _items(job: str, only: Only | None, limit: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    asked = {"outcome": only.value} if only else {}
    async with operator_client("pipeline") as pipeline:
        async for one in pipeline.items(f"{PATH}/{job}/items", cursor="after", **asked):
            found.append(one)
            if len(found) == limit:
                break
    return found


def _show(jobs: Sequence[Mapping[str, Any]]) -> None:
    table = Table("job", "doing", "status", "leads", "done", "refused", "left", "by", "begun")
    for job in jobs:
        said = ", ".join(f"{name}={value}" for name, value in job["said"].items())
        counts = (str(job["items"][name]) for name in ("total", "done", "refused", "left"))
        told = (f"{job['doing']} {said}".strip(), job["status"], *counts, job["actor"], str(job["created_at"])[:19])
        table.add_row(job["job_id"], *map(escape, told))
    Console().print(table)
