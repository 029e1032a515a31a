"""`leadflow quarantine`: what known senders sent and could not be taken, looked at, mended and released, or given up."""

from __future__ import annotations

import asyncio
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shared.cli.exit_codes import FAILED_EXIT_CODE
from shared.cli.http import CommandFailed, explained
from shared.cli.operating import By, of_each, operator_client

app = typer.Typer(help="Look at, mend and release what could not be taken in.", no_args_is_help=True)

PATH = "/v1/quarantine"
PAGE = 500


class Status(StrEnum):
    """Where an entry stands."""

    OPEN = "open"
    RELEASED = "released"
    DROPPED = "dropped"
    EXPIRED = "expired"
    ERASED = "erased"


class Reason(StrEnum):
    """Why it could not be taken."""

    INVALID = "invalid"
    UNREADABLE = "unreadable"
    CONFLICT = "conflict"


Entry = Annotated[str, typer.Argument(help="Its id, as `list` shows it and the sender was told it.")]
Entries = Annotated[list[str], typer.Argument(help="Their ids.")]


@app.command("list")
@explained
def listing(
    status: Annotated[Status, typer.Option(help="Those that wait for a decision, or those settled.")] = Status.OPEN,
    reason: Annotated[Reason | None, typer.Option(help="Only those refused for this.")] = None,
    sender: Annotated[str | None, typer.Option(help="Only those of this sender.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 100,
) -> None:
    """List entries: whose they are and what was wrong, not what they said."""
    asyncio.run(_list(status, reason, sender, limit))


async def _list(status: Status, reason: Reason | None, sender: str | None, limit: int) -> None:
    table = Table("id", "received", "times", "sender", "unit", "channel", "kind", "reason", "faults")
    more = False
    async with operator_client("capture") as client:
        asked: dict[str, Any] = {"status": status.value, "reason": reason and reason.value, "sender": sender}
        async for one in client.items(PATH, limit=PAGE, **asked):
            if table.row_count == limit:
                more = True
                break
            faults = "; ".join(f"{fault['field']} {fault['fault']}" for fault in one["faults"]) or "none left"
            place = (one["sender"], one["business_unit"] or "", one["channel"] or "", one["kind"], one["reason"])
            cells = (one["id"], str(one["received_at"])[:19], one["times"], *place, faults)
            table.add_row(*(escape(str(cell)) for cell in cells))
    console = Console()
    if table.row_count == 0:
        console.print(f"No {status.value} entries.")
        return
    console.print(table)
    if more:
        console.print("There are more; raise --limit to see them.")


@app.command()
@explained
def show(
    entry: Entry,
    by: By,
    reveal: Annotated[
        bool, typer.Option("--reveal", help="Show values too; that you looked is put on record.")
    ] = False,
) -> None:
    """Show one entry: what was wrong, its fields, and what was done with it."""
    Console().print_json(orjson.dumps(asyncio.run(_show(entry, by, reveal))).decode())


async def _show(entry: str, by: str, reveal: bool) -> Any:
    async with operator_client("capture") as client:
        answer = await client.send(
            "GET",
            f"{PATH}/{entry}",
            params={"reveal": "true"} if reveal else None,
            headers={"Leadflow-Actor": by},
        )
        client.check(answer)
        return orjson.loads(answer.content)


@app.command()
@explained
def fix(
    entry: Entry,
    by: By,
    assignments: Annotated[
        list[str] | None, typer.Option("--set", help="field=value; a.b=value goes inside; field= removes it.")
    ] = None,
    patch: Annotated[Path | None, typer.Option(help="A file with a JSON merge patch.")] = None,
    payload: Annotated[Path | None, typer.Option(help="A file with another payload in its place.")] = None,
    text: Annotated[
        Path | None, typer.Option(help="A file with what a delivery says, in the form its sender uses: CSV, a message.")
    ] = None,
) -> None:
    """Change what an entry says, and see what is still wrong."""
    given = [one for one in (assignments, patch, payload, text) if one]
    if len(given) != 1:
        raise CommandFailed("One of --set, --patch, --payload and --text is needed, and only one.", "Give one of them.")
    body: dict[str, Any]
    if assignments:
        body = {"patch": assigned(assignments)}
    elif patch is not None:
        body = {"patch": _document(patch, dict)}
    else:
        body = {"payload": _text(text) if payload is None else _document(payload, dict, list)}
    answer = asyncio.run(_command(entry, "fix", by, body))
    console = Console()
    if answer["ready"]:
        console.print(f"{escape(entry)}: nothing is wrong any more; release it.")
        return
    for fault in answer["faults"]:
        console.print(f"{escape(fault['field'])} {escape(fault['fault'])}. {escape(fault['fix'])}", soft_wrap=True)
    raise typer.Exit(FAILED_EXIT_CODE)


@app.command()
@explained
def release(
    by: By,
    entry: Annotated[list[str] | None, typer.Argument(help="Their ids.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every open one, oldest first.")] = False,
    sender: Annotated[str | None, typer.Option(help="With --all: only those of this sender.")] = None,
) -> None:
    """Take entries in after all. What is still wrong stays where it is."""
    if every == bool(entry):
        raise CommandFailed("Neither ids nor --all were given, or both.", "Give ids, or --all.")
    if asyncio.run(_release(None if every else entry, sender, by)):
        raise typer.Exit(FAILED_EXIT_CODE)


async def _release(wanted: list[str] | None, sender: str | None, by: str) -> int:
    async with operator_client("capture") as client:

        async def act(entry: str) -> str:
            answer = await client.post(f"{PATH}/{entry}:release", {}, headers={"Leadflow-Actor": by})
            return f"released as event {answer['event_id']}"

        ids = wanted
        if ids is None:
            ids = [one["id"] async for one in client.items(PATH, status="open", sender=sender, limit=PAGE)]
        return await of_each(ids, act, done="released", left="still in quarantine")


@app.command()
@explained
def drop(
    entry: Entries,
    by: By,
    note: Annotated[str | None, typer.Option(help="Why. No names, no addresses.")] = None,
) -> None:
    """Give entries up. They stay on record as dropped, and are emptied when their time has come."""
    for one in entry:
        asyncio.run(_command(one, "drop", by, {"note": note} if note else {}))
        Console().print(f"{escape(one)}: dropped", soft_wrap=True)


async def _command(entry: str, command: str, by: str, body: dict[str, Any]) -> Any:
    async with operator_client("capture") as client:
        return await client.post(f"{PATH}/{entry}:{command}", body, headers={"Leadflow-Actor": by})


def assigned(assignments: list[str]) -> dict[str, Any]:
    """`field=value` as a merge patch. A value that is JSON is that, anything else is text. Raises `CommandFailed`."""
    patch: dict[str, Any] = {}
    for one in assignments:
        path, equals, text = one.partition("=")
        steps = path.split(".")
        if not equals or not all(steps):
            raise CommandFailed(f"--set {path!r} names no field and value.", "Write --set field=value.")
        inner = patch
        for step in steps[:-1]:
            inner = inner.setdefault(step, {})
            if not isinstance(inner, dict):
                raise CommandFailed(f"--set {path!r} goes into a field that has a value already.", "Set one of both.")
        inner[steps[-1]] = _value(text)
    return patch


def _value(text: str) -> Any:
    if text == "":
        return None
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


def _document(path: Path, *kinds: type) -> Any:
    try:
        document = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise CommandFailed(f"{path} cannot be read: {error}.", "Give a file with one JSON object.") from None
    if not isinstance(document, kinds):
        raise CommandFailed(f"{path} holds no JSON object.", "Give a file with one JSON object.")
    return document


def _text(path: Path | None) -> str:
    assert path is not None
    try:
        return path.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandFailed(f"{path} cannot be read: {error}.", "Give a text file in UTF-8.") from None
