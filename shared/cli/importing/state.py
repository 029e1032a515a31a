"""What an import remembers between two runs: how far it was acknowledged, and the report of what was not taken."""

from __future__ import annotations

import csv
import hashlib
import io
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from shared.cli.http import CommandFailed
from shared.cli.local.run_directory import run_directory
from shared.tabular.source import Position, Row, SourceFile


def state_folder() -> Path:
    """Where imports keep what they have to remember."""
    return run_directory().path / "imports"


@dataclass(frozen=True, slots=True)
class Progress:
    """Everything before `position` was answered. `report_bytes` is how much of the report belongs to it."""

    position: Position = field(default_factory=Position)
    rows: int = 0
    sent: int = 0
    accepted: int = 0
    duplicates: int = 0
    rejected_lines: int = 0
    report_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Rejection:
    """One row, or one event made from it, that was not taken, and why."""

    row: Row
    reason: str


class ImportState:
    """The state file of one import: this content of this file, sent to this place in this way."""

    def __init__(self, path: Path, *, purpose: str, folder: Path | None = None) -> None:
        key = hashlib.sha256(f"{path.resolve()}\x1f{purpose}".encode()).hexdigest()[:24]
        self._file = (folder or state_folder()) / f"{key}.json"
        self._fingerprint = _fingerprint(path)

    def load(self) -> Progress | None:
        """What an unfinished run of the same import left behind; None when there is none or the file has changed."""
        try:
            stored = orjson.loads(self._file.read_bytes())
            if stored.pop("fingerprint") != self._fingerprint:
                return None
            return Progress(**{**stored, "position": Position(**stored["position"])})
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def save(self, progress: Progress) -> None:
        """Replaces the file at once, so that a kill leaves the old or the new one, never half of one."""
        document = {"fingerprint": self._fingerprint, **_as_dict(progress)}
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            temporary = self._file.with_suffix(f".{os.getpid()}.tmp")
            temporary.write_bytes(orjson.dumps(document))
            temporary.replace(self._file)
        except OSError as error:
            raise CommandFailed(
                f"The import's progress cannot be kept in {self._file.parent}: {error.strerror}.",
                "Run the command in a folder you may write to, or free some space. Running it again goes on from here.",
            ) from None

    def forget(self) -> None:
        """The import is over; the next run of it begins at the beginning."""
        self._file.unlink(missing_ok=True)


def _as_dict(progress: Progress) -> dict[str, object]:
    place = {"byte": progress.position.byte, "line": progress.position.line}
    numbers = {name: getattr(progress, name) for name in Progress.__dataclass_fields__ if name != "position"}
    return {"position": place, **numbers}


def _fingerprint(path: Path) -> str:
    with path.open("rb") as content:
        head = hashlib.sha256(content.read(65_536)).hexdigest()
    facts = path.stat()
    return f"{facts.st_size}-{facts.st_mtime_ns}-{head}"


class RejectedReport:
    """The rows that were not taken, beside the file they came from, with line and reason. Made at the first one.

    It is in the file's own format, so that it can be mended and imported itself.
    """

    def __init__(self, source: SourceFile, path: Path, *, keep_bytes: int = 0) -> None:
        self.path = path
        self._source = source
        self.bytes = keep_bytes
        if keep_bytes and path.exists():
            with path.open("r+b") as report:
                report.truncate(keep_bytes)
        else:
            self.bytes = 0
            path.unlink(missing_ok=True)

    def add(self, rejections: Sequence[Rejection]) -> None:
        """Appends rejections, in the order of the file."""
        if not rejections:
            return
        content = self._as_csv(rejections) if self._source.format == "csv" else self._as_ndjson(rejections)
        try:
            created = not self.path.exists()
            with self.path.open("ab") as report:
                report.write(content)
                self.bytes = report.tell()
            if created:
                self.path.chmod(0o600)  # it holds what the file holds: people
        except OSError as error:
            raise CommandFailed(
                f"The report of rejected lines cannot be written to {self.path}: {error.strerror}.",
                "Name a place you may write to with --rejected FILE.",
            ) from None

    def _as_csv(self, rejections: Iterable[Rejection]) -> bytes:
        text = io.StringIO(newline="")
        writer = csv.writer(text, delimiter=self._source.delimiter, lineterminator="\n")
        if not self.bytes:
            writer.writerow(["rejected_line", "rejected_reason", *self._source.columns])
        for row, reason in _rows(rejections):
            writer.writerow([row.line, reason, *(row.columns.get(name, "") for name in self._source.columns)])
        return text.getvalue().encode()

    def _as_ndjson(self, rejections: Iterable[Rejection]) -> bytes:
        return b"".join(
            orjson.dumps({"rejected_line": row.line, "rejected_reason": reason, **row.columns}) + b"\n"
            for row, reason in _rows(rejections)
        )


def _rows(rejections: Iterable[Rejection]) -> Iterator[tuple[Row, str]]:
    return ((row, each.reason) for each in rejections for row in each.row.all)


def report_path(source: Path, form: str) -> Path:
    """Where the report goes when nobody says: beside the file, or among the imports where that folder is read-only."""
    name = f"{source.name}.rejected.{form}"
    writable = os.access(source.parent, os.W_OK) and bool(source.parent.stat().st_mode & 0o222)
    return (source.parent if writable else state_folder()) / name
