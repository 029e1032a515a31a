"""`leadflow rebuild metrics`: everybody counted again from the facts, while everything goes on."""

from __future__ import annotations

import asyncio
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from shared.cli.http import explained
from shared.cli.operating import operator_client

LOOK_SECONDS = 0.5


class What(StrEnum):
    """What can be made again."""

    METRICS = "metrics"


@explained
def rebuild(
    what: Annotated[What, typer.Argument(help="Whose numbers.")] = What.METRICS,
    *,
    wait: Annotated[bool, typer.Option(help="Show how far it has come until it is done.")] = True,
) -> None:
    """Count everybody again from the facts and put right what is wrong. Goes on by itself; asking again joins it."""
    done = asyncio.run(_rebuild(what, wait))
    console = Console(highlight=False)
    if done["status"] == "running":
        console.print(f"Rebuild {done['id']} goes on: {done['people']:,} of {done['leads']:,} leads.")
        return
    wrong = done["entries_changed"] + done["sums_changed"]
    console.print(
        f"{done['people']:,} leads counted again: {done['entries_changed']:,} entries and {done['sums_changed']:,} sums put right."
        if wrong
        else f"{done['people']:,} leads counted again: everything was right."
    )


async def _rebuild(what: What, wait: bool) -> dict[str, Any]:
    bar = Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), console=Console(stderr=True))
    async with operator_client(what.value) as client:
        found: dict[str, Any] = await client.post("/v1/rebuilds", {})
        if not wait:
            return found
        with bar:
            task = bar.add_task("leads", total=found["leads"])
            while found["status"] == "running":
                await asyncio.sleep(LOOK_SECONDS)
                found = await client.get(f"/v1/rebuilds/{found['id']}")
                bar.update(task, completed=found["people"])
    return found
