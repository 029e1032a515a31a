"""Findings over time, and what people said of them."""

from __future__ import annotations

from alembic import op

revision = "0017"
down_revision = "0016"

STATEMENTS = (
    """
    CREATE TABLE metrics.noticed (
        noticed_id uuid PRIMARY KEY,
        place_id uuid NOT NULL,
        kind text NOT NULL,
        severity text NOT NULL,
        business_unit text NOT NULL,
        since timestamptz NOT NULL,
        seen timestamptz NOT NULL,
        ended timestamptz,
        content jsonb NOT NULL
    )""",
    "CREATE UNIQUE INDEX noticed_open ON metrics.noticed (place_id) WHERE ended IS NULL",
    "CREATE INDEX noticed_since ON metrics.noticed (since, noticed_id)",
    """
    CREATE TABLE metrics.noticed_words (
        number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        noticed_id uuid NOT NULL,
        said text NOT NULL,
        said_by text NOT NULL,
        why text NOT NULL,
        at timestamptz NOT NULL,
        until timestamptz
    )""",
    "CREATE INDEX noticed_words_of ON metrics.noticed_words (noticed_id, number)",
    """
    CREATE TABLE metrics.noticed_look (
        id smallint PRIMARY KEY,
        as_of timestamptz,
        looked_at timestamptz,
        tests integer NOT NULL,
        leased_until timestamptz NOT NULL
    )""",
    "INSERT INTO metrics.noticed_look (id, tests, leased_until) VALUES (1, 0, '-infinity')",
)


def upgrade() -> None:
    """Makes the tables."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Nobody remembers."""
    for table in ("noticed_look", "noticed_words", "noticed"):
        op.execute(f"DROP TABLE metrics.{table}")
