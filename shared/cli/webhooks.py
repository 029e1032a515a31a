"""`leadflow webhooks`: who follows what happens to leads, what they did not get, and how they are told again."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shared.cli.http import CommandFailed, explained
from shared.cli.keys import duration, moment
from shared.cli.operating import operator_client

app = typer.Typer(help="Let other systems follow, and tell them again what they missed.", no_args_is_help=True)

PATH = "/v1/webhooks"
PAGE = 500

Endpoint = Annotated[str, typer.Argument(help="Its id, as `list` shows it.")]


@app.command("list")
@explained
def listing(
    unit: Annotated[str | None, typer.Option("--business-unit", help="Only those of this unit.")] = None,
) -> None:
    """List who follows, how they do, and how much waits for each."""
    table = Table("id", "unit", "url", "events", "personal", "state", "waiting", "since", "dead", "failing since")
    for one in asyncio.run(_get(PATH, business_unit=unit))["items"]:
        events = "all" if not one["events"] else ", ".join(one["events"])
        state = one["state"] if one["disabled_reason"] is None else f"{one['state']}: {one['disabled_reason']}"
        if one["replay_from"] is not None:
            state += f", tells again from {_time(one['replay_from'])}"
        counts = (one["waiting"], _time(one["waiting_since"]), one["dead"], _time(one["failing_since"]))
        cells = (one["endpoint_id"], one["business_unit"], one["url"], events, "yes" if one["personal"] else "", state)
        table.add_row(*(escape(str(cell)) for cell in (*cells, *counts)))
    Console().print(table if table.row_count else "Nobody follows.")


@app.command()
@explained
def show(endpoint: Endpoint) -> None:
    """Show all about one."""
    Console().print_json(orjson.dumps(asyncio.run(_get(f"{PATH}/{endpoint}"))).decode())


@app.command()
@explained
def create(
    url: Annotated[str, typer.Argument(help="Where they are told: an https URL.")],
    unit: Annotated[str, typer.Option("--business-unit", help="Whose leads.")] = "default",
    event: Annotated[list[str] | None, typer.Option("--event", help="What they hear; all if none is named.")] = None,
    personal: Annotated[bool, typer.Option("--personal", help="Tell them who a lead is, too.")] = False,
    historical: Annotated[bool, typer.Option("--historical", help="Tell them imported history, too.")] = False,
    description: Annotated[str, typer.Option("--description", help="Whose it is.")] = "",
) -> None:
    """Let somebody follow, and show the secret that signs what they are sent, once."""
    said = {
        "url": url,
        "business_unit": unit,
        "events": event or [],
        "personal": personal,
        "historical": historical,
        "description": description,
    }
    _show_secret(asyncio.run(_post(PATH, said)))


@app.command()
@explained
def change(
    endpoint: Endpoint,
    url: Annotated[str | None, typer.Option("--url", help="Where they are told.")] = None,
    event: Annotated[list[str] | None, typer.Option("--event", help="What they hear, instead of before.")] = None,
    every: Annotated[bool, typer.Option("--all-events", help="Everything.")] = False,
    personal: Annotated[bool | None, typer.Option("--personal/--no-personal", help="Who a lead is.")] = None,
    historical: Annotated[bool | None, typer.Option("--historical/--no-historical", help="Imported history.")] = None,
) -> None:
    """Change where, what and how much they are told."""
    events = [] if every else event
    said = {"url": url, "events": events, "personal": personal, "historical": historical}
    given = {name: value for name, value in said.items() if value is not None}
    if not given:
        raise CommandFailed("Nothing is to be changed.", "Give one of the options; --help lists them.")
    asyncio.run(_post(f"{PATH}/{endpoint}:change", given))
    _say(f"{endpoint} is changed.")


@app.command()
@explained
def rotate(
    endpoint: Endpoint,
    overlap: Annotated[str, typer.Option("--overlap", help="How long the old secret signs, too.")] = "24h",
) -> None:
    """Make a new secret and show it, once; until the overlap is over both sign."""
    seconds = duration(overlap, "--overlap").total_seconds()
    _show_secret(asyncio.run(_post(f"{PATH}/{endpoint}:rotate", {"overlap_seconds": seconds})))


@app.command()
@explained
def disable(endpoint: Endpoint) -> None:
    """Send nothing to them until they are enabled again."""
    asyncio.run(_post(f"{PATH}/{endpoint}:disable", {}))
    _say(f"{endpoint} is disabled; what waits keeps waiting.")


@app.command()
@explained
def enable(
    endpoint: Endpoint,
    catch_up: Annotated[bool, typer.Option("--catch-up/--no-catch-up", help="What was missed is sent, too.")] = True,
) -> None:
    """Send to them again."""
    shown = asyncio.run(_post(f"{PATH}/{endpoint}:enable", {"catch_up": catch_up}))
    since = shown["replay_from"]
    _say(f"{endpoint} is live{f', and is told what was recorded since {_time(since)}' if since else ''}.")


@app.command()
@explained
def remove(endpoint: Endpoint) -> None:
    """Forget one who follows, and what waits for them."""
    asyncio.run(_post(f"{PATH}/{endpoint}:remove", {}))
    _say(f"{endpoint} is forgotten.")


@app.command()
@explained
def dead(
    endpoint: Annotated[str | None, typer.Argument(help="Only those of this one.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 100,
) -> None:
    """List what was given up, latest first."""
    table = Table("endpoint", "event id", "event", "lead", "attempts", "last answer", "given up")
    for one in asyncio.run(_dead(endpoint, limit)):
        answer = one["last_status"] if one["last_status"] is not None else one["last_error"]
        cells = (one["endpoint_id"], one["event_id"], one["event"], one["lead_id"], one["attempts"], answer)
        table.add_row(*(escape(str(cell)) for cell in cells), _time(one["settled_at"]))
    Console().print(table if table.row_count else "Nothing was given up.")


@app.command()
@explained
def replay(
    endpoint: Endpoint,
    event_ids: Annotated[list[str] | None, typer.Argument(help="Only these, of what is dead.")] = None,
    since: Annotated[str | None, typer.Option("--since", help="All from then on: 2h, 3d, or a time.")] = None,
    until: Annotated[str | None, typer.Option("--until", help="With --since: up to then, instead of now.")] = None,
) -> None:
    """Tell them again: what is dead, or with --since everything that was recorded since."""
    if since is None:
        if until is not None:
            raise CommandFailed("--until says nothing without --since.", "Give both, or neither for what is dead.")
        said = {"event_ids": event_ids} if event_ids else {}
        _say(f"{asyncio.run(_post(f'{PATH}/{endpoint}:revive', said))['revived']} are tried again.")
        return
    if event_ids:
        raise CommandFailed("--since is for everything, not for some events.", "Give one or the other.")
    wanted = {"since": _past(since, "--since")}
    if until is not None:
        wanted["until"] = _past(until, "--until")
    shown = asyncio.run(_post(f"{PATH}/{endpoint}:replay", wanted))
    _say(f"{endpoint} is told again what was recorded from {_time(shown['replay_from'])} on.")


def _past(text: str, option: str) -> str:
    """A point in time, given as such or as how long ago it was."""
    try:
        length = duration(text, option)
    except CommandFailed:
        return moment(text, option).isoformat()
    return (moment("0s", option) - length).isoformat()


async def _get(path: str, **asked: Any) -> Any:
    async with operator_client("pipeline") as client:
        return await client.get(path, **asked)


async def _post(path: str, document: dict[str, Any]) -> Any:
    async with operator_client("pipeline") as client:
        return await client.post(path, document)


async def _dead(endpoint: str | None, limit: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    async with operator_client("pipeline") as client:
        asked: dict[str, Any] = {"status": "dead", "endpoint_id": endpoint, "limit": min(limit, PAGE)}
        async for one in client.items(f"{PATH}/deliveries", **asked):
            found.append(one)
            if len(found) == limit:
                break
    return found


def _show_secret(shown: dict[str, Any]) -> None:
    """The secret alone on standard output, so that it can be piped; everything about it beside."""
    Console(stderr=True, highlight=False).print(
        f"{shown['endpoint_id']} to {escape(shown['url'])}. This is shown once:"
    )
    print(shown["secret"])


def _say(text: str) -> None:
    Console(highlight=False).print(escape(text), soft_wrap=True)


def _time(text: str | None) -> str:
    return "" if text is None else text[:19].replace("T", " ")
