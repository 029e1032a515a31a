"""`leadflow audit`: the log against the services' books."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from shared.cli.audit.ledger import Ledger, open_ledgers
from shared.cli.audit.log import TopicLog, bootstrap
from shared.cli.audit.steps import (
    CapturedStep,
    Deadline,
    LifecycleStep,
    RollupCheck,
    ScoreCheck,
    Step,
    check_captured,
    check_lifecycle,
    check_rollups,
    check_scores,
    check_unreadable,
)
from shared.cli.http import ServiceClient, explained
from shared.cli.settings import CliSettings, cli_settings
from shared.contracts.topics import CAPTURE_LEADS, PIPELINE_LIFECYCLE

DIFFERENCES_EXIT_CODE = 1

ROWS: tuple[tuple[str, Callable[[Step], int]], ...] = (
    ("log records", lambda step: step.log.records),
    ("distinct events", lambda step: step.log.distinct),
    ("duplicate deliveries", lambda step: step.log.duplicates),
    ("unreadable records", lambda step: step.log.unreadable),
    ("facts", lambda step: step.facts),
    ("waiting", lambda step: step.waiting),
    ("dead-lettered", lambda step: step.dead_lettered),
    ("missing", lambda step: step.missing + step.contradictory + step.undead),
)


@explained
def audit(
    wait_seconds: Annotated[
        float, typer.Option(min=0, help="How long work in flight is waited for before an event counts as missing.")
    ] = 60.0,
) -> None:
    """Check that every accepted event was counted exactly once. Exits 0 when clean, 1 when anything differs."""
    steps, rollups, scores = asyncio.run(_audit(wait_seconds))
    _print(steps, rollups, scores)
    if not all(step.clean for step in steps) or rollups.different or scores.different:
        raise typer.Exit(DIFFERENCES_EXIT_CODE)


async def _audit(wait_seconds: float) -> tuple[list[Step], RollupCheck, ScoreCheck]:
    settings, address = cli_settings(), bootstrap()
    with open_ledgers() as (captured, lifecycle):
        async with AsyncExitStack() as stack:
            scoring, pipeline, metrics = [
                await stack.enter_async_context(_client(settings, name)) for name in ("scoring", "pipeline", "metrics")
            ]
            await _read_log(address, captured, lifecycle)
            deadline = Deadline(time.monotonic() + wait_seconds, time.monotonic)
            leads, story = captured.count(), lifecycle.count()
            to_scoring = CapturedStep("captured → scoring", scoring, leads)
            to_pipeline = CapturedStep("captured → pipeline", pipeline, leads)
            to_metrics = CapturedStep("captured → pipeline → metrics", metrics, leads)
            to_books = LifecycleStep("lifecycle → metrics", metrics, story)
            await check_captured(captured, [to_scoring], (to_pipeline, to_metrics), deadline)
            await check_lifecycle(lifecycle, to_books, deadline)
            await check_unreadable(to_scoring.step, scoring, CAPTURE_LEADS.name, deadline)
            await check_unreadable(to_pipeline.step, pipeline, CAPTURE_LEADS.name, deadline)
            await check_unreadable(to_books.step, metrics, PIPELINE_LIFECYCLE.name, deadline)
            rollups = await check_rollups(metrics, deadline)
            scores = await check_scores(scoring)
    return [to_scoring.step, to_pipeline.step, to_metrics.step, to_books.step], rollups, scores


def _client(settings: CliSettings, service: str) -> ServiceClient:
    url, token = settings.url(service), settings.api_token
    return ServiceClient(service, url, token, patience_seconds=60.0, timeout_seconds=600.0)


async def _read_log(address: str, captured: Ledger, lifecycle: Ledger) -> None:
    """Fixes the ends of both topics, then reads up to there."""
    bar = Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), console=Console(stderr=True))
    async with AsyncExitStack() as stack:
        logs = [
            (await stack.enter_async_context(TopicLog(address, topic.name)), topic.name, ledger)
            for topic, ledger in ((CAPTURE_LEADS, captured), (PIPELINE_LIFECYCLE, lifecycle))
        ]
        with bar:
            for log, name, ledger in logs:
                task = bar.add_task(name, total=log.total)
                await log.read(ledger, lambda done, task=task: bar.update(task, completed=done))  # type: ignore[misc]


def _print(steps: Sequence[Step], rollups: RollupCheck, scores: ScoreCheck) -> None:
    console = Console()
    table = Table(
        "", title="\nFrom the log to the books", title_justify="left", box=SIMPLE_HEAD, pad_edge=False, show_edge=False
    )
    for step in steps:
        table.add_column(step.name.replace(" → ", "\n→ "), justify="right")
    for name, value in ROWS:
        cells = [value(step) for step in steps]
        style = "bold red" if name == "missing" and any(cells) else ""
        table.add_row(name, *(f"{cell:,}" for cell in cells), style=style)
    console.print(table)
    wrong = rollups.different
    console.print(f"Rollups: {rollups.checked:,} numbers made again from the facts, {wrong:,} differ.")
    unknown = f", {scores.unverifiable:,} by a policy that nobody remembers" if scores.unverifiable else ""
    console.print(f"Scores: {scores.checked:,} made again from their ledgers, {scores.different:,} differ{unknown}.")
    for step in steps:
        for line in step.differing:
            console.print(f"  [red]{step.name}:[/] {escape(line)}", soft_wrap=True)
    for difference in rollups.differences:
        console.print(f"  [red]rollups:[/] {escape(difference)}", soft_wrap=True)
    for difference in scores.differences:
        console.print(f"  [red]scores:[/] {escape(difference)}", soft_wrap=True)
    clean = all(step.clean for step in steps) and not wrong and not scores.different
    console.print(
        "[bold green]No difference: every accepted event is exactly one of fact, waiting or dead letter.[/]"
        if clean
        else "[bold red]There are differences.[/]"
    )
