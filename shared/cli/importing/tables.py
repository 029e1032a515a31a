"""Files of rows that are told to metrics as they are: what was spent, what currencies were worth."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Sequence
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape

from shared.cli.http import CommandFailed
from shared.cli.operating import operator_client
from shared.tabular.source import Row, SourceFile

REJECTED_EXIT_CODE = 3
ROWS_AT_ONCE = 50_000
SHOWN = 50


def tell_rows(source: SourceFile, path: str, *, called: str) -> None:
    """Sends a file's rows and says what came of them. Each row that was not taken is named with its line and what to do."""
    rows: list[Row] = []
    for row in source.rows():
        rows.append(row)
        if len(rows) > ROWS_AT_ONCE:
            raise CommandFailed(f"{called} has more than {ROWS_AT_ONCE:,} rows.", "Split it into several files.")
    if not rows:
        raise CommandFailed(f"{called} has no rows.", "Its first line names the columns, rows stand below it.")
    readable = [row for row in rows if row.fault is None]
    refused = [
        {"line": row.line, "field": "row", "problem": row.fault, "fix": "Mend the line."} for row in rows if row.fault
    ]
    answer: dict[str, Any] = {"changed": 0, "rejected": [], "ignored_columns": []}
    if readable:
        answer = asyncio.run(_send(path, as_csv(source, readable)))
    refused += [{**one, "line": readable[one["line"] - 2].line} for one in answer["rejected"]]
    _say(called, len(rows), answer, sorted(refused, key=lambda one: one["line"]))


def as_csv(source: SourceFile, rows: Sequence[Row]) -> bytes:
    """Rows as CSV in UTF-8, each on a line of its own: the first one on the second."""
    columns = list(source.columns) or list(dict.fromkeys(name for row in rows for name in row.columns))
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
    if refused:
        more = f" The first {SHOWN} are shown." if len(refused) > SHOWN else ""
        console.print(
            f"{len(lines):,} lines were not taken.{more} Mend them and import the file again.", soft_wrap=True
        )
        raise typer.Exit(REJECTED_EXIT_CODE)
