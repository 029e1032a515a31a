"""Files of rows that are told to metrics as they are: what was spent, what currencies were worth."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape

from shared.cli.exit_codes import REJECTED_EXIT_CODE
from shared.cli.http import CommandFailed
from shared.cli.operating import operator_client
from shared.contracts.amounts import exact
from shared.tabular.fields import Unusable, read_time
from shared.tabular.mapping_file import reads_back
from shared.tabular.numbers import DECIMALS, is_plain, read_number, rounded
from shared.tabular.source import Row, SourceFile

ROWS_AT_ONCE = 50_000
SHOWN = 50

SPENT = ("amount", "spend", "spent", "cost")
DAYS = ("first_day", "day", "date", "from", "last_day", "to", "until")
TELLS_APART = frozenset({*DAYS, "business_unit", "unit", "kind", "type", "channel", "source", "campaign", "currency"})
"""What metrics knows spending by: rows that say the same of all of it are of one thing."""


@dataclass(frozen=True, slots=True)
class Written:
    """How a file's cells are written, where it is not as metrics takes them: by `decimal` its `numbers`, by `date_formats` its
    `days`, which are all the names that such columns may have."""

    decimal: str | None = None
    date_formats: Sequence[str] = ()
    numbers: Sequence[str] = ()
    days: Sequence[str] = ()

    def __post_init__(self) -> None:
        if self.decimal is not None and self.decimal not in DECIMALS:
            raise CommandFailed(f"{self.decimal!r} is no decimal sign.", "Write --decimal , or --decimal .")
        for form in self.date_formats:
            if not reads_back(form):
                raise CommandFailed(f"{form!r} is no date format.", "Write one such as %m/%d/%Y or jalali %Y/%m/%d.")

    def read(self, title: str, text: str) -> str:
        """A cell as metrics takes it. Raises `Unusable`."""
        name = title.strip().lower()
        if self.decimal is not None and name in self.numbers:
            text = read_number(text, title, self.decimal)
        if name in SPENT:
            return rounded(text)
        if self.date_formats and name in self.days:
            return read_time(text, title, None, self.date_formats).partition("T")[0]
        return text


@dataclass(frozen=True, slots=True)
class Titles:
    """What a file calls its columns, by title, where it is not as metrics does; what all its rows say; how its cells are written."""

    fields: Mapping[str, str] = field(default_factory=dict)
    fixed: Mapping[str, str] = field(default_factory=dict)
    written: Written = field(default_factory=Written)

    def columns(self, titles: Sequence[str]) -> list[str]:
        """The file's columns as metrics is told of them."""
        named = [self.fields.get(title, title) for title in titles]
        return [*named, *(name for name in self.fixed if name not in named)] if named else []

    def read(self, row: Row) -> Row:
        """The row as metrics takes it, or what is wrong with it."""
        columns = {**self.fixed, **{self.fields.get(title, title): cell for title, cell in row.columns.items()}}
        try:
            for title, cell in columns.items():
                if isinstance(cell, str | float) and (text := str(cell).strip()):
                    columns[title] = self.written.read(title, text)
        except Unusable as fault:
            return replace(row, columns=columns, fault=f"{fault}.")
        return replace(row, columns=columns)


def titles_of(given: Sequence[str], fixed: Sequence[str], written: Written, source: SourceFile) -> Titles:
    """What `--column FIELD=TITLE` and `--set FIELD=VALUE` say. Raises `CommandFailed` for what makes no sense."""
    fields = {title: name for name, title in _pairs(given, "--column", 'amount="Cost (EUR)"').items()}
    for title in fields:
        if source.columns and title not in source.columns:
            raise CommandFailed(f"The file has no column {title!r}.", f"It has {', '.join(source.columns)}.")
    return Titles(fields, _pairs(fixed, "--set", "channel=paid_search"), written)


def _pairs(given: Sequence[str], option: str, example: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in given:
        name, _, value = (part.strip() for part in one.partition("="))
        if not name or not value:
            raise CommandFailed(f"{one!r} names no column.", f"Write {option} {example}.")
        if name in found:
            raise CommandFailed(f"{option} {name} is said twice.", "Say it once.")
        found[name] = value
    return found


def added_up(rows: Iterable[Row]) -> list[Row]:
    """Rows of spending with those of one thing as one, worth what they are together. What has no amount stays as it is."""
    found: dict[object, Row] = {}
    sums: dict[object, Decimal] = {}
    for row in rows:
        spent = next((title for title in row.columns if title.strip().lower() in SPENT), None)
        amount = str(row.columns[spent]) if spent is not None else ""
        cells = {title.strip().lower(): str(cell) for title, cell in row.columns.items()}
        thing = frozenset((name, cell) for name, cell in cells.items() if name in TELLS_APART)
        number = exact(amount) if is_plain(amount) else None
        if spent is None or number is None:
            found[row.line] = row
        elif thing not in found:
            found[thing], sums[thing] = row, number
        else:
            sums[thing] += number
            columns = {**found[thing].columns, spent: format(sums[thing], "f")}
            found[thing] = replace(found[thing], columns=columns, more=(*found[thing].more, row))
    return list(found.values())


def tell_rows(source: SourceFile, path: str, *, called: str, titles: Titles, add_up: bool = False) -> None:
    """Sends a file's rows and says what came of them. Each row that was not taken is named with its line and what to do."""
    rows: list[Row] = []
    for row in source.rows():
        rows.append(row if row.fault is not None else titles.read(row))
        if len(rows) > ROWS_AT_ONCE:
            raise CommandFailed(f"{called} has more than {ROWS_AT_ONCE:,} rows.", "Split it into several files.")
    if not rows:
        raise CommandFailed(f"{called} has no rows.", "Its first line names the columns, rows stand below it.")
    readable = [row for row in rows if row.fault is None]
    if add_up:
        readable = added_up(readable)
    refused = [
        {"line": row.line, "field": "row", "problem": row.fault, "fix": "Mend the line."} for row in rows if row.fault
    ]
    answer: dict[str, Any] = {"changed": 0, "rejected": [], "ignored_columns": []}
    if readable:
        answer = asyncio.run(_send(path, as_csv(titles.columns(source.columns), readable)))
    refused += [{**one, "line": row.line} for one in answer["rejected"] for row in readable[one["line"] - 2].all]
    _say(called, len(rows), answer, sorted(refused, key=lambda one: one["line"]))


def as_csv(columns: Sequence[str], rows: Sequence[Row]) -> bytes:
    """Rows as CSV in UTF-8, each on a line of its own: the first one on the second."""
    columns = columns or list(dict.fromkeys(name for row in rows for name in row.columns))
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        cells = [" ".join(str(row.columns.get(name, "")).split()) for name in columns]
        writer.writerow(cells if any(cells) else ["-", *cells[1:]])
    return text.getvalue().encode()


async def _send(path: str, content: bytes) -> dict[str, Any]:
    async with operator_client("metrics") as metrics:
        response = await metrics.send("POST", path, content=content, headers={"Content-Type": "text/csv"})
        metrics.check(response)
        answer: dict[str, Any] = response.json()
        return answer


def _say(called: str, rows: int, answer: dict[str, Any], refused: Sequence[dict[str, Any]]) -> None:
    console = Console(highlight=False)
    lines = {one["line"] for one in refused}
    console.print(
        f"{escape(called)}: {rows:,} rows read, {rows - len(lines):,} taken, {answer['changed']:,} of them new or changed.",
        soft_wrap=True,
    )
    if ignored := answer["ignored_columns"]:
        console.print(f"Not read: the columns {escape(', '.join(ignored))}.", soft_wrap=True)
    for one in refused[:SHOWN]:
        console.print(
            f"[bold red]line {one['line']}[/], {escape(one['field'])}: {escape(one['problem'])} {escape(one['fix'])}",
            soft_wrap=True,
        )
    if overlapping := answer.get("overlapping"):
        console.print(
            f"[bold yellow]{overlapping:,} rows[/] have days that another row of the same thing has too, and all of them count. "
            "Take back those that are the same money: DELETE /v1/spending/{spend_id}.",
            soft_wrap=True,
        )
        for one in answer["overlaps"]:
            thing = [one[name] for name in ("business_unit", "kind", "channel", "source", "campaign") if one[name]]
            days = f"{one['first_day']} to {one['last_day']}"
            console.print(f"{escape(', '.join(thing))}, {days}: {one['spend_id']}", soft_wrap=True)
    if refused:
        more = f" The first {SHOWN} are shown." if len(refused) > SHOWN else ""
        console.print(
            f"{len(lines):,} lines were not taken.{more} Mend them and import the file again.", soft_wrap=True
        )
        raise typer.Exit(REJECTED_EXIT_CODE)
