"""`leadflow import leads | history`: a business starts with what it already has."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator
from datetime import tzinfo
from itertools import islice
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from shared.cli.http import CommandFailed, ServiceClient, explained
from shared.cli.importing import state as kept
from shared.cli.importing.fields import Kind, Unusable, zone_named
from shared.cli.importing.mapping import FileMapping, MappedEvent
from shared.cli.importing.mapping_file import check_against, read_mapping
from shared.cli.importing.plain import Shape, check_columns, check_record_column, plain_event
from shared.cli.importing.sending import (
    CaptureDestination,
    Chunk,
    Converter,
    Destination,
    HistoryDestination,
    chunks,
    run_import,
)
from shared.cli.importing.source import Row, SourceFile
from shared.cli.settings import cli_settings

app = typer.Typer(help="Import leads and history from files.", no_args_is_help=True)

REJECTED_EXIT_CODE = 3
PATIENCE_SECONDS = 120.0
LEADS_PER_REQUEST = 1_000
LEAD_REQUESTS_IN_FLIGHT = 4
EVENTS_PER_HISTORY_REQUEST = 2_000
DRY_RUN_ROWS = 10

File = Annotated[Path, typer.Argument(help="CSV or NDJSON (one object a line), UTF-8, packed with gzip or not.")]
Sender = Annotated[str, typer.Option(help="The system the rows come from; ids are unique within it.")]
MapFile = Annotated[Path | None, typer.Option("--map", help="A mapping file (docs/importing.md).")]
Zone = Annotated[str | None, typer.Option(help="The zone of times that name none; the business unit's when not given.")]
Delimiter = Annotated[
    str | None, typer.Option(help="What separates the fields of a CSV file; found out when not given.")
]
Rejected = Annotated[Path | None, typer.Option(help="Where rejected lines are reported; beside FILE when not given.")]
Restart = Annotated[bool, typer.Option("--restart", help="Begin at the first row, also after an interrupted import.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print what the first rows become; send nothing.")]


@app.command()
@explained
def leads(
    file: File,
    sender: Sender = "import",
    map_file: MapFile = None,
    zone: Zone = None,
    record: Annotated[str | None, typer.Option(help="The column that names a row for good.")] = None,
    live: Annotated[bool, typer.Option("--live", help="Rows with their own time are news, not history.")] = False,
    delimiter: Delimiter = None,
    rejected: Rejected = None,
    restart: Restart = False,
    dry_run: DryRun = False,
) -> None:
    """Import leads through capture. Running it again changes nothing; an interrupted import goes on where it stopped."""
    shape = Shape("leads", zone=_zone(zone), record_column=record, live=live)
    _import(file, sender, map_file, shape, delimiter, rejected, restart=restart, dry_run=dry_run)


@app.command()
@explained
def history(
    file: File,
    sender: Sender = "import",
    map_file: MapFile = None,
    zone: Zone = None,
    delimiter: Delimiter = None,
    rejected: Rejected = None,
    restart: Restart = False,
    dry_run: DryRun = False,
) -> None:
    """Import what happened to leads, through pipeline, as it happened. Rows may be in any order."""
    shape = Shape("history", zone=_zone(zone))
    _import(file, sender, map_file, shape, delimiter, rejected, restart=restart, dry_run=dry_run)


def _zone(name: str | None) -> tzinfo | None:
    if name is None:
        return None
    try:
        return zone_named(name)
    except ValueError as error:
        raise CommandFailed(str(error), "Mend --zone.") from None


def _import(
    file: Path,
    sender: str,
    map_file: Path | None,
    shape: Shape,
    delimiter: str | None,
    rejected: Path | None,
    *,
    restart: bool,
    dry_run: bool,
) -> None:
    mapping = read_mapping(map_file, shape.kind) if map_file is not None else None
    with SourceFile(file, delimiter=_delimiter(delimiter)) as source:
        convert = _converter(mapping, map_file, source, shape)
        if dry_run:
            _show(source, convert)
            return
        url = _target(shape.kind)[0]
        described = map_file.read_bytes() if map_file is not None else b""
        purpose = f"{url}|{shape!r}|{sender}|{delimiter}|{hashlib.sha256(described).hexdigest()}"
        state = kept.ImportState(file, purpose=purpose)
        begun = None if restart else state.load()
        report_file = rejected or kept.report_path(file, source.format)
        report_file.parent.mkdir(parents=True, exist_ok=True)
        report = kept.RejectedReport(source, report_file, keep_bytes=begun.report_bytes if begun else 0)
        console = Console(stderr=True)
        if begun is not None:
            console.print(
                f"Going on after line {begun.position.line:,} of {escape(str(file))} (--restart begins anew)."
            )
        try:
            done = asyncio.run(_transfer(source, convert, shape.kind, sender, state, report, begun or kept.Progress()))
        except KeyboardInterrupt:
            raise CommandFailed("The import was interrupted.", "Run it again: it goes on where it stopped.") from None
    _summarise(file, shape.kind, done, report)


def _delimiter(given: str | None) -> str | None:
    if given is None:
        return None
    character = {"tab": "\t", "\\t": "\t"}.get(given.lower(), given)
    if len(character) != 1:
        raise CommandFailed(f"{given!r} is no delimiter.", "Give one character, or `tab`.")
    return character


def _converter(mapping: FileMapping | None, map_file: Path | None, source: SourceFile, shape: Shape) -> Converter:
    if mapping is None or map_file is None:
        check_columns(source.columns, shape)

        def convert_plain(row: Row) -> list[MappedEvent]:
            try:
                return [MappedEvent(0, plain_event(row.columns, shape))]
            except Unusable as fault:
                return [MappedEvent(0, fault=str(fault))]

        return convert_plain
    check_against(mapping, map_file, source.columns)
    check_record_column(source.columns, shape)
    read = mapping.columns
    return lambda row: mapping.events(row.columns, shape, read)


def _target(kind: Kind) -> tuple[str, str]:
    settings = cli_settings()
    if kind == "leads":
        return settings.capture_url, settings.capture_key
    return settings.pipeline_url, settings.api_token


async def _transfer(
    source: SourceFile,
    convert: Converter,
    kind: Kind,
    sender: str,
    state: kept.ImportState,
    report: kept.RejectedReport,
    begun: kept.Progress,
) -> kept.Progress:
    url, token = _target(kind)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TextColumn("{task.fields[counts]}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
    service = "capture" if kind == "leads" else "pipeline"
    async with ServiceClient(service, url, token, patience_seconds=PATIENCE_SECONDS) as client:
        destination: Destination = HistoryDestination(client, sender)
        if kind == "leads":
            destination = CaptureDestination(client, sender, patience_seconds=PATIENCE_SECONDS)
        with bar:
            task = bar.add_task(escape(source.path.name), total=source.total_bytes, counts="")

            def watched() -> Iterator[Row]:
                yield from source.rows(begun.position)

            def on_progress(now: kept.Progress) -> None:
                counts = f"{now.rows:,} rows, {now.rejected_lines:,} rejected"
                bar.update(task, completed=source.bytes_read, counts=counts)

            made: Iterator[Chunk] = chunks(
                watched(), convert, max_items=LEADS_PER_REQUEST if kind == "leads" else EVENTS_PER_HISTORY_REQUEST
            )
            done = await run_import(
                made,
                destination,
                state=state,
                report=report,
                begun=begun,
                in_flight=LEAD_REQUESTS_IN_FLIGHT if kind == "leads" else 1,
                on_progress=on_progress,
            )
            bar.update(task, completed=source.total_bytes)
    return done


def _show(source: SourceFile, convert: Converter) -> None:
    console = Console()
    for row in islice(source.rows(), DRY_RUN_ROWS):
        made = [MappedEvent(0, fault=row.fault)] if row.fault is not None else convert(row)
        console.print(f"[bold]line {row.line}[/]" + ("" if made else ": no event"))
        for each in made:
            if each.fault is not None:
                console.print(f"  [red]rejected:[/] {escape(each.fault)}")
            else:
                console.print("  " + escape(orjson.dumps(each.document).decode()), soft_wrap=True, highlight=False)


def _summarise(file: Path, kind: Kind, done: kept.Progress, report: kept.RejectedReport) -> None:
    console = Console()
    what = "leads" if kind == "leads" else "events"
    known = f", {done.duplicates:,} of them known before" if done.duplicates else ""
    total = done.accepted + done.duplicates
    console.print(f"{escape(str(file))}: {done.rows:,} rows read, {total:,} {what} taken{known}.", soft_wrap=True)
    if done.rejected_lines:
        console.print(
            f"[bold red]{done.rejected_lines:,} lines were rejected.[/] {escape(str(report.path))} holds them with line "
            "number and reason; mend it and import it the same way.",
            soft_wrap=True,
        )
        raise typer.Exit(REJECTED_EXIT_CODE)
