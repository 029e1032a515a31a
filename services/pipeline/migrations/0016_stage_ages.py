"""That a deal has been in a stage for too long is due like anything else, and says of which deal it is."""

from __future__ import annotations

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the column."""
    op.execute("ALTER TABLE pipeline.tasks ADD COLUMN opportunity_id text")


def downgrade() -> None:
    """The history still says of which deal each was."""
    op.execute("ALTER TABLE pipeline.tasks DROP COLUMN opportunity_id")
