"""Revisions of a schema, on real PostgreSQL."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.exc import ProgrammingError

from shared.kit.migrations import migrate
from tests.support.patience import eventually_blocking

REVISION = """
from alembic import op

from shared.kit.alembic import indexes

revision = "{revision}"
down_revision = {before}
branch_labels = None
depends_on = None


def upgrade() -> None:
    {words}
"""
LONGEST_SECONDS = 1.5
"""How long somebody who writes may be held up."""


def written(folder: Path, *words: str) -> Path:
    """A history of revisions that say these words."""
    for number, said in enumerate(words, 1):
        before = repr(f"{number - 1:04}") if number > 1 else None
        (folder / f"{number:04}.py").write_text(REVISION.format(revision=f"{number:04}", before=before, words=said))
    return folder


def executed(*statements: str) -> str:
    return "; ".join(f'op.execute("{one}")' for one in statements)


A_TABLE = executed(
    "CREATE TABLE toy.one (id int PRIMARY KEY, word text)",
    "INSERT INTO toy.one SELECT n, 'a' FROM generate_series(1, 20000) AS n",
    "CREATE INDEX by_word ON toy.one (word)",
)


@contextmanager
def upgrading(folder: Path, url: str) -> Iterator[Future[None]]:
    with ThreadPoolExecutor() as pool:
        yield pool.submit(migrate, "toy", folder, url)


def definitions(connection: psycopg.Connection) -> dict[str, str]:
    """The indexes of the table that can be used, and what they are of."""
    rows = connection.execute(
        """
        SELECT relname, pg_get_indexdef(indexrelid) FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
        WHERE indrelid = 'toy.one'::regclass AND indisvalid"""
    ).fetchall()
    return {name: said.partition(" USING ")[2] for name, said in rows}


def longest_wait(url: str, statements: Sequence[str], is_over: Callable[[], bool]) -> float:
    """For how long whoever writes was held up at most, until it is over."""
    longest = 0.0
    with psycopg.connect(url, autocommit=True) as connection:
        while not is_over():
            for statement in statements:
                began = time.monotonic()
                connection.execute(statement.encode())
                longest = max(longest, time.monotonic() - began)
            time.sleep(0.01)
    return longest


def test_each_revision_is_committed_alone_so_that_its_locks_end_with_it(database_url: str, tmp_path: Path) -> None:
    folder = written(tmp_path, executed("CREATE TABLE toy.one (id int)"), executed("CREATE INDEX ON toy.nothing (id)"))
    with pytest.raises(ProgrammingError):
        migrate("toy", folder, database_url)
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT version_num FROM toy.schema_history").fetchall() == [("0001",)]
        assert connection.execute("SELECT count(*) FROM toy.one").fetchone() == (0,)


def test_while_an_index_is_made_in_place_of_another_those_who_write_are_not_held_up(
    database_url: str, tmp_path: Path
) -> None:
    """Somebody who wrote and has not committed is waited for, and nobody waits behind that."""
    migrate("toy", written(tmp_path, A_TABLE), database_url)
    written(tmp_path, A_TABLE, 'indexes.build("toy", {"by_word": "one (word, id)"})')
    with psycopg.connect(database_url) as slow, upgrading(tmp_path, database_url) as upgrade:
        slow.execute("UPDATE toy.one SET word = 'b' WHERE id = 1")
        until = time.monotonic() + 3 * LONGEST_SECONDS
        writing = "UPDATE toy.one SET word = word || 'c' WHERE id = 2"
        waited = longest_wait(database_url, [writing], lambda: time.monotonic() > until)
        assert not upgrade.done()
        slow.commit()
        upgrade.result(timeout=60)
        assert waited < LONGEST_SECONDS
        assert definitions(slow) == {"one_pkey": "btree (id)", "by_word": "btree (word, id)"}


def test_an_upgrade_that_is_broken_off_while_it_makes_an_index_goes_on_with_it(
    database_url: str, tmp_path: Path
) -> None:
    migrate("toy", written(tmp_path, A_TABLE), database_url)
    written(tmp_path, A_TABLE, 'indexes.build("toy", {"by_word": "one (word, id)", "by_half": "one ((id / 2))"})')
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("CREATE INDEX by_word_next ON toy.one (word, id)")
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute("CREATE UNIQUE INDEX CONCURRENTLY by_half_next ON toy.one ((id / 2))")
        kept = connection.execute("SELECT 'toy.by_word_next'::regclass::oid").fetchone()
        migrate("toy", tmp_path, database_url)
        assert definitions(connection) == {
            "one_pkey": "btree (id)",
            "by_word": "btree (word, id)",
            "by_half": "btree (((id / 2)))",
        }
        assert connection.execute("SELECT 'toy.by_word'::regclass::oid").fetchone() == kept
        assert connection.execute("SELECT count(*) FROM pg_index WHERE NOT indisvalid").fetchone() == (0,)


def test_an_upgrade_that_is_broken_off_after_it_is_run_again(database_url: str, tmp_path: Path) -> None:
    words = (
        'indexes.build("toy", {"by_word": "one (word, id)"}, instead_of=["gone"]); indexes.rekey("toy", "one", "id")'
    )
    migrate("toy", written(tmp_path, A_TABLE, words), database_url)
    with psycopg.connect(database_url, autocommit=True) as connection:
        before = definitions(connection)
        connection.execute("UPDATE toy.schema_history SET version_num = '0001'")
        migrate("toy", tmp_path, database_url)
        assert definitions(connection) == before == {"one_pkey": "btree (id)", "by_word": "btree (word, id)"}


def test_a_key_in_another_order_is_made_beside_the_one_that_it_replaces(database_url: str, tmp_path: Path) -> None:
    two = executed(
        "CREATE TABLE toy.one (id int, word text, PRIMARY KEY (id, word))", "INSERT INTO toy.one VALUES (1, 'a')"
    )
    migrate("toy", written(tmp_path, two, 'indexes.rekey("toy", "one", "word, id")'), database_url)
    with psycopg.connect(database_url) as connection:
        assert definitions(connection) == {"one_pkey": "btree (word, id)"}
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute("INSERT INTO toy.one VALUES (1, 'a')")


def test_several_who_upgrade_at_once_wait_for_one_another_and_not_in_a_ring(database_url: str, tmp_path: Path) -> None:
    migrate("toy", written(tmp_path, A_TABLE), database_url)
    written(tmp_path, A_TABLE, 'indexes.build("toy", {"by_word": "one (word, id)"})')
    with (
        ProcessPoolExecutor(3, mp_context=get_context("spawn")) as pool,
        psycopg.connect(database_url) as slow,
        psycopg.connect(database_url, autocommit=True) as looking,
    ):
        slow.execute("UPDATE toy.one SET word = 'b' WHERE id = 1")
        upgrades = [pool.submit(migrate, "toy", tmp_path, database_url) for _ in range(3)]

        def all_are_there() -> bool:
            row = looking.execute(
                """
                SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'
                AND query ILIKE '%pg_try_advisory_lock%' OR query ILIKE 'CREATE INDEX CONCURRENTLY%'"""
            ).fetchone()
            return row is not None and row[0] >= 3

        eventually_blocking(all_are_there, within_seconds=30)
        slow.commit()
        for upgrade in upgrades:
            upgrade.result(timeout=60)
        assert definitions(slow)["by_word"] == "btree (word, id)"
