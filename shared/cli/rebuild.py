"""`leadflow rebuild metrics`: everybody counted again, in place from the facts, or from a source beside what is used."""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from shared.cli.audit.log import bootstrap
from shared.cli.http import CommandFailed, Refused, ServiceClient, explained
from shared.cli.local.run_directory import run_directory
from shared.cli.operating import operator_client
from shared.cli.sources import from_log, from_pipeline

LOOK_SECONDS = 0.5
SWAPS_TRIED = 20
LONG_SECONDS = 3_600.0
"""Comparing and swapping take minutes where there are millions of facts."""


class What(StrEnum):
    """What can be made again."""

    METRICS = "metrics"


class Source(StrEnum):
    """From what."""

    FACTS = "facts"
    LOG = "log"
    PIPELINE = "pipeline"


@explained
def rebuild(
    what: Annotated[What, typer.Argument(help="Whose numbers.")] = What.METRICS,
    *,
    source: Annotated[
        Source,
        typer.Option(
            "--from", help="facts: in place, what is wrong is put right. log, pipeline: all again, beside what is used."
        ),
    ] = Source.FACTS,
    wait: Annotated[bool, typer.Option(help="Show how far it has come until it is done (--from facts).")] = True,
    swap: Annotated[bool, typer.Option(help="Put it in the place of what is used, once it is compared.")] = True,
    lose: Annotated[
        bool, typer.Option("--lose", help="Put it in place although what is used has facts that the source lacks.")
    ] = False,
    drop: Annotated[bool, typer.Option("--drop", help="Only give up a rebuild and what a swap kept.")] = False,
) -> None:
    """Count everybody again. Asked again, it goes on where it was stopped."""
    console = Console(highlight=False)
    if drop:
        dropped = asyncio.run(_drop(what))
        console.print(f"Dropped: {', '.join(dropped)}." if dropped else "There was nothing to drop.")
    elif source is Source.FACTS:
        _say(console, asyncio.run(_rebuild(what, wait)))
    else:
        asyncio.run(_beside(console, what, source, swap=swap, lose=lose))


def _say(console: Console, done: dict[str, Any]) -> None:
    if done["status"] == "running":
        console.print(f"Rebuild {done['id']} goes on: {done['people']:,} of {done['leads']:,} leads.")
        return
    wrong = done["entries_changed"] + done["sums_changed"]
    console.print(
        f"{done['people']:,} leads counted again: {done['entries_changed']:,} entries and {done['sums_changed']:,} sums put right."
        if wrong
        else f"{done['people']:,} leads counted again: everything was right."
    )


def _bar() -> Progress:
    return Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), console=Console(stderr=True))


async def _rebuild(what: What, wait: bool) -> dict[str, Any]:
    async with operator_client(what.value) as client:
        found: dict[str, Any] = await client.post("/v1/rebuilds", {})
        if not wait:
            return found
        with _bar() as bar:
            task = bar.add_task("leads", total=found["leads"])
            while found["status"] == "running":
                await asyncio.sleep(LOOK_SECONDS)
                found = await client.get(f"/v1/rebuilds/{found['id']}")
                bar.update(task, completed=found["people"])
    return found


async def _drop(what: What) -> list[str]:
    async with operator_client(what.value) as client:
        found: dict[str, list[str]] = await client.delete("/v1/shadow")
    _state().unlink(missing_ok=True)
    return found["dropped"]


def _state() -> Path:
    """How far a source has been read, for the rebuild that began at a moment."""
    return run_directory().path / "rebuild.json"


def _kept() -> dict[str, Any]:
    """What the last run left; nothing where nobody can read it, as then all is read again."""
    try:
        found = json.loads(_state().read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _keep(began_at: str, source: Source, after: Any) -> None:
    """Keeps how far it has come: the whole of it or what was there before, whatever ends the process."""
    state = _state()
    state.parent.mkdir(parents=True, exist_ok=True)
    beside = state.with_name(f"{state.name}.{os.getpid()}")
    beside.write_text(json.dumps({"began_at": began_at, "source": source.value, "after": after}))
    beside.replace(state)


async def _beside(console: Console, what: What, source: Source, *, swap: bool, lose: bool = False) -> None:
    async with operator_client(what.value, timeout_seconds=LONG_SECONDS) as client:
        if swap and (done := await _put_in_place_before(client, source)) is not None:
            _in_place(console, done)
            return
        begun = await client.post("/v1/shadow", {"source": source.value})
        await _fill(client, source, begun["began_at"])
        await catch_up(client)
        found = await client.get("/v1/shadow/comparison")
        _compared(console, found)
        if swap and found["facts"]["only_used"] and not lose:
            raise CommandFailed(
                "It is not put in place: the numbers would lose the facts that the source does not have.",
                "Rebuild from another source (--from log, --from pipeline); or run this again with --lose where they are to go.",
            )
        if not swap:
            console.print("It is not put in place: run this again, or `leadflow rebuild metrics --drop`.")
            return
        _in_place(console, await swapped(client, begun["began_at"], lose=lose))


def _in_place(console: Console, done: dict[str, Any]) -> None:
    _state().unlink(missing_ok=True)
    console.print(
        f"In place: {done['facts']:,} facts, {done['facts_before']:,} before. What was used is kept until "
        "`leadflow rebuild metrics --drop`."
    )


async def _put_in_place_before(client: ServiceClient, source: Source) -> dict[str, Any] | None:
    """How it ended, where the last run put one in place and did not hear of it."""
    kept = _kept()
    began_at = kept.get("began_at")
    if began_at is None or kept.get("source") != source.value:
        return None
    try:
        await client.get("/v1/shadow")
    except Refused:
        with suppress(Refused):
            found: dict[str, Any] = await client.post("/v1/shadow/swap", {"began_at": began_at})
            return found
    return None


async def _fill(client: ServiceClient, source: Source, began_at: str) -> None:
    """Reads the source from where it was stopped. What is told again is the same, so that it may have come further."""
    kept = _kept()
    after = kept.get("after") if (kept.get("began_at"), kept.get("source")) == (began_at, source.value) else None
    _keep(began_at, source, after)
    with _bar() as bar:
        task = bar.add_task(f"events from {source.value}", total=None)
        told = 0
        async with operator_client("pipeline") as pipeline:
            pages = from_log(bootstrap(), after) if source is Source.LOG else from_pipeline(pipeline, after)
            async for events, following in pages:
                if events:
                    await client.post("/v1/shadow/events", {"events": events})
                told += len(events)
                bar.update(task, completed=told)
                if following is not None:
                    _keep(began_at, source, following)


async def catch_up(client: ServiceClient) -> None:
    """Takes over what came meanwhile, up to what is little. While leads come something is always new: the swap takes that."""
    with _bar() as bar:
        task = bar.add_task("events that came meanwhile", total=None)
        found = {"more": True}
        while found["more"]:
            found = await client.post("/v1/shadow/catch-up", {})
            bar.update(task, advance=found["new"])


async def swapped(client: ServiceClient, began_at: str, *, lose: bool) -> dict[str, Any]:
    """Puts it in place; where much came meanwhile, that is taken over first."""
    asked = {"began_at": began_at, **({"lose": True} if lose else {})}
    for tried in range(SWAPS_TRIED):
        try:
            found: dict[str, Any] = await client.post("/v1/shadow/swap", asked)
            return found
        except Refused as refused:
            loses = str(refused.problem_document.get("type", "")).endswith(":facts-lost")
            if loses or tried + 1 == SWAPS_TRIED:
                raise
        await catch_up(client)
    raise AssertionError("the last try returns or raises")


def _compared(console: Console, found: dict[str, Any]) -> None:
    """What differs, and why."""
    facts, entries = found["facts"], found["entries"]
    if not (facts["only_rebuilt"] or facts["only_used"] or facts["to_come"] or entries):
        console.print("Compared: everything is the same.")
        return
    console.print(
        f"Facts: {facts['only_rebuilt']:,} that what is used lacks, {facts['only_used']:,} that the source does not have, {facts['to_come']:,} "
        "that came meanwhile and are taken over. " + (f"Leads: {', '.join(facts['leads'])}." if facts["leads"] else ""),
        soft_wrap=True,
    )
    for one in entries:
        console.print(
            f"{one['measure']}: {one['different']:,} entries differ, {one['because_of_facts']:,} because of these facts, "
            f"{one['counted_otherwise']:,} counted otherwise from the same. Leads: {', '.join(one['leads'])}.",
            soft_wrap=True,
        )
