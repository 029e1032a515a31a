"""From a file and how it is to be read to what each of its rows stands for."""

from __future__ import annotations

from collections.abc import Callable

from shared.tabular.fields import Unusable
from shared.tabular.mapping import FileMapping, MappedEvent
from shared.tabular.mapping_file import check_against
from shared.tabular.plain import Shape, check_columns, check_record_column, plain_event
from shared.tabular.source import Row, SourceFile

Converter = Callable[[Row], list[MappedEvent]]


def converter(source: SourceFile, shape: Shape, mapping: FileMapping | None, *, called: str) -> Converter:
    """What turns a row of the file into leads or history. Raises `Unreadable` where the file's columns cannot be what they
    are read as; `called` is the mapping's name."""
    if mapping is None:
        check_columns(source.columns, shape)

        def convert_plain(row: Row) -> list[MappedEvent]:
            if row.fault is not None:
                return [MappedEvent(0, fault=row.fault)]
            try:
                return [MappedEvent(0, plain_event(row.columns, shape))]
            except Unusable as fault:
                return [MappedEvent(0, fault=str(fault))]

        return convert_plain
    check_against(mapping, called, source.columns)
    check_record_column(source.columns, shape)
    read = mapping.columns

    def convert_mapped(row: Row) -> list[MappedEvent]:
        if row.fault is not None:
            return [MappedEvent(0, fault=row.fault)]
        return mapping.events(row.columns, shape, read, [each.columns for each in row.more])

    return convert_mapped


def one_delimiter(given: str | None) -> str | None:
    """The character a delimiter's name means. Raises `ValueError` for what is none."""
    if given is None:
        return None
    character = {"tab": "\t", "\\t": "\t"}.get(given.lower(), given)
    if len(character) != 1 or character in '"\r\n':
        raise ValueError(f"{given[:20]!r} is no delimiter")
    return character
