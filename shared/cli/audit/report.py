"""What an audit found, for people and for monitoring."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shared.cli.audit.ledger import Day
from shared.cli.audit.pages import PagedCheck
from shared.cli.audit.steps import COUNTED, ScoreCheck, Step

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
    """Everything that was compared, and every partition and day of the log."""

    steps: Sequence[Step]
    pages: Sequence[PagedCheck]
    scores: ScoreCheck
    days: Sequence[Day]

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


def document_of(audited: Audited, began: datetime) -> dict[str, Any]:
    """All of it for programs, every partition and day too."""
    return {
        "clean": audited.clean,
        "log_as_of": began,
        "steps": [
            {
                **asdict(step.log), "name": step.name, "duplicates": step.log.duplicates,
                **{name: getattr(step, name) for name in (*COUNTED, "missing", "undead")},
            }
            for step in audited.steps
        ],
        "books": [asdict(page) for page in audited.pages],
        "scores": asdict(audited.scores),
        "days": [asdict(day) for day in audited.days],
    }  # fmt: skip


def print_audited(audited: Audited, *, every_day: bool) -> None:
    """The tables, what differs by lead, and the verdict; of the days those that differ, or all."""
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
    if days := [day for day in audited.days if every_day or day.missing]:
        _print_days(console, days)
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


def _print_days(console: Console, days: Sequence[Day]) -> None:
    table = Table("topic", "partition", "day", box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for heading in ("events", "unreadable", "missing"):
        table.add_column(heading, justify="right")
    table.add_column("in")
    for day in days:
        numbers = (day.events, day.unreadable, sum(day.missing.values()))
        table.add_row(
            day.topic, str(day.partition), day.day, *(f"{number:,}" for number in numbers), escape(", ".join(day.missing)),
            style="bold red" if day.missing else "",
        )  # fmt: skip
    console.print(table)
