"""Trainings that were asked for, by the schedule or by somebody, and how each ended."""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the table."""
    op.execute(
        """
        CREATE TABLE scoring.training_runs (
            id uuid PRIMARY KEY,
            business_unit text,
            dry_run boolean NOT NULL,
            asked_by text NOT NULL,
            asked_at timestamptz NOT NULL,
            status text NOT NULL,
            started_at timestamptz,
            seen_at timestamptz,
            finished_at timestamptz,
            words text,
            results jsonb
        )
        """
    )


def downgrade() -> None:
    """Forgets them."""
    op.execute("DROP TABLE scoring.training_runs")
