"""What keeps a whole file from being read."""

from __future__ import annotations

from collections.abc import Iterable

from shared.kit.errors import Rejected


class Unreadable(Rejected):
    """A file, or the mapping of one, cannot be understood. The message holds nothing that is in the file: `columns`, which
    are a row of people where a file has no line of names, stand apart, for whoever has the file anyway."""

    def __init__(self, problem: str, fix: str | None = None, *, columns: Iterable[str] = ()) -> None:
        super().__init__(problem, code="unreadable-file", field="file", fix=fix)
        self.columns = tuple(columns)
