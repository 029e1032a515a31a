"""What there is to learn from: what came of leads, and when each touch was known."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Room for it. When a touch of before was known is not known, so it is not learned from."""
    op.execute(
        """
        ALTER TABLE scoring.touches
            ADD COLUMN medium text, ADD COLUMN known_at timestamptz, ADD COLUMN historical boolean
        """
    )
    op.execute("ALTER TABLE scoring.attachments ADD COLUMN known_at timestamptz")
    op.execute(
        """
        CREATE TABLE scoring.outcomes (
            lead_id uuid NOT NULL,
            event_id uuid NOT NULL,
            kind text NOT NULL,
            occurred_at timestamptz NOT NULL,
            known_at timestamptz NOT NULL,
            opportunity_id text,
            PRIMARY KEY (lead_id, event_id)
        )
        """
    )


def downgrade() -> None:
    """As it was."""
    op.execute("DROP TABLE scoring.outcomes")
    op.execute("ALTER TABLE scoring.attachments DROP COLUMN known_at")
    op.execute("ALTER TABLE scoring.touches DROP COLUMN medium, DROP COLUMN known_at, DROP COLUMN historical")
