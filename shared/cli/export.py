"""`leadflow export`: everything that there is, into a file, going on where it was cut short."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import httpx
import orjson
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from shared.cli.http import CommandFailed, backoff_seconds, explained
from shared.cli.operating import operator_client
from shared.contracts.spreadsheets import as_it_was

KEYS = {
    "leads": ("lead_id",),
    "opportunities": ("business_unit", "opportunity_id"),
    "orders": ("business_unit", "order_id"),
    "tasks": ("task_id",),
    "history": ("lead_id", "version"),
}
"""By what each kind is ordered, so that it can be gone on with."""

CHUNK = 1 << 16
ATTEMPTS = 8


class What(StrEnum):
    """What is exported."""

    LEADS = "leads"
    OPPORTUNITIES = "opportunities"
    ORDERS = "orders"
    TASKS = "tasks"
    HISTORY = "history"


class Form(StrEnum):
    """How it is written."""

    CSV = "csv"
    NDJSON = "ndjson"


class Records:
    """Cuts bytes into whole records. In CSV a line that ends within quotes goes on in the next."""

    def __init__(self, form: str) -> None:
        self._quoted = form == "csv"
        self._rest = b""
        self._record = b""

    def cut(self, chunk: bytes) -> Iterator[bytes]:
        """The records that are whole with this chunk."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            self._record += line + b"\n"
            if not self._quoted or self._record.count(b'"') % 2 == 0:
                yield self._record
                self._record = b""


class Written:
    """A file that grows, and the key of its last record."""

    def __init__(self, file: BinaryIO, what: str, form: str) -> None:
        self._file = file
        self._what, self._form = what, form
        self._header: list[str] | None = None
        self._last: bytes | None = None
        self.rows = 0

    def take_up(self) -> None:
        """Counts the records that are there already and cuts off one that is not whole."""
        records, whole = Records(self._form), 0
        self._file.seek(0)
        while chunk := self._file.read(CHUNK):
            for record in records.cut(chunk):
                whole += len(record)
                self._note(record)
        self._file.truncate(whole)
        self._file.seek(whole)

    def add(self, record: bytes) -> None:
        """One more record."""
        self._file.write(record)
        self._note(record)

    def key(self) -> list[str] | None:
        """Where to go on; None at the beginning."""
        if self._last is None:
            return None
        if self._form == "ndjson":
            row: dict[str, Any] = orjson.loads(self._last)
        else:
            (cells,) = csv.reader(io.StringIO(self._last.decode(), newline=""))
            row = {name: as_it_was(text) for name, text in zip(self._header or [], cells, strict=True)}
        return [str(row[name]) for name in KEYS[self._what]]

    def _note(self, record: bytes) -> None:
        if self._form == "csv" and self._header is None:
            (self._header,) = csv.reader(io.StringIO(record.decode(), newline=""))
            return
        self._last = record
        self.rows += 1


@explained
def export(
    what: Annotated[What, typer.Argument(help="What of it.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The file; what is not whole yet is called FILE.part.")
    ],
    unit: Annotated[str | None, typer.Option("--business-unit", help="Only what this unit has.")] = None,
    form: Annotated[
        Form | None, typer.Option("--format", help="csv or ndjson; by the file's ending if not said.")
    ] = None,
) -> None:
    """Write everything that there is into a file, with consents and scores. Run again, it goes on where it was cut short."""
    chosen = form or (Form.CSV if output.suffix.lower() == ".csv" else Form.NDJSON)
    if output.exists():
        raise CommandFailed(f"{output} is there already.", "Name another file, or take that away.")
    part = output.with_name(output.name + ".part")
    rows = write(what.value, chosen.value, unit, part)
    part.rename(output)
    Console(highlight=False).print(f"{rows} {what.value} in {escape(str(output))}.")


def write(what: str, form: str, unit: str | None, part: Path) -> int:
    """Goes on with a file until all is in it; how many rows that are."""
    try:
        part.touch(mode=0o600)
        file = part.open("r+b")
    except OSError as error:
        raise CommandFailed(
            f"{part} cannot be written: {error.strerror}.", "Name a file in a folder of yours."
        ) from None
    with file:
        written = Written(file, what, form)
        written.take_up()
        return asyncio.run(_export(what, form, unit, written, part))


async def _export(what: str, form: str, unit: str | None, written: Written, part: Path) -> int:
    attempt = 0
    with Progress(SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), transient=True) as shown:
        bar = shown.add_task(f"{written.rows} {what}")

        def tell() -> None:
            shown.update(bar, description=f"{written.rows} {what}")

        while True:
            before = written.rows
            try:
                await _stream(what, form, unit, written, tell)
                return written.rows
            except httpx.TransportError as error:
                attempt = 1 if written.rows > before else attempt + 1
                if attempt > ATTEMPTS:
                    raise CommandFailed(
                        f"The answer was cut short ({type(error).__name__}) after {written.rows} {what}.",
                        f"Run the command again: it goes on behind what is in {part}.",
                    ) from error
                await asyncio.sleep(backoff_seconds(attempt, None))


async def _stream(what: str, form: str, unit: str | None, written: Written, tell: Callable[[], None]) -> None:
    asked: dict[str, Any] = {"what": what, "format": form}
    if unit is not None:
        asked["business_unit"] = unit
    if (key := written.key()) is not None:
        asked["after"] = key
    records = Records(form)
    async with operator_client("pipeline") as client, client.streamed("/v1/export", asked) as response:
        async for chunk in response.aiter_bytes(CHUNK):
            for record in records.cut(chunk):
                written.add(record)
            tell()
