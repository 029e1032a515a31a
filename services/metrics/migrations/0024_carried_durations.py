"""Sums of durations are as large as they get: what integers cannot hold is carried over into a column beside them."""

from __future__ import annotations

from alembic import op

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    """No row is written anew, and whoever knows only the other column goes on adding to it rightly."""
    op.execute("ALTER TABLE metrics.rollups ADD COLUMN IF NOT EXISTS duration_carried bigint NOT NULL DEFAULT 0")


def downgrade() -> None:
    """What was carried over is lost."""
    op.execute("ALTER TABLE metrics.rollups DROP COLUMN duration_carried")
