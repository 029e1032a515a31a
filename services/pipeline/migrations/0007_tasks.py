"""What is due for leads, and when a timer has to look at it."""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the table. Rows come and go at its due end all day, so it is cleaned up early."""
    op.execute(
        """
        CREATE TABLE pipeline.tasks (
            task_id uuid PRIMARY KEY,
            lead_id uuid NOT NULL,
            business_unit text NOT NULL,
            kind text NOT NULL,
            name text NOT NULL,
            owner text,
            channel text,
            cadence text,
            step integer,
            status text NOT NULL,
            starts_at timestamptz NOT NULL,
            due_at timestamptz NOT NULL,
            fires_at timestamptz,
            missed_at timestamptz,
            closed_at timestamptz,
            outcome text,
            updated_at timestamptz NOT NULL
        ) WITH (autovacuum_vacuum_scale_factor = 0.02)"""
    )
    op.execute("CREATE INDEX tasks_fire ON pipeline.tasks (fires_at) WHERE fires_at IS NOT NULL")
    op.execute("CREATE INDEX tasks_of_lead ON pipeline.tasks (lead_id) WHERE status = 'open'")
    op.execute("CREATE INDEX tasks_of_owner ON pipeline.tasks (owner, due_at) WHERE status = 'open'")


def downgrade() -> None:
    """The history still says what was due."""
    op.execute("DROP TABLE pipeline.tasks")
