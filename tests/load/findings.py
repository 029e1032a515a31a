"""What was measured: kept in a file as it comes, shown as one table, ratios first."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.load.arithmetic import ratio

BEGIN, END = "<!-- {}: begin -->", "<!-- {}: end -->"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the table. `against` is what the same run measured beside it, `target` what the project aims for
    (docs/performance.md lists it), either as a ratio to that (`of_ratio`) or of the measured value itself;
    `less_is_better` turns the comparison round."""

    part: str
    what: str
    measured: float
    unit: str
    against: float | None = None
    against_what: str = ""
    target: float | None = None
    of_ratio: bool = True
    less_is_better: bool = False
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ratio(self) -> float | None:
        """Measured ÷ against."""
        return None if self.against is None else ratio(self.measured, self.against)

    @property
    def reached(self) -> bool | None:
        """Whether the target is met; None without one."""
        value = self.ratio if self.of_ratio else self.measured
        if self.target is None or value is None:
            return None
        return value <= self.target if self.less_is_better else value >= self.target


@dataclass(frozen=True, slots=True)
class Measured:
    """When a part was finished, how long it took, and when the leg of the run began that it belongs to."""

    leg: str
    at: str
    seconds: float


class Findings:
    """The findings of a run by part, and the file they are kept in. A run that was resumed has several legs."""

    def __init__(self, path: Path, about: Mapping[str, str], began: datetime) -> None:
        self._path = path
        self._about = dict(about)
        self._leg = began.isoformat(timespec="seconds")
        self.parts: dict[str, list[Finding]] = {}
        self.measured: dict[str, Measured] = {}

    @classmethod
    def resumed(cls, path: Path, about: Mapping[str, str], began: datetime) -> Findings:
        """With what an earlier leg had finished on the same machine in the same way; without such a file, with nothing."""
        findings = cls(path, about, began)
        if path.exists():
            kept = json.loads(path.read_text(encoding="utf-8"))
            if {name: value for name, value in kept["about"].items() if name not in ("run", "took")} == findings._about:
                findings.measured = {part: Measured(**dated) for part, dated in kept.get("measured", {}).items()}
                parts = {part: [_finding(line) for line in lines] for part, lines in kept["parts"].items()}
                findings.parts = {part: lines for part, lines in parts.items() if part in findings.measured}
        return findings

    def add(self, part: str, lines: Iterable[Finding], at: datetime, seconds: float) -> None:
        """Keeps a finished part."""
        self.parts[part] = list(lines)
        self.measured[part] = Measured(self._leg, at.isoformat(timespec="seconds"), round(seconds, 1))
        self.keep()

    def finish(self, order: Iterable[str]) -> None:
        """Keeps the whole, its parts in one order whenever each was measured."""
        self.parts = {part: self.parts[part] for part in order if part in self.parts}
        self.keep()

    @property
    def about(self) -> dict[str, str]:
        """What was measured on, when, in how many legs and for how long."""
        legs = sorted({measured.leg for measured in self.measured.values()} or {self._leg})
        run = _minute(legs[0]) if len(legs) == 1 else f"{_minute(legs[0])} to {_minute(legs[-1])}, in {len(legs)} legs"
        took = sum(measured.seconds for measured in self.measured.values()) / 60
        return {**self._about, "run": run, "took": f"{took:.1f} minutes"}

    def keep(self) -> None:
        """Writes the file anew."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self._path.with_suffix(".unfinished")
        unfinished.write_text(json.dumps(self.as_json(), indent=1) + "\n", encoding="utf-8")
        unfinished.replace(self._path)

    def as_json(self) -> dict[str, Any]:
        """Everything, each line with its ratio and whether its target is reached."""
        return {
            "about": self.about,
            "measured": {part: asdict(measured) for part, measured in self.measured.items()},
            "parts": {
                part: [{"ratio": line.ratio, "reached": line.reached, **asdict(line)} for line in lines]
                for part, lines in self.parts.items()
            },
        }

    def document(self) -> str:
        """The machine, the mix and the table, as Markdown."""
        about = [f"- {name}: {value}" for name, value in self.about.items()]
        lines = [line for part in self.parts.values() for line in part]
        return "\n".join([*about, "", *table(lines)])


def _minute(moment: str) -> str:
    return f"{datetime.fromisoformat(moment).astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _finding(kept: Mapping[str, Any]) -> Finding:
    return Finding(**{name: value for name, value in kept.items() if name not in ("ratio", "reached")})


HEAD = ("ratio", "what", "measured", "against", "target", "reached", "more")


def table(lines: Sequence[Finding]) -> list[str]:
    """The findings as a Markdown table."""
    rows = [HEAD, *map(_row, lines)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(HEAD) - 1)]
    shown = [" | ".join(cell.ljust(width) for cell, width in zip(row, [*widths, 0], strict=True)) for row in rows]
    rule = " | ".join("-" * width for width in [*widths, 4])
    return [f"| {line.rstrip()} |" for line in (shown[0], rule, *shown[1:])]


def _row(line: Finding) -> tuple[str, ...]:
    against = "" if line.against is None else f"{number(line.against)} {line.against_what}"
    sign = "≤" if line.less_is_better else "≥"
    target = "" if line.target is None else f"{sign} {number(line.target)}{' ×' if line.of_ratio else f' {line.unit}'}"
    reached = {None: "", True: "yes", False: "**no**"}[line.reached]
    return (
        "" if line.ratio is None else f"{line.ratio:.2f} ×",
        line.what,
        f"{number(line.measured)} {line.unit}",
        against,
        target,
        reached,
        ", ".join(
            f"{name} {number(value) if isinstance(value, int | float) else value}"
            for name, value in line.detail.items()
        ),
    )


def number(value: float) -> str:
    """A number with as many digits as it is worth."""
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def written_into(document: str, generated: str, place: str = "bench") -> str:
    """The document with what stands between the two markers of a place replaced. Raises `ValueError` where it lacks them."""
    first, last = BEGIN.format(place), END.format(place)
    before, begin, rest = document.partition(first)
    _, end, after = rest.partition(last)
    if not begin or not end:
        raise ValueError(f"the document has no lines {first} and {last}")
    return f"{before}{begin}\n{generated}\n{end}{after}"
