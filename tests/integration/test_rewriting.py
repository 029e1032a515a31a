"""What the bench holds services against: their rows, written again into tables of any shape that they have."""

import psycopg

from tests.load.rewriting import rewrite

TABLES = """
    CREATE SCHEMA kept;
    CREATE TABLE kept.sums (place text, day date, n bigint NOT NULL, PRIMARY KEY (place, day));
    CREATE TABLE kept.names (name text PRIMARY KEY);
    CREATE TABLE kept.changes (change_id bigint GENERATED ALWAYS AS IDENTITY, change jsonb);
    CREATE TABLE kept.outbox (message text);
    INSERT INTO kept.sums SELECT 'web', date '2026-01-01' + n, n FROM generate_series(1, 10) AS n;
    INSERT INTO kept.names SELECT CAST(n AS text) FROM generate_series(1, 7) AS n;
    INSERT INTO kept.changes (change) SELECT to_jsonb(n) FROM generate_series(1, 5) AS n;
    INSERT INTO kept.outbox VALUES ('not a row that is kept');
"""


def test_rows_are_written_again_whatever_their_tables_are_like(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(TABLES)
    written = rewrite(database_url, "kept", 3, lambda: 0.0)
    assert written.rows == 10 + 7 + 5
    assert written.copied_seconds > 0
    assert written.upserted_seconds > 0
