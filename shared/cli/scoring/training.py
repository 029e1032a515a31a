"""`leadflow scoring train`: models from how leads ended, learned by scoring in a process of its own."""

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

from shared.cli.exit_codes import FAILED_EXIT_CODE
from shared.cli.http import explained
from shared.cli.operating import whoever
from shared.cli.scoring.explaining import scoring_client

LOOK_SECONDS = 1.0


@explained
def train(
    unit: Annotated[str | None, typer.Option(help="A business unit; all of them and the whole otherwise.")] = None,
    *,
    dry_run: Annotated[bool, typer.Option(help="Learn and judge, and keep nothing.")] = False,
    wait: Annotated[bool, typer.Option(help="Stay until it is done.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Learn models from how leads ended. One is activated only where it is better on later leads, and right."""
    console = Console()
    done = asyncio.run(_train({"business_unit": unit, "dry_run": dry_run, "by": whoever()}, wait))
    if as_json:
        sys.stdout.write(orjson.dumps(done, option=orjson.OPT_INDENT_2).decode() + "\n")
    elif done["status"] == "failed":
        console.print(f"Training {done['id']} failed: {escape(str(done['words']))}.", soft_wrap=True)
    elif done["status"] == "finished":
        show(done["results"] or [], console)
    else:
        console.print(f"Training {done['id']} is {done['status']}; see it: leadflow scoring models list")
    if done["status"] == "failed":
        raise typer.Exit(FAILED_EXIT_CODE)


async def _train(asked: dict[str, Any], wait: bool) -> dict[str, Any]:
    async with scoring_client() as client:
        run: dict[str, Any] = await client.post("/v1/trainings", asked)
        with Console(stderr=True).status("waiting") as status:
            while wait and run["status"] in ("asked", "running"):
                await asyncio.sleep(LOOK_SECONDS)
                run = await client.get(f"/v1/trainings/{run['id']}")
                status.update("learning" if run["status"] == "running" else "waiting for another training")
        return run


def show(results: list[dict[str, Any]], console: Console) -> None:
    """What a training came to, as a person reads it."""
    table = Table("unit", "outcome", "", "AUC", "log-loss", "ECE", "lift", box=SIMPLE_HEAD, pad_edge=False)
    for one in results:
        metrics = one["metrics"] or {}
        figures = [figure(metrics.get(name)) for name in ("auc", "log_loss", "ece", "lift")]
        table.add_row(escape(one["business_unit"] or "all"), one["outcome"], one["found"].replace("_", " "), *figures)
    console.print(table)
    for one in results:
        version = f"{escape(one['version'])}: " if one["version"] else ""
        console.print(
            f"{escape(one['business_unit'] or 'all')}, {one['outcome']}: {version}{escape(one['words'])}.",
            soft_wrap=True,
        )


def figure(value: object) -> str:
    """A measure as it is shown."""
    return f"{value:.4f}" if isinstance(value, float) else "–"
