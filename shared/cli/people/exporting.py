"""`leadflow export-person`: everything that is kept of a person, for the person."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console

from shared.cli.http import CommandFailed, Refused, ServiceClient, explained
from shared.cli.operating import By
from shared.cli.people.asking import Sender, Unit, Who, held_elsewhere, person, services

NOBODY_EXIT_CODE = 1
ABOUT = {
    "purpose": "Leads are kept to answer, assess and follow up what people asked of us; consents say what else is permitted.",
    "kept": "docs/privacy.md says where everything is kept, how long, and how it is erased.",
    "log": "capture.leads.v1 has what was sent in the last 30 days as it was taken in; pipeline's history is made from it.",
    "metrics": "Metrics has the same history without personal data, and counts.",
}


@explained
def export_person(
    who: Who,
    by: By,
    sender: Sender = None,
    unit: Unit = None,
    output: Annotated[Path | None, typer.Option("--output", help="A file, made for its owner's eyes only.")] = None,
) -> None:
    """Show a person everything that is kept of them, as JSON: data with its sources, consents with their proof, history,
    scores, and what could not be taken in. Exit code 1 where nobody is known."""
    document = asyncio.run(_export(person(who, sender, unit), by))
    text = orjson.dumps(document, option=orjson.OPT_INDENT_2)
    if output is None:
        typer.echo(text.decode())
        return
    output.touch(mode=0o600)
    output.chmod(0o600)
    output.write_bytes(text + b"\n")
    Console(stderr=True, highlight=False).print(f"Written to {output}.")


async def _export(asked: dict[str, Any], by: str) -> dict[str, Any]:
    async with services() as clients:
        found = await clients["pipeline"].post("/v1/people:find", asked)
        elsewhere = await held_elsewhere(clients, found["names"], whole=True)
        pipeline = await _exported(clients["pipeline"], asked, by)
    others = any(any(one["held"].values()) for one in elsewhere.values())
    if pipeline is None and not others:
        raise CommandFailed(
            "Nobody is known by this.", "Try another address or number of theirs.", exit_code=NOBODY_EXIT_CODE
        )
    return {"about": ABOUT, "pipeline": pipeline, **elsewhere}


async def _exported(pipeline: ServiceClient, asked: dict[str, Any], by: str) -> Any:
    try:
        return await pipeline.post("/v1/people:export", asked, headers={"Leadflow-Actor": by})
    except Refused as refused:
        if refused.status == 404:
            return None
        raise
