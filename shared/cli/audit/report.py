"""What an audit found, for people and for monitoring."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shared.cli.audit.pages import PagedCheck
from shared.cli.audit.steps import ScoreCheck, Step

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


@dataclass(frozen=True, slots=True)
class Audited:
    """Everything that was compared. `days` are topic, partition, day, events and how many of them are missing."""

    steps: Sequence[Step]
    pages: Sequence[PagedCheck]
    scores: ScoreCheck
    days: Sequence[tuple[str, int, str, int, int]]

    @property
    def clean(self) -> bool:
        """Whether nothing differs."""
        return (
            all(step.clean for step in self.steps)
            and not any(page.different for page in self.pages)
            and not self.scores.different
        )

    @property
    def checks(self) -> dict[str, dict[str, int]]:
        """How it ended, for monitoring. What the history has and the log has not counts with the log."""
        log = [step.missing + step.contradictory + step.undead for step in self.steps]
        found = {
            "log": {"checked": sum(step.log.records for step in self.steps), "different": sum(log)},
            "scores": {"checked": self.scores.checked, "different": self.scores.different},
        }
        for page in self.pages:
            check = found.setdefault("log" if page.name == "history" else page.name, {"checked": 0, "different": 0})
            check["checked"] += page.checked
            check["different"] += page.different
        return found


def print_audited(audited: Audited) -> None:
    """The tables, what differs by lead, and the verdict."""
    console = Console()
    table = Table(
        "", title="\nFrom the log to the books", title_justify="left", box=SIMPLE_HEAD, pad_edge=False, show_edge=False
    )
    for step in audited.steps:
        table.add_column(step.name.replace(" → ", "\n→ "), justify="right")
    for name, value in ROWS:
        cells = [value(step) for step in audited.steps]
        style = "bold red" if name == "missing" and any(cells) else ""
        table.add_row(name, *(f"{cell:,}" for cell in cells), style=style)
    console.print(table)
    if audited.days:
        _print_days(console, audited.days)
    for page in audited.pages:
        console.print(f"{page.name.capitalize()}: {page.checked:,} {page.what}, {page.different:,} differ.")
    scores = audited.scores
    unknown = f", {scores.unverifiable:,} by a policy that nobody remembers" if scores.unverifiable else ""
    console.print(f"Scores: {scores.checked:,} made again from their ledgers, {scores.different:,} differ{unknown}.")
    for name, lines in (
        *((step.name, step.differing) for step in audited.steps),
        *((page.name, page.differences) for page in audited.pages),
        ("scores", list(scores.differences)),
    ):
        for line in lines:
            console.print(f"  [red]{name}:[/] {escape(line)}", soft_wrap=True)
    console.print(
        "[bold green]No difference: every accepted event is exactly one of fact, waiting or dead letter.[/]"
        if audited.clean
        else "[bold red]There are differences.[/]"
    )


def _print_days(console: Console, days: Sequence[tuple[str, int, str, int, int]]) -> None:
    table = Table("topic", "partition", "day", box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("events", justify="right")
    table.add_column("missing", justify="right")
    for topic, partition, day, events, missing in days:
        style = "bold red" if missing else ""
        table.add_row(topic, str(partition), day, f"{events:,}", f"{missing:,}", style=style)
    console.print(table)
