"""`leadflow demo`: a whole business in a minute."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from shared.cli.demo.play import (
    Advance,
    Played,
    do_sales_work,
    post_interactions,
    post_leads,
    until_facts,
    until_folded,
)
from shared.cli.demo.world import SPAN, UNITS, Story, stories
from shared.cli.http import CommandFailed, ServiceClient, explained
from shared.cli.local.run_directory import run_directory
from shared.cli.report import print_document, told
from shared.cli.settings import CliSettings, cli_settings

REFUSALS_SHOWN = 5


@explained
def demo(
    seed: Annotated[int, typer.Option(help="Another seed is another world.")] = 1,
    leads: Annotated[int, typer.Option(min=1, max=50_000, help="How many leads.")] = 2_000,
) -> None:
    """Play six months of two business units through the API and show the funnel. Playing it again adds nothing."""
    started = time.monotonic()
    settings = cli_settings()
    world = list(stories(seed, leads, _ends_at(settings, seed)))
    played = asyncio.run(_play(settings, world))
    _print(settings, played, time.monotonic() - started)
    if played.refused:
        raise typer.Exit(1)


def _ends_at(settings: CliSettings, seed: int) -> datetime:
    """The end of the six months: now, or when this world was first played here, so that again is the same."""
    path = run_directory().path / "demo.json"
    key = f"{settings.pipeline_url}#{seed}"
    try:
        known: dict[str, str] = orjson.loads(path.read_bytes())
        if key in known:
            return datetime.fromisoformat(known[key])
    except (OSError, ValueError, TypeError):
        known = {}
    ends_at = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=1)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(orjson.dumps({**known, key: ends_at.isoformat()}))
    except OSError as error:
        raise CommandFailed(
            f"{path} cannot be written: {error.strerror}.", "Set LEADFLOW_HOME to a folder of yours."
        ) from None
    return ends_at


async def _play(settings: CliSettings, world: list[Story]) -> Played:
    played = Played()
    async with AsyncExitStack() as stack:
        capture = await stack.enter_async_context(ServiceClient("capture", settings.capture_url, settings.capture_key))
        scoring, pipeline, metrics = [
            await stack.enter_async_context(ServiceClient(name, settings.url(name), settings.api_token))
            for name in ("scoring", "pipeline", "metrics")
        ]
        with _Bars() as bars:
            await post_leads(capture, world, played, bars.next("leads posted", sum(len(one.posts) for one in world)))
            interactions = sum(len(one.interactions) for one in world)
            await post_interactions(capture, world, played, bars.next("interactions posted", interactions))
            events = played.events
            await until_facts(scoring, events, bars.next("known to scoring", len(events)))
            await until_facts(pipeline, events, bars.next("known to pipeline", len(events)))
            commands = sum(len(one.work) for one in world)
            await do_sales_work(pipeline, world, played, bars.next("sales work done", commands))
            await until_facts(metrics, events, bars.next("counted by metrics", len(events)))
            await until_folded(pipeline, metrics)
        await _show(metrics)
    return played


class _Bars:
    """A progress bar for each step, one below the other."""

    def __init__(self) -> None:
        columns = (TextColumn("{task.description:<20}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._progress = Progress(*columns, console=Console(stderr=True))
        self._last: TaskID | None = None

    def __enter__(self) -> _Bars:
        self._progress.start()
        return self

    def __exit__(self, *exit_details: object) -> None:
        self._progress.stop()

    def next(self, name: str, total: int) -> Advance:
        """Ends the step before and begins another; answers with the function that moves its bar."""
        if self._last is not None:
            self._progress.stop_task(self._last)
        task = self._last = self._progress.add_task(name, total=total)

        def advance(done: int) -> None:
            self._progress.update(task, completed=done)

        return advance


async def _show(metrics: ServiceClient) -> None:
    print_document(Console(), await told(metrics, "overview", business_unit=list(UNITS)))


def _print(settings: CliSettings, played: Played, seconds: float) -> None:
    console = Console()
    console.print(
        f"{len(played.leads):,} leads, {len(played.events):,} captured events and {played.commands:,} commands over "
        f"{SPAN.days} days, played in {seconds:.0f} s."
    )
    if played.refused:
        console.print(f"[bold red]{len(played.refused):,} commands were refused[/], such as:")
        for line in played.refused[:REFUSALS_SHOWN]:
            console.print("  " + escape(line), soft_wrap=True)
    for name, url in (
        ("capture", settings.capture_url),
        ("scoring", settings.scoring_url),
        ("pipeline", settings.pipeline_url),
        ("metrics", settings.metrics_url),
    ):
        console.print(f"  {name:<9} {url}/docs")
    console.print("Look further: `leadflow report monthly --format html`. Check it: `leadflow audit`.")
