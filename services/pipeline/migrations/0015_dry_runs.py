"""What another policy would have decided: asked for, and counted a page of leads at a time."""

from __future__ import annotations

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the table."""
    op.execute(
        """
        CREATE TABLE pipeline.dry_runs (
            job_id uuid PRIMARY KEY,
            status text NOT NULL,
            version text NOT NULL,
            policy text NOT NULL,
            units text[],
            actor text NOT NULL,
            asked_at timestamptz NOT NULL,
            updated_at timestamptz NOT NULL,
            ended_at timestamptz,
            position uuid,
            leads integer NOT NULL,
            seen integer NOT NULL,
            counts jsonb NOT NULL,
            problem text
        )"""
    )


def downgrade() -> None:
    """A dry run can be asked for again."""
    op.execute("DROP TABLE pipeline.dry_runs")
