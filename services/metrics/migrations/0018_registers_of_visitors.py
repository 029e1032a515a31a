"""How many different visitors there were, kept so that any window reads a few rows."""

from __future__ import annotations

from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """Registers by day and by blocks of days, and the days that are to be made again: at first all."""
    op.execute(
        """
        CREATE TABLE metrics.visitor_registers (
            dimension text NOT NULL,
            block integer NOT NULL,
            business_unit text NOT NULL,
            value text NOT NULL,
            visits bigint NOT NULL,
            last_at timestamptz NOT NULL,
            registers bytea NOT NULL,
            PRIMARY KEY (dimension, block, business_unit, value)
        )"""
    )
    op.execute(
        """
        CREATE TABLE metrics.visitor_changes (
            change_id bigint GENERATED ALWAYS AS IDENTITY,
            day date NOT NULL
        ) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000)"""
    )
    op.execute("INSERT INTO metrics.visitor_changes (day) SELECT DISTINCT day FROM metrics.visitors")


def downgrade() -> None:
    """All visits are looked through."""
    op.execute("DROP TABLE metrics.visitor_changes")
    op.execute("DROP TABLE metrics.visitor_registers")
