"""What no import contract says: nothing below the handlers reaches for a module of its service that stands in no layer, and SQL is
in `storage`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SERVICES = ("capture", "scoring", "pipeline", "metrics")
BELOW = {"domain": ("domain",), "storage": ("storage", "domain")}
"""What these may know of their own service."""

SQL = re.compile(r"\b(SELECT\s.+\sFROM|INSERT\s+INTO|UPDATE\s+\S+\s+SET|DELETE\s+FROM)\b", re.DOTALL)


def imported(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{name.name}" for name in node.names)
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names)


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("layer", BELOW)
def test_what_is_below_knows_nothing_above(service: str, layer: str) -> None:
    files = sorted((ROOT / "services" / service / layer).rglob("*.py"))
    assert files
    may = tuple(f"services.{service}.{name}." for name in BELOW[layer])
    above = [
        f"{file.relative_to(ROOT)} imports {name}"
        for file in files
        for name in imported(file)
        if name.startswith("services.") and not f"{name}.".startswith(may)
    ]
    assert above == []


@pytest.mark.parametrize("service", SERVICES)
def test_sql_is_in_storage(service: str) -> None:
    place = ROOT / "services" / service
    elsewhere = [
        f"{file.relative_to(ROOT)}:{node.lineno}"
        for file in sorted(place.rglob("*.py"))
        if file.relative_to(place).parts[0] not in ("storage", "migrations")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and SQL.search(node.value)
    ]
    assert elsewhere == []
