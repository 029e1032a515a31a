"""`leadflow keys`: who may send. A key is shown once, when it is made; after that nobody can read it anywhere."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shared.cli.http import CommandFailed, explained
from shared.cli.operating import operator_client

app = typer.Typer(help="Make, list, rotate and revoke the API keys of those who send.", no_args_is_help=True)

UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
PAGE = 1_000

Prefix = Annotated[str, typer.Argument(help="Its public beginning, as `list` shows it.")]
Expires = Annotated[str | None, typer.Option("--expires", help="When it ends: 90d, 12h, or 2027-01-31T00:00:00Z.")]


def duration(text: str, option: str) -> timedelta:
    """A length of time such as 90d or 12h. Raises `CommandFailed`."""
    match = re.fullmatch(r"(\d{1,6})([smhdw])", text)
    if match is None:
        raise CommandFailed(f"{option} {text!r} is no length of time.", "Write one such as 30m, 24h, 90d or 4w.")
    return timedelta(seconds=int(match[1]) * UNITS[match[2]])


def moment(text: str, option: str) -> datetime:
    """A point in time, given as such or as a length of time from now. Raises `CommandFailed`."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return datetime.now(UTC) + duration(text, option)
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


@app.command()
@explained
def create(
    sender: Annotated[str, typer.Argument(help="Whose key it is: letters, digits, dots, dashes.")],
    scope: Annotated[
        list[str] | None,
        typer.Option("--scope", help="write (if none is named), backdate, impersonate, reconcile, upload."),
    ] = None,
    rate: Annotated[
        float | None, typer.Option("--rate", min=0.001, help="Leads and interactions a second, instead of the limit.")
    ] = None,
    expires: Expires = None,
) -> None:
    """Make a key and show it, once."""
    wanted: dict[str, Any] = {"sender": sender, "scopes": scope or ["write"], "rate_per_second": rate}
    if expires is not None:
        wanted["expires_at"] = moment(expires, "--expires").isoformat()
    show(asyncio.run(_post("/v1/keys", wanted)))


@app.command("list")
@explained
def listing(
    sender: Annotated[str | None, typer.Option("--sender", help="Only this sender's.")] = None,
    ended: Annotated[bool, typer.Option("--all", help="Expired and revoked ones too.")] = False,
) -> None:
    """List keys by their prefixes: whose, what they may do, until when, when last used."""
    table = Table("prefix", "sender", "scopes", "rate", "status", "created", "expires", "last used", "from")
    for key in asyncio.run(_list(sender)):
        if ended or key["status"] == "live":
            rate = "" if key["rate_per_second"] is None else f"{key['rate_per_second']:g}/s"
            times = (time_of(key["created_at"]), time_of(key["expires_at"]), time_of(key["last_used_at"]))
            cells = (key["prefix"], key["sender"], "+".join(key["scopes"]), rate, key["status"], *times, key["origin"])
            table.add_row(*(escape(str(cell)) for cell in cells))
    Console().print(table if table.row_count else "No keys.")


async def _post(path: str, document: dict[str, Any]) -> Any:
    async with operator_client("capture") as client:
        return await client.post(path, document)


async def _list(sender: str | None) -> list[dict[str, Any]]:
    async with operator_client("capture") as client:
        return [key async for key in client.items("/v1/keys", cursor="after", sender=sender, limit=PAGE)]


def show(made: dict[str, Any]) -> None:
    """The key alone on standard output, so that it can be piped; everything about it beside."""
    about = Console(stderr=True, highlight=False)
    ends = f", until {time_of(made['expires_at'])}" if made["expires_at"] else ""
    about.print(f"{made['prefix']} for {escape(made['sender'])}: {'+'.join(made['scopes'])}{ends}. This is shown once:")
    print(made["key"])


def time_of(text: str | None) -> str:
    """A moment as tables show it."""
    return "" if text is None else text[:19].replace("T", " ")


def add_endings(app: typer.Typer, service: str, path: str, show: Callable[[dict[str, Any]], None]) -> None:
    """Gives a service's commands about its keys those that end one: by another, or for good."""

    async def post(below: str, document: dict[str, Any]) -> Any:
        async with operator_client(service) as client:
            return await client.post(f"{path}/{below}", document)

    @app.command()
    @explained
    def rotate(
        prefix: Prefix,
        overlap: Annotated[str, typer.Option("--overlap", help="How long both work.")] = "24h",
        expires: Expires = None,
    ) -> None:
        """Make one with the same rights, and let the old one end when the overlap does."""
        wanted: dict[str, Any] = {"overlap_seconds": duration(overlap, "--overlap").total_seconds()}
        if expires is not None:
            wanted["expires_at"] = moment(expires, "--expires").isoformat()
        made = asyncio.run(post(f"{prefix}:rotate", wanted))
        show(made)
        Console(stderr=True, highlight=False).print(f"{prefix} works until {time_of(made['replaces']['expires_at'])}.")

    @app.command()
    @explained
    def revoke(prefix: Prefix) -> None:
        """End it: within two seconds it is refused everywhere."""
        asyncio.run(post(f"{prefix}:revoke", {}))
        Console(highlight=False).print(f"{escape(prefix)} is revoked.")


add_endings(app, "capture", "/v1/keys", show)
