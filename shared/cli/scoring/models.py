"""`leadflow scoring models`: what was learned, which of it speaks, and how to change that."""

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

from shared.cli.http import explained
from shared.cli.operating import whoever
from shared.cli.scoring.explaining import scoring_client
from shared.cli.scoring.training import figure

app = typer.Typer(help="The models that were learned, and which of them speak.", no_args_is_help=True)

Version = Annotated[str, typer.Argument(help="A model's version; `list` shows them.")]
Unit = Annotated[str, typer.Option(help="The business unit; all that have none of their own otherwise.")]
Outcome = Annotated[str, typer.Option(help="What it foretells: opportunity, customer.")]
Reason = Annotated[str, typer.Option(help="Why; it is kept with the decision.")]
Json = Annotated[bool, typer.Option("--json", help="As JSON.")]

STRONGEST = 15

DRIFTED = 0.25
"""The stability index of what is another population."""


@app.callback()
def models() -> None:
    """The models that were learned, and which of them speak."""


@app.command("list")
@explained
def list_models(*, as_json: Json = False) -> None:
    """Every model, those that speak first, and what the last trainings came to."""
    found = asyncio.run(_get("/v1/models"))
    if as_json:
        _write(found)
        return
    show_registry(found, Console())


def show_registry(found: Mapping[str, Any], console: Console) -> None:
    """The registry as a person reads it."""
    table = Table(
        "model", "unit", "outcome", "", "leads until", "AUC", "log-loss", "ECE", box=SIMPLE_HEAD, pad_edge=False
    )
    for one in found["models"]:
        figures = [figure(one["metrics"].get(name)) for name in ("auc", "log_loss", "ece")]
        unit = escape(one["business_unit"] or "all")
        table.add_row(escape(one["version"]), unit, one["outcome"], one["status"], one["data_to"][:10], *figures)
    if found["models"]:
        console.print(table)
    if not any(one["status"] == "active" for one in found["models"]):
        console.print("No model speaks: rules alone do.")
    for one in found["trainings"]:
        where = escape(one["business_unit"] or "all")
        console.print(f"{one['at'][:16]} {where}, {one['outcome']}: {escape(one['words'])}.", soft_wrap=True)


@app.command()
@explained
def show(version: Version, *, as_json: Json = False) -> None:
    """One model: how good it is, what it looks at, how what it foretells compares with what happened, who decided what."""
    found = asyncio.run(_get(f"/v1/models/{version}"))
    if as_json:
        _write(found)
        return
    show_whole(found, Console())


def show_whole(found: Mapping[str, Any], console: Console) -> None:
    """One model as a person reads it."""
    _show_head(found, console)
    deciles = Table("decile", "leads", "foretold", "happened", "lift", box=SIMPLE_HEAD, pad_edge=False)
    for number, one in enumerate(found["metrics"].get("deciles", ()), start=1):
        lift = "–" if one["lift"] is None else f"{one['lift']:.2f}"
        deciles.add_row(str(number), str(one["leads"]), f"{one['expected']:.3f}", f"{one['observed']:.3f}", lift)
    console.print(deciles)
    features = Table("feature", "kind", "says, in log-odds on average", box=SIMPLE_HEAD, pad_edge=False)
    for one in found["features"][:STRONGEST]:
        features.add_row(escape(one["name"]), one["kind"], f"{one['strength']:.3f}")
    console.print(features)
    for one in found["decisions"]:
        console.print(escape(_told(one)), soft_wrap=True)


def _show_head(found: Mapping[str, Any], console: Console) -> None:
    metrics, unit = found["metrics"], escape(found["business_unit"] or "all units")
    console.print(f"[bold]{escape(found['version'])}[/] is {found['status']}: {found['outcome']} of {unit}")
    console.print(
        f"From {found['examples']:,} examples of {found['data_from'][:10]} to {found['data_to'][:10]}, {found['positives']:,} "
        f"of which became one within {found['horizon_days']} days; trained {found['trained_at'][:16]} by "
        f"{escape(found['trained_by'])}.\n{escape(found['verdict'])}.",
        soft_wrap=True,
    )
    if not found["usable"]:
        console.print(f"[bold red]It cannot be used:[/] {escape(found['why_not'])}.", soft_wrap=True)
    beside = metrics.get("beside", {})
    table = Table("on later leads", "this model", "what spoke before", box=SIMPLE_HEAD, pad_edge=False)
    for name, title in (("auc", "AUC"), ("log_loss", "log-loss"), ("brier", "Brier"), ("ece", "ECE"), ("lift", "lift")):
        table.add_row(title, figure(metrics.get(name)), figure(beside.get(name)))
    console.print(table)
    drifted = sorted(metrics.get("drift", {}).items(), key=lambda one: -one[1])
    named = ", ".join(f"{name} {index:.2f}" for name, index in drifted if index > DRIFTED)
    if named:
        console.print(f"Later leads look other than those it was learned from: {escape(named)}.", soft_wrap=True)


@app.command()
@explained
def activate(version: Version, reason: Reason = "decided by hand") -> None:
    """Let a model speak. One that cannot be used is refused."""
    found = asyncio.run(_post(f"/v1/models/{version}/activate", {"by": whoever(), "reason": reason}))
    Console().print(f"{escape(found['version'])} speaks.")


@app.command()
@explained
def rollback(unit: Unit = "", outcome: Outcome = "opportunity", reason: Reason = "decided by hand") -> None:
    """Let the model speak that spoke before; where there was none, rules alone do."""
    Console().print(escape(_told(_decide("rollback", unit, outcome, reason))), soft_wrap=True)


@app.command()
@explained
def silence(unit: Unit = "", outcome: Outcome = "opportunity", reason: Reason = "decided by hand") -> None:
    """Let no model speak here: for a unit that of all units does, for all units rules alone."""
    Console().print(escape(_told(_decide("silence", unit, outcome, reason))), soft_wrap=True)


def _decide(what: str, unit: str, outcome: str, reason: str) -> dict[str, Any]:
    decision = {"business_unit": unit, "outcome": outcome, "by": whoever(), "reason": reason}
    return asyncio.run(_post(f"/v1/models/{what}", decision))


def _told(one: Mapping[str, Any]) -> str:
    now, before = one["version"] or "no model", one["replaced"] or "no model"
    back = ", back again," if one["kind"] == "rolled_back" else ""
    return f"{one['at'][:16]} {one['by']}: {now}{back} speaks in the place of {before}: {one['reason']}"


async def _get(path: str) -> dict[str, Any]:
    async with scoring_client() as client:
        found: dict[str, Any] = await client.get(path)
        return found


async def _post(path: str, body: Mapping[str, Any]) -> dict[str, Any]:
    async with scoring_client() as client:
        found: dict[str, Any] = await client.post(path, dict(body))
        return found


def _write(found: Mapping[str, Any]) -> None:
    sys.stdout.write(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode() + "\n")
