"""What a mapping file says, as rules that turn one row into the events it stands for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Any

from shared.tabular.fields import ATTRIBUTE, TIMES, Unusable, read_time, text_of
from shared.tabular.numbers import is_plain, read_number, rounded
from shared.tabular.plain import Shape, finished

SKIP = "skip"
KEEP = "keep"


class Skipped(Exception):
    """The row makes no event of this template, because the mapping says so."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A test of one column. Everything given has to hold."""

    column: str
    equals: str | None = None
    one_of: frozenset[str] | None = None
    contains: str | None = None
    present: bool | None = None
    negated: tuple[Condition, ...] = ()

    def holds(self, columns: Mapping[str, Any]) -> bool:
        """Whether a row meets it; an empty cell equals the empty text."""
        text = text_of(columns.get(self.column))
        return (
            (self.equals is None or text == self.equals)
            and (self.one_of is None or text in self.one_of)
            and (self.contains is None or self.contains in text)
            and (self.present is None or bool(text) == self.present)
            and not any(condition.holds(columns) for condition in self.negated)
        )


@dataclass(frozen=True, slots=True)
class FieldRule:
    """Where a field's value comes from: a constant, or columns, through a table of values, a date format or, of numbers as people write
    them, by their decimal sign."""

    columns: tuple[str, ...] = ()
    join: str = " "
    constant: str | None = None
    values: Mapping[str, str] | None = None
    default: str | None = None
    date_formats: tuple[str, ...] = ()
    decimal: str | None = None
    zone: tzinfo | None = None
    required: bool = False
    parts: Mapping[str, FieldRule] | None = None

    def lines(self, rows: Iterable[Mapping[str, Any]], zone: tzinfo | None) -> list[dict[str, Any]]:
        """What each of several rows says of each part, where there is something. Raises as `value` does."""
        assert self.parts is not None
        found = []
        for columns in rows:
            cells = {part: rule.value(part, columns, zone) for part, rule in self.parts.items()}
            found.append({part: _number(cell) for part, cell in cells.items() if cell is not None})
        return found

    def value(self, name: str, columns: Mapping[str, Any], zone: tzinfo | None) -> Any:
        """The field's value for a row, None where there is none. Raises `Skipped`, or `Unusable` naming the column."""
        if self.constant is not None:
            return self._as_time(name, self.constant, zone)
        if len(self.columns) == 1:
            raw = columns.get(self.columns[0])
        else:
            raw = self.join.join(text_of(columns[column]) for column in self.columns if column in columns)
        if self.values is not None and text_of(raw):
            raw = self._translated(name, raw)
        if raw is None or raw == "":
            if self.default is not None and self.default != KEEP:
                return self._as_time(name, self._decided(self.default, raw), zone)
            if self.required:
                raise Unusable(f"{name}: column {' + '.join(self.columns)} is empty")
            return None
        if self.decimal is not None and not isinstance(raw, int | float):
            return read_number(text_of(raw), name, self.decimal)
        return self._as_time(name, raw, zone)

    def _translated(self, name: str, raw: Any) -> Any:
        assert self.values is not None
        found = self.values.get(text_of(raw), self.default)
        if found is None:
            raise Unusable(
                f"{name}: the value of column {' + '.join(self.columns)} is not in the mapping's values; "
                "add it there, or give a default"
            )
        return self._decided(found, raw)

    def _decided(self, value: str, raw: Any) -> Any:
        if value == SKIP:
            raise Skipped
        return raw if value == KEEP else value

    def _as_time(self, name: str, value: Any, zone: tzinfo | None) -> Any:
        if value is None or (name not in TIMES and not self.date_formats):
            return value
        formats = () if value in (self.constant, self.default) else self.date_formats
        return read_time(text_of(value), name, self.zone or zone, formats)


@dataclass(frozen=True, slots=True)
class Template:
    """One event that a row may stand for."""

    when: tuple[Condition, ...]
    fields: Mapping[str, FieldRule]
    line: int


@dataclass(frozen=True, slots=True)
class MappedEvent:
    """An event made from a row, or the reason why it could not be made."""

    template: int
    document: dict[str, Any] = field(default_factory=dict)
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class FileMapping:
    """A whole mapping file."""

    templates: tuple[Template, ...]
    ignored: frozenset[str]
    zone: tzinfo | None = None
    together: str | None = None

    @property
    def columns(self) -> frozenset[str]:
        """Every column the mapping reads."""
        named: set[str] = set()
        for template in self.templates:
            named.update(_tested(template.when))
            for rule in template.fields.values():
                for each in (rule, *(rule.parts or {}).values()):
                    named.update(each.columns)
        return frozenset({*named, self.together} if self.together else named)

    def events(
        self,
        columns: Mapping[str, Any],
        shape: Shape,
        read: frozenset[str],
        more: Sequence[Mapping[str, Any]] = (),
    ) -> list[MappedEvent]:
        """The events a row stands for, in the order of the file. `read` are the mapped columns; others are attributes; `more` are
        the rows that are one with it."""
        others = {name: value for name, value in columns.items() if name not in read and name not in self.ignored}
        made = []
        for number, template in enumerate(self.templates):
            if not all(condition.holds(columns) for condition in template.when):
                continue
            try:
                document = self._document(template, (columns, *more), others, shape, number)
            except Skipped:
                continue
            except Unusable as fault:
                made.append(MappedEvent(number, fault=str(fault)))
            else:
                made.append(MappedEvent(number, document))
        return made

    def _document(
        self,
        template: Template,
        rows: Sequence[Mapping[str, Any]],
        others: Mapping[str, Any],
        shape: Shape,
        number: int,
    ) -> dict[str, Any]:
        columns = rows[0]
        fields: dict[str, Any] = {}
        attributes = dict(others)
        for name, rule in template.fields.items():
            zone = self.zone or shape.zone
            value = rule.value(name, columns, zone) if rule.parts is None else rule.lines(rows, zone)
            if value is None:
                continue
            if name.startswith(ATTRIBUTE):
                attributes[name.removeprefix(ATTRIBUTE)] = value
            else:
                fields[name] = value
        record = columns.get(shape.record_column) if shape.record_column else None
        return finished(fields, attributes, columns, shape, record=record, template=number)


def _number(cell: Any) -> Any:
    return rounded(cell) if isinstance(cell, str) and is_plain(cell) else cell


def _tested(conditions: Iterable[Condition]) -> set[str]:
    return {condition.column for condition in conditions}
