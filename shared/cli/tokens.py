"""`leadflow tokens`: who may work with leads in pipeline. A token is shown once, when it is made."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shared.cli.http import CommandFailed, explained
from shared.cli.keys import PAGE, Expires, add_endings, moment, time_of
from shared.cli.operating import operator_client

app = typer.Typer(help="Make, list, rotate and revoke the tokens of those who work with leads.", no_args_is_help=True)


@app.command()
@explained
def create(
    subject: Annotated[str, typer.Argument(help="Whose token it is: a person as routing knows them, or a system.")],
    role: Annotated[str, typer.Option("--role", help="agent, manager, operator or integrator.")],
    unit: Annotated[list[str] | None, typer.Option("--unit", help="A business unit; may be given again.")] = None,
    all_units: Annotated[bool, typer.Option("--all-units", help="It holds in every unit.")] = False,
    system: Annotated[bool, typer.Option("--system", help="A system, which may name who it acts for.")] = False,
    expires: Expires = None,
) -> None:
    """Make a token and show it, once."""
    if bool(unit) == all_units:
        raise CommandFailed("Where the token holds is not said.", "Name each --unit, or say --all-units.")
    wanted: dict[str, Any] = {"subject": subject, "role": role, "is_person": not system}
    if unit:
        wanted["business_units"] = unit
    if expires is not None:
        wanted["expires_at"] = moment(expires, "--expires").isoformat()
    show(asyncio.run(_post(wanted)))


@app.command("list")
@explained
def listing(
    subject: Annotated[str | None, typer.Option("--subject", help="Only this one's.")] = None,
    ended: Annotated[bool, typer.Option("--all", help="Expired and revoked ones too.")] = False,
) -> None:
    """List tokens by their prefixes: whose, what they may do and where, until when, when last used."""
    table = Table("prefix", "subject", "role", "units", "status", "created", "expires", "last used")
    for token in asyncio.run(_list(subject)):
        if ended or token["status"] == "live":
            times = (time_of(token[name]) for name in ("created_at", "expires_at", "last_used_at"))
            whose = token["subject"] if token["is_person"] else f"{token['subject']} (a system)"
            cells = (token["prefix"], whose, token["role"], _units(token), token["status"], *times)
            table.add_row(*(escape(str(cell)) for cell in cells))
    Console().print(table if table.row_count else "No tokens.")


def show(made: dict[str, Any]) -> None:
    """The token alone on standard output, so that it can be piped; everything about it beside."""
    ends = f", until {time_of(made['expires_at'])}" if made["expires_at"] else ""
    text = f"{made['prefix']} for {escape(made['subject'])}: {made['role']} in {escape(_units(made))}{ends}."
    Console(stderr=True, highlight=False).print(f"{text} This is shown once:")
    print(made["key"])


add_endings(app, "pipeline", "/v1/tokens", show)


def _units(token: dict[str, Any]) -> str:
    return "all units" if token["business_units"] is None else ", ".join(token["business_units"])


async def _post(document: dict[str, Any]) -> Any:
    async with operator_client("pipeline") as client:
        return await client.post("/v1/tokens", document)


async def _list(subject: str | None) -> list[dict[str, Any]]:
    async with operator_client("pipeline") as client:
        return [one async for one in client.items("/v1/tokens", cursor="after", subject=subject, limit=PAGE)]
