"""`leadflow targets`: what numbers are wanted to be, where they are, and who said so."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shared.cli.exit_codes import FAILED_EXIT_CODE
from shared.cli.http import CommandFailed, explained
from shared.cli.operating import By, of_each, operator_client
from shared.cli.why import Format, number_text
from shared.contracts.currencies import minor_digits

app = typer.Typer(help="Say what numbers are wanted to be, and see where they are.", no_args_is_help=True)

PATH = "/v1/targets"
PAGE = 500

Unit = Annotated[str | None, typer.Option("--business-unit", help="Of this unit; everybody's, when not given.")]
OnlyUnit = Annotated[str | None, typer.Option("--business-unit", help="Only those of this unit.")]
On = Annotated[str | None, typer.Option("--on", help="Those that have this day among theirs, as 2026-03-01.")]
Written = Annotated[Format, typer.Option("--format", help="For people or for programs.")]
Where = Annotated[list[str] | None, typer.Option("--where", help="For whom or what else, as team=north.")]


@app.command("list")
@explained
def listing(
    kpi: Annotated[str | None, typer.Option("--kpi", help="Only those for this number.")] = None,
    unit: OnlyUnit = None,
    on: On = None,
    written: Written = Format.TABLE,
) -> None:
    """List the targets that hold, with who said so and whether they were moved."""
    found = asyncio.run(_all(kpi=kpi, business_unit=unit, on=on))
    if written is Format.JSON:
        _json(found)
        return
    table = _table("id", "kpi", "whose", "from", "to", "value", "reading", "by", "moved")
    for one in found:
        moved = f"{one['changes']}, {one['changes_since_start']} since it began" if one["changes"] else ""
        table.add_row(*_cells(one["target_id"], one["kpi"], _whose(one), one["from"], one["to"], _said(one),
                              one["reading"], one["set_by"], moved))  # fmt: skip
    Console(highlight=False).print(table if table.row_count else "There are no targets.")


@app.command()
@explained
def standing(unit: OnlyUnit = None, on: On = None, written: Written = Format.TABLE) -> None:
    """Show where the targets of today are: how much of each is there, and how much of what should be by now."""
    found = asyncio.run(_get(f"{PATH}/standing", business_unit=unit, on=on))
    if written is Format.JSON:
        _json(found)
        return
    table = _table("kpi", "whose", "from", "to", "wanted", "is", "reached", "pace", "")
    for one in found["items"]:
        pace = {None: "", True: "on pace", False: "[red]off pace[/]"}[one["on_pace"]]
        numbers = (_number(one["value"], one["currency"]), _number(one["actual"], one["currency"]))
        shares = (number_text(one["attainment"], "ratio"), number_text(one["pace"], "ratio"))
        table.add_row(*_cells(one["kpi"], _whose(one), one["from"], one["to"], *numbers, *shares), pace)
    Console(highlight=False).print(table if table.row_count else "There are no targets of this day.")


@app.command()
@explained
def show(target: Annotated[str, typer.Argument(help="Its id, as `list` shows it.")]) -> None:
    """Show one with everything that was ever said about it."""
    _json(asyncio.run(_get(f"{PATH}/{target}")))


@app.command("set")
@explained
def tell(
    kpi: Annotated[str, typer.Argument(help="The number, such as sales_volume.")],
    value: Annotated[str, typer.Argument(help="What it is to be: 250000, or 0.3 for 30 %.")],
    by: By,
    period: Annotated[str | None, typer.Option("--period", help="2026, 2026-H1, 2026-Q1, 2026-03.")] = None,
    first: Annotated[str | None, typer.Option("--from", help="Its first day, instead of a period.")] = None,
    after: Annotated[str | None, typer.Option("--to", help="The first day after it.")] = None,
    unit: Unit = None,
    where: Where = None,
    reading: Annotated[str, typer.Option("--reading", help="absolute, relative (0.2: a fifth more) or points.")] = "absolute",
    baseline: Annotated[str | None, typer.Option("--baseline", help="fixed, previous_period or last_year.")] = None,
    baseline_value: Annotated[str | None, typer.Option("--baseline-value", help="Of a fixed one.")] = None,
    direction: Annotated[str | None, typer.Option("--direction", help="at_least or at_most.")] = None,
    currency: Annotated[str | None, typer.Option("--currency", help="Of money: the unit's, when not given.")] = None,
    note: Annotated[str | None, typer.Option("--note", help="Why.")] = None,
) -> None:  # fmt: skip
    """Say what a number is wanted to be. Of the same number, cut and days the last word holds; every earlier one is kept."""
    said = {
        "kpi": kpi, "value": value, "period": period, "from": first, "to": after, "business_unit": unit,
        "cut": _cut(where or []), "reading": reading, "baseline": baseline, "baseline_value": baseline_value,
        "direction": direction, "currency": currency, "note": note,
    }  # fmt: skip
    kept = asyncio.run(_put({name: one for name, one in said.items() if one not in (None, {})}, by))
    times = "" if not kept["changes"] else f", changed {kept['changes']} times"
    Console(highlight=False).print(
        escape(
            f"{kept['target_id']}: {kept['kpi']} of {_whose(kept)}, {kept['from']} to {kept['to']}: {_said(kept)}{times}"
        ),
        soft_wrap=True,
    )


@app.command("import")
@explained
def take(file: Annotated[Path, typer.Argument(help="A CSV file in UTF-8 that names its columns.")], by: By) -> None:
    """Say many from a CSV file, all rows or none: kpi, value, period, business_unit, owner, team and so on."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise CommandFailed(f"{file} cannot be read: {error.strerror}.", "Name a CSV file.") from None
    kept = asyncio.run(_import(content, by))
    Console(highlight=False).print(f"{kept['rows']} targets, of which {kept['changed']} are new or say something else.")


@app.command()
@explained
def withdraw(target: Annotated[list[str], typer.Argument(help="Their ids.")], by: By) -> None:
    """Say that there are no such targets any more. What was said is kept."""
    if asyncio.run(_withdraw(target, by)):
        raise typer.Exit(FAILED_EXIT_CODE)


async def _withdraw(targets: list[str], by: str) -> int:
    async with operator_client("metrics") as client:

        async def act(target: str) -> str:
            await client.delete(f"{PATH}/{target}", by=by)
            return "withdrawn"

        return await of_each(targets, act, done="withdrawn", left="refused")


async def _all(**asked: Any) -> list[dict[str, Any]]:
    async with operator_client("metrics") as client:
        return [one async for one in client.items(PATH, cursor="beyond", following="next", limit=PAGE, **asked)]


async def _get(path: str, **asked: Any) -> Any:
    async with operator_client("metrics") as client:
        return await client.get(path, **asked)


async def _put(said: dict[str, Any], by: str) -> Any:
    async with operator_client("metrics") as client:
        return await client.put(PATH, said, by=by)


async def _import(content: bytes, by: str) -> Any:
    async with operator_client("metrics") as client:
        sent = await client.send(
            "POST", f"{PATH}/import", content=content, headers={"Content-Type": "text/csv"}, params={"by": by}
        )
        client.check(sent)
        return sent.json()


def _cut(given: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not name or not equals or not value:
            raise CommandFailed(f"--where {one!r} names no value.", "Write it as team=north.")
        if name in found:
            raise CommandFailed(f"--where {name} is said twice.", "Say it once: a target is for one of them.")
        found[name] = value
    return found


def _whose(one: dict[str, Any]) -> str:
    return ", ".join([one["business_unit"] or "everybody", *one["cut"].values()])


def _said(one: dict[str, Any]) -> str:
    """A target as it was said: so much, or so much more than something."""
    more = {"relative": " times more than ", "points": " points more than "}.get(one["reading"])
    if more is None:
        return _number(float(one["value"]), one["currency"])
    return f"{one['value']}{more}{(one['baseline'] or '').replace('_', ' ')}"


def _number(value: float | None, currency: str | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.{minor_digits(currency)}f} {currency}" if currency else f"{value:,.6g}"


def _table(*headings: str) -> Table:
    return Table(*headings, box=SIMPLE_HEAD, pad_edge=False, show_edge=False)


def _cells(*cells: object) -> tuple[str, ...]:
    return tuple(escape("" if cell is None else str(cell)) for cell in cells)


def _json(document: Any) -> None:
    sys.stdout.write(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode() + "\n")
