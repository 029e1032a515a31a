"""A first look at a file: what is wrong with all of it, and what its first rows would become. Nothing is published, and nothing
is kept."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from services.capture.domain import IntakeRules, Refused, Submission
from services.capture.domain.faults import listed
from services.capture.domain.uploads import Options
from services.capture.uploads.jobs import Sending, Shown
from services.capture.uploads.stretches import FileReader
from shared.kit.clock import Clock
from shared.tabular.apart import prepare_apart
from shared.tabular.errors import Unreadable
from shared.tabular.looking import beginning_of
from shared.tabular.preparing import Prepared
from shared.tabular.source import Position

ROWS = 10
WORKBOOK_SECONDS = 60.0

_HIDDEN = frozenset({"event", "schema_version", "correlation_id", "recorded_at", "identities", "sender"})


class Preview:
    """Looks at files by the rules of intake."""

    def __init__(self, rules: IntakeRules, clock: Clock) -> None:
        self._rules = rules
        self._clock = clock

    async def check(self, folder: Path, options: Options, sending: Sending) -> None:
        """Raises `Unreadable` where the beginning of a file shows already that none of it can be taken. Of a workbook that is
        seen only when it is opened."""
        await asyncio.to_thread(self._check, folder, options, sending)

    def _check(self, folder: Path, options: Options, sending: Sending) -> None:
        beginning = beginning_of(folder / "file", folder / "beginning", encoding=options.encoding)
        if beginning is None:
            options.file_mapping()
            return
        try:
            self._read(beginning, options, sending, rows=1)
        finally:
            beginning.path.unlink()

    async def show(self, folder: Path, options: Options, sending: Sending) -> Shown:
        """What the first rows would become. Raises `Unreadable`."""
        target = folder / "beginning"
        beginning = await asyncio.to_thread(beginning_of, folder / "file", target, encoding=options.encoding)
        if beginning is None:
            options.file_mapping()
            found = await prepare_apart(folder / "file", target, sheet=options.sheet, within_seconds=WORKBOOK_SECONDS)
            beginning = found.at(target)
        return await asyncio.to_thread(self._read, beginning, options, sending, rows=ROWS)

    def _read(self, copy: Prepared, options: Options, sending: Sending, *, rows: int) -> Shown:
        reader = FileReader(copy, options, may_backdate=sending.may_backdate)
        try:
            reader.begin(Position())
            found: list[Shown] = []
            while len(found) < rows and (stretch := reader.next(1)) is not None:
                leads = [self._lead(body, sending) for body in stretch.bodies]
                refused = [{"errors": [_without_line(fault)]} for fault in stretch.faults]
                found.append({"line": stretch.line, "leads": [*leads, *refused]})
            if not found:
                raise Unreadable("The file names its columns and has no row below them.", "Send it with its rows.")
            source = reader.source
            return {
                "form": copy.form,
                "encoding": copy.encoding,
                "delimiter": source.delimiter if source.format == "csv" else None,
                "columns": list(source.columns),
                "options": options.given(),
                "rows": found,
            }
        finally:
            reader.close()

    def _lead(self, body: dict[str, object], sending: Sending) -> Shown:
        """A row's lead: what is sent for it, and what intake understands of that."""
        submission = Submission(sending.sender, sending.may_backdate, self._clock.now())
        decision = self._rules.decide("lead", body, submission, None)
        if isinstance(decision, Refused):
            return {"sent": body, "errors": listed(decision.faults)}
        understood: dict[str, Any] = {
            name: value for name, value in decision.event.items() if name not in _HIDDEN and value not in (None, [], {})
        }
        understood["recognised_by"] = [one["kind"] for one in _identities(decision.event)]
        return {"sent": body, "understood": understood}


def _without_line(fault: dict[str, object]) -> dict[str, object]:
    return {name: told for name, told in fault.items() if name != "line"}


def _identities(event: dict[str, Any]) -> list[dict[str, str]]:
    found: list[dict[str, str]] = event["identities"]
    return found
