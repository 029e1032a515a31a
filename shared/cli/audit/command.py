"""`leadflow audit`: the log against the services' books, and the books against themselves."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack, ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from shared.cli.audit.begun import Begun, alone, begun
from shared.cli.audit.ledger import Ledger, open_beside, open_ledgers
from shared.cli.audit.log import TopicLog, bootstrap
from shared.cli.audit.pages import OnPage, PagedCheck, check_history, check_pages
from shared.cli.audit.report import Audited, document_of, print_audited
from shared.cli.audit.steps import (
    CapturedStep,
    Deadline,
    LifecycleStep,
    check_captured,
    check_lifecycle,
    check_scores,
    check_unreadable,
)
from shared.cli.http import CommandFailed, ServiceClient, explained
from shared.cli.local.run_directory import run_directory
from shared.cli.settings import CliSettings, cli_settings
from shared.cli.topic import open_topic
from shared.cli.why import Format
from shared.contracts.topics import CAPTURE_LEADS, CAPTURE_QUARANTINE, PIPELINE_LIFECYCLE, PIPELINE_VISITS, Topic

DIFFERENCES_EXIT_CODE = 1
STOPPED_EXIT_CODE = 130
AUDITED = ("scoring", "pipeline", "metrics")
A_WHILE = timedelta(seconds=30)
"""What was recorded just before the log's ends were fixed may have come after them."""


def state_folder() -> Path:
    """Where an audit keeps what it knows until it is over."""
    return run_directory().path / "audit"


@explained
def audit(
    wait_seconds: Annotated[
        float, typer.Option(min=0, help="How long work in flight is waited for before an event counts as missing.")
    ] = 60.0,
    *,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Begin anew instead of going on with one that was stopped.")
    ] = False,
    by_day: Annotated[
        bool, typer.Option("--by-day", help="Show every partition and day, not only those that differ.")
    ] = False,
    format: Annotated[Format, typer.Option(help="For people or for programs.")] = Format.TABLE,  # noqa: A002
) -> None:
    """Check that every accepted event was counted exactly once, and that every number follows. Exits 0 when clean, 1 when anything
    differs. Ctrl-C stops it; the next run goes on."""
    folder, settings, address = state_folder(), cli_settings(), bootstrap()
    system = {"log": address, **{name: settings.url(name) for name in AUDITED}}
    with alone(folder):
        if fresh:
            shutil.rmtree(folder, ignore_errors=True)
        this, said = begun(folder, system, datetime.now(UTC))
        if said:
            Console(stderr=True, highlight=False).print(said)
        try:
            audited = asyncio.run(_audit(folder, this, wait_seconds))
        except KeyboardInterrupt:
            Console(stderr=True).print("\nStopped. `leadflow audit` goes on from here, `--fresh` begins anew.")
            raise typer.Exit(STOPPED_EXIT_CODE) from None
        except sqlite3.Error as error:
            raise CommandFailed(
                f"What the audit keeps in {folder} cannot be read or written ({error}).",
                "See that the disk has room; `leadflow audit --fresh` begins anew.",
            ) from None
        if format is Format.JSON:
            told = orjson.dumps(document_of(audited, this.began), option=orjson.OPT_INDENT_2)
            sys.stdout.write(told.decode() + "\n")
        else:
            print_audited(audited, every_day=by_day)
            Console(highlight=False).print(f"The log as of {this.began:%Y-%m-%d %H:%M} UTC.")
        asyncio.run(_tell(this, audited))
        shutil.rmtree(folder, ignore_errors=True)
    if not audited.clean:
        raise typer.Exit(DIFFERENCES_EXIT_CODE)


async def _tell(this: Begun, audited: Audited) -> None:
    """Tells metrics how it ended. What differs is more than that nobody heard of it."""
    try:
        async with _client(cli_settings(), "metrics") as metrics:
            await metrics.post(
                "/v1/audits", {"id": this.audit_id, "began": this.began.isoformat(), "checks": audited.checks}
            )
    except CommandFailed as failure:
        if not audited.clean:
            failure.exit_code = DIFFERENCES_EXIT_CODE
        raise


async def _audit(folder: Path, this: Begun, wait_seconds: float) -> Audited:
    settings, address = cli_settings(), bootstrap()
    bar = Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), console=Console(stderr=True))
    with ExitStack() as ledgers:
        captured, lifecycle = ledgers.enter_context(open_ledgers(folder))
        visits, quarantine = (ledgers.enter_context(open_beside(folder, name)) for name in ("visits", "quarantine"))
        async with AsyncExitStack() as stack:
            scoring, pipeline, metrics = [await stack.enter_async_context(_client(settings, name)) for name in AUDITED]
            stack.enter_context(bar)
            topics = ((CAPTURE_LEADS, captured), (PIPELINE_LIFECYCLE, lifecycle), (PIPELINE_VISITS, visits),
                      (CAPTURE_QUARANTINE, quarantine))  # fmt: skip
            await _read_log(address, topics, bar)
            deadline = Deadline(time.monotonic() + wait_seconds, time.monotonic)
            leads, story = captured.count(), lifecycle.count()
            to_scoring = CapturedStep("captured → scoring", scoring, leads)
            to_pipeline = CapturedStep("captured → pipeline", pipeline, leads)
            to_metrics = CapturedStep("captured → pipeline → metrics", metrics, leads)
            to_books = LifecycleStep("lifecycle → metrics", metrics, story)
            to_visitors = LifecycleStep("visits → metrics", metrics, visits.count())
            to_quality = LifecycleStep("quarantine → metrics", metrics, quarantine.count())
            chain = (to_pipeline, to_metrics)
            await check_captured(
                captured, [to_scoring], chain, deadline, _shown(bar, "captured events", leads.distinct)
            )
            await check_lifecycle(lifecycle, to_books, deadline, _shown(bar, "lifecycle events", story.distinct))
            await check_lifecycle(visits, to_visitors, deadline, _shown(bar, "visits", to_visitors.step.log.distinct))
            await check_lifecycle(
                quarantine, to_quality, deadline, _shown(bar, "quarantine", to_quality.step.log.distinct)
            )
            for ledger, one, client, topic in (
                (captured, to_scoring, scoring, CAPTURE_LEADS), (captured, to_pipeline, pipeline, CAPTURE_LEADS),
                (lifecycle, to_books, metrics, PIPELINE_LIFECYCLE), (visits, to_visitors, metrics, PIPELINE_VISITS),
                (quarantine, to_quality, metrics, CAPTURE_QUARANTINE),
            ):  # fmt: skip
                await check_unreadable(ledger, one.step, client, topic.name, deadline)
            pages = [
                await check_history(
                    lifecycle, PagedCheck("history", "events of pipeline's history looked for in the log"), pipeline,
                    this.began - A_WHILE, _shown(bar, "pipeline's history"),
                )
            ]  # fmt: skip
            for check, client, path in (
                (PagedCheck("pipeline", "leads made again from their history"), pipeline, "/v1/audit/leads"),
                (PagedCheck("entries", "entries made again from the facts"), metrics, "/v1/audit/people"),
                (PagedCheck("sums", "sums made again from the entries"), metrics, "/v1/audit/numbers"),
            ):
                pages.append(await check_pages(lifecycle, check, client, path, deadline, _shown(bar, check.what)))
            scores = await check_scores(lifecycle, scoring)
            steps = [one.step for one in (to_scoring, to_pipeline, to_metrics, to_books, to_visitors, to_quality)]
            days = [
                *captured.by_day("captured"),
                *lifecycle.by_day("lifecycle"),
                *visits.by_day("visits"),
                *quarantine.by_day("quarantine"),
            ]
    return Audited(steps, pages, scores, days)


def _client(settings: CliSettings, service: str) -> ServiceClient:
    url, token = settings.url(service), settings.api_token
    return ServiceClient(service, url, token, patience_seconds=60.0, timeout_seconds=600.0)


def _shown(bar: Progress, what: str, total: int | None = None) -> OnPage:
    """Shows how far something has come."""
    task = bar.add_task(what, total=total)
    return lambda done: bar.update(task, completed=done)


async def _read_log(address: str, topics: Sequence[tuple[Topic, Ledger]], bar: Progress) -> None:
    """Fixes the ends of the topics, then reads up to there."""
    async with AsyncExitStack() as stack:
        logs: list[Any] = [
            (TopicLog(await stack.enter_async_context(open_topic(address, topic.name)), topic.name), topic.name, ledger)
            for topic, ledger in topics
        ]
        for log, _, ledger in logs:
            log.go_on(ledger)
        for log, name, ledger in logs:
            await log.read(ledger, _shown(bar, name, log.total))
