"""No revision makes others wait while it makes or drops an index of a table that may have rows."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import services

REVISIONS = sorted(Path(services.__file__).parent.glob("*/migrations/0*.py"))
MADE = re.compile(r"CREATE TABLE (?:IF NOT EXISTS )?([\w.]+)", re.IGNORECASE)
INDEXED = re.compile(r"CREATE (?:UNIQUE )?INDEX (?:IF NOT EXISTS )?(?:\S+ )??ON (?:ONLY )?(\S+)", re.IGNORECASE)
KEYED = re.compile(
    r"ALTER TABLE (?:IF EXISTS )?(?:ONLY )?(\S+)[^;]*\bADD (?:CONSTRAINT \S+ )?(?:PRIMARY KEY|UNIQUE) ?\(",
    re.IGNORECASE,
)
DROPPED = re.compile(r"DROP INDEX (?!CONCURRENTLY)(?:IF EXISTS )?(\S+)", re.IGNORECASE)


def said(tree: ast.AST) -> Iterator[str]:
    """Every text of a revision but those of going back, on one line each; what is put into one is not known."""
    if isinstance(tree, ast.FunctionDef) and tree.name == "downgrade":
        return
    if isinstance(tree, ast.JoinedStr):
        yield " ".join("".join(str(one.value) if isinstance(one, ast.Constant) else "…" for one in tree.values).split())
    elif isinstance(tree, ast.Constant) and isinstance(tree.value, str):
        yield " ".join(tree.value.split())
    else:
        for child in ast.iter_child_nodes(tree):
            yield from said(child)


def held_up(source: str) -> list[str]:
    """What a revision indexes, or takes an index from, in a way that others wait for, and did not make itself."""
    texts = list(said(ast.parse(source)))
    own = {table for one in texts for table in MADE.findall(one)}
    tables = [table for one in texts for found in (INDEXED, KEYED) for table in found.findall(one)]
    return [table for table in tables if table not in own] + [index for one in texts for index in DROPPED.findall(one)]


@pytest.mark.parametrize("revision", REVISIONS, ids=lambda path: f"{path.parent.parent.name}-{path.stem}")
def test_nobody_waits_for_an_index_of_a_table_that_was_there_before(revision: Path) -> None:
    assert held_up(revision.read_text()) == [], "shared/kit/alembic/indexes.py makes and drops them beside everybody"


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("CREATE INDEX a ON s.old (b)", ["s.old"]),
        ("CREATE UNIQUE INDEX ON s.old (b)", ["s.old"]),
        ("CREATE INDEX a\n            ON s.old USING brin (b)", ["s.old"]),
        ("ALTER TABLE s.old ADD COLUMN b int, ADD CONSTRAINT c UNIQUE (b)", ["s.old"]),
        ("DROP INDEX s.a", ["s.a"]),
        ("CREATE TABLE s.new (b int)", []),
        ("ALTER TABLE s.old ADD COLUMN b int", []),
        ("ALTER TABLE s.old ADD PRIMARY KEY USING INDEX a", []),
    ],
)
def test_what_others_would_wait_for_is_seen(words: str, found: list[str]) -> None:
    here = f'def upgrade():\n    op.execute("""CREATE TABLE s.new (b int)""")\n    op.execute("""{words}""")\n'
    assert held_up(here) == found
    there = here.replace("upgrade", "downgrade")
    assert held_up(there) == []
    assert held_up(here.replace("s.old", "s.new").replace("DROP INDEX s.a", "")) == []
