"""Rows whose columns already are Leadflow's fields, turned into what the services take."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any

from shared.tabular.errors import Unreadable
from shared.tabular.fields import (
    AMOUNTS,
    ATTRIBUTE,
    HISTORY_EVENTS,
    REQUIRED_BY_EVENT,
    TIMES,
    Kind,
    Unusable,
    canonical,
    fields_of,
    read_consent,
    read_time,
    row_digest,
)
from shared.tabular.numbers import is_plain, rounded


@dataclass(frozen=True, slots=True)
class Shape:
    """How rows of one import are read: what they are, and what holds for every one of them."""

    kind: Kind
    zone: tzinfo | None = None
    record_column: str | None = None
    live: bool = False
    defaults: tuple[tuple[str, str], ...] = ()
    """Fields of every lead that says nothing else."""


def check_columns(columns: Sequence[str], shape: Shape) -> None:
    """Raises `Unreadable` when a file without a mapping cannot be what it is imported as."""
    if not columns:
        return
    names = [canonical(column, shape.kind) for column in columns]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise Unreadable(
            f"Two columns both mean {', '.join(doubled)}.", "Rename one of them, or say which with a mapping."
        )
    check_record_column(columns, shape)
    needed = ("external_id", "event", "occurred_at") if shape.kind == "history" else ()
    missing = [name for name in needed if name not in names]
    if missing:
        raise Unreadable(
            f"The file has no column {', '.join(missing)}, which every row of history needs.",
            "Rename the columns, or describe the file with a mapping (docs/importing.md).",
        )
    if not any(name in fields_of(shape.kind) for name in names):
        raise Unreadable(
            "None of the columns is a field of a lead. Is there a first line that names them?",
            "Describe the file with a mapping (docs/importing.md).",
            columns=columns,
        )


def check_record_column(columns: Sequence[str], shape: Shape) -> None:
    """Raises `Unreadable` when the file has no column that --record names."""
    if columns and shape.record_column is not None and shape.record_column not in columns:
        raise Unreadable(
            f"There is no column {shape.record_column!r}, which was to name each row.",
            "Name one of the file's columns.",
            columns=columns,
        )


def plain_event(columns: Mapping[str, Any], shape: Shape) -> dict[str, Any]:
    """A row as the one lead or event it is. Raises `Unusable`."""
    fields: dict[str, Any] = {}
    attributes: dict[str, Any] = {}
    known = fields_of(shape.kind)
    for column, value in columns.items():
        name = canonical(column, shape.kind)
        if name == "attributes" and isinstance(value, dict):
            attributes.update(value)
        elif name.startswith(ATTRIBUTE):
            attributes[name.removeprefix(ATTRIBUTE)] = value
        elif name in known:
            fields[name] = value
        elif shape.kind == "history":
            attributes[name] = value
        elif name != "historical":  # the importer decides that, by the row's own time and --live
            fields[name] = value  # capture keeps it and flags the lead, as it does for every sender
    record = columns.get(shape.record_column) if shape.record_column else None
    return finished(fields, attributes, columns, shape, record=record)


def finished(
    fields: dict[str, Any],
    attributes: Mapping[str, Any],
    columns: Mapping[str, Any],
    shape: Shape,
    *,
    record: Any = None,
    template: int = 0,
) -> dict[str, Any]:
    """What is sent for a row: times in UTC, consent as a decision, an id that is the same each time. Raises `Unusable`."""
    for name in TIMES:
        if name in fields:
            fields[name] = read_time(str(fields[name]), name, shape.zone)
    for name in AMOUNTS:
        written = str(fields.get(name, "")).strip()
        if written and not is_plain(written):
            raise Unusable(f"{name}: is no plain number such as 1234.50; write it so, or map it with its decimal sign")
        if written:
            fields[name] = rounded(written)
    if record is not None:
        fields["record_id"] = str(record)
    if shape.kind == "history":
        check_history(fields)
    else:
        for field, value in shape.defaults:
            if fields.get(field) in (None, ""):
                fields[field] = value
        if "consent" in fields:
            fields["consent"] = read_consent(fields["consent"])
        name = str(fields.get("record_id", row_digest(columns)))
        fields["record_id"] = f"{name}-{template}" if template else name  # one row, several leads: each its own record
        if "occurred_at" in fields and not shape.live:
            fields["historical"] = True
    for name in ("external_id", "record_id", "opportunity_id", "phone"):
        if name in fields and not isinstance(fields[name], str):
            fields[name] = str(fields[name])  # JSON files write ids and amounts as numbers
    if attributes:
        fields["attributes"] = dict(attributes)
    return fields


def check_history(fields: Mapping[str, Any]) -> None:
    """Raises `Unusable` for a row of history that says too little to be an event."""
    event = fields.get("event")
    if event is None:
        raise Unusable("event: is missing")
    if event not in HISTORY_EVENTS:
        near = difflib.get_close_matches(str(event), HISTORY_EVENTS, n=1)
        raise Unusable(
            "event: is not one of the known events"
            + (f"; did you mean {near[0]}?" if near else ", see docs/importing.md")
        )
    for name in ("external_id", "occurred_at", *REQUIRED_BY_EVENT.get(str(event), ())):
        if all(fields.get(one) in (None, "") for one in name.split(" or ")):
            raise Unusable(f"{name}: is missing, and {event} needs it")
