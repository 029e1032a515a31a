"""`leadflow scoring rescore`: the present policy for everybody."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from shared.cli.exit_codes import FAILED_EXIT_CODE
from shared.cli.http import ServiceClient, explained
from shared.cli.scoring.explaining import scoring_client

LOOK_SECONDS = 0.5


@explained
def rescore(
    *,
    wait: Annotated[bool, typer.Option(help="Show how far it has come until it is done.")] = True,
) -> None:
    """Score every lead by the policy that scoring runs with. Goes on by itself; asking again joins it."""
    done = asyncio.run(_rescore(wait))
    console = Console()
    if done["status"] == "running":
        console.print(f"Rescore {done['id']} goes on: {done['done']:,} of {done['leads']:,} leads.")
        return
    failed = f", {done['failed']:,} could not be judged: see scoring's log" if done["failed"] else ""
    console.print(
        f"{done['status']}: {done['done']:,} leads by policy {done['policy_version']}, {done['changed']:,} changed{failed}."
    )
    if done["failed"] or done["status"] != "finished":
        raise typer.Exit(FAILED_EXIT_CODE)


async def _rescore(wait: bool) -> dict[str, Any]:
    bar = Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), console=Console(stderr=True))
    async with scoring_client() as client:
        asked: dict[str, Any] = await client.post("/v1/rescores", {})
        if not wait:
            return asked
        with bar:
            task = bar.add_task("leads", total=asked["leads"])
            return await follow(client, asked, lambda done: bar.update(task, completed=done))


async def follow(client: ServiceClient, rescore: dict[str, Any], on_progress: Callable[[int], None]) -> dict[str, Any]:
    """Looks until it is over."""
    while rescore["status"] == "running":
        await asyncio.sleep(LOOK_SECONDS)
        rescore = await client.get(f"/v1/rescores/{rescore['id']}")
        on_progress(rescore["done"])
    return rescore
