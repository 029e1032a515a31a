"""A task may be about an order that is to be renewed."""

from __future__ import annotations

from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the column."""
    op.execute("ALTER TABLE pipeline.tasks ADD COLUMN order_id text")


def downgrade() -> None:
    """Tasks stay, without what they are about."""
    op.execute("ALTER TABLE pipeline.tasks DROP COLUMN order_id")
