"""`leadflow findings`: what changed that is no chance and matters, and what people say of it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from typing import Annotated, Any

import orjson
import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shared.cli.http import ServiceClient, explained
from shared.cli.settings import cli_settings
from shared.cli.why import Format, duration_text

app = typer.Typer(help="Show what changed that is no chance, and say what you think of it.")


@app.callback(invoke_without_command=True)
@explained
def findings(
    context: typer.Context,
    business_unit: Annotated[list[str] | None, typer.Option(help="Only this unit; may be repeated.")] = None,
    kind: Annotated[
        list[str] | None, typer.Option(help="Only dwell, drop_off, level or pace; may be repeated.")
    ] = None,
    as_of: Annotated[str | None, typer.Option(help="As of this moment, as 2026-03-01T00:00:00Z.")] = None,
    format: Annotated[Format, typer.Option(help="For people or for programs.")] = Format.TABLE,  # noqa: A002
) -> None:
    """Show stages, counts and targets of which something changed, with the test that says so. What goes on has an id, by which it
    is acknowledged or dismissed."""
    if context.invoked_subcommand is not None:
        return
    found = asyncio.run(_fetch({"business_unit": business_unit or None, "kind": kind or None, "as_of": as_of}))
    if format is Format.JSON:
        sys.stdout.write(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode() + "\n")
    else:
        print_findings(Console(highlight=False), found)


def print_findings(console: Console, found: Mapping[str, Any]) -> None:
    """Findings for people, the surest first."""
    if not found["findings"]:
        console.print(f"Nothing changed that is no chance: {found['tests']} tests as of {found['as_of']}.")
    else:
        table = Table("id", "what", "where", box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
        for heading in ("before", "after", "n before", "n after", "q"):
            table.add_column(heading, justify="right")
        table.add_column("stands")
        for one in found["findings"]:
            table.add_row(
                _id(one), sentence(one), escape(_place(one)), *(_value(one, side) for side in ("before", "after")),
                *(f"{one[side]['n']:,}" for side in ("before", "after")), "–" if one["q"] is None else f"{one['q']:.2g}",
                escape(_stands(one)),
            )  # fmt: skip
        console.print(table)
        console.print(
            f"Of {found['tests']} tests as of {found['as_of']}; of a hundred findings no more than {found['false_share']:.0%} are none.",
            style="dim",
        )
    for one in found["not_tested"]:
        console.print(f"Not tested: {escape(one)}.", style="yellow")


def _id(one: Mapping[str, Any]) -> str:
    """The beginning of its id is enough to name it."""
    return str(one["noticed"]["id"])[:8] if one.get("noticed") else "–"


def _stands(one: Mapping[str, Any]) -> str:
    noticed = one.get("noticed")
    if not noticed:
        return str(one.get("severity", ""))
    return f"{one['severity']}, {said(noticed)}"


def said(noticed: Mapping[str, Any]) -> str:
    """Where a finding stands with people, who says so and why."""
    if noticed["state"] in ("open", "ended") or noticed["by"] is None:
        return str(noticed["state"])
    until = f" until {noticed['until']}" if noticed["until"] else ""
    return f"{noticed['state']} by {noticed['by']}{until}: {noticed['why']}"


def sentence(one: Mapping[str, Any]) -> str:
    """What a finding says."""
    up, kpi = one["direction"] == "up", one["kpi"]
    if one["kind"] == "dwell":
        faster = f", {one['effect']:.1f} times as many leave at any age" if one["effect"] else ""
        return f"{kpi} is {'longer' if up else 'shorter'}{faster}"
    if one["kind"] == "pace":
        return f"{kpi} is off its pace" if one["effect"] is None else f"{kpi} is at {one['effect']:.0%} of its pace"
    return f"{kpi} {'rose' if up else 'fell'}"


def _place(one: Mapping[str, Any]) -> str:
    place = [one["business_unit"] or "all", *one["cut"].values()]
    after = one["after"]
    return f"{', '.join(place)}; {after['from']} to {after['to']}"


def _value(one: Mapping[str, Any], side: str) -> str:
    value = one[side]["value"]
    if value is None:
        return "–"
    if one["kind"] == "dwell":
        return duration_text(value)
    return f"{value:.1%}" if one["kind"] == "drop_off" else f"{value:,.6g}"


async def _fetch(asked: Mapping[str, Any]) -> Mapping[str, Any]:
    settings = cli_settings()
    async with ServiceClient("metrics", settings.metrics_url, settings.api_token, patience_seconds=10.0) as client:
        found: Mapping[str, Any] = await client.get("/v1/findings", **asked)
        return found
