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
    """One entry of the matrix, played once. Without `failure` every expectation held, unless it was `skipped`: then
    nothing can be said. `turn` counts from 0 how often it was played before in this run."""

    row: int
    name: str
    title: str
    seconds: float
    recovery_seconds: list[float]
    notes: list[str]
    turn: int
    failure: str | None = None
    skipped: str | None = None

    @property
    def is_fault(self) -> bool:
        """Not so the comparison at the end of a world, nor what puts the judge to the test: they break nothing."""
        return self.row > 0

    @property
    def survived(self) -> bool:
        return self.failure is None and self.skipped is None


@dataclass(slots=True)
class Report:
    """One run so far. `command` plays it again."""

    seed: int
    profile: str
    command: str
    planned: list[str] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)
    outcomes: list[Outcome] = field(default_factory=list)
    accepted: int = 0
    lost: int = 0
    double: int = 0

    def times(self, entry: Entry) -> int:
        """How often an entry was played so far."""
        return sum(outcome.name == entry.name for outcome in self.outcomes)

    def add(self, entry: Entry, stage: Stage, seconds: float, failure: str | None, skipped: str | None = None) -> None:
        """One entry is over."""
        turn = self.times(entry)
        outcome = Outcome(
            entry.row, entry.name, entry.title, seconds, stage.recoveries, stage.notes, turn, failure, skipped
        )
        self.outcomes.append(outcome)
        self.count(stage)
        recovered = f", counted again after {max(stage.recoveries):.1f} s" if stage.recoveries else ""
        how = "FAILED" if failure else "SKIP  " if skipped else "ok    "
        self.say(f"{how} row {entry.row:2} {entry.name} ({seconds:.0f} s{recovered})")
        for note in stage.notes:
            self.say(f"         {note}")
        if said := failure or skipped:
            self.say(said)

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
        faults = [one for one in self.outcomes if one.is_fault and not one.skipped]
        others = [one for one in self.outcomes if not one.is_fault]
        lines = [
            f"profile {self.profile}, seed {self.seed}: {len(faults)} faults injected in {minutes:.1f} minutes, "
            f"{sum(one.survived for one in faults)} survived; "
            f"{sum(one.survived for one in others)} of {len(others)} comparisons and tries of the judge went well",
            f"accepted {self.accepted:,}, lost {self.lost}, double {self.double}",
            f"slowest recovery {slowest[0]:.1f} s, after {slowest[1]}",
        ]
        lines += dict.fromkeys(f"SKIPPED {one.name}: {one.skipped}" for one in self.outcomes if one.skipped)
        if missed := sorted(set(self.planned) - {one.name for one in self.outcomes}):
            lines.append(f"not reached: {', '.join(missed)}")
        lines += [f"FAILED {one.name}{self._again(one)}" for one in self.failures]
        if self.failures:
            lines.append(f"the whole run again: {self.command}")
        return "\n".join(lines)

    def _again(self, outcome: Outcome) -> str:
        """How to play it alone: a first turn can be, as it depends on nothing that came before."""
        alone = outcome.name in self.planned and outcome.turn == 0
        return f"; again: make faults SEED={self.seed} ONLY={outcome.name}" if alone else ""

    def table(self) -> str:
        """The report as Markdown, a line for each entry of the matrix."""
        by_entry: dict[tuple[int, str], list[Outcome]] = defaultdict(list)
        for outcome in self.outcomes:
            by_entry[outcome.row, outcome.title].append(outcome)
        lines = ["| row | fault | times | survived | slowest recovery |", "|---|---|---|---|---|"]
        for (row, title), outcomes in sorted(by_entry.items()):
            survived = "skipped" if all(one.skipped for one in outcomes) else sum(one.survived for one in outcomes)
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
