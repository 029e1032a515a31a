"""`leadflow report`: what metrics tells of a business in a period, here or as a file."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shared.cli.http import CommandFailed, ServiceClient, explained
from shared.cli.periods import EXAMPLES, OWN, System
from shared.cli.settings import cli_settings

Document = Mapping[str, Any]

PATIENCE_SECONDS = 10.0
WRITING_SECONDS = 320.0
"""A PDF takes seconds of a processor, which a busy machine may not have."""


class Format(StrEnum):
    """How a report is written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    HTML = "html"
    PDF = "pdf"


class Language(StrEnum):
    """In which language it is told."""

    EN = "en"
    FA = "fa"
    HE = "he"


Form = Annotated[Format, typer.Option(help="For a terminal, spreadsheets, programs, a browser, paper.")]


@explained
def report(
    name: Annotated[str, typer.Argument(help="overview, weekly, monthly, quarterly, or one of your own.")] = "overview",
    period: Annotated[
        str | None,
        typer.Option(
            help=f"Such as {EXAMPLES}, all. {OWN}. When not given: the last whole one; of the overview, all time."
        ),
    ] = None,
    start: Annotated[str | None, typer.Option("--from", help="The first day, as 2026-03-01.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="The day after the last one.")] = None,
    business_unit: Annotated[list[str] | None, typer.Option(help="Only this unit; may be repeated.")] = None,
    by: Annotated[str | None, typer.Option(help="Cut by channel, source, campaign, product, owner, month …")] = None,
    format: Form = Format.TABLE,  # noqa: A002
    lang: Annotated[Language | None, typer.Option(help="The report's own, when not given.")] = None,
    calendar: Annotated[System | None, typer.Option(help="The units' own, when not given.")] = None,
    as_of: Annotated[str | None, typer.Option(help="What had happened by then, as 2026-03-31T12:00:00Z.")] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The file to write; - is standard output, as are table, csv and json."),
    ] = None,
) -> None:
    """Tell how the business does: headline numbers, funnel, trends, who and where from, and how to check each number."""
    asked = {
        "period": period, "from": start, "to": end, "business_unit": business_unit or None, "by": by, "lang": lang,
        "calendar": calendar, "as_of": as_of,
    }  # fmt: skip
    asked = {key: value for key, value in asked.items() if value is not None}
    if format is Format.TABLE:
        document = asyncio.run(_document(name, asked))
        if output is None or output == Path("-"):
            print_document(Console(), document)
            return
        with _written_to(output), output.open("w", encoding="utf-8") as file:
            print_document(Console(file=file), document)
        return
    content, file_name = asyncio.run(_written(name, {**asked, "format": format.value}))
    to_terminal = output == Path("-") or (output is None and format in (Format.CSV, Format.JSON))
    if to_terminal:
        sys.stdout.buffer.write(content)
        sys.stdout.flush()
        return
    path = output or Path(file_name or f"{name}.{format}")
    with _written_to(path):
        path.write_bytes(content)
    Console(stderr=True, highlight=False).print(f"Written to {escape(str(path))}")


@contextmanager
def _written_to(path: Path) -> Iterator[None]:
    """Says in a sentence that a file cannot be written."""
    try:
        yield
    except OSError as error:
        raise CommandFailed(f"{path} cannot be written: {error.strerror}.", "Name another with --output.") from None


async def _document(name: str, asked: Mapping[str, Any]) -> Document:
    settings = cli_settings()
    async with ServiceClient(
        "metrics", settings.metrics_url, settings.api_token, patience_seconds=PATIENCE_SECONDS
    ) as client:
        return await told(client, name, **asked)


async def told(client: ServiceClient, name: str, **asked: Any) -> Document:
    """A report as a document."""
    document = await client.get(f"/v1/reports/{name}/told", **asked, format="json")
    if not isinstance(document, dict) or "numbers" not in document:
        raise CommandFailed(f"{client.url} told no report.", "Check that LEADFLOW_METRICS_URL is Leadflow's metrics.")
    return document


async def _written(name: str, asked: Mapping[str, Any]) -> tuple[bytes, str | None]:
    settings = cli_settings()
    async with ServiceClient(
        "metrics", settings.metrics_url, settings.api_token,
        patience_seconds=PATIENCE_SECONDS, timeout_seconds=WRITING_SECONDS,
    ) as client:  # fmt: skip
        response = await client.send("GET", f"/v1/reports/{name}/told", params=asked)
        client.check(response)
        _, _, file_name = response.headers.get("content-disposition", "").partition('filename="')
        return response.content, file_name.rstrip('"') or None


def print_document(console: Console, document: Document) -> None:
    """The report for people at a terminal."""
    told = document["headings"]
    console.print(f"[bold]{escape(document['title'])}, {escape(document['period'])}[/]  {escape(document['units'])}")
    console.print(escape(document["as_of"]), style="dim", highlight=False)
    if document["numbers"]:
        console.print(_numbers(document["numbers"], told))
    if document["silent"]:
        console.print(escape(document["silent"]), style="dim", highlight=False)
    if document["funnel"]:
        console.print(_funnel(document["funnel"], told))
    for series in document["charts"]:
        console.print(_series(series))
    for table in [
        *([document["ahead"]] if document["ahead"] else []),
        *([document["noticed"]] if document.get("noticed") else []),
        *document["tables"],
        *([document["durations"]] if document["durations"] else []),
    ]:
        console.print(_table_of(table))
    for line in document["foot"]:
        console.print(escape(line), style="dim", highlight=False)


def _numbers(numbers: Sequence[Mapping[str, Any]], told: Mapping[str, str]) -> Table:
    table = _table(told["headlines"], "", "", told["previous"], told["last_year"], told["counter"])
    for number in numbers:
        changes = {one["how"]: one for one in number["compared"]}
        notes = [*number["notes"], *([number["young"]] if number["young"] else [])]
        if number["wanted"]:
            notes.insert(0, number["wanted"]["text"])
        other = number["counter"]
        table.add_row(
            escape(number["name"]),
            escape("\n".join(number["texts"])),
            *(_change(changes.get(how), told) for how in ("previous", "last_year")),
            escape(f"{other['name']}: {' · '.join(other['texts'])}") if other else "",
        )
        if notes:
            table.add_row("", f"[dim]{escape(chr(10).join(notes))}[/]")
    return table


def _change(one: Mapping[str, Any] | None, told: Mapping[str, str]) -> str:
    if one is None:
        return ""
    colour = {True: "green", False: "red", None: "dim"}[one["good"]]
    judged = {True: f" ({told['better']})", False: f" ({told['worse']})", None: ""}[one["good"]]
    return (
        f"[{colour}]{escape(one['change'])}{escape(judged)}[/]\n[dim]{escape(one['label'])}: {escape(one['value'])}[/]"
    )


def _funnel(steps: Sequence[Mapping[str, Any]], told: Mapping[str, str]) -> Table:
    table = _table(told["funnel"], "", "", "", "")
    for step in steps:
        bar = "█" * round(step["share"] * 30)
        table.add_row(
            escape(step["name"]),
            escape(step["count"]),
            bar,
            escape(" · ".join(filter(None, (step["of_all"], step["of_step"])))),
        )
    return table


def _series(series: Mapping[str, Any]) -> Table:
    highest = max((abs(point["value"] or 0) for point in series["points"]), default=0)
    unit = f" ({series['unit']})" if series["unit"] else ""
    table = _table(series["name"] + unit, "", "", "")
    for point in series["points"]:
        bar = "█" * round(30 * abs(point["value"] or 0) / highest) if highest else ""
        table.add_row(escape(point["name"]), escape(point["text"]), bar)
    return table


def _table_of(told: Mapping[str, Any]) -> Table:
    table = _table(told["title"], told["heading"])
    for column in told["columns"]:
        table.add_column(escape(column), justify="right")
    for line in told["lines"]:
        table.add_row(escape(line["label"]), *map(_cell, line["cells"]))
    if told["total"]:
        table.add_section()
        table.add_row(escape(told["total"]["label"]), *map(_cell, told["total"]["cells"]))
    return table


def _cell(cell: Mapping[str, Any]) -> str:
    said = escape("\n".join(cell["texts"]))
    return f"{said}\n[dim]{escape(cell['note'])}[/]" if cell["note"] else said


def _table(title: str, *headings: str) -> Table:
    return Table(
        *(escape(heading) for heading in headings),
        title=f"\n{escape(title)}",
        title_justify="left",
        title_style="bold",
        box=SIMPLE_HEAD,
        pad_edge=False,
        show_edge=False,
        show_header=any(headings),
    )
