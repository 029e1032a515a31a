"""What of quarantine was told, and by which id. What is there is told as soon as the service runs."""

from __future__ import annotations

from alembic import op

from shared.kit.alembic import indexes

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Two columns, empty, and a way to find what is not told."""
    op.execute(
        "ALTER TABLE capture.quarantine ADD COLUMN IF NOT EXISTS told text, ADD COLUMN IF NOT EXISTS told_as uuid"
    )
    indexes.build("capture", {"quarantine_untold": "quarantine (received_at) WHERE told IS DISTINCT FROM status"})
    op.execute("ALTER TABLE capture.outbox ALTER COLUMN frame SET STORAGE EXTERNAL")


def downgrade() -> None:
    """Nobody knows what was told."""
    op.execute("ALTER TABLE capture.outbox ALTER COLUMN frame SET STORAGE EXTENDED")
    op.execute("ALTER TABLE capture.quarantine DROP COLUMN told, DROP COLUMN told_as")
