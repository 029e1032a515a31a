"""What a run says: a line for each fault as it happens, and a table at the end."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.faults.harness.matrix import Entry
from tests.faults.harness.stage import Stage


@dataclass(slots=True)
class Outcome:
    """One entry of the matrix, played once. `failure` None says that every expectation held."""

    row: int
    name: str
    title: str
    seconds: float
    recovery_seconds: list[float]
    notes: list[str]
    failure: str | None = None


@dataclass(slots=True)
class Report:
    """One run so far."""

    seed: int
    profile: str
    started: float = field(default_factory=time.monotonic)
    outcomes: list[Outcome] = field(default_factory=list)
    accepted: int = 0
    lost: int = 0
    double: int = 0

    def add(self, entry: Entry, stage: Stage, seconds: float, failure: str | None) -> None:
        """One entry is over."""
        outcome = Outcome(entry.row, entry.name, entry.title, seconds, stage.recoveries, stage.notes, failure)
        self.outcomes.append(outcome)
        self.count(stage)
        recovered = f", counted again after {max(stage.recoveries):.1f} s" if stage.recoveries else ""
        self.say(f"{'FAILED' if failure else 'ok    '} row {entry.row:2} {entry.name} ({seconds:.0f} s{recovered})")
        for note in stage.notes:
            self.say(f"         {note}")
        if failure:
            self.say(failure)

    def count(self, stage: Stage) -> None:
        """Takes over what was accepted, lost and doubled."""
        self.accepted += stage.accepted
        self.lost += stage.lost
        self.double += stage.double

    def say(self, text: str) -> None:
        """A line with the time since the run began."""
        passed = int(time.monotonic() - self.started)
        print(f"{passed // 60:3}:{passed % 60:02}  {text}", flush=True)

    @property
    def failures(self) -> list[Outcome]:
        return [outcome for outcome in self.outcomes if outcome.failure]

    def summary(self) -> str:
        """The last lines of a run."""
        slowest = max(
            ((seconds, one.name) for one in self.outcomes for seconds in one.recovery_seconds), default=(0.0, "none")
        )
        minutes = (time.monotonic() - self.started) / 60
        lines = [
            f"profile {self.profile}, seed {self.seed}: {len(self.outcomes)} faults injected in {minutes:.1f} minutes, "
            f"{len(self.outcomes) - len(self.failures)} survived",
            f"accepted {self.accepted:,}, lost {self.lost}, double {self.double}",
            f"slowest recovery {slowest[0]:.1f} s, after {slowest[1]}",
        ]
        lines += [f"FAILED {one.name}; again: make faults SEED={self.seed} ONLY={one.name}" for one in self.failures]
        if self.failures:
            lines.append(f"the whole run again: make faults SEED={self.seed}")
        return "\n".join(lines)

    def table(self) -> str:
        """The report as Markdown, a line for each entry of the matrix."""
        by_entry: dict[tuple[int, str], list[Outcome]] = defaultdict(list)
        for outcome in self.outcomes:
            by_entry[outcome.row, outcome.title].append(outcome)
        lines = ["| row | fault | times | survived | slowest recovery |", "|---|---|---|---|---|"]
        for (row, title), outcomes in sorted(by_entry.items()):
            survived = sum(outcome.failure is None for outcome in outcomes)
            times = [seconds for outcome in outcomes for seconds in outcome.recovery_seconds]
            lines.append(
                f"| {row} | {title} | {len(outcomes)} | {survived} | {f'{max(times):.1f} s' if times else ''} |"
            )
        return "\n".join(lines)

    def write(self, folder: Path) -> None:
        """Keeps the report as `report.json` and `report.md`."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "report.json").write_text(json.dumps(asdict(self), indent=2))
        (folder / "report.md").write_text(f"{self.summary()}\n\n{self.table()}\n")
