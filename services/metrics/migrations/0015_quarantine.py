"""What could not be taken in, and what became of it."""

from __future__ import annotations

from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Facts of their own: no lead's."""
    op.execute(
        """
        CREATE TABLE metrics.quarantined (
            event_id uuid PRIMARY KEY,
            business_unit text NOT NULL,
            day date NOT NULL,
            at timestamptz NOT NULL,
            recorded_at timestamptz NOT NULL,
            channel text,
            kind text NOT NULL,
            reason text NOT NULL
        )"""
    )
    op.execute("CREATE INDEX quarantined_day ON metrics.quarantined (day)")
    op.execute(
        """
        CREATE TABLE metrics.quarantine_settled (
            event_id uuid PRIMARY KEY,
            quarantined uuid NOT NULL,
            at timestamptz NOT NULL,
            recorded_at timestamptz NOT NULL,
            outcome text NOT NULL
        )"""
    )
    op.execute("CREATE INDEX quarantine_settled_of ON metrics.quarantine_settled (quarantined)")


def downgrade() -> None:
    """Nobody counts it."""
    op.execute("DROP TABLE metrics.quarantine_settled")
    op.execute("DROP TABLE metrics.quarantined")
