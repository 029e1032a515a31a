"""`leadflow upload` and `leadflow uploads`: files of leads, given to capture whole and imported there."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from shared.cli.exit_codes import REJECTED_EXIT_CODE, UNFINISHED_EXIT_CODE
from shared.cli.http import CommandFailed, ServiceClient, explained
from shared.cli.local.credentials import API_TOKEN
from shared.cli.settings import cli_settings

app = typer.Typer(help="Look at uploaded files: how far they are, what was refused.", no_args_is_help=True)

LOOK_SECONDS = 0.5
SENDING_SECONDS = 900.0
PAGE = 200
ENDED = frozenset({"done", "failed", "cancelled"})

Upload = Annotated[str, typer.Argument(help="Its id, as `leadflow upload` printed it and `list` shows it.")]
Operator = Annotated[bool, typer.Option("--all", help="Everybody's, as the operator with LEADFLOW_API_TOKEN.")]


def client_of(*, operator: bool = False) -> ServiceClient:
    """A client of capture, as the sender whose key is set, or as the operator."""
    settings = cli_settings()
    given: dict[str, Any] = {"patience_seconds": 60.0, "timeout_seconds": SENDING_SECONDS}
    if operator:
        return ServiceClient("capture", settings.url("capture"), settings.api_token, credential=API_TOKEN, **given)
    return ServiceClient("capture", settings.url("capture"), settings.capture_key, **given)


@explained
def upload(
    file: Annotated[
        Path,
        typer.Argument(help="CSV, NDJSON (one object a line), a spreadsheet or Parquet; text may be packed with gzip."),
    ],
    mapping: Annotated[
        str | None, typer.Option(help="A mapping that the policy names, or a mapping file (docs/importing.md).")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Show how far it is until it has ended.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what capture makes of the first rows; take in nothing.")
    ] = False,
    sender: Annotated[str | None, typer.Option(help="The system the rows come from; the key's own if absent.")] = None,
    zone: Annotated[str | None, typer.Option(help="The zone of times that name none.")] = None,
    record: Annotated[str | None, typer.Option(help="The column that names a row for good.")] = None,
    live: Annotated[bool, typer.Option("--live", help="Rows with their own time are news, not history.")] = False,
    business_unit: Annotated[str | None, typer.Option(help="The unit of rows that name none.")] = None,
    channel: Annotated[str | None, typer.Option(help="The channel of rows that name none.")] = None,
    delimiter: Annotated[str | None, typer.Option(help="What separates the fields of a CSV file.")] = None,
    encoding: Annotated[str | None, typer.Option(help="The encoding of a text file.")] = None,
    sheet: Annotated[str | None, typer.Option(help="The sheet of a workbook.")] = None,
) -> None:
    """Give a file to capture, which imports it in the background. The same file again is the same job."""
    options = {
        "mapping": _mapping(mapping),
        "zone": zone,
        "record": record,
        "live": "true" if live else None,
        "business_unit": business_unit,
        "channel": channel,
        "delimiter": delimiter,
        "encoding": encoding,
        "sheet": sheet,
    }
    given = {name: value for name, value in options.items() if value is not None}
    asyncio.run(_upload(file, given, sender, wait=wait, dry_run=dry_run))


@app.command("list")
@explained
def listing(
    everybodys: Operator = False,
    status: Annotated[str | None, typer.Option(help="waiting, running, done, failed or cancelled.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
) -> None:
    """List uploads, the newest first."""
    table = Table("upload", "sender", "file", "status", "rows", "accepted", "duplicate", "rejected", "created")
    for job in asyncio.run(_list(everybodys, status, limit)):
        rows, leads = job["rows"], job["leads"]
        total = "?" if rows["total"] is None else f"{rows['total']:,}"
        counts = (f"{leads[name]:,}" for name in ("accepted", "duplicate", "rejected"))
        created = job["created_at"][:19].replace("T", " ")
        cells = (
            job["upload_id"],
            job["sender"],
            job["filename"],
            job["status"],
            f"{rows['read']:,} of {total}",
            *counts,
        )
        table.add_row(*(escape(str(cell)) for cell in (*cells, created)))
    Console().print(table if table.row_count else "No uploads.")


@app.command()
@explained
def show(
    upload_id: Upload,
    everybodys: Operator = False,
    wait: Annotated[bool, typer.Option("--wait", help="Show how far it is until it has ended.")] = False,
) -> None:
    """Show one upload."""
    asyncio.run(_show(upload_id, everybodys, wait=wait))


@app.command()
@explained
def report(upload_id: Upload, everybodys: Operator = False) -> None:
    """Print the refused rows as CSV: row, field, reason, fix. What they say is not in it."""

    async def work() -> None:
        async with client_of(operator=everybodys) as client:
            response = await client.send("GET", f"/v1/uploads/{upload_id}/report")
            client.check(response)
            sys.stdout.buffer.write(response.content)

    asyncio.run(work())


@app.command()
@explained
def cancel(upload_id: Upload, everybodys: Operator = False) -> None:
    """End an upload. What it brought in stays; it can be resumed until its file is deleted."""
    asyncio.run(_command(upload_id, "cancel", everybodys))


@app.command()
@explained
def resume(upload_id: Upload, everybodys: Operator = False) -> None:
    """Go on with an upload that was cancelled or failed, from where it had come."""
    asyncio.run(_command(upload_id, "resume", everybodys))


def _mapping(given: str | None) -> str | None:
    """A mapping's text where a file is named, else its name."""
    if given is None or not (Path(given).is_file() or Path(given).suffix in (".yaml", ".yml", ".json")):
        return given
    try:
        return Path(given).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise CommandFailed(f"{given} cannot be read: {why}.", "Give --mapping a YAML file, or a name.") from None


async def _upload(file: Path, options: dict[str, str], sender: str | None, *, wait: bool, dry_run: bool) -> None:
    path = "/v1/uploads:preview" if dry_run else "/v1/uploads"
    async with client_of() as client:
        job = await client.post_file(path, file, options, headers={"Leadflow-Sender": sender} if sender else None)
        if dry_run:
            _print_preview(job)
            return
        console = Console(stderr=True, highlight=False)
        known = "was uploaded before" if job.get("repeated") else f"is uploaded ({job['bytes']:,} bytes)"
        console.print(f"{escape(str(file))} {known}:", soft_wrap=True)
        print(job["upload_id"])
        if wait:
            job = await _followed(client, job)
            _summarise(job)
        elif job.get("repeated"):
            console.print(_sentence(job), soft_wrap=True)


async def _show(upload_id: str, operator: bool, *, wait: bool) -> None:
    async with client_of(operator=operator) as client:
        job = await client.get(f"/v1/uploads/{upload_id}")
        if wait:
            job = await _followed(client, job)
    _summarise(job)


async def _list(operator: bool, status: str | None, limit: int) -> list[dict[str, Any]]:
    async with client_of(operator=operator) as client:
        found = []
        async for job in client.items("/v1/uploads", cursor="before", status=status, limit=PAGE):
            found.append(job)
            if len(found) >= limit:
                break
        return found


async def _command(upload_id: str, verb: str, operator: bool) -> None:
    async with client_of(operator=operator) as client:
        job = await client.post(f"/v1/uploads/{upload_id}:{verb}", {})
    Console(highlight=False).print(_sentence(job), soft_wrap=True)


async def _followed(client: ServiceClient, job: dict[str, Any]) -> dict[str, Any]:
    """The job once it has ended, its way there as a bar."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("{task.fields[held]}"), console=Console(stderr=True)) as bar:
        task = bar.add_task(escape(job["filename"]), total=None, held="")
        while True:
            rows, error = job["rows"], job["last_error"]
            held = (
                escape(error["detail"]) if error and job["status"] == "running" and not job["rows_per_second"] else ""
            )
            bar.update(task, completed=rows["read"], total=rows["total"], held=held)
            if job["status"] in ENDED:
                return job
            await asyncio.sleep(LOOK_SECONDS)
            job = await client.get(f"/v1/uploads/{job['upload_id']}")


def _sentence(job: dict[str, Any]) -> str:
    leads, rows = job["leads"], job["rows"]
    total = "" if rows["total"] is None else f" of {rows['total']:,}"
    known = f", {leads['duplicate']:,} known before" if leads["duplicate"] else ""
    return (
        f"{escape(job['filename'])} is {job['status']}: {rows['read']:,}{total} rows read, "
        f"{leads['accepted']:,} leads taken{known}, {leads['rejected']:,} rejected."
    )


def _summarise(job: dict[str, Any]) -> None:
    """Says how a job stands; its exit code says the same."""
    console = Console(highlight=False)
    console.print(_sentence(job), soft_wrap=True)
    if job["last_error"] and job["status"] in ("failed", "running", "waiting"):
        error = job["last_error"]
        console.print(f"[bold red]{escape(error['detail'])}[/] {escape(error.get('fix') or '')}", soft_wrap=True)
    if job["status"] in ("failed", "cancelled"):
        raise typer.Exit(UNFINISHED_EXIT_CODE)
    if job["leads"]["rejected"]:
        console.print(f"`leadflow uploads report {job['upload_id']}` says which rows, and why.", soft_wrap=True)
        raise typer.Exit(REJECTED_EXIT_CODE)


def _print_preview(shown: dict[str, Any]) -> None:
    console = Console(highlight=False)
    about = f"{shown['form']}, {shown['encoding']}"
    if shown.get("delimiter"):
        about += f", fields parted by {shown['delimiter']!r}"
    console.print(f"{escape(shown['filename'])}: {about}", soft_wrap=True)
    for row in shown["rows"]:
        console.print(f"[bold]line {row['line']}[/]" + ("" if row["leads"] else ": no lead"))
        for lead in row["leads"]:
            for fault in lead.get("errors", ()):
                told = " ".join(filter(None, (fault["field"], fault["fault"])))
                console.print(f"  [red]rejected:[/] {escape(told)}", soft_wrap=True)
            if "understood" in lead:
                console.print("  " + escape(orjson.dumps(lead["understood"]).decode()), soft_wrap=True)
