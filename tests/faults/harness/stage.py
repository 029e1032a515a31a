"""Where one entry of the matrix plays: a folder of its own, and what is remembered of it for the report."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


class NotPossible(Exception):
    """This machine or this account cannot do what an entry needs: it says nothing, neither good nor bad."""


@dataclass(slots=True)
class Stage:
    """What one fault or scenario leaves behind."""

    name: str
    folder: Path
    notes: list[str] = field(default_factory=list)
    accepted: int = 0
    lost: int = 0
    double: int = 0
    recoveries: list[float] = field(default_factory=list)

    @classmethod
    def within(cls, folder: Path, name: str) -> Stage:
        """A stage with a new folder."""
        folder.mkdir(parents=True)
        return cls(name, folder)

    def note(self, text: str) -> None:
        """Something worth a line in the report."""
        self.notes.append(text)

    def counts(self, *, accepted: int = 0, lost: int = 0, double: int = 0) -> None:
        """Adds to what was accepted, lost and counted twice."""
        self.accepted += accepted
        self.lost += lost
        self.double += double

    def recovery(self, seconds: float) -> None:
        """How long it took from healing until new leads were counted again."""
        self.recoveries.append(seconds)
