"""`leadflow report`: the funnel and what surrounds it, as the KPI API has it."""

from __future__ import annotations

import asyncio
import csv
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any

import orjson
import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shared.cli.http import CommandFailed, ServiceClient, explained
from shared.cli.periods import EXAMPLES, Window, day_named, window_named
from shared.cli.settings import cli_settings

LEADS = (
    ("leads_created", "leads"),
    ("created_to_qualified_cohort", "qualified"),
    ("lead_to_opportunity_cohort", "opportunity"),
    ("lead_to_customer_cohort", "customer"),
)
DEALS = (
    ("opportunities_opened", "opened"),
    ("opportunities_won", "won"),
    ("opportunities_lost", "lost"),
    ("win_rate_count", "win rate"),
    ("sales_volume", "sold"),
    ("average_deal_value", "average deal"),
)
CYCLES = (
    ("time_to_convert", "lead to opportunity"),
    ("sales_cycle_from_opportunity", "opportunity to win"),
    ("sales_cycle_from_lead", "first touch to win"),
)
QUALITY = "score_quality"

SPLITS = (
    ("leads_archived", "reason", "Archived leads by reason"),
    ("opportunities_lost", "reason", "Lost opportunities by reason"),
    ("opportunities_open", "stage", "Open opportunities by stage"),
)

UNKNOWN = "unknown"

Answer = Mapping[str, Any]


class Format(StrEnum):
    """How a report is written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Scope:
    """What a report is about."""

    window: Window
    business_units: tuple[str, ...] = ()
    by: str | None = None


@explained
def report(
    period: Annotated[str | None, typer.Option(help=f"Such as {EXAMPLES}; all time when not given.")] = None,
    start: Annotated[str | None, typer.Option("--from", help="The first day, as 2026-03-01.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="The day after the last one.")] = None,
    business_unit: Annotated[list[str] | None, typer.Option(help="Only this unit; may be repeated.")] = None,
    by: Annotated[str | None, typer.Option(help="Cut by channel, source, campaign, product, owner, month …")] = None,
    format: Annotated[Format, typer.Option(help="For people, spreadsheets or programs.")] = Format.TABLE,  # noqa: A002
) -> None:
    """Show the funnel, cycle times and where leads are lost."""
    if period is not None and (start or end):
        raise CommandFailed("--period and --from or --to contradict each other.", "Give one of them.")
    if period is not None:
        window = window_named(period, datetime.now(UTC).date())
    else:
        window = Window(
            day_named(start, "--from") if start is not None else None,
            day_named(end, "--to") if end is not None else None,
        )
    scope = Scope(window, tuple(business_unit or ()), by)
    answers = asyncio.run(_fetch(scope))
    if format is Format.JSON:
        sys.stdout.write(orjson.dumps(list(answers.values()), option=orjson.OPT_INDENT_2).decode() + "\n")
    elif format is Format.CSV:
        _write_csv(list(answers.values()))
    else:
        print_tables(Console(), answers, scope)


async def _fetch(scope: Scope) -> dict[str, Answer]:
    settings = cli_settings()
    async with ServiceClient("metrics", settings.metrics_url, settings.api_token, patience_seconds=10.0) as client:
        return await fetch(client, scope)


async def fetch(client: ServiceClient, scope: Scope) -> dict[str, Answer]:
    """Every answer the report needs, by KPI and what it is grouped by."""
    wanted = [(kpi, scope.by) for kpi, _ in (*LEADS, *DEALS, *CYCLES)]
    wanted.append((QUALITY, _quality_cut(scope.by)))
    wanted += [("time_in_stage", "stage"), *((kpi, cut) for kpi, cut, _ in SPLITS)]

    async def ask(kpi: str, cut: str | None) -> Answer:
        answer: Answer = await client.get(
            f"/v1/kpis/{kpi}",
            **{"from": scope.window.start, "to": scope.window.end},
            business_unit=list(scope.business_units) or None,
            group_by=cut,
        )
        if not isinstance(answer, dict) or "groups" not in answer:
            raise CommandFailed(f"{client.url} gave no KPI.", "Check that LEADFLOW_METRICS_URL is Leadflow's metrics.")
        return answer

    answers = await asyncio.gather(*(ask(kpi, cut) for kpi, cut in wanted))
    return {_name(kpi, cut): answer for (kpi, cut), answer in zip(wanted, answers, strict=True)}


def print_tables(console: Console, answers: Mapping[str, Answer], scope: Scope) -> None:
    """The report for people."""
    units = f", {', '.join(scope.business_units)}" if scope.business_units else ""
    console.print(funnel_table(answers, scope.by, LEADS, f"Leads and how far they come, {scope.window}{units}"))
    console.print(funnel_table(answers, scope.by, DEALS, "Opportunities"))
    console.print(cycle_table(answers, scope.by))
    quality = answers[_name(QUALITY, _quality_cut(scope.by))]
    if quality["total"]["n"]:
        console.print(quality_table(quality))
    console.print(stage_table(answers[_name("time_in_stage", "stage")]))
    for kpi, cut, title in SPLITS:
        if answers[_name(kpi, cut)]["groups"]:
            console.print(split_table(answers[_name(kpi, cut)], cut, title))
    folded_to = next(iter(answers.values())).get("folded_to")
    console.print(
        f"The log is folded up to {folded_to}." if folded_to else "Nothing has been counted yet.", style="dim"
    )


def funnel_table(answers: Mapping[str, Answer], by: str | None, kpis: Sequence[tuple[str, str]], title: str) -> Table:
    """One line for everything, and one for each group."""
    table = _table(title, by or "")
    for _, heading in kpis:
        table.add_column(heading, justify="right")
    found = {kpi: answers[_name(kpi, by)] for kpi, _ in kpis}
    groups = {kpi: {_key(group): group for group in answer["groups"]} for kpi, answer in found.items()}
    for key in sorted({key for each in groups.values() for key in each}, key=lambda each: (each == UNKNOWN, each)):
        cells = [shown(groups[kpi].get(key), found[kpi]["unit"]) for kpi, _ in kpis]
        table.add_row(escape(key), *cells)
    table.add_section()
    table.add_row("all", *(shown(found[kpi]["total"], found[kpi]["unit"]) for kpi, _ in kpis))
    return table


def cycle_table(answers: Mapping[str, Answer], by: str | None) -> Table:
    """How long things take."""
    table = _table("How long it takes", "from … to", by or "")
    for heading in ("median", "mean", "p90", "n"):
        table.add_column(heading, justify="right")
    for kpi, meaning in CYCLES:
        answer = answers[_name(kpi, by)]
        for number, group in enumerate(answer["groups"]):
            table.add_row(meaning if number == 0 else "", escape(_key(group)), *_duration_cells(group))
        table.add_row("" if answer["groups"] else meaning, "all" if by else "", *_duration_cells(answer["total"]))
    return table


def quality_table(answer: Answer) -> Table:
    """How well scores told who becomes an opportunity, of leads whose horizon is over."""
    table = _table("Did the first score tell who becomes an opportunity?", ", ".join(_cuts_of(answer)))
    headings = ("leads", "opportunities", "AUC", "lift of the best tenth", "model: AUC", "model: Brier")
    for heading in headings:
        table.add_column(heading, justify="right")
    for group in answer["groups"]:
        table.add_row(escape(_key(group)), *_quality_cells(group))
    table.add_section()
    table.add_row("all", *_quality_cells(answer["total"]))
    return table


def _cuts_of(answer: Answer) -> list[str]:
    return list(answer["groups"][0]["key"]) if answer["groups"] else [""]


def _quality_cells(values: Mapping[str, Any]) -> Sequence[str]:
    model = values.get("probability") or {}
    figures = (values.get("value"), values.get("lift"), model.get("auc"), model.get("brier"))
    return (
        f"{values['n']:,}",
        f"{values['numerator']:,}",
        *("–" if one is None else f"{one:.3f}" for one in figures),
    )


def _quality_cut(by: str | None) -> str:
    """Scores are held against outcomes for each channel, unless something else is asked for."""
    return by or "channel"


def stage_table(answer: Answer) -> Table:
    """How long deals stay in each stage."""
    table = _table("Time in stage", "stage")
    for heading in ("median", "mean", "p90", "n"):
        table.add_column(heading, justify="right")
    for group in answer["groups"]:
        table.add_row(escape(_key(group)), *_duration_cells(group))
    return table


def split_table(answer: Answer, cut: str, title: str) -> Table:
    """Counts by reason or stage, most first."""
    table = _table(title, cut)
    table.add_column("count", justify="right")
    table.add_column("share", justify="right")
    total = answer["total"]["value"] or 0
    for group in sorted(answer["groups"], key=lambda each: -(each["value"] or 0)):
        value = group["value"] or 0
        table.add_row(escape(_key(group)), f"{value:,}", f"{value / total:.1%}" if total else "")
    return table


def _table(title: str, *headings: str) -> Table:
    return Table(
        *headings,
        title=f"\n{title}",
        title_justify="left",
        title_style="bold",
        box=SIMPLE_HEAD,
        pad_edge=False,
        show_edge=False,
    )


def shown(values: Mapping[str, Any] | None, unit: str) -> str:
    """A value for people: shares in percent, money with its currency, counts in full."""
    if values is None:
        return "0" if unit in ("leads", "opportunities") else "–"
    if values.get("by_currency"):
        return "\n".join(
            _money(each.get("value"), currency) for currency, each in sorted(values["by_currency"].items())
        )
    value = values.get("value")
    if value is None:
        return "–"
    if unit == "ratio":
        return f"{value:.1%}"
    if unit == "currency":
        return _money(value, values.get("currency"))
    return duration_text(value) if unit == "seconds" else f"{value:,}"


def duration_text(seconds: float | None) -> str:
    """A duration in the unit a person would use."""
    if seconds is None:
        return "–"
    for size, name in ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min")):
        if abs(seconds) >= size:
            return f"{seconds / size:.1f} {name}"
    return f"{seconds:.1f} s"


def _money(value: float | None, currency: str | None) -> str:
    if value is None:
        return "–"
    for size, name in ((1e9, " bn"), (1e6, " m")):
        if abs(value) >= 10 * size:
            return f"{value / size:,.1f}{name} {currency or ''}".strip()
    return f"{value:,.0f} {currency or ''}".strip()


def _duration_cells(values: Mapping[str, Any]) -> Sequence[str]:
    quantiles = values.get("quantiles") or {}
    times = (values.get("value"), values.get("mean"), quantiles.get("p90"))
    return (*(duration_text(each) for each in times), f"{values.get('n', 0):,}")


def _name(kpi: str, cut: str | None) -> str:
    return f"{kpi} by {cut}" if cut else kpi


def _key(group: Mapping[str, Any]) -> str:
    return ", ".join(UNKNOWN if part is None else str(part) for part in group["key"].values())


def _write_csv(answers: Sequence[Answer]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    leading = ("kpi", "unit", "from", "to", "group_by", "group", "currency")
    writer.writerow([*leading, "value", "numerator", "denominator", "n", "mean", "p50", "p75", "p90", "p95"])
    for answer in answers:
        head = [answer["kpi"], answer["unit"], answer["from"], answer["to"]]
        for group in [*answer["groups"], {"key": {}, **answer["total"]}]:
            place = [",".join(group["key"]), _key(group) if group["key"] else "all"]
            for currency, values in (group.get("by_currency") or {group.get("currency"): group}).items():
                numbers = [values.get(name) for name in ("value", "numerator", "denominator", "n", "mean")]
                quantiles = [(values.get("quantiles") or {}).get(name) for name in ("p50", "p75", "p90", "p95")]
                writer.writerow([*head, *place, currency, *numbers, *quantiles])
