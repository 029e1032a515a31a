"""Tables that stand in files of their own: owners by their ids, regions by accounts."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from shared.tabular.errors import Unreadable
from shared.tabular.fields import text_of
from shared.tabular.preparing import needs_preparing, prepare
from shared.tabular.source import SourceFile


def table_in(path: Path, key: str, value: str) -> dict[str, str]:
    """What a file says in the column `value` of each cell in the column `key`. Raises `Unreadable`, also where it says two things
    of one."""
    if not needs_preparing(path):
        with SourceFile(path) as source:
            return _read(source, path.name, key, value)
    with TemporaryDirectory() as folder, prepare(path, Path(folder) / "rows").open(called=path.name) as source:
        return _read(source, path.name, key, value)


def _read(source: SourceFile, called: str, key: str, value: str) -> dict[str, str]:
    for column in (key, value):
        if source.columns and column not in source.columns:
            raise Unreadable(f"{called} has no column {column!r}.", "Name two of its columns.", columns=source.columns)
    found: dict[str, str] = {}
    for row in source.rows():
        if row.fault is not None:
            raise Unreadable(f"{called}, line {row.line}: {row.fault}.", "Mend that line.")
        cell, means = text_of(row.columns.get(key)), text_of(row.columns.get(value))
        if cell and means and found.setdefault(cell, means) != means:
            raise Unreadable(
                f"{called}, line {row.line} says another {value!r} of a {key!r} that is above.", "Leave one."
            )
    return found
