"""What was asked to be counted again, and how far that has come."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """A row for each time."""
    op.execute(
        """
        CREATE TABLE metrics.rebuilds (
            id uuid PRIMARY KEY,
            requested_at timestamptz NOT NULL,
            finished_at timestamptz,
            after_lead uuid,
            after_measure text,
            people bigint NOT NULL,
            leads bigint NOT NULL,
            entries_changed bigint NOT NULL,
            sums_changed bigint NOT NULL
        )"""
    )


def downgrade() -> None:
    """Nobody remembers."""
    op.execute("DROP TABLE metrics.rebuilds")
