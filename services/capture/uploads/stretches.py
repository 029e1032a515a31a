"""A file read stretch by stretch: rows enough for one batch, and what each of them stands for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from services.capture.domain.uploads import Options, check_rights
from shared.tabular.converting import converter, one_delimiter
from shared.tabular.preparing import Prepared
from shared.tabular.source import Position, Row, SourceFile

STRETCH_BYTES = 1 << 20


@dataclass(slots=True)
class Stretch:
    """Neighbouring rows: the leads they stand for with the line of each, those that stand for none, from where to where."""

    before: Position
    after: Position
    bodies: list[dict[str, object]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    faults: list[dict[str, object]] = field(default_factory=list)
    line: int = 0
    """Of its first row."""

    rows: int = 0
    bytes: int = 0


def fault_of(line: int, told: str) -> dict[str, object]:
    """What is wrong with a row, as reports have it. A sentence names its field before the first colon."""
    name, sign, rest = told.partition(": ")
    named = bool(sign) and " " not in name
    return {"line": line, "field": name if named else "", "fault": rest if named else told, "fix": ""}


class FileReader:
    """A prepared file, from a place in it on. Raises `Unreadable` where it cannot be what it is read as, or says what the
    key that sent it may not say."""

    def __init__(self, copy: Prepared, options: Options, *, may_backdate: bool) -> None:
        mapping = options.file_mapping()
        self._source: SourceFile = copy.open(delimiter=one_delimiter(options.delimiter), called="The file")
        try:
            self._convert = converter(self._source, options.shape(), mapping, called="The mapping")
            check_rights(self._source.columns, options, mapping, may_backdate=may_backdate)
        except BaseException:
            self.close()
            raise
        self._rows: Iterator[Row] = iter(())
        self._place = Position()

    @property
    def source(self) -> SourceFile:
        """The file."""
        return self._source

    def begin(self, position: Position) -> None:
        """The next row is the one after this place."""
        self._place = position
        self._rows = self._source.rows(position if position.byte else None)

    def next(self, max_rows: int, max_bytes: int = STRETCH_BYTES) -> Stretch | None:
        """The next rows, None where there are no more. Raises `Unreadable` for a file that is damaged further down."""
        stretch = Stretch(self._place, self._place)
        for row in self._rows:
            stretch.line = stretch.line or row.line
            stretch.rows += 1
            for made in self._convert(row):
                if made.fault is not None:
                    stretch.faults.append(fault_of(row.line, made.fault))
                else:
                    stretch.bodies.append(made.document)
                    stretch.lines.append(row.line)
            stretch.after = row.after
            stretch.bytes = stretch.after.byte - stretch.before.byte
            if stretch.rows >= max_rows or stretch.bytes > max_bytes:
                break
        self._place = stretch.after
        return stretch if stretch.rows else None

    def close(self) -> None:
        """Gives the file back."""
        self._source.__exit__(None, None, None)
