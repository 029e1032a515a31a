"""A CSV file of rows: those that make sense are taken, of each other one it is said what is wrong with it and what to do."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from shared.kit.database import Database, Transaction
from shared.kit.errors import Rejected

Model = TypeVar("Model", bound=BaseModel)
Row = TypeVar("Row")

MOST_ROWS = 50_000
AT_ONCE = 1_000
DELIMITERS = ",;\t|"


class RejectedRow(BaseModel):
    """A row that was not taken: the line it stands on, what of it, and what to do."""

    line: int
    field: str
    problem: str
    fix: str


class Taken(BaseModel):
    """How many rows the file has, how many of those taken were new or said something else, and which were not taken."""

    rows: int
    changed: int
    rejected: list[RejectedRow]
    ignored_columns: list[str]


@dataclass
class Rows(Generic[Model]):
    """What a file says, by line, and what it says wrongly."""

    taken: list[tuple[int, Model]] = field(default_factory=list)
    rejected: list[RejectedRow] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)

    def refuse(self, line: int, name: str, problem: str, fix: str) -> None:
        """One more that is not taken."""
        self.rejected.append(RejectedRow(line=line, field=name, problem=problem, fix=fix))

    def answer(self, changed: int) -> Taken:
        """What came of it."""
        return Taken(
            rows=len(self.taken) + len({one.line for one in self.rejected}), changed=changed,
            rejected=sorted(self.rejected, key=lambda one: one.line), ignored_columns=self.ignored,
        )  # fmt: skip


async def take(
    content: bytes,
    read: Callable[[bytes], tuple[Rows[Model], Sequence[Row]]],
    database: Database,
    keep: Callable[[Transaction, Sequence[Row]], Awaitable[int]],
) -> Taken:
    """Reads a file, which takes a second for 10,000 rows, where nobody waits for it, and keeps all of what makes sense of it, so
    many rows at once that others have their turn in between."""
    found, rows = await asyncio.to_thread(read, content)

    async def in_parts(tx: Transaction) -> int:
        return sum([await keep(tx, rows[begin : begin + AT_ONCE]) for begin in range(0, len(rows), AT_ONCE)])

    return found.answer(await database.run(in_parts))


def rows_of(
    content: bytes, model: type[Model], *, synonyms: Mapping[str, str], fixes: Mapping[str, str]
) -> Rows[Model]:
    """The rows of a file whose first line names the columns, in any letters' case, with blanks or underscores. `fixes` says what to
    write into a column. Raises `Rejected` for what is no such file."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _no_file("It is not UTF-8 text.", "Save it as CSV in UTF-8.") from None
    head = text.partition("\n")[0]
    delimiter = max(DELIMITERS, key=head.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        names = [_column(name, synonyms) for name in next(reader, [])]
        return _read(reader, names, model, fixes)
    except csv.Error as error:
        raise _no_file(f"Line {reader.line_num} is no CSV: {error}.", "Mend that line.") from None


def _read(reader: Any, names: list[str], model: type[Model], fixes: Mapping[str, str]) -> Rows[Model]:
    fields = model.model_fields
    found: Rows[Model] = Rows(ignored=[name for name in names if name and name not in fields])
    if missing := [name for name, one in fields.items() if one.is_required() and name not in names]:
        raise _no_file(f"It has no column {missing[0]}.", f"Name the columns in the first line: {', '.join(fields)}.")
    if twice := next((name for name in names if name in fields and names.count(name) > 1), None):
        raise _no_file(f"Two of its columns are {twice}.", "Leave one of them.")
    before = reader.line_num
    for cells in reader:
        line, before = before + 1, reader.line_num
        if not any(cell.strip() for cell in cells):
            continue
        if len(found.taken) + len(found.rejected) >= MOST_ROWS:
            raise _no_file(f"It has more than {MOST_ROWS:,} rows.", "Split it into several files.")
        if len(cells) > len(names):
            found.refuse(
                line, "row", f"It has {len(cells)} cells and there are {len(names)} columns.",
                "Put a cell that has the delimiter in it between quotes.",
            )  # fmt: skip
            continue
        given = {
            name: cell.strip() for name, cell in zip(names, cells, strict=False) if name in fields and cell.strip()
        }
        try:
            found.taken.append((line, model.model_validate(given)))
        except ValidationError as error:
            for fault in error.errors(include_url=False, include_input=False)[:1]:
                name = str(fault["loc"][0]) if fault["loc"] else "row"
                problem = f"{fault['msg'].removeprefix('Value error, ')}."
                found.refuse(line, name, problem, fixes.get(name, f"Mend {name}."))
    return found


def _column(name: str, synonyms: Mapping[str, str]) -> str:
    plain = "_".join(name.strip().lower().replace("-", " ").replace("_", " ").split())
    return synonyms.get(plain, plain)


def _no_file(problem: str, fix: str) -> Rejected:
    return Rejected(problem, code="invalid-file", field="file", fix=fix)
