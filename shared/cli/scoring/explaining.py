"""`leadflow scoring explain`: a lead's score down to every point."""

from __future__ import annotations

import asyncio
import math
import sys
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import orjson
import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shared.cli.http import ServiceClient, explained
from shared.cli.settings import cli_settings

WITHOUT_MODEL = {
    "none_active": "no model was activated, or the unit has learning turned off",
    "too_little_data": "there is too little data to learn a model from",
    "unusable": "the active model cannot be used; see scoring's /readyz",
    "nothing_known": "nothing counts that is known of this lead",
    "failed": "the model failed at this lead; see scoring's log",
}


def scoring_client() -> ServiceClient:
    """A client for scoring's API."""
    settings = cli_settings()
    return ServiceClient(
        "scoring", settings.scoring_url, settings.api_token, patience_seconds=10.0, timeout_seconds=120.0
    )


@explained
def explain(
    lead: Annotated[str, typer.Argument(help="The lead's id.")],
    as_of: Annotated[str | None, typer.Option(help="A moment, as 2026-03-01T12:00:00Z; now when not given.")] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Show why a lead's score is what it is: every rule, every point, what is left of it, and what would change it."""
    found = asyncio.run(_fetch(lead, as_of))
    if as_json:
        sys.stdout.write(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode() + "\n")
        return
    console = Console()
    for part in shown(found):
        console.print(part, soft_wrap=True)


async def _fetch(lead: str, as_of: str | None) -> dict[str, Any]:
    async with scoring_client() as client:
        found: dict[str, Any] = await client.get(f"/v1/scores/{lead}/explanation", as_of=as_of)
        return found


def shown(found: Mapping[str, Any]) -> Iterator[str | Table]:
    """An explanation as a person reads it."""
    score = found["score"]
    yield (
        f"[bold]{score['score']} points: grade {escape(score['grade'])}, {score['rating']}, {score['temperature']}[/] "
        f"as of {_moment(found['as_of'])} by policy {escape(found['policy_version'])}"
    )
    table = Table("points", "rule", "because", box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.columns[0].justify = "right"
    for line in found["lines"]:
        table.add_row(f"{line['points']:+d}", escape(line["rule"]), escape(line["because"]))
        for entry in line["entries"]:
            table.add_row("", "", _entry(entry), style="dim")
    for bound in found["bounds"]:
        table.add_row(f"{bound['points']:+d}", escape(bound["rule"]), "", style="italic")
    table.add_row(str(score["score"]), "[bold]together[/]", f"fit {score['fit']}, engagement {score['engagement']}")
    yield table
    if found["segments"] or found["variant"]:
        yield f"Segments: {escape(', '.join(found['segments']) or 'none')}. Rules of: {escape(found['variant'] or 'the unit')}."
    if found.get("left_out"):
        yield f"Left out as a test or as spam: {len(found['left_out'])} of what is recorded."
    yield from _models_part(found)
    for step in found["better"]:
        yield f"Would make it {_called(step['score'])}: {escape(step['rule'])}"
    for change in found["changes"]:
        yield f"On {_moment(change['at'])} it becomes {_called(change['score'])}, if nothing happens before"
    told = found["told"]
    if told is not None:
        stale = " by another policy" if told["stale"] else ""
        yield f"Told last: {told['score']}, grade {escape(told['grade'])}, as of {_moment(told['occurred_at'])}{stale}."


def _models_part(found: Mapping[str, Any]) -> Iterator[str | Table]:
    """What the models say; where none does, and all for one reason, that reason once."""
    silence = found.get("without_model")
    if silence is not None and silence == found.get("without_customer"):
        yield f"Rules alone: {WITHOUT_MODEL.get(silence, silence)}."
        return
    yield from _model_part(found.get("model"), found.get("without_model"), "an opportunity")
    yield from _model_part(found.get("customer"), found.get("without_customer"), "a customer")


def _model_part(model: Mapping[str, Any] | None, silence: str | None, outcome: str) -> Iterator[str | Table]:
    """What the model of an outcome says, each reason with how many times likelier it makes the lead."""
    if model is None:
        if silence is not None:
            yield f"How likely it becomes {outcome} nobody says: {WITHOUT_MODEL.get(silence, silence)}."
        return
    yield f"[bold]{model['probability']:.1%} likely to become {outcome}[/], says {escape(model['model_version'])}"
    table = Table("log-odds", "times", "because", box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.columns[0].justify = table.columns[1].justify = "right"
    for one in model["contributions"]:
        times = "" if one["feature"] == "base" else f"{math.exp(one['log_odds']):.2f}"
        table.add_row(f"{one['log_odds']:+.4f}", times, escape(one["words"]))
    together = sum(one["log_odds"] for one in model["contributions"])
    table.add_row(f"{together:+.4f}", "", "[bold]together[/]")
    yield table


def _entry(entry: Mapping[str, Any]) -> str:
    what = f"{_moment(entry['occurred_at'])} {entry['kind']}" + (f" {entry['value']}" if entry["value"] else "")
    if entry["counts"]:
        return escape(f"{what}: {float(entry['points_now']):.2f} of {entry['points']} left")
    return escape(f"{what}: {entry['why_not']}")


def _called(score: Mapping[str, Any]) -> str:
    return escape(f"{score['score']}, grade {score['grade']}, {score['rating']}")


def _moment(text: str) -> str:
    return text[:16].replace("T", " ")
