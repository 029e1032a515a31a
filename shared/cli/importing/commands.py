"""`leadflow import leads | history | spend | rates`: a business starts with what it already has."""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import tzinfo
from itertools import islice
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from shared.cli.exit_codes import REJECTED_EXIT_CODE
from shared.cli.http import CommandFailed, ServiceClient, explained
from shared.cli.importing import state as kept
from shared.cli.importing.sending import (
    CaptureDestination,
    Chunk,
    Destination,
    HistoryDestination,
    chunks,
    run_import,
)
from shared.cli.importing.tables import DAYS, SPENT, Written, tell_rows, titles_of
from shared.cli.settings import cli_settings
from shared.tabular.converting import Converter, converter, one_delimiter
from shared.tabular.fields import Kind, zone_named
from shared.tabular.mapping import FileMapping
from shared.tabular.mapping_file import read_mapping
from shared.tabular.plain import Shape
from shared.tabular.preparing import needs_preparing, prepare
from shared.tabular.source import Position, Row, SourceFile
from shared.tabular.together import together

app = typer.Typer(help="Import leads, history, spending and rates from files.", no_args_is_help=True)

PATIENCE_SECONDS = 120.0
LEADS_PER_REQUEST = 1_000
LEAD_REQUESTS_IN_FLIGHT = 4
EVENTS_PER_HISTORY_REQUEST = 2_000
DRY_RUN_ROWS = 10

File = Annotated[
    Path, typer.Argument(help="CSV, NDJSON (one object a line), a spreadsheet (XLSX, XLS, ODS) or Parquet.")
]
Sender = Annotated[str, typer.Option(help="The system the rows come from; ids are unique within it.")]
MapFile = Annotated[Path | None, typer.Option("--map", help="A mapping file (docs/importing.md).")]
Zone = Annotated[str | None, typer.Option(help="The zone of times that name none; the business unit's when not given.")]
Delimiter = Annotated[
    str | None, typer.Option(help="What separates the fields of a CSV file; found out when not given.")
]
Encoding = Annotated[str | None, typer.Option(help="The encoding of a text file; found out when not given.")]
Sheet = Annotated[str | None, typer.Option(help="The sheet of a workbook; its first when not given.")]
HeaderLine = Annotated[
    int, typer.Option(min=1, help="The line that names the columns; what stands above it is left out.")
]
Column = Annotated[
    list[str] | None,
    typer.Option(help="What the file calls a column: amount=Cost, once for each that is called otherwise."),
]
Fixed = Annotated[
    list[str] | None,
    typer.Option("--set", help="What rows say that say nothing else: channel=paid_search, once for each field."),
]
DecimalSign = Annotated[
    str | None, typer.Option("--decimal", help="Numbers are written as people do, with this decimal sign: , or .")
]
DateFormat = Annotated[
    list[str] | None,
    typer.Option(help="How days are written, such as %m/%d/%Y, or jalali %Y/%m/%d; several: the first that fits."),
]
AddUp = Annotated[
    bool,
    typer.Option("--add-up", help="Rows of the same thing and days are one: where each ad, or each age, has its own."),
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
    business_unit: Annotated[str | None, typer.Option(help="The unit of rows that name none.")] = None,
    channel: Annotated[str | None, typer.Option(help="The channel of rows that name none.")] = None,
    delimiter: Delimiter = None,
    encoding: Encoding = None,
    sheet: Sheet = None,
    header_line: HeaderLine = 1,
    rejected: Rejected = None,
    restart: Restart = False,
    dry_run: DryRun = False,
) -> None:
    """Import leads through capture. Running it again changes nothing; an interrupted import goes on where it stopped."""
    given = {"business_unit": business_unit, "channel": channel}
    defaults = tuple((name, value) for name, value in given.items() if value)
    shape = Shape("leads", zone=_zone(zone), record_column=record, live=live, defaults=defaults)
    form = Form(_delimiter(delimiter), encoding, sheet, header_line)
    _import(file, sender, map_file, shape, form, rejected, restart=restart, dry_run=dry_run)


@app.command()
@explained
def history(
    file: File,
    sender: Sender = "import",
    map_file: MapFile = None,
    zone: Zone = None,
    delimiter: Delimiter = None,
    encoding: Encoding = None,
    sheet: Sheet = None,
    header_line: HeaderLine = 1,
    rejected: Rejected = None,
    restart: Restart = False,
    dry_run: DryRun = False,
) -> None:
    """Import what happened to leads, through pipeline, as it happened. Rows may be in any order."""
    shape = Shape("history", zone=_zone(zone))
    form = Form(_delimiter(delimiter), encoding, sheet, header_line)
    _import(file, sender, map_file, shape, form, rejected, restart=restart, dry_run=dry_run)


@app.command()
@explained
def spend(
    file: File,
    column: Column = None,
    fixed: Fixed = None,
    decimal: DecimalSign = None,
    date_format: DateFormat = None,
    add_up: AddUp = False,
    delimiter: Delimiter = None,
    encoding: Encoding = None,
    sheet: Sheet = None,
    header_line: HeaderLine = 1,
) -> None:
    """Import what was spent, through metrics: a row for a day or days. Running it again changes nothing."""
    form = Form(_delimiter(delimiter), encoding, sheet, header_line)
    _tell(
        file,
        form,
        "/v1/spending/import",
        column,
        fixed,
        Written(decimal, date_format or (), SPENT, DAYS),
        add_up=add_up,
    )


@app.command()
@explained
def rates(
    file: File,
    column: Column = None,
    fixed: Fixed = None,
    decimal: DecimalSign = None,
    date_format: DateFormat = None,
    delimiter: Delimiter = None,
    encoding: Encoding = None,
    sheet: Sheet = None,
    header_line: HeaderLine = 1,
) -> None:
    """Import exchange rates, through metrics: a row for a currency, another one and a day. Running it again changes nothing."""
    form = Form(_delimiter(delimiter), encoding, sheet, header_line)
    _tell(file, form, "/v1/rates/import", column, fixed, Written(decimal, date_format or (), ("rate",), DAYS))


def _tell(
    file: Path,
    form: Form,
    path: str,
    column: list[str] | None,
    fixed: list[str] | None,
    written: Written,
    *,
    add_up: bool = False,
) -> None:
    """All rows of a file to metrics at once."""
    with _opened(file, form) as source:
        titles = titles_of(column or (), fixed or (), written, source)
        tell_rows(source, path, called=str(file), titles=titles, add_up=add_up)


@dataclass(frozen=True, slots=True)
class Form:
    """How a file is written, as far as somebody says it."""

    delimiter: str | None
    encoding: str | None
    sheet: str | None
    header_line: int = 1


@contextmanager
def _opened(file: Path, form: Form) -> Iterator[SourceFile]:
    """The file, to read its rows; what cannot be read as it is by way of a copy that can, for as long as it is read."""
    if not needs_preparing(file, form.encoding):
        with SourceFile(file, delimiter=form.delimiter, header_line=form.header_line) as source:
            yield source
        return
    folder = kept.state_folder()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as place:
        rows = Path(place) / "rows"
        copy = prepare(file, rows, encoding=form.encoding, sheet=form.sheet, header_line=form.header_line)
        with copy.open(delimiter=form.delimiter, called=str(file), header_line=form.header_line) as source:
            yield source


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
    form: Form,
    rejected: Path | None,
    *,
    restart: bool,
    dry_run: bool,
) -> None:
    mapping = read_mapping(map_file, shape.kind) if map_file is not None else None
    with _opened(file, form) as source:
        convert = converter(source, shape, mapping, called=str(map_file))
        rows = _rows_of(source, mapping)
        if dry_run:
            _show(rows(None), convert)
            return
        url = _target(shape.kind)[0]
        described = map_file.read_bytes() if map_file is not None else b""
        purpose = f"{url}|{shape!r}|{sender}|{form!r}|{hashlib.sha256(described).hexdigest()}"
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
            done = asyncio.run(
                _transfer(source, rows, convert, shape.kind, sender, state, report, begun or kept.Progress())
            )
        except KeyboardInterrupt:
            raise CommandFailed("The import was interrupted.", "Run it again: it goes on where it stopped.") from None
    _summarise(file, shape.kind, done, report)


def _delimiter(given: str | None) -> str | None:
    try:
        return one_delimiter(given)
    except ValueError as error:
        raise CommandFailed(f"{error}.", "Give one character, or `tab`.") from None


def _target(kind: Kind) -> tuple[str, str]:
    settings = cli_settings()
    if kind == "leads":
        return settings.capture_url, settings.capture_key
    return settings.pipeline_url, settings.api_token


async def _transfer(
    source: SourceFile,
    rows: Callable[[Position | None], Iterator[Row]],
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

            def on_progress(now: kept.Progress) -> None:
                counts = f"{now.rows:,} rows, {now.rejected_lines:,} rejected"
                bar.update(task, completed=source.bytes_read, counts=counts)

            made: Iterator[Chunk] = chunks(
                rows(begun.position),
                convert,
                max_items=LEADS_PER_REQUEST if kind == "leads" else EVENTS_PER_HISTORY_REQUEST,
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


def _rows_of(source: SourceFile, mapping: FileMapping | None) -> Callable[[Position | None], Iterator[Row]]:
    """The file's rows from a place on, those as one that the mapping says are one."""
    column = mapping.together if mapping is not None else None
    return source.rows if column is None else lambda start: together(source.rows(start), column)


def _show(rows: Iterator[Row], convert: Converter) -> None:
    console = Console()
    for row in islice(rows, DRY_RUN_ROWS):
        made = convert(row)
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
