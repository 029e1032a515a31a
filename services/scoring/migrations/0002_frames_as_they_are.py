"""Outgoing messages come compressed."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """PostgreSQL need not try again to compress what is compressed."""
    op.execute("ALTER TABLE scoring.outbox ALTER COLUMN frame SET STORAGE EXTERNAL")


def downgrade() -> None:
    """As it was."""
    op.execute("ALTER TABLE scoring.outbox ALTER COLUMN frame SET STORAGE EXTENDED")
