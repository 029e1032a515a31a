"""`leadflow scoring backtest`: what a policy would change, before anybody runs with it."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shared.cli.http import ServiceClient, explained
from shared.cli.scoring.explaining import scoring_client
from shared.contracts.policy import Policy
from shared.contracts.ranking import Ended, auc, lift
from shared.kit.documents import read_yaml

SUMS = ("leads", "changed", "qualify_before", "qualify_after", "newly_qualify", "no_longer_qualify")
TABLES = ("grades", "scores_before", "scores_after")
WEEK_SUMS = ("leads", "qualify_before", "qualify_after")
SIDES = ("before", "after")
MOVERS = 10


@explained
def backtest(
    policy: Annotated[Path, typer.Option(help="The new policy.yaml.", exists=True, dir_okay=False)],
    as_of: Annotated[str | None, typer.Option(help="A moment, as 2026-03-01T12:00:00Z; now when not given.")] = None,
    after_days: Annotated[int, typer.Option(min=0, max=365, help="How long after a lead came in it is ranked.")] = 1,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Score recorded history by another policy, and show what would change. Nothing is written."""
    new = read_yaml(policy, Policy)
    found = asyncio.run(_backtest(new.model_dump(mode="json", exclude_unset=True), as_of, after_days))
    if as_json:
        sys.stdout.write(orjson.dumps(found, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS).decode() + "\n")
        return
    console = Console()
    for part in shown(found):
        console.print(part)


async def _backtest(document: dict[str, Any], as_of: str | None, after_days: int) -> dict[str, Any]:
    async with scoring_client() as client:
        return await add_up(client, document, as_of, after_days)


async def add_up(
    client: ServiceClient, document: dict[str, Any], as_of: str | None, after_days: int = 1
) -> dict[str, Any]:
    """Every page, added up. All are as of the moment that the first one answered with."""
    total: dict[str, Any] = {
        **dict.fromkeys(SUMS, 0),
        **{name: Counter() for name in TABLES},
        "movers": [],
        "weeks": {},
        **{f"ended_{side}": {"scores": {}, "grades": {}} for side in SIDES},
    }
    after: str | None = None
    while True:
        asked = {"policy": document, "as_of": as_of, "after": after, "after_days": after_days}
        page = await client.post("/v1/backtests", asked)
        for name in SUMS:
            total[name] += page[name]
        for name in TABLES:
            total[name].update(page[name])
        _add_weeks(total["weeks"], page["weeks"])
        for side in SIDES:
            _add_ends(total[f"ended_{side}"], page[f"ended_{side}"])
        movers = [*total["movers"], *page["movers"]]
        total["movers"] = sorted(movers, key=lambda one: (-abs(one["after"] - one["before"]), one["lead_id"]))[:MOVERS]
        as_of, after = page["as_of"], page["next"]
        if after is None:
            for side in SIDES:
                total[f"quality_{side}"] = _quality(total[f"ended_{side}"]["scores"])
            return {**total, "as_of": as_of, "after_days": after_days}


def _add_weeks(total: dict[str, Any], page: Mapping[str, Any]) -> None:
    for week, counted in page.items():
        found = total.setdefault(week, {**dict.fromkeys(WEEK_SUMS, 0), **{side: Counter() for side in SIDES}})
        for name in WEEK_SUMS:
            found[name] += counted[name]
        for side in SIDES:
            found[side].update(counted[side])


def _add_ends(total: dict[str, Any], page: Mapping[str, Any]) -> None:
    for by in ("scores", "grades"):
        for name, (leads, followed) in page[by].items():
            before = total[by].get(name, (0, 0))
            total[by][name] = (before[0] + leads, before[1] + followed)


def _quality(scores: Mapping[str, tuple[int, int]]) -> dict[str, Any]:
    """How well scores told who becomes an opportunity."""
    ended = {float(score): Ended(*counted) for score, counted in scores.items()}
    return {
        "leads": sum(one.leads for one in ended.values()),
        "followed": sum(one.followed for one in ended.values()),
        "auc": auc(ended),
        "lift": lift(ended),
    }


def shown(found: Mapping[str, Any]) -> Iterator[str | Table]:
    """A backtest as a person reads it."""
    yield (
        f"{found['leads']:,} leads as of {found['as_of']}: {found['changed']:,} would have another score or grade.\n"
        f"Qualify: {found['qualify_before']:,} now, {found['qualify_after']:,} then; "
        f"{found['newly_qualify']:,} newly, {found['no_longer_qualify']:,} no longer."
    )
    table = _table("grade now → then", "leads")
    for grades, leads in sorted(found["grades"].items()):
        table.add_row(escape(grades), f"{leads:,}")
    yield table
    table = _table("score", "now", "then")
    for ten in sorted({*found["scores_before"], *found["scores_after"]}, key=int):
        table.add_row(f"from {ten}", f"{found['scores_before'][ten]:,}", f"{found['scores_after'][ten]:,}")
    yield table
    yield from _a_week(found)
    yield from _outcomes(found)
    for mover in found["movers"]:
        yield f"{mover['lead_id']}: {mover['before']} → {mover['after']}"


def _a_week(found: Mapping[str, Any]) -> Iterator[str | Table]:
    """How many leads of each grade there are to work on in a week. The first and the last week are parts of one."""
    weeks = [found["weeks"][week] for week in sorted(found["weeks"])][1:-1]
    if not weeks:
        return
    yield f"In each of {len(weeks)} whole weeks, leads as they were {found['after_days']} days after they came in:"
    table = _table("a week", "now", "then", "at most now", "at most then")
    for grade in sorted({grade for week in weeks for side in SIDES for grade in week[side]}):
        table.add_row(escape(grade), *_of_weeks([[week[side].get(grade, 0) for week in weeks] for side in SIDES]))
    table.add_row("qualify", *_of_weeks([[week[f"qualify_{side}"] for week in weeks] for side in SIDES]))
    yield table


def _of_weeks(sides: list[list[int]]) -> list[str]:
    return [f"{sum(side) / len(side):,.1f}" for side in sides] + [f"{max(side):,}" for side in sides]


def _outcomes(found: Mapping[str, Any]) -> Iterator[str | Table]:
    """What came of leads, by what each policy would have said of them."""
    now, then = found["quality_before"], found["quality_after"]
    if not now["leads"]:
        yield "Of no lead the horizon is over yet, so there is nothing to hold the scores against."
        return
    yield f"{now['leads']:,} leads whose horizon is over; {now['followed']:,} became an opportunity:"
    table = _table("", "now", "then")
    table.add_row("lift of the best tenth", _figure(now["lift"]), _figure(then["lift"]))
    table.add_row("AUC", _figure(now["auc"]), _figure(then["auc"]))
    before, after = (found[f"ended_{side}"]["grades"] for side in SIDES)
    for grade in sorted({*before, *after}):
        table.add_row(f"of {escape(grade)}", _share(before.get(grade)), _share(after.get(grade)))
    yield table


def _figure(number: float | None) -> str:
    return "–" if number is None else f"{number:.3f}"


def _share(counted: tuple[int, int] | None) -> str:
    return "–" if counted is None else f"{counted[1] / counted[0]:.1%} of {counted[0]:,}"


def _table(*columns: str) -> Table:
    return Table(*columns, box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
