"""Revisions of a schema, on real PostgreSQL."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from sqlalchemy.exc import ProgrammingError

from shared.kit.migrations import migrate

REVISION = """
from alembic import op

revision = "{revision}"
down_revision = {before}
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("{statement}")
"""


def test_each_revision_is_committed_alone_so_that_its_locks_end_with_it(database_url: str, tmp_path: Path) -> None:
    said = [("0001", None, "CREATE TABLE toy.one (id int)"), ("0002", "0001", "CREATE INDEX ON toy.nothing (id)")]
    for revision, before, statement in said:
        words = REVISION.format(revision=revision, before=repr(before), statement=statement)
        (tmp_path / f"{revision}.py").write_text(words)
    with pytest.raises(ProgrammingError):
        migrate("toy", tmp_path, database_url)
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT version_num FROM toy.schema_history").fetchall() == [("0001",)]
        assert connection.execute("SELECT count(*) FROM toy.one").fetchone() == (0,)
