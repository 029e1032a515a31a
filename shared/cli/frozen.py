"""`leadflow frozen`: numbers as they were known at a moment, kept for good; what was missed, and how to take one now."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated, Any

import orjson
import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shared.cli.http import explained
from shared.cli.operating import By, operator_client
from shared.cli.why import Format

app = typer.Typer(help="See what was known at a moment, and keep what is known now.", no_args_is_help=True)

PATH = "/v1/frozen"
PAGE = 500

Unit = Annotated[
    str | None, typer.Option("--business-unit", help="Of this unit; of everybody together, when not given.")
]


@app.command("list")
@explained
def listing(
    name: Annotated[str | None, typer.Option("--name", help="Only forecast, or this set of the policy.")] = None,
    unit: Annotated[str | None, typer.Option("--business-unit", help="Only of this unit.")] = None,
    missed: Annotated[bool, typer.Option("--missed", help="Only what nobody took in time.")] = False,
    start: Annotated[str | None, typer.Option("--from", help="From this day on, as 2026-03-01.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Before this day.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 100,
    written: Annotated[Format, typer.Option("--format", help="For people or for programs.")] = Format.TABLE,
) -> None:
    """List what is frozen, and what was missed, the newest first."""
    asked = {"name": name, "business_unit": unit, "from": start, "to": end}
    found, more = asyncio.run(_listed(asked, limit, missed=missed))
    if written is Format.JSON:
        sys.stdout.write(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode() + "\n")
        return
    table = Table("id", "name", "unit", "as of", "status", "by", "kept until", box=SIMPLE_HEAD, show_edge=False)
    for one in found:
        cells = (one["frozen_id"], one["name"], one["business_unit"] or "everybody", one["as_of"][:16], one["status"],
                 one["taken_by"], one["keep_until"][:10])  # fmt: skip
        table.add_row(*(escape(str(cell)) for cell in cells), style="red" if one["status"] == "missed" else "")
    console = Console(highlight=False)
    console.print(table if found else "Nothing was missed." if missed else "Nothing is frozen.")
    if more:
        console.print("There is more; raise --limit to see it.")


@app.command()
@explained
def show(frozen: Annotated[str, typer.Argument(help="Its id, as `list` shows it.")]) -> None:
    """Show one with what was known then."""
    Console().print_json(orjson.dumps(asyncio.run(_get(f"{PATH}/{frozen}"))).decode())


@app.command()
@explained
def take(
    by: By,
    name: Annotated[str, typer.Argument(help="forecast, or a set that the policy names.")] = "forecast",
    unit: Unit = None,
) -> None:
    """Freeze numbers as they are known now."""
    taken = asyncio.run(_post({"name": name, "business_unit": unit, "by": by}))
    whose = taken["business_unit"] or "everybody"
    Console(highlight=False).print(
        escape(f"{taken['frozen_id']}: {taken['name']} of {whose} as of {taken['as_of'][:19]}."), soft_wrap=True
    )


async def _listed(asked: dict[str, Any], limit: int, *, missed: bool) -> tuple[list[dict[str, Any]], bool]:
    """At most so many, and whether there are more."""
    found: list[dict[str, Any]] = []
    async with operator_client("metrics") as client:
        async for one in client.items(PATH, cursor="before", following="next", limit=PAGE, **asked):
            if not missed or one["status"] == "missed":
                found.append(one)
            if len(found) > limit:
                break
    return found[:limit], len(found) > limit


async def _get(path: str) -> Any:
    async with operator_client("metrics") as client:
        return await client.get(path)


async def _post(said: dict[str, Any]) -> Any:
    async with operator_client("metrics") as client:
        return await client.post(PATH, said)
