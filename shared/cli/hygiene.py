"""`leadflow hygiene`: leads whose records somebody has to put in order, and how many there are."""

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
from shared.cli.operating import operator_client

app = typer.Typer(help="See which leads are to be put in order.", no_args_is_help=True)

Period = Annotated[str | None, typer.Option("--period", help="2026-11 or 2026-Q4; this month when not given.")]
Unit = Annotated[str | None, typer.Option("--unit", help="Only this business unit.")]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON, one a line.")]


@app.callback()
def hygiene() -> None:
    """See which leads are to be put in order."""


@app.command("list")
@explained
def list_entries(
    period: Period = None,
    kind: Annotated[str | None, typer.Option(help="stale, incomplete, duplicate or unreachable.")] = None,
    unit: Unit = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 100,
    *,
    resolved: Annotated[bool, typer.Option("--all", help="Also what was put in order.")] = False,
    as_json: AsJson = False,
) -> None:
    """List what is to be put in order, longest first, with why and what to do."""
    status = "all" if resolved else "open"
    found = asyncio.run(_entries(limit, period=period, kind=kind, business_unit=unit, status=status))
    if as_json:
        for one in found:
            sys.stdout.write(orjson.dumps(one).decode() + "\n")
        return
    console = Console(highlight=False)
    for one in found:
        done = f", in order since {one['resolved_at'][:10]}" if one["resolved_at"] else ""
        owner = f" ({escape(one['owner'])})" if one["owner"] else ""
        console.print(
            f"{one['lead_id']}{owner} {one['kind']}: {escape(one['why'])}{done}. {escape(one['do'])}", soft_wrap=True
        )
    console.print(f"{len(found)} shown." if found else "Nothing is to be put in order.")


@app.command()
@explained
def numbers(period: Period = None, unit: Unit = None, *, as_json: AsJson = False) -> None:
    """Count what is to be put in order, by unit and kind."""
    answer = asyncio.run(_numbers(period, unit))
    if as_json:
        sys.stdout.write(orjson.dumps(answer).decode() + "\n")
        return
    table = Table("unit", "kind", "in all", "found", "put in order", "left", box=SIMPLE_HEAD, title=answer["period"])
    for one in answer["items"]:
        counts = (f"{one[name]:,}" for name in ("entries", "found", "resolved", "left_over"))
        table.add_row(escape(one["business_unit"]), one["kind"], *counts)
    Console(highlight=False).print(table)


async def _entries(limit: int, **asked: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    async with operator_client("pipeline") as client:
        async for one in client.items("/v1/hygiene", limit=min(limit, 500), **asked):
            found.append(one)
            if len(found) == limit:
                break
    return found


async def _numbers(period: str | None, unit: str | None) -> dict[str, Any]:
    async with operator_client("pipeline") as client:
        answer: dict[str, Any] = await client.get("/v1/hygiene/numbers", period=period, business_unit=unit)
        return answer
