"""`leadflow dead-letters`: records that could not be processed, looked at, mended and tried again, or given up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shared.cli.exit_codes import FAILED_EXIT_CODE
from shared.cli.http import CommandFailed, Refused, ServiceClient, explained
from shared.cli.operating import of_each, operator_client

app = typer.Typer(help="Look at, mend and retry records that could not be processed.", no_args_is_help=True)

PAGE = 500


class Keeper(StrEnum):
    """The services that consume, and so keep dead letters."""

    CAPTURE = "capture"
    SCORING = "scoring"
    PIPELINE = "pipeline"
    METRICS = "metrics"


class Status(StrEnum):
    """Where a dead letter stands."""

    OPEN = "open"
    REDRIVEN = "redriven"
    DROPPED = "dropped"


OneService = Annotated[Keeper, typer.Option("--service", help="The service that keeps it.")]
Letter = Annotated[int, typer.Argument(help="Its id, as `list` shows it.")]


async def letters(client: ServiceClient, status: Status = Status.OPEN) -> AsyncIterator[dict[str, Any]]:
    """Every dead letter of a service, oldest first; none of a capture that reads nothing back."""
    try:
        async for letter in client.items("/v1/dead-letters", status=status.value, limit=PAGE):
            yield letter
    except Refused as refusal:
        if refusal.status != 404:
            raise


@app.command("list")
@explained
def listing(
    service: Annotated[list[Keeper] | None, typer.Option("--service", help="Only this one; may be repeated.")] = None,
    status: Annotated[Status, typer.Option(help="Those that wait for a decision, or those settled.")] = Status.OPEN,
    limit: Annotated[int, typer.Option(min=1, help="At most so many of each service.")] = 100,
) -> None:
    """List dead letters: where they were in the log and what was wrong, not what they said."""
    asyncio.run(_list(service or list(Keeper), status, limit))


async def _list(services: list[Keeper], status: Status, limit: int) -> None:
    table = Table("service", "id", "topic", "partition", "offset", "recorded", "attempts", "stage", "reason", "detail")
    more = []
    for service in services:
        shown = 0
        async with operator_client(service.value) as client:
            async for letter in letters(client, status):
                if shown == limit:
                    more.append(service.value)
                    break
                shown += 1
                place = (letter["topic"], letter["partition"], letter["offset"])
                fault = (letter["attempts"], letter["stage"], letter["reason"], letter["detail"])
                cells = (service.value, letter["id"], *place, str(letter["recorded_at"])[:19], *fault)
                table.add_row(*(escape(str(cell)) for cell in cells))
    console = Console()
    if table.row_count == 0:
        console.print(f"No {status.value} dead letters.")
        return
    console.print(table)
    if more:
        console.print(f"{', '.join(more)} has more; raise --limit to see them.")


@app.command()
@explained
def show(letter: Letter, service: OneService) -> None:
    """Show one dead letter with what it said; it may hold personal data."""
    Console().print_json(orjson.dumps(asyncio.run(_show(service, letter))).decode())


async def _show(service: Keeper, letter: int) -> Any:
    async with operator_client(service.value) as client:
        return await client.get(f"/v1/dead-letters/{letter}")


@app.command()
@explained
def redrive(
    service: OneService,
    letter: Annotated[list[int] | None, typer.Argument(help="Their ids, as `list` shows them.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every open one, oldest first.")] = False,
    value: Annotated[Path | None, typer.Option(help="A file with the mended record, for one letter.")] = None,
) -> None:
    """Process dead letters again, as they were or mended. One that fails again stays where it is."""
    if every == bool(letter):
        raise CommandFailed("Neither ids nor --all were given, or both.", "Give ids, or --all.")
    if value is not None and (every or len(letter or []) != 1):
        raise CommandFailed("--value mends exactly one letter.", "Give one id with it.")
    try:
        mended = value.read_text(encoding="utf-8") if value is not None else None
    except (OSError, UnicodeDecodeError) as error:
        raise CommandFailed(f"{value} cannot be read: {error}.", "Give a file with the record's JSON.") from None
    failed = asyncio.run(_redrive(service, None if every else letter, mended))
    if failed:
        raise typer.Exit(FAILED_EXIT_CODE)


async def _redrive(service: Keeper, wanted: list[int] | None, mended: str | None) -> int:
    async with operator_client(service.value) as client:

        async def act(letter: int) -> str:
            answer = await client.post(f"/v1/dead-letters/{letter}:redrive", {"value": mended} if mended else {})
            return f"{answer.get('status')} ({answer.get('outcome')})"

        ids = wanted if wanted is not None else [letter["id"] async for letter in letters(client)]
        return await of_each(ids, act, done="redriven", left="still dead")


@app.command()
@explained
def drop(service: OneService, letter: Annotated[list[int], typer.Argument(help="Their ids.")]) -> None:
    """Give dead letters up. They stay on record as dropped, and counted."""
    asyncio.run(_drop(service, letter))


async def _drop(service: Keeper, ids: list[int]) -> None:
    async with operator_client(service.value) as client:
        for letter in ids:
            await client.post(f"/v1/dead-letters/{letter}:drop", {})
            Console().print(f"{letter}: dropped")
