"""Where entries were found by since when and until when they hold; 0020 does that by another index."""

from __future__ import annotations

from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Nothing: what it made, 0020 drops, and whoever has not run it need not read the largest table for that."""


def downgrade() -> None:
    """Of whoever ran it when it made one."""
    op.execute("DROP INDEX IF EXISTS metrics.entries_held")
