"""`leadflow findings history`, `acknowledge`, `dismiss`, `reopen`: findings over time, and what people say of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shared.cli.findings import app, said, sentence
from shared.cli.http import CommandFailed, ServiceClient, explained
from shared.cli.keys import moment
from shared.cli.operating import By, operator_client

PATH = "/v1/findings/noticed"
__all__ = ["app"]

Which = Annotated[str, typer.Argument(help="Its id, or how that begins: `leadflow findings` shows them.")]
Why = Annotated[str, typer.Option("--why", help="The reason, for others. It names nobody.")]
Until = Annotated[
    str | None, typer.Option("--until", help="When it is open again: a moment, or from now on, such as 14d.")
]


@app.command()
@explained
def history(
    state: Annotated[
        str | None, typer.Option(help="Only open, acknowledged, dismissed or ended; all that go on when left out.")
    ] = None,
    business_unit: Annotated[list[str] | None, typer.Option(help="Only of this unit; may be repeated.")] = None,
) -> None:
    """Show findings with since when they are there, and what was said of them."""
    print_noticed(Console(highlight=False), asyncio.run(_known(state=state, business_unit=business_unit or None)))


@app.command()
@explained
def acknowledge(which: Which, why: Why, by: By, until: Until = None) -> None:
    """Say that a finding is known and looked at; it is not open any more as long as it lasts."""
    _say(which, "acknowledge", why, until, by)


@app.command()
@explained
def dismiss(which: Which, why: Why, by: By, until: Until = None) -> None:
    """Say that a finding is nothing to mind; reports leave it out."""
    _say(which, "dismiss", why, until, by)


@app.command()
@explained
def reopen(which: Which, why: Why, by: By) -> None:
    """Take back what was said; somebody is to look at it."""
    _say(which, "reopen", why, None, by)


def print_noticed(console: Console, items: Sequence[dict[str, Any]]) -> None:
    """Findings for people, the latest first."""
    if not items:
        console.print("No findings.")
        return
    table = Table(
        "id", "severity", "what", "where", "since", "seen", "stands", box=SIMPLE_HEAD, pad_edge=False, show_edge=False
    )
    for one in items:
        finding = one["finding"]
        where = ", ".join([finding["business_unit"] or "all", *finding["cut"].values()])
        cells = (
            one["id"][:8],
            one["severity"],
            sentence(finding),
            where,
            one["since"][:10],
            one["seen"][:10],
            said(one),
        )
        table.add_row(*(escape(str(cell)) for cell in cells))
    console.print(table)


def _say(which: str, what: str, why: str, until: str | None, by: str) -> None:
    told: dict[str, Any] = {"why": why}
    if until is not None:
        told["until"] = moment(until, "--until").isoformat()
    done = asyncio.run(_told(which, what, told, by))
    Console(highlight=False).print(escape(f"{done['id'][:8]} is {said(done)}."))


async def _told(which: str, what: str, told: dict[str, Any], by: str) -> Any:
    async with operator_client("metrics") as client:
        noticed_id = await named(client, which)
        return await client.post(f"{PATH}/{noticed_id}:{what}", told, headers={"Leadflow-Actor": by})


async def named(client: ServiceClient, which: str) -> str:
    """The one finding that goes on whose id begins so. Raises `CommandFailed` for none, or several."""
    ids = [one["id"] async for one in _all(client) if one["id"].startswith(which.lower())]
    if len(ids) != 1:
        raise CommandFailed(
            f"{'No finding that goes on has' if not ids else 'Several findings have'} an id that begins with {which!r}.",
            "`leadflow findings history` shows their ids.",
        )
    return str(ids[0])


async def _known(**asked: Any) -> list[dict[str, Any]]:
    async with operator_client("metrics") as client:
        return [one async for one in _all(client, **asked)]


def _all(client: ServiceClient, **asked: Any) -> AsyncIterator[dict[str, Any]]:
    return client.items(PATH, cursor="after", following="next", limit=1_000, **asked)
