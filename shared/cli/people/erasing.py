"""`leadflow erase` forgets a person; `leadflow erasures` proves it, store by store."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated, Any
from uuid import uuid4

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shared.cli.http import CommandFailed, ServiceClient, explained
from shared.cli.operating import By
from shared.cli.people.asking import Sender, Unit, Who, held_elsewhere, person, services
from shared.cli.people.log import AtDoor, Remainder, at_door, remainders

app = typer.Typer(help="Who was erased, when and why, and what is left of it.", no_args_is_help=True)

NOT_YET_EXIT_CODE = 1

Erasure = Annotated[str, typer.Argument(help="Its id, as `erase` and `list` show it.")]
Search = Annotated[
    bool, typer.Option("--log", help="Read the person's partitions of the log, and count the records that name them.")
]


@explained
def erase(
    who: Who,
    by: By,
    reason: Annotated[
        str | None, typer.Option("--reason", help="A case number of your own; it is kept, so it names nobody.")
    ] = None,
    sender: Sender = None,
    unit: Unit = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what is kept, and where. Changes nothing.")] = False,
    wait_seconds: Annotated[float, typer.Option(min=0, help="How long the others are waited for.")] = 30.0,
) -> None:
    """Forget a person, for good: in pipeline at once, everywhere else within seconds, on the log by its retention. What they
    did stays counted."""
    if reason is None and not dry_run:
        raise CommandFailed("An erasure is put on record with its reason.", "Add --reason, such as your case number.")
    asked = person(who, sender, unit)
    asyncio.run(_erase(asked, reason or "", by, yes=yes, dry_run=dry_run, wait_seconds=wait_seconds))


async def _erase(asked: dict[str, Any], reason: str, by: str, *, yes: bool, dry_run: bool, wait_seconds: float) -> None:
    console = Console(highlight=False)
    async with services() as clients:
        found = await clients["pipeline"].post("/v1/people:find", asked)
        elsewhere = await held_elsewhere(clients, found["names"])
        console.print(f"{len(found['lead_ids'])} lead ids are this person: {', '.join(found['lead_ids']) or 'none'}")
        console.print(_stores(found["held"], elsewhere, "kept now"))
        if dry_run:
            return
        if not yes and not typer.confirm("Forget all of it? This cannot be taken back."):
            raise CommandFailed("Nothing was changed.", exit_code=NOT_YET_EXIT_CODE)
        headers = {"Leadflow-Actor": by, "Idempotency-Key": str(uuid4())}
        done = await clients["pipeline"].post("/v1/people:erase", {**asked, "reason": reason}, headers=headers)
        await _report(console, clients, done["erasure_id"], search=False, wait_seconds=wait_seconds)


@app.command("list")
@explained
def listing(limit: Annotated[int, typer.Option(min=1, max=500, help="At most so many.")] = 100) -> None:
    """List erasures, newest first: when, by whom, why and which leads; it is not kept who they were."""
    table = Table("id", "until", "by", "reason", "leads")
    for one in asyncio.run(_list(limit)):
        cells = (one["erasure_id"], one["until"][:19], one["actor"], one["reason"], len(one["lead_ids"]))
        table.add_row(*(escape(str(cell)) for cell in cells))
    Console().print(table if table.row_count else "Nobody was erased.")


async def _list(limit: int) -> list[dict[str, Any]]:
    async with services() as clients:
        items: list[dict[str, Any]] = (await clients["pipeline"].get("/v1/erasures", limit=limit))["items"]
        return items


@app.command()
@explained
def show(erasure: Erasure, log: Search = False) -> None:
    """Prove an erasure: what was erased, what is found now, and by when the log has removed its copy. Exit code 1 while
    anything is found where nothing may be."""
    asyncio.run(_show(erasure, log))


async def _show(erasure: str, search: bool) -> None:
    async with services() as clients:
        await _report(Console(highlight=False), clients, erasure, search=search, wait_seconds=0.0)


async def _report(
    console: Console, clients: dict[str, ServiceClient], erasure: str, *, search: bool, wait_seconds: float
) -> None:
    give_up_at = asyncio.get_running_loop().time() + wait_seconds
    while True:
        done = await clients["pipeline"].get(f"/v1/erasures/{erasure}")
        elsewhere = await held_elsewhere(clients, done["names"], until=done["until"])
        told = all(one["ordered"] for one in elsewhere.values())
        clean = told and not any(any(one["held"].values()) for one in (done, *elsewhere.values()))
        if clean or asyncio.get_running_loop().time() > give_up_at:
            break
        await asyncio.sleep(0.5)
    console.print(f"Erasure {done['erasure_id']}, by {escape(done['actor'])}: {escape(done['reason'])}")
    console.print(f"Holds for everything recorded up to {done['until']}, under {len(done['lead_ids'])} lead ids.")
    console.print(_stores(done["held"], elsewhere, "found now", done["erased"]))
    until = datetime.fromisoformat(done["until"])

    async def ask() -> AtDoor:
        told = await clients["capture"].post("/v1/people:held", {**done["names"], "until": done["until"]})
        return at_door(told, until)

    try:
        for one in await remainders(done["names"]["lead_ids"], done["names"]["tokens"], until, ask, search=search):
            console.print(_line(one))
    except CommandFailed as failure:
        console.print(f"capture.leads.v1: {escape(str(failure))}")
    for upload in elsewhere["capture"]["uploads"]:
        console.print(_upload(upload))
    for spool in elsewhere["capture"]["spools"]:
        for line in _spool(spool, until):
            console.print(line)
    for name in (name for name, one in elsewhere.items() if not one["ordered"]):
        console.print(f"{name} was not told yet: look at its consumer, then ask again with `leadflow erasures show`.")
    console.print("Nothing is found where nothing may be." if clean else "Not everything is erased yet.")
    if not clean:
        raise typer.Exit(NOT_YET_EXIT_CODE)


def _line(one: Remainder) -> str:
    where = f"capture.leads.v1 partition {one.partition}"
    if one.is_gone:
        return f"{where}: gone (it begins at offset {one.begins:,})"
    many = "" if one.named is None else f"{one.named:,} records name the person, "
    if one.may_come:
        return (
            f"{where}: {many}and more may come of what waits (below); were it there now, gone by {one.gone_by:%Y-%m-%d}"
        )
    return f"{where}: {many}the last of them at or before offset {one.last:,}, gone by {one.gone_by:%Y-%m-%d}"


def _upload(upload: dict[str, Any]) -> str:
    """A file that the person may be in, and by when it is gone."""
    gone = upload["deleted_at"]
    until = "kept until its job has ended" if gone is None else f"gone by {_minute(gone)}"
    return f"Uploaded file {upload['upload_id']} may name the person: {until}."


def _spool(spool: dict[str, Any], until: datetime) -> list[str]:
    """What of a spool may be about the person."""
    where, lines = f"The spool {escape(spool['home'])}", []
    if datetime.fromisoformat(spool["noted_at"]) < until:
        lines.append(f"{where} was last heard of {_minute(spool['noted_at'])}: what it held then may name the person.")
    elif spool["records"]:
        lines.append(f"{where} holds {spool['records']:,} events that wait for the log and may name the person.")
    if spool["aside"]:
        gone = f"gone by {_minute(spool['aside_until'])}"
        lines.append(f"{where} has {spool['aside']:,} files set aside that may name the person: {gone}.")
    return lines


def _minute(moment: str) -> str:
    return moment[:16].replace("T", " ")


def _stores(
    pipeline: dict[str, int], elsewhere: dict[str, Any], now: str, erased: dict[str, int] | None = None
) -> Table:
    table = Table("service", "store", now) if erased is None else Table("service", "store", "erased", now)
    held = {"pipeline": pipeline, **{name: answer["held"] for name, answer in elsewhere.items()}}
    for service, stores in held.items():
        for store, count in stores.items():
            before = [] if erased is None else [str(erased.get(store, "")) if service == "pipeline" else ""]
            table.add_row(service, store.replace("_", " "), *before, str(count))
    table.add_row("metrics", "facts and numbers, which name nobody", *([] if erased is None else [""]), "")
    return table
