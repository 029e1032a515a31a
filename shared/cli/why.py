"""`leadflow why`: what moved a number, in parts that add up to the change."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any

import orjson
import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shared.cli.http import CommandFailed, ServiceClient, explained
from shared.cli.periods import EXAMPLES, OWN, System
from shared.cli.settings import cli_settings
from shared.contracts.currencies import minor_digits

UNKNOWN = "unknown"

WORDS = {
    "volume": "how many there were",
    "mix": "a larger or smaller share of the whole",
    "rate": "another rate within",
    "within": "other values within the groups",
    "above": "what came above the line",
    "below": "what came below the line",
    "days": "the days there were for it",
    "age": "less or more time to get there",
    "open": "how much is open",
    "chance": "how likely it is to be won",
    "won": "what was won",
    "actual": "the number itself",
    "target": "what is wanted of it",
    "elapsed": "how much of the time has passed",
    "baseline": "where it started from",
    "since": "what has happened since",
    "late": "what happened before and was told late",
    "merges": "people recognised as one, or parted",
    "marks": "tests and spam held out, or released",
    "reopenings": "leads and deals taken up again",
    "policy": "a version of the policy that is new",
    "definition": "the definition or policy by which it was counted",
}
"""What each cause of a change is, for people."""

TIMES = "a day, or a moment such as 2026-03-01T09:00:00Z"


class Format(StrEnum):
    """How it is written."""

    TABLE = "table"
    JSON = "json"


@explained
def why(
    kpi: Annotated[str, typer.Argument(help="The number, such as lead_to_opportunity_cohort.")],
    between: Annotated[
        tuple[str, str],
        typer.Option(help=f"Two of {EXAMPLES}; with --period two moments, as 2026-03-01 2026-03-20. {OWN}."),
    ],
    period: Annotated[
        str | None, typer.Option(help="One period, of which more was known at the second moment than at the first.")
    ] = None,
    by: Annotated[str | None, typer.Option(help="Part it by channel, source, owner, stage … too.")] = None,
    business_unit: Annotated[list[str] | None, typer.Option(help="Only this unit; may be repeated.")] = None,
    where: Annotated[list[str] | None, typer.Option(help="Only what has it, as channel=phone.")] = None,
    calendar: Annotated[
        System | None, typer.Option(help="By whose months periods are named: the unit's own, when not given.")
    ] = None,
    horizon_days: Annotated[int | None, typer.Option(min=1, max=3650, help="How long a lead is given.")] = None,
    reported: Annotated[float | None, typer.Option(help="What was said at the first moment.")] = None,
    format: Annotated[Format, typer.Option(help="For people or for programs.")] = Format.TABLE,  # noqa: A002
) -> None:
    """Tell what moved a number between two periods, or since it was first reported."""
    asked: dict[str, Any] = {"group_by": by, "business_unit": business_unit or None, "horizon_days": horizon_days}
    asked |= _filters(where or []) | {"calendar": calendar}
    asked |= asked_about(between, period)
    if reported is not None:
        if period is None:
            raise CommandFailed(
                "--reported is of a period at an earlier moment.", "Give --period, and moments after --between."
            )
        asked["reported"] = reported
    found = asyncio.run(_fetch(kpi, asked))
    if format is Format.JSON:
        sys.stdout.write(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode() + "\n")
    else:
        print_why(Console(highlight=False), found)


def asked_about(between: tuple[str, str], period: str | None) -> dict[str, Any]:
    """What two periods, or two moments of knowledge of one, are called over HTTP. Of a state it is the beginnings of the
    two. Metrics knows which days they are where the leads are."""
    if period is not None:
        return {"period": period, "known": [_moment(one) for one in between]}
    return {"before_period": between[0], "period": between[1]}


def print_why(console: Console, found: Mapping[str, Any]) -> None:
    """The change and its parts for people, the largest first."""
    unit = found["unit"]
    for change in found["changes"]:
        of = "" if change["of"] == "value" else f" ({change['of']})"
        money = change["currency"] if unit.startswith("currency") else None
        console.print(f"\n[bold]{escape(found['kpi'])}[/]{of}, {_sides(found)}", soft_wrap=True)
        moved = f"{number_text(change['before'], unit, money)} → {number_text(change['after'], unit, money)}"
        if change["change"] is not None:
            moved += f": {number_text(change['change'], unit, money, signed=True)}"
        console.print(moved, soft_wrap=True)
        if change["note"]:
            console.print(escape(change["note"]), style="yellow", soft_wrap=True)
        if change["parts"]:
            console.print(_table(change, unit, money))
            console.print(f"The parts add up to the change. Parted by {escape(change['method'])}.", style="dim")
    for one in found.get("learned", []):
        console.print(f"{WORDS[one['cause']]}: {one['facts']:,} facts about {one['people']:,} people", style="dim")


def _table(change: Mapping[str, Any], unit: str, money: str | None) -> Table:
    table = Table("what moved it", "where", box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for heading in ("by", "of the change", "from", "to"):
        table.add_column(heading, justify="right")
    for part in change["parts"]:
        share = f"{part['amount'] / change['change']:.0%}" if change["change"] else ""
        key = "all" if not part["key"] else ", ".join(UNKNOWN if one is None else one for one in part["key"].values())
        table.add_row(
            WORDS.get(part["cause"], part["cause"]),
            escape(key),
            number_text(part["amount"], unit, money, signed=True),
            share,
            *(_moved(part["cause"], part[side], unit, money) for side in ("before", "after")),
        )
    return table


def _moved(cause: str, value: float | None, unit: str, money: str | None) -> str:
    """What it was that moved: a share for the mix, the number's own kind for a rate, else a count."""
    if value is None:
        return "–"
    if cause in ("mix", "chance", "elapsed"):
        return f"{value:.1%}"
    if cause in ("rate", "age", "definition"):
        return number_text(value, unit, money)
    return f"{value:,.6g}"


def number_text(value: float | None, unit: str, money: str | None = None, *, signed: bool = False) -> str:
    """A number or how far it moved: shares in percent (points, where they moved), durations in days, money with its currency."""
    if value is None:
        return "–"
    sign = "+" if signed and value > 0 else ""
    if unit == "ratio":
        return f"{sign}{value * 100:.2f}{' points' if signed else ' %'}"
    if unit == "seconds":
        return sign + duration_text(value)
    return f"{sign}{value:,.{minor_digits(money)}f} {money}" if money else f"{sign}{value:,.6g}"


def _sides(found: Mapping[str, Any]) -> str:
    if found["reading"] == "knowledge":
        window = f"{found['from'] or 'the beginning'} to {found['to'] or 'now'}"
        return f"{window}, as known {found['before']['known']} and {found['after']['known']}"
    if found["basis"] == "snapshot":
        return f"at {found['before']['as_of']} and at {found['after']['as_of']}"
    return " against ".join(
        window_text(_day(found[side]["from"]), _day(found[side]["to"])) for side in ("after", "before")
    )


def window_text(start: date | None, end: date | None) -> str:
    """A window with its last day; an open side has no bound."""
    if start is None and end is None:
        return "all time"
    first = f"from {start}" if start else "from the beginning"
    return first + (f" to {end - timedelta(days=1)}" if end else " on")


def _day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text[:10])


def _is_moment(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return len(text) >= len("2026-03-01")


def _moment(text: str) -> str:
    if not _is_moment(text):
        raise CommandFailed(f"{text!r} is no moment.", f"With --period, give --between two of: {TIMES}.")
    return text


def _filters(given: list[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not equals:
            raise CommandFailed(f"--where {one!r} names no value.", "Write it as channel=phone.")
        found.setdefault(name, []).append(value)
    return found


async def _fetch(kpi: str, asked: Mapping[str, Any]) -> Mapping[str, Any]:
    settings = cli_settings()
    async with ServiceClient("metrics", settings.metrics_url, settings.api_token, patience_seconds=10.0) as client:
        found: Mapping[str, Any] = await client.get(f"/v1/kpis/{kpi}/why", **asked)
        return found


def duration_text(seconds: float | None) -> str:
    """A duration in the unit a person would use."""
    if seconds is None:
        return "–"
    for size, name in ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min")):
        if abs(seconds) >= size:
            return f"{seconds / size:.1f} {name}"
    return f"{seconds:.1f} s"
