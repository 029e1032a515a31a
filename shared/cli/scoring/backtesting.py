"""`leadflow scoring backtest`: what a policy would change, before anybody runs with it."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shared.cli.http import ServiceClient, explained
from shared.cli.scoring.explaining import scoring_client
from shared.contracts.policy import Policy
from shared.kit.documents import read_yaml

SUMS = ("leads", "changed", "qualify_before", "qualify_after", "newly_qualify", "no_longer_qualify")
TABLES = ("grades", "scores_before", "scores_after")
MOVERS = 10


@explained
def backtest(
    policy: Annotated[Path, typer.Option(help="The new policy.yaml.", exists=True, dir_okay=False)],
    as_of: Annotated[str | None, typer.Option(help="A moment, as 2026-03-01T12:00:00Z; now when not given.")] = None,
) -> None:
    """Score recorded history by another policy, and show what would change. Nothing is written."""
    document = read_yaml(policy, Policy).model_dump(mode="json", exclude_unset=True)
    found = asyncio.run(_backtest(document, as_of))
    console = Console()
    console.print(
        f"{found['leads']:,} leads as of {found['as_of']}: {found['changed']:,} would have another score or grade.\n"
        f"Qualify: {found['qualify_before']:,} now, {found['qualify_after']:,} then; "
        f"{found['newly_qualify']:,} newly, {found['no_longer_qualify']:,} no longer."
    )
    table = Table("grade now → then", "leads", box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for grades, leads in sorted(found["grades"].items()):
        table.add_row(escape(grades), f"{leads:,}")
    console.print(table)
    table = Table("score", "now", "then", box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for ten in sorted({*found["scores_before"], *found["scores_after"]}, key=int):
        table.add_row(f"from {ten}", f"{found['scores_before'][ten]:,}", f"{found['scores_after'][ten]:,}")
    console.print(table)
    for mover in found["movers"]:
        console.print(f"{mover['lead_id']}: {mover['before']} → {mover['after']}")


async def _backtest(document: dict[str, Any], as_of: str | None) -> dict[str, Any]:
    async with scoring_client() as client:
        return await add_up(client, document, as_of)


async def add_up(client: ServiceClient, document: dict[str, Any], as_of: str | None) -> dict[str, Any]:
    """Every page, added up. All are as of the moment that the first one answered with."""
    total: dict[str, Any] = {**dict.fromkeys(SUMS, 0), **{name: Counter() for name in TABLES}, "movers": []}
    after: str | None = None
    while True:
        page = await client.post("/v1/backtests", {"policy": document, "as_of": as_of, "after": after})
        for name in SUMS:
            total[name] += page[name]
        for name in TABLES:
            total[name].update(page[name])
        movers = [*total["movers"], *page["movers"]]
        total["movers"] = sorted(movers, key=lambda one: (-abs(one["after"] - one["before"]), one["lead_id"]))[:MOVERS]
        as_of, after = page["as_of"], page["next"]
        if after is None:
            return {**total, "as_of": as_of}
