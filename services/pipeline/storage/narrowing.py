"""How a list is narrowed: columns that are to be equal to something, and moments that are to lie since or before another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from services.pipeline.storage.people import COUNTRY


class Narrowed(NamedTuple):
    """The conditions on one table, given by its alias, with their parameters."""

    conditions: list[str]
    parameters: dict[str, Any]


def narrowed(wanted: Mapping[str, Any], columns: Mapping[str, str]) -> Narrowed:
    """What is asked for under the names of `columns`, each an expression that `_since` and `_before` may follow in the name."""
    conditions: list[str] = []
    parameters: dict[str, Any] = {}
    for name, value in wanted.items():
        if value is None:
            continue
        column, sign = columns.get(name), "="
        if column is None and name.endswith("_since"):
            column, sign = columns[name.removesuffix("_since") + "_at"], ">="
        elif column is None:
            column, sign = columns[name.removesuffix("_before") + "_at"], "<"
        conditions.append(f"{column} {sign} :only_{name}")
        parameters[f"only_{name}"] = value
    return Narrowed(conditions, parameters)


LEADS = {
    **{name: f"l.{name}" for name in ("grade", "owner", "team", "channel", "source", "medium", "campaign", "product")},
    "country": COUNTRY,
    "created_at": "l.created_at",
    "updated_at": "l.updated_at",
}

ACTIVITIES = {"owner": "a.owner", "kind": "a.kind", "occurred_at": "a.occurred_at"}

TASKS = {"status": "t.status", "owner": "t.owner", "kind": "t.kind", "due_at": "t.due_at"}

DEALS = {
    **{name: f"o.{name}" for name in ("status", "pipeline", "stage", "owner", "team", "product", "currency", "reason")},
    "opened_at": "o.opened_at",
    "closed_at": "o.closed_at",
    "expected_close_at": "o.expected_close",
    "updated_at": "o.updated_at",
}
