"""`leadflow marks`: leads that are held out of work and numbers as tests or spam: looked at, released, or held out by hand."""

from __future__ import annotations

import asyncio
import getpass
from collections.abc import AsyncIterator, Mapping
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shared.cli.http import CommandFailed, Refused, ServiceClient, explained
from shared.cli.local.credentials import API_TOKEN
from shared.cli.settings import cli_settings

app = typer.Typer(help="Look at leads that are held out as tests or spam, and release them.", no_args_is_help=True)

PAGE = 500
FAILED_EXIT_CODE = 1


class Mark(StrEnum):
    """What a lead is, if not a lead."""

    TEST = "test"
    SPAM = "spam"


Leads = Annotated[list[str], typer.Argument(help="Their ids.")]
Unit = Annotated[str | None, typer.Option("--unit", help="Only those of this business unit.")]
Only = Annotated[Mark | None, typer.Option("--mark", help="Only those held out as this.")]
Note = Annotated[str | None, typer.Option(help="Why; put on record. No names, no addresses.")]
By = Annotated[
    str, typer.Option("--by", help="Who does this; put on record.", default_factory=lambda: getpass.getuser())
]


def client() -> ServiceClient:
    """A client of pipeline, which keeps what people say of leads."""
    settings = cli_settings()
    return ServiceClient(
        "pipeline", settings.url("pipeline"), settings.api_token, patience_seconds=5.0, credential=API_TOKEN
    )


async def marked(pipeline: ServiceClient, mark: Mark | None, unit: str | None) -> AsyncIterator[dict[str, Any]]:
    """Every lead that is held out, oldest first, page by page."""
    cursor = None
    while True:
        page = await pipeline.get(
            "/v1/leads", mark=mark.value if mark else "any", business_unit=unit, cursor=cursor, limit=PAGE
        )
        for lead in page["items"]:
            yield lead
        cursor = page["next_cursor"]
        if cursor is None:
            return


@app.command("list")
@explained
def listing(
    mark: Only = None,
    unit: Unit = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 100,
) -> None:
    """List what is held out: as what, and how it came, not whose it is."""
    asyncio.run(_list(mark, unit, limit))


async def _list(mark: Mark | None, unit: str | None, limit: int) -> None:
    table = Table("lead", "unit", "mark", "channel", "source", "created")
    more = False
    async with client() as pipeline:
        async for lead in marked(pipeline, mark, unit):
            if table.row_count == limit:
                more = True
                break
            touch = lead["first_touch"]
            came = (touch["channel"] or "", touch["source"] or "", str(lead["created_at"])[:19])
            table.add_row(*(escape(cell) for cell in (lead["lead_id"], lead["business_unit"], lead["mark"], *came)))
    console = Console()
    console.print(table if table.row_count else "Nothing is held out.")
    if more:
        console.print("There are more; raise --limit to see them.")


@app.command("mark")
@explained
def mark_as(
    lead: Leads,
    by: By,
    as_what: Annotated[Mark, typer.Option("--as", help="What they are.")],
    note: Note = None,
) -> None:
    """Hold leads out, whatever is captured of them later, until somebody releases them."""
    said = {"mark": as_what.value, **({"note": note} if note else {})}
    if asyncio.run(_say(lead, "mark", said, by, f"held out as {as_what.value}")):
        raise typer.Exit(FAILED_EXIT_CODE)


@app.command()
@explained
def release(
    by: By,
    lead: Annotated[list[str] | None, typer.Argument(help="Their ids.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every one that is held out.")] = False,
    mark: Only = None,
    unit: Unit = None,
    note: Note = None,
) -> None:
    """Take the marks of leads back: each counts from when it came in, as if there had been none."""
    if every == bool(lead) or (not every and (mark or unit)):
        raise CommandFailed("Neither ids nor --all were given, or both.", "Give ids, or --all with --mark and --unit.")
    if asyncio.run(_release(lead, mark, unit, {"note": note} if note else {}, by)):
        raise typer.Exit(FAILED_EXIT_CODE)


async def _release(
    wanted: list[str] | None, mark: Mark | None, unit: str | None, said: Mapping[str, str], by: str
) -> int:
    ids = wanted
    if ids is None:
        async with client() as pipeline:
            ids = [one["lead_id"] async for one in marked(pipeline, mark, unit)]
    return await _say(ids, "release", said, by, "released")


async def _say(leads: list[str], command: str, said: Mapping[str, str], by: str, outcome: str) -> int:
    """Says it of each; how many of them that was refused for."""
    console, done, refused = Console(highlight=False), 0, 0
    async with client() as pipeline:
        for one in leads:
            try:
                await pipeline.post(f"/v1/leads/{one}:{command}", said, headers={"Leadflow-Actor": by})
            except Refused as refusal:
                refused += 1
                console.print(f"[red]{escape(one)}:[/] {escape(refusal.problem)}", soft_wrap=True)
            else:
                done += 1
                console.print(f"{escape(one)}: {outcome}", soft_wrap=True)
    console.print(f"{done} {outcome}, {refused} left as they were.")
    return refused
