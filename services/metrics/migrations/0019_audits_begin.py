"""As of when an audit saw the log."""

from __future__ import annotations

from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    """Nobody knows it of those that there are."""
    op.execute("ALTER TABLE metrics.audits ADD COLUMN began_at timestamptz")


def downgrade() -> None:
    """Nobody knows it of any."""
    op.execute("ALTER TABLE metrics.audits DROP COLUMN began_at")
