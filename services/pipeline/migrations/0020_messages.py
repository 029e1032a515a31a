"""Steps that send: messages that were decided on, until they are sent."""

from __future__ import annotations

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the table, and says of tasks what they send."""
    op.execute("ALTER TABLE pipeline.tasks ADD COLUMN send text")
    op.execute(
        """
        CREATE TABLE pipeline.messages (
            message_id uuid PRIMARY KEY,
            lead_id uuid NOT NULL,
            task_id uuid NOT NULL,
            business_unit text NOT NULL,
            template text NOT NULL,
            status text NOT NULL,
            attempts integer NOT NULL,
            created_at timestamptz NOT NULL,
            next_at timestamptz NOT NULL,
            settled_at timestamptz,
            last_error text
        )"""
    )
    op.execute("CREATE INDEX messages_due ON pipeline.messages (next_at) WHERE status = 'waiting'")


def downgrade() -> None:
    """What was sent is in the history."""
    op.execute("DROP TABLE pipeline.messages")
    op.execute("ALTER TABLE pipeline.tasks DROP COLUMN send")
