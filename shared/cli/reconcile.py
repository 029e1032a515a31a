"""`leadflow reconcile`: what became of what each sender sent, and which of a sender's own ids are missing."""

from __future__ import annotations

import asyncio
import csv
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shared.cli.http import CommandFailed, ServiceClient, explained
from shared.cli.operating import operator_client
from shared.cli.settings import cli_settings

IDS_AT_ONCE = 50_000
SHOWN_IDS = 100
DIFFERS_EXIT_CODE = 1
DOOR = ("received", "taken", "repeated", "ignored", "rejected", "contradicted", "deferred", "quarantined", "spooled")
LOG = ("published", "accepted", "duplicates", "conflicts")


@explained
def reconcile(
    sender: Annotated[str | None, typer.Option("--sender", help="Only this sender's.")] = None,
    start: Annotated[str | None, typer.Option("--from", help="A day or a time; a day ago if absent.")] = None,
    end: Annotated[
        str | None, typer.Option("--to", help="A day or a time, not counted any more; now if absent.")
    ] = None,
    zone: Annotated[str, typer.Option("--zone", help="Whose days and hours.")] = "UTC",
    unit: Annotated[str | None, typer.Option("--unit", help="The business unit; `default` for ids.")] = None,
    kind: Annotated[str, typer.Option("--kind", help="lead or interaction, for a comparison.")] = "lead",
    hours: Annotated[bool, typer.Option("--hours", help="Hour by hour, not only the sums.")] = False,
    expected: Annotated[int | None, typer.Option("--expected", min=0, help="How many the sender counts.")] = None,
    expect: Annotated[
        Path | None, typer.Option("--expect", help="A file of its ids: one a line, or CSV with a column record_id.")
    ] = None,
    column: Annotated[str, typer.Option("--column", help="Which column of the CSV file.")] = "record_id",
) -> None:
    """Show what was received, accepted and refused by sender, or compare a sender's own count: exits 1 where they differ."""
    period = _period(start, end, zone)
    if expect is None and expected is None:
        _show(asyncio.run(_report(period, sender, unit, zone)), hours=hours)
        return
    ids = read_ids(expect, column) if expect is not None else []
    if expect is not None and not ids:
        raise CommandFailed(f"{expect} names no ids.", "Write one id a line, or CSV with a column record_id.")
    whole: dict[str, Any] = {"business_unit": unit or "default", "kind": kind}
    if sender is not None:
        whole["sender"] = sender
    if start is not None or expect is None:
        whole |= {"from": period[0].isoformat(), "to": period[1].isoformat()}
    if not asyncio.run(_compare(whole, ids, expected)):
        raise typer.Exit(DIFFERS_EXIT_CODE)


def read_ids(path: Path, column: str) -> list[str]:
    """Ids from a file, each once: of the column that the first line names, else one a line. Raises `CommandFailed`."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandFailed(f"{path} cannot be read: {error}.", "Give a text file in UTF-8.") from None
    delimiter = max(",;\t", key=lines[0].count) if lines else ","
    if lines and column in next(csv.reader(lines[:1], delimiter=delimiter)):
        found: Iterable[str] = (row.get(column) or "" for row in csv.DictReader(lines, delimiter=delimiter))
    else:
        found = lines
    return list(dict.fromkeys(one.strip() for one in found if one.strip()))


def _client() -> ServiceClient:
    """The operator, who sees everybody, else the sender whose key is known."""
    settings = cli_settings()
    if settings.api_token:
        return operator_client("capture")
    return ServiceClient("capture", settings.url("capture"), settings.capture_key, patience_seconds=5.0)


async def _report(period: tuple[datetime, datetime], sender: str | None, unit: str | None, zone: str) -> Any:
    async with _client() as client:
        return await client.get(
            "/v1/reconciliation",
            **{"from": period[0].isoformat(), "to": period[1].isoformat()},
            sender=sender,
            business_unit=unit,
            time_zone=zone,
        )


async def _compare(whole: dict[str, Any], ids: Sequence[str], expected: int | None) -> bool:
    """Whether all agrees. Many ids are asked about some at a time, and the answers put together."""
    console = Console(highlight=False)
    parts = [ids[first : first + IDS_AT_ONCE] for first in range(0, len(ids), IDS_AT_ONCE)] or [[]]
    async with _client() as client:
        if len(parts) == 1:
            counted = {**whole, "record_ids": list(ids), **({} if expected is None else {"expected": expected})}
            answer = await client.post("/v1/reconciliation", counted)
            console.print(escape(answer["verdict"]), soft_wrap=True)
            _list(console, answer["missing"]["ids"], answer["missing"]["count"])
            _beside(console, answer.get("not_named"))
            return bool(answer["agrees"])
        names = {name: value for name, value in whole.items() if name not in ("from", "to")}
        answers = [await client.post("/v1/reconciliation", {**names, "record_ids": list(part)}) for part in parts]
    accepted = sum(answer["accepted"] for answer in answers)
    count = sum(answer["missing"]["count"] for answer in answers)
    wanted = len(ids) if expected is None else expected
    console.print(
        f"expected {wanted:,}, accepted {accepted:,}: {f'{count:,} ids are missing' if count else 'none is missing'}"
    )
    _list(console, [one for answer in answers for one in answer["missing"]["ids"]], count)
    return bool(count == 0 and accepted == wanted)


def _list(console: Console, ids: Sequence[str], count: int) -> None:
    for one in ids[:SHOWN_IDS]:
        console.print(f"  {escape(one)}", soft_wrap=True)
    if count > SHOWN_IDS:
        console.print(f"  … and {count - SHOWN_IDS:,} more")


def _beside(console: Console, beside: dict[str, Any] | None) -> None:
    if beside and beside["event_ids"]:
        count = f"more than {len(beside['event_ids']):,}" if beside["more"] else f"{len(beside['event_ids']):,}"
        console.print(f"Besides, {count} came in the period that were not named, as event {beside['event_ids'][0]}.")


def _show(answer: dict[str, Any], *, hours: bool) -> None:
    console = Console()
    rows = answer["hours"] if hours else _sums(answer["hours"])
    table = Table(*(["hour"] if hours else []), "sender", "kind", *DOOR, *LOG)
    for row in rows:
        counts = [(row["door"] or {}).get(name) for name in DOOR] + [row["log"][name] for name in LOG]
        place = ([row["hour"][:16]] if hours else []) + [row["sender"], row["kind"]]
        table.add_row(*map(escape, place), *("" if one is None else f"{one:,}" for one in counts))
    console.print(table if rows else "Nothing was sent in that period.")
    behind = answer["log_behind_records"]
    if behind:
        console.print(f"{behind:,} records of the log are not read yet.")


def _sums(hours: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    sums: dict[tuple[str, str], dict[str, Any]] = {}
    for row in hours:
        whose = row["sender"], row["kind"]
        total = sums.setdefault(whose, {"sender": whose[0], "kind": whose[1], "door": {}, "log": {}})
        for part in ("door", "log"):
            for name, count in (row[part] or {}).items():
                total[part][name] = total[part].get(name, 0) + count
    return [sums[whose] for whose in sorted(sums)]


def _period(start: str | None, end: str | None, zone: str) -> tuple[datetime, datetime]:
    """Full quarters of an hour. Raises `CommandFailed`."""
    try:
        place = ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError):
        raise CommandFailed(
            f"{zone!r} is no time zone.", "Write one such as Asia/Tehran or Europe/Amsterdam."
        ) from None
    now = datetime.now(UTC)
    last = now.replace(minute=now.minute // 15 * 15, second=0, microsecond=0) + timedelta(minutes=15)
    until = last if end is None else _moment(end, place, "--to")
    return (until - timedelta(days=1) if start is None else _moment(start, place, "--from")), until


def _moment(text: str, place: ZoneInfo, option: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise CommandFailed(f"{option} {text!r} is no time.", "Write 2026-03-31 or 2026-03-31T09:15.") from None
    return at if at.tzinfo is not None else at.replace(tzinfo=place)
