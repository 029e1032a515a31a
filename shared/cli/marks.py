"""`leadflow marks`: leads that are held out of work and numbers as tests or spam: looked at, released, or held out by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shared.cli.exit_codes import FAILED_EXIT_CODE
from shared.cli.http import CommandFailed, explained
from shared.cli.operating import By, of_each, operator_client

app = typer.Typer(help="Look at leads that are held out as tests or spam, and release them.", no_args_is_help=True)

PATH = "/v1/leads"
PAGE = 500


class Mark(StrEnum):
    """What a lead is, if not a lead."""

    TEST = "test"
    SPAM = "spam"


Leads = Annotated[list[str], typer.Argument(help="Their ids.")]
Unit = Annotated[str | None, typer.Option("--unit", help="Only those of this business unit.")]
Only = Annotated[Mark | None, typer.Option("--mark", help="Only those held out as this.")]
Note = Annotated[str | None, typer.Option(help="Why; put on record. No names, no addresses.")]


def asked(mark: Mark | None, unit: str | None) -> dict[str, Any]:
    """Every lead that is held out, as this or at all, oldest first."""
    return {"mark": mark.value if mark else "any", "business_unit": unit, "limit": PAGE}


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
    async with operator_client("pipeline") as pipeline:
        async for lead in pipeline.items(PATH, **asked(mark, unit)):
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
        async with operator_client("pipeline") as pipeline:
            ids = [one["lead_id"] async for one in pipeline.items(PATH, **asked(mark, unit))]
    return await _say(ids, "release", said, by, "released")


async def _say(leads: list[str], command: str, said: Mapping[str, str], by: str, outcome: str) -> int:
    """Says it of each; how many of them that was refused for."""
    async with operator_client("pipeline") as pipeline:

        async def act(lead: str) -> str:
            await pipeline.post(f"{PATH}/{lead}:{command}", said, headers={"Leadflow-Actor": by})
            return outcome

        return await of_each(leads, act, done=outcome, left="left as they were")
